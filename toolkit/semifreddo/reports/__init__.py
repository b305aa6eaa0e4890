"""What a build found out, as data and as a page."""
