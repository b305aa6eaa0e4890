"""Delays of cells, as the installed Yosys has them."""

from __future__ import annotations

import pytest

from semifreddo.core.errors import ToolError
from semifreddo.tools.delays import cell_delays
from semifreddo.tools.yosys import find_yosys


@pytest.fixture(autouse=True)
def installed() -> None:
    try:
        find_yosys()
    except ToolError as error:
        pytest.skip(f"no synthesis: {error}")


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


def test_cells_of_ecp5() -> None:
    cells = cell_delays("ecp5")
    assert set(cells["LUT4"].through) == {(port, 0) for port in "ABCD"}
    assert cells["TRELLIS_FF"].launched == {("Q", 0): 0.52}
    assert not cells["TRELLIS_FF"].through, "an asynchronous reset is no path"
    assert ("S0", 0) in cells["CCU2C"].through["CIN", 0]
    assert cells["DP16KD"].launched["DOB", 17] > 5


def test_a_family_without_delays() -> None:
    with pytest.raises(ToolError, match=r"no delays of xcup; it has those of xc7, ecp5$"):
        cell_delays("xcup")
