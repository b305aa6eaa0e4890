"""What selectors, selected constants and FIFOs are predicted to take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semifreddo.rtl.components.memories import Fifo, constants, selector


@given(st.integers(1, 200))
def test_a_selector_takes_no_fewer_luts_than_there_must_be(inputs: int) -> None:
    """A LUT of six inputs takes four in, and selects by two more."""
    assert selector(inputs) >= (inputs - 1) / 3
    assert selector(inputs) <= 2 * -(-(inputs - 1) // 3)


@pytest.mark.parametrize(
    ("inputs", "luts"), [(1, 0), (2, 1), (4, 1), (5, 2), (16, 6.1), (32, 0.45 * 32)]
)
def test_selectors(inputs: int, luts: float) -> None:
    assert selector(inputs) == luts


@pytest.mark.parametrize(
    ("count", "bits", "luts"),
    [
        (1, 20, 0),
        (2, 20, 0),  # the index, or its inverse
        (3, 20, 10),  # of 16 functions of two signals four are these, and two are constant
        (4, 6, 6),
        (5, 300, 2**8 - 2 - 2 * 3),
        (64, 20, 20),
        (65, 20, 3 * 20),  # a LUT for 64, another one for the rest, and one that selects
    ],
)
def test_selected_constants(count: int, bits: int, luts: float) -> None:
    assert constants(count, bits) == luts


@pytest.mark.parametrize("credited", [False, True])
@pytest.mark.parametrize(
    ("depth", "ff"), [(2, 7), (3, 10), (5, 14), (16, 19), (38, 26), (64, 27), (200, 30 + 13)]
)
def test_registers_of_fifos(depth: int, ff: int, credited: bool) -> None:
    """As Yosys counts them, of words of 16 bits (``semifreddo study components``)."""
    assert Fifo(16, depth, credited).counts().area().ff == ff - credited


def test_a_short_narrow_fifo_is_of_flip_flops() -> None:
    narrow, wide = Fifo(13, 2).counts().counts, Fifo(14, 2).counts().counts
    assert "ram_lut" not in narrow and wide["ram_lut"] == 12
    assert narrow["word_bit"] == 2 * 13 + 2 + 1
