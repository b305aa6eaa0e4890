"""Frozen matrices as hardware: adder graphs of all bits at once, or of a few bits at a time."""
