"""What a board's device is: its family, and how large its LUTs are."""

from __future__ import annotations

from collections.abc import Mapping

from semifreddo.flow.config import BuildConfig
from semifreddo.tools.cells import Family

_FAMILIES: Mapping[str, Family] = {"xc7": "xc7", "xczu": "xcup", "xck26": "xcup", "LFE5U": "ecp5"}
"""By the beginning of a part's name."""

_LUTS: Mapping[Family, float] = {"ecp5": 2.2}
"""LUTs of the family per 7-series LUT, measured in docs/rtl-measurements.md; 1 if absent."""


_SLICES: frozenset[Family] = frozenset({"xc7", "xcup"})
"""Families whose DSP slices are given to multipliers. Yosys uses an ECP5's without their registers,
so that the wires to and from them become the slowest path, and the LUTs they save are few."""


def family_of(config: BuildConfig) -> Family | None:
    """The family of a design's board, as Yosys names it; None if Yosys has none for it."""
    part = config.board.part
    return next((family for name, family in _FAMILIES.items() if part.startswith(name)), None)


def luts_for_one(config: BuildConfig) -> float:
    """LUTs of the board for one of 7 series, in which resources are predicted."""
    family = family_of(config)
    return _LUTS.get(family, 1.0) if family else 1.0


def has_slices(config: BuildConfig) -> bool:
    """Whether the scheduler may use the board's DSP slices."""
    return family_of(config) in {None, *_SLICES}
