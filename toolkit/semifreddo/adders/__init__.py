"""Frozen matrices as adder graphs: every product with a constant becomes shifts and adds.

A graph is solved once with da4ml, which shares sub-expressions between outputs, or, where da4ml is
not installed, with plain canonical signed digits. Both end in the same small integer form, which
the code generators print and which computes itself for the tests.
"""

from __future__ import annotations

from semifreddo.adders.graph import Adder, AdderGraph, Range, Tap, merge, signed_digits
from semifreddo.adders.solver import solve, solve_depthwise, solve_digits, solve_shared

__all__ = [
    "Adder",
    "AdderGraph",
    "Range",
    "Tap",
    "merge",
    "signed_digits",
    "solve",
    "solve_depthwise",
    "solve_digits",
    "solve_shared",
]
