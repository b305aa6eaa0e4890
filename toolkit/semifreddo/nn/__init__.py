"""Brevitas quantizers and modules with power-of-two scales."""
