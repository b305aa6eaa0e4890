"""semifreddo: partly frozen convolutional networks, from training to FPGA.

Importing this package imports nothing but the standard library; every part is imported by its own
name, e.g. ``from semifreddo.ir.net import StreamNet``.
"""

__version__ = "0.1.0"
