"""Delays of cells, as the installed Yosys has them."""

from __future__ import annotations

from typing import Any

import pytest

from semifreddo.core.errors import ToolError
from semifreddo.tools.delays import CellDelays, _delays_of, cell_delays
from semifreddo.tools.yosys import find_yosys


@pytest.fixture
def installed() -> None:
    try:
        find_yosys()
    except ToolError as error:
        pytest.skip(f"no synthesis: {error}")


@pytest.mark.usefixtures("installed")
def test_cells_of_7_series() -> None:
    cells = cell_delays("xc7")
    lut = cells["LUT6"]
    assert set(lut.through) == {(f"I{index}", 0) for index in range(6)}
    assert all(set(ends) == {("O", 0)} for ends in lut.through.values())
    assert all(0.05 < ns < 1 for ends in lut.through.values() for ns in ends.values())
    assert not lut.launched and not lut.setup
    stored = cells["FDRE"]
    assert set(stored.launched) == {("Q", 0)} and 0.1 < stored.launched["Q", 0] < 1
    assert set(stored.setup) == {("D", 0), ("CE", 0), ("R", 0)} and not stored.through
    carry = cells["CARRY4"]
    assert carry.through["CI", 0]["CO", 3] < carry.through["S", 0]["CO", 3] < 1
    assert ("O", 0) not in carry.through["S", 3], "a carry goes up only"
    assert {port for port, _ in cells["RAMB18E1"].launched} >= {"DOADO", "DOBDO"}
    assert ("ADDRARDADDR", 13) in cells["RAMB18E1"].setup
    memory = cells["RAM32M"]
    assert ("DOA", 1) in memory.through["ADDRA", 4] and ("DIA", 0) in memory.setup


@pytest.mark.usefixtures("installed")
def test_cells_of_ecp5() -> None:
    cells = cell_delays("ecp5")
    assert set(cells["LUT4"].through) == {(port, 0) for port in "ABCD"}
    assert cells["TRELLIS_FF"].launched == {("Q", 0): 0.52}
    assert not cells["TRELLIS_FF"].through, "an asynchronous reset is no path"
    assert ("S0", 0) in cells["CCU2C"].through["CIN", 0]
    memory = cells["DP16KD"].launched
    assert memory == {(port, bit): 5.83 for port in ("DOA", "DOB") for bit in range(18)}
    assert cells["PDPW16KD"].launched == {("DO", bit): 5.83 for bit in range(36)}


def test_a_family_without_delays() -> None:
    with pytest.raises(ToolError, match=r"no delays of xcup; it has those of xc7, ecp5$"):
        cell_delays("xcup")


def specified(kind: str, **ends: list[Any]) -> dict[str, Any]:
    """A path or a check; picoseconds are in binary, as Yosys writes them."""
    limits = {"T_RISE_MAX": "01100100", "T_FALL_MAX": "11001000", "T_LIMIT_MAX": "00110010"}
    return {
        "type": kind,
        "parameters": {"FULL": "0", "TYPE": "$setup"} | limits,
        "connections": ends,
    }


def module(*cells: dict[str, Any]) -> dict[str, Any]:
    """Inputs a (two bits) and b, output y (two bits)."""
    ports = {"a": [2, 3], "b": [4], "y": [5, 6]}
    return {
        "ports": {name: {"bits": bits} for name, bits in ports.items()},
        "cells": {str(index): cell for index, cell in enumerate(cells)},
    }


def test_paths_bit_by_bit_and_all_with_all() -> None:
    each = specified("$specify2", EN=["1"], SRC=[2, 3], DST=[5, 6])
    found = _delays_of(module(each))
    assert found == CellDelays(through={("a", 0): {("y", 0): 0.2}, ("a", 1): {("y", 1): 0.2}})
    each["parameters"]["FULL"] = "1"
    both = {("y", 0): 0.2, ("y", 1): 0.2}
    assert _delays_of(module(each)).through == {("a", 0): both, ("a", 1): both}
    inside = specified("$specify2", EN=["1"], SRC=[2, 9], DST=[8, 6])
    assert _delays_of(module(inside)) == CellDelays(), "both ends are ports"
    enabled = specified("$specify2", EN=[4], SRC=[2], DST=[5])
    assert _delays_of(module(enabled)) == CellDelays(), "an asynchronous reset"


@pytest.mark.parametrize("order", [1, -1])
def test_the_longest_of_several_holds(order: int) -> None:
    """A limit that depends on parameters counts as none."""
    short = specified("$specify2", EN=["1"], SRC=[4], DST=[5])
    short["parameters"] |= {"T_RISE_MAX": "1010", "T_FALL_MAX": "xxxx"}
    long = specified("$specify2", EN=["1"], SRC=[4], DST=[5])
    found = _delays_of(module(*[short, long][::order]))
    assert found.through == {("b", 0): {("y", 0): 0.2}}
    assert _delays_of(module(short)).through == {("b", 0): {("y", 0): 0.01}}


def test_clocks_and_checks() -> None:
    clock = specified("$specify3", EN=["1"], SRC=[4], DST=[5, 6, 9])
    checks = [specified("$specrule", SRC=[bit], DST=[4]) for bit in (2, 3, 9)]
    checks[1]["parameters"]["TYPE"] = "$setuphold"
    hold = specified("$specrule", SRC=[4], DST=[2])
    hold["parameters"]["TYPE"] = "$hold"
    assert _delays_of(module(clock, *checks, hold, specified("$other"))) == CellDelays(
        launched={("y", 0): 0.2, ("y", 1): 0.2}, setup={("a", 0): 0.05, ("a", 1): 0.05}
    )
