"""The integer network, its schedule, tasks and freeze plans (NumPy only)."""
