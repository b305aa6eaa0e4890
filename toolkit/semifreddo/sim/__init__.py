"""The integer reference and the truth ladder (NumPy only)."""
