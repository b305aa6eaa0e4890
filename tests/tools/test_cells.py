"""Counting cells of a netlist and pairing LUTs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semifreddo.core.errors import ToolError
from semifreddo.tools.cells import CellCounts, count_cells
from semifreddo.tools.lut_pairs import count_with_pairs


def netlist(*cells: tuple[str, list[object]]) -> dict[str, Any]:
    """A module ``m``; each cell reads some signals on one port."""
    return {
        "modules": {
            "m": {
                "cells": {
                    f"c{index}": {
                        "type": kind,
                        "port_directions": {"I": "input", "O": "output"},
                        "connections": {"I": bits, "O": [1000 + index]},
                    }
                    for index, (kind, bits) in enumerate(cells)
                }
            }
        }
    }


def test_every_kind_is_counted_once() -> None:
    net = netlist(
        ("LUT2", [2, 3]),
        ("LUT3", [2, 3, "1"]),
        ("INV", [9]),
        ("SRL16E", [2]),
        ("RAM32M", []),
        ("FDRE", []),
        ("FDSE", []),
        ("RAMB36E1", []),
        ("RAMB18E1", []),
        ("DSP48E1", []),
        ("CARRY4", []),
        ("MUXF7", []),
        ("net_conv", []),
    )
    assert count_cells(net, "m", "xc7", ["net_conv"]) == CellCounts(
        lut=8, lut_pairs=7, lut_as_srl=1, lut_as_ram=4, ff=2, dsp=1, bram18=3, carry=1
    )
    with pytest.raises(ToolError, match=r"netlist of m: no rule counts the cell net_conv; add"):
        count_cells(net, "m", "xc7")


def test_ecp5() -> None:
    net = netlist(("LUT4", [2]), ("CCU2C", [2]), ("TRELLIS_FF", []), ("DP16KD", []))
    assert count_cells(net, "m", "ecp5") == CellCounts(3, 3, 0, 0, 1, 0, 1, 1)


def test_counts_add_up() -> None:
    one = CellCounts(1, 2, 3, 4, 5, 6, 7, 8)
    assert one + one == one * 2 == CellCounts(2, 4, 6, 8, 10, 12, 14, 16)


@pytest.mark.parametrize(
    ("luts", "needed"),
    [
        ([], 0),
        (["ab", "abc"], 1),
        (["abc", "cde"], 1),
        (["abcd", "defg"], 2),  # seven inputs
        (["abcdef", "abcdef"], 2),  # six-input LUTs never share
        (["ab", "cd"], 2),  # nothing shared
        (["abc", "abd", "abe"], 2),
        (["", ""], 2),  # constants
        (["abcde", "ab", "abcde"], 2),  # the two wide ones belong together
    ],
)
def test_pairs(luts: list[str], needed: int) -> None:
    assert count_with_pairs([frozenset(lut) for lut in luts]) == needed


@given(st.lists(st.frozensets(st.integers(0, 9), max_size=6), max_size=30))
def test_pairing_never_halves_more_than_possible(luts: list[frozenset[int]]) -> None:
    wide = sum(len(lut) in {0, 6} for lut in luts)
    needed = count_with_pairs(luts)
    assert wide + (len(luts) - wide + 1) // 2 <= needed <= len(luts)
