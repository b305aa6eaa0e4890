"""StreamNet to StreamNet."""
