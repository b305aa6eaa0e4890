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
    net["modules"]["m"]["cells"]["z"] = net["modules"]["m"]["cells"]["c12"] | {"type": "zebra"}
    with pytest.raises(ToolError) as error:
        count_cells(net, "m", "xc7")
    assert str(error.value) == (
        "netlist of m: no rule counts the cell net_conv; add it to tools/cells.py"
    )


# UG474 table 2-3 (7 series), UG574 table 3-1 (UltraScale).
RAMS = {
    1: "RAM16X1S RAM32X1S RAM64X1S",
    2: "RAM128X1S RAM16X1D RAM32X1D RAM64X1D",
    4: "RAM256X1S RAM128X1D RAM32M RAM64M",
    8: "RAM512X1S RAM256X1D RAM32M16 RAM64M8 RAM32X16DR8 RAM64X8SW",
}


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        *((kind, CellCounts(n, n, 0, n)) for n, kinds in RAMS.items() for kind in kinds.split()),
        *((kind, CellCounts(1, 1, 1)) for kind in ("SRL16E", "SRLC16E", "SRLC32E")),
        *((kind, CellCounts(1, 1)) for kind in ("INV", "LUT1", "LUT6")),
        *((kind, CellCounts(ff=1)) for kind in ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1")),
        *((kind, CellCounts(dsp=1)) for kind in ("DSP48E1", "DSP48E2")),
        *((kind, CellCounts(bram18=1)) for kind in ("RAMB18E1", "RAMB18E2")),
        *((kind, CellCounts(bram18=2)) for kind in ("RAMB36E1", "RAMB36E2")),
        *((kind, CellCounts(carry=1)) for kind in ("CARRY4", "CARRY8")),
        *((kind, CellCounts()) for kind in ("MUXF7", "MUXF8", "MUXF9", "IBUF", "BUFG", "GND")),
    ],
)
def test_one_cell_of_xilinx(kind: str, counts: CellCounts) -> None:
    assert count_cells(netlist((kind, [])), "m", "xc7") == counts
    assert count_cells(netlist((kind, []), (kind, [])), "m", "xcup") == counts * 2


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("LUT4", CellCounts(1, 1)),
        ("CCU2C", CellCounts(2, 2, carry=1)),
        ("TRELLIS_DPR16X4", CellCounts(6, 6, 0, 6)),
        ("TRELLIS_FF", CellCounts(ff=1)),
        ("DP16KD", CellCounts(bram18=1)),
        ("PDPW16KD", CellCounts(bram18=1)),
        ("MULT18X18D", CellCounts(dsp=1)),
        *((kind, CellCounts()) for kind in ("PFUMX", "L6MUX21", "EHXPLLL", "$scopeinfo")),
    ],
)
def test_one_cell_of_lattice(kind: str, counts: CellCounts) -> None:
    assert count_cells(netlist((kind, [2])), "m", "ecp5") == counts
    assert count_cells(netlist((kind, [2]), (kind, [2])), "m", "ecp5") == counts * 2


def test_a_netlist_without_the_module() -> None:
    with pytest.raises(ToolError, match=r"^Yosys' netlist has no 'n'; expected module n$"):
        count_cells(netlist(), "n", "xc7")


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


def test_a_signal_that_everybody_reads_pairs_nobody() -> None:
    """From 65 readers on; each LUT has an input of its own besides."""
    for readers, needed in ((64, 32), (65, 65)):
        assert count_with_pairs([frozenset({0, index}) for index in range(1, readers + 1)]) == (
            needed
        )


def test_the_most_alike_go_together() -> None:
    """Of those that share as much, the widest: the narrow one still finds another."""
    assert count_with_pairs([frozenset(lut) for lut in ("abcde", "ab", "abc", "ax")]) == 2
    assert count_with_pairs([frozenset(lut) for lut in ("abcd", "ax", "abce", "xy")]) == 2


@given(st.lists(st.frozensets(st.integers(0, 9), max_size=6), max_size=30))
def test_pairing_never_halves_more_than_possible(luts: list[frozenset[int]]) -> None:
    wide = sum(len(lut) in {0, 6} for lut in luts)
    needed = count_with_pairs(luts)
    assert wide + (len(luts) - wide + 1) // 2 <= needed <= len(luts)
