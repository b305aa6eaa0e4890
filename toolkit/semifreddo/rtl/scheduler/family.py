"""What of a family of parts the scheduler's predictions depend on; they are in LUTs of 7 series."""

from __future__ import annotations

from collections.abc import Mapping

from semifreddo.boards.spec import Family

_LUTS: Mapping[Family, float] = {"ecp5": 2.2}
"""LUTs of the family per 7-series LUT, measured in docs/rtl-measurements.md; 1 if absent."""

_SLICES: frozenset[Family] = frozenset({"xc7", "xcup"})
"""Families whose DSP slices are given to multipliers. Yosys uses an ECP5's without their registers,
so that the wires to and from them become the slowest path, and the LUTs they save are few."""


def luts_for_one(family: Family | None) -> float:
    """LUTs of a family for one of 7 series; 1 of a family that is not known."""
    return _LUTS.get(family, 1.0) if family else 1.0


def has_slices(family: Family | None) -> bool:
    """Whether the scheduler may use the DSP slices; those of an unknown family it may."""
    return family in {None, *_SLICES}
