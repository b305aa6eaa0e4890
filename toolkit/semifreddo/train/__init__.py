"""Training, freezing and retargeting."""
