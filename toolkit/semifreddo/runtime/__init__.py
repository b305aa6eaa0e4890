"""What runs on the board: bundles, transports, the accelerator (NumPy only)."""
