"""Number formats, errors, digests, files: what everything else is made of (NumPy only)."""
