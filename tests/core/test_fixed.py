"""FixedType against exact rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semifreddo.core.fixed import FixedType, Overflow, Rounding, bits_for

formats = st.builds(
    FixedType,
    width=st.integers(2, 16),
    frac=st.integers(-4, 20),
    signed=st.just(True),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from(Overflow),
) | st.builds(
    FixedType,
    width=st.integers(1, 16),
    frac=st.integers(-4, 20),
    signed=st.just(False),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from([Overflow.SATURATE, Overflow.WRAP]),
)


def exact_round(value: Fraction, rounding: Rounding) -> int:
    below = math.floor(value)
    rest = value - below
    half = Fraction(1, 2)
    if rounding is Rounding.FLOOR:
        return below
    if rounding is Rounding.TOWARD_ZERO:
        return math.trunc(value)
    if rest != half:
        return below + (rest > half)
    up = {
        Rounding.HALF_UP: True,
        Rounding.HALF_DOWN: False,
        Rounding.HALF_EVEN: below % 2 == 1,
        Rounding.HALF_TOWARD_ZERO: value < 0,
        Rounding.HALF_AWAY: value > 0,
    }[rounding]
    return below + up


def exact_cast(raw: int, frac: int, target: FixedType) -> int:
    value = exact_round(Fraction(raw) * Fraction(2) ** (target.frac - frac), target.rounding)
    if target.overflow is Overflow.WRAP:
        value %= 1 << target.width
        return value - (1 << target.width) if value > target.max_raw else value
    return min(max(value, target.min_raw), target.max_raw)


@given(formats, st.lists(st.integers(-(2**24), 2**24), min_size=1), st.integers(-4, 24))
def test_cast_equals_rational_arithmetic(target: FixedType, raws: list[int], frac: int) -> None:
    cast = target.cast(np.array(raws), frac)
    assert cast.tolist() == [exact_cast(raw, frac, target) for raw in raws]
    assert target.holds(cast)


@given(formats)
def test_text_round_trip(fmt: FixedType) -> None:
    assert FixedType.parse(str(fmt)) == fmt


@given(formats)
def test_cast_of_own_values_changes_nothing(fmt: FixedType) -> None:
    values = np.array([fmt.min_raw, 0, fmt.max_raw])
    assert fmt.cast(values, fmt.frac).tolist() == values.tolist()


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_bits_for_is_the_smallest_width(first: int, second: int) -> None:
    low, high = min(first, second), max(first, second)
    width, signed = bits_for(low, high)
    fits = FixedType.exact(width, 0, signed=signed)
    assert fits.min_raw <= low
    assert high <= fits.max_raw
    if width > 1:
        smaller = FixedType.exact(width - 1, 0, signed=signed)
        assert low < smaller.min_raw or high > smaller.max_raw


def test_ap_name() -> None:
    fmt = FixedType(8, 4, False, Rounding.HALF_EVEN, Overflow.SATURATE)
    assert fmt.ap_name == "ap_ufixed<8,4,AP_RND_CONV,AP_SAT>"
    assert str(fmt) == "u8.4:RND_CONV:SAT"


@pytest.mark.parametrize(
    "text", ["", "u8", "u8.4", "x8.4:RND:SAT", "u8.4:RND:MAYBE", "u0.4:RND:SAT"]
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        FixedType.parse(text)


def test_left_shift_out_of_range_is_refused_not_wrapped() -> None:
    wide = FixedType.exact(62, 40, signed=True)
    with pytest.raises(OverflowError, match="left shift by 40"):
        wide.cast(np.array([1 << 30]), 0)


def test_unsigned_cannot_saturate_symmetrically() -> None:
    with pytest.raises(ValueError, match="signed"):
        FixedType(8, 4, False, Rounding.FLOOR, Overflow.SATURATE_SYMMETRIC)
