"""Choosing the hardware of a network by what it costs, and saying why."""
