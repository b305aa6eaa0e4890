"""What packed products are predicted to take: registers in a row, inverters in front of slices."""

from __future__ import annotations

import pytest

from rtl.components.macs import mac
from semifreddo.rtl.components.costs import COSTS
from semifreddo.rtl.components.multiply import Mac
from semifreddo.rtl.components.packing import Packing


def packed(rows: int, per_cycle: int, channels: int, lanes: int) -> Mac:
    """Signed 8-bit weights: two products in a slice, chains of two."""
    packing = Packing.best((8, False), (8, True), lanes, per_cycle)
    assert packing is not None and (packing.fields, packing.depth) == (2, 2)
    return mac(rows, per_cycle, channels, lanes, packing=packing)


def test_rows_that_wait_become_shift_registers() -> None:
    """Block memories, two more registers, and one more for rows that wait for the slice before.

    Six chains of two slices, and one of a single slice, which is as late: seven rows wait. Of their
    64 bits four are inverted on the way. Yosys makes 420 shift registers of blocks_5_conv of
    hls_projects/cifar10_resnet8, which is this one.
    """
    array = packed(288, 13, 64, 8)
    assert (array.reads, array.per_unit) == (2, 1)
    assert array.shift_registers(in_luts=False).counts == {
        "shifted_bit": 420,
        "packed_factor_bit": -420,
        "factor_bit": -420,
        "packed_wait_bit": -420,
    }


def test_a_memory_of_luts_has_a_register_more() -> None:
    """Three registers in a row in front of every slice: all rows, but for two bits of each."""
    array = packed(16, 4, 32, 4)
    counts = array.shift_registers(in_luts=True).counts
    assert counts["shifted_bit"] == 4 * 30
    assert counts["factor_bit"] == -2 * 4 * 30
    assert counts["packed_wait_bit"] == -2 * 30  # two of the rows wait


def test_what_is_chosen_between_registers_is_no_shift_register() -> None:
    array = packed(72, 2, 64, 2)  # two groups of 16 bits in a word: one is chosen
    assert (array.reads, array.per_unit) == (2, 2)
    assert array.shift_registers(in_luts=True).counts == {}


@pytest.mark.parametrize(("per_cycle", "inverted"), [(2, 10 + 2 * 4), (3, 2 * 10 + 3 * 4)])
def test_inverters(per_cycle: int, inverted: int) -> None:
    """Ten for the start of every chain, and one for each weight that is not a slice's highest."""
    assert packed(9, per_cycle, 8, 8).counts().counts["inverted_bit"] == inverted
    assert COSTS["inverted_bit"].lut == 1


def test_slices_of_their_own_have_no_shift_registers() -> None:
    array = Mac(9, 3, 8, 4, True, 8, False, 8, True, 20, dsp=True, phase=0)
    assert array.shift_registers(in_luts=True).counts == {}
