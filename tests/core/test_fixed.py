"""FixedType against exact rational arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plain import exact_cast
from semifreddo.core.fixed import FixedType, Overflow, Rounding, bits_for, saturating, signed_bits

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


@given(formats, st.lists(st.integers(-(2**24), 2**24), min_size=1), st.integers(-4, 24))
def test_cast_equals_rational_arithmetic(target: FixedType, raws: list[int], frac: int) -> None:
    cast = target.cast(np.array(raws), frac)
    assert cast.tolist() == [exact_cast(raw, frac, target) for raw in raws]
    assert target.holds(cast)


@given(
    formats,
    st.lists(st.tuples(st.integers(-(2**10), 2**10), st.integers(-1, 1)), min_size=1),
    st.integers(1, 12),
)
@example(FixedType.exact(16, 0, signed=True), [(k, 0) for k in range(-4, 4)], 1)
def test_ties_and_their_neighbours(
    target: FixedType, places: list[tuple[int, int]], drop: int
) -> None:
    """Halves of the last bit kept are where rounding modes differ; random integers seldom are."""
    half = 1 << (drop - 1)
    raws = [(whole << drop) + half + beside for whole, beside in places]
    cast = target.cast(np.array(raws), target.frac + drop)
    assert cast.tolist() == [exact_cast(raw, target.frac + drop, target) for raw in raws]


HALVES = [-5, -3, -1, 1, 3, 5]
"""In halves: -2.5, -1.5, -0.5, 0.5, 1.5, 2.5."""


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        (Rounding.FLOOR, [-3, -2, -1, 0, 1, 2]),
        (Rounding.TOWARD_ZERO, [-2, -1, 0, 0, 1, 2]),
        (Rounding.HALF_UP, [-2, -1, 0, 1, 2, 3]),
        (Rounding.HALF_DOWN, [-3, -2, -1, 0, 1, 2]),
        (Rounding.HALF_EVEN, [-2, -2, 0, 0, 2, 2]),
        (Rounding.HALF_TOWARD_ZERO, [-2, -1, 0, 0, 1, 2]),
        (Rounding.HALF_AWAY, [-3, -2, -1, 1, 2, 3]),
    ],
)
def test_ties_by_hand(rounding: Rounding, expected: list[int]) -> None:
    """Written out, so that no second program has to be right."""
    target = FixedType(8, 0, True, rounding, Overflow.SATURATE)
    assert target.cast(np.array(HALVES), 1).tolist() == expected


@given(formats)
def test_text_round_trip(fmt: FixedType) -> None:
    assert FixedType.parse(str(fmt)) == fmt


@given(formats)
def test_cast_of_own_values_changes_nothing(fmt: FixedType) -> None:
    values = np.array([fmt.min_raw, 0, fmt.max_raw])
    assert fmt.cast(values, fmt.frac).tolist() == values.tolist()


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(0, 0, 2), (0, 1, 2), (0, 127, 8), (-1, 0, 1), (-128, 127, 8), (-129, 0, 9)],
)
def test_signed_bits_have_room_for_a_sign(low: int, high: int, bits: int) -> None:
    assert signed_bits(low, high) == bits


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


@pytest.mark.parametrize("sign", [1, -1])
def test_left_shift_out_of_range_is_refused_not_wrapped(sign: int) -> None:
    wide = FixedType.exact(62, 40, signed=True)
    assert wide.cast(np.array([sign, 0]), 0).tolist() == [sign << 40, 0]
    largest = sign * ((1 << 22) - 1)
    saturated = FixedType(62, 40, True, Rounding.FLOOR, Overflow.SATURATE).cast(
        np.array([largest]), 0
    )
    assert saturated.tolist() == [max(min(largest << 40, (1 << 61) - 1), -(1 << 61))]
    for beyond in (sign << 22, sign << 30):
        for values in ([beyond], [0, beyond], [beyond, -sign]):
            with pytest.raises(OverflowError, match="a left shift by 40 leaves 64-bit"):
                wide.cast(np.array(values), 0)
    assert wide.cast(np.array([], np.int64), 0).tolist() == []


def test_as_many_bits_are_dropped_as_a_value_can_have() -> None:
    whole = FixedType(8, 0, True, Rounding.HALF_UP, Overflow.SATURATE)
    values = np.array([1 << 61, (1 << 61) - 1, -(1 << 61), -(1 << 61) - 1])
    assert whole.cast(values, 62).tolist() == [1, 0, 0, -1]
    assert whole.cast(np.array([5]), 0).tolist() == [5]
    with pytest.raises(OverflowError, match="cannot drop 63 fraction bits in 64-bit arithmetic"):
        whole.cast(np.array([1]), 63)


@pytest.mark.parametrize("width", [-1, 0, 63])
def test_widths_that_64_bits_cannot_hold_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match=rf"^width {width} is outside 1\.\.62$"):
        FixedType.exact(width, 0, signed=True)


@pytest.mark.parametrize("signed", [True, False])
def test_the_widest_format_is_exact(signed: bool) -> None:
    widest = FixedType(62, 0, signed, Rounding.HALF_UP, Overflow.SATURATE)
    low, high = widest.min_raw, widest.max_raw
    assert (low, high) == ((-(1 << 61), (1 << 61) - 1) if signed else (0, (1 << 62) - 1))
    assert widest.cast(np.array([low, high]), 0).tolist() == [low, high]
    wrapped = FixedType.exact(62, 0, signed=signed).cast(np.array([high, high + 1]), 0)
    assert wrapped.tolist() == [high, low]


def test_holds_looks_at_both_ends() -> None:
    kind = FixedType.exact(4, 0, signed=True)
    assert kind.holds(np.array([-8, 7]))
    assert not kind.holds(np.array([-9, 0]))
    assert not kind.holds(np.array([0, 8]))
    assert kind.holds(np.array([], np.int64))


def test_unsigned_cannot_saturate_symmetrically() -> None:
    with pytest.raises(ValueError, match="signed"):
        FixedType(8, 4, False, Rounding.FLOOR, Overflow.SATURATE_SYMMETRIC)


ENDS = st.none() | st.integers(-20, 20)


@given(ENDS, ENDS, st.integers(-20, 20), st.integers(0, 20))
@example(0, None, -7, 12)
@example(-7, 7, -9, 18)
def test_a_saturating_format_limits_to_its_ends_and_nothing_else(
    low: int | None, high: int | None, first: int, count: int
) -> None:
    raw = np.arange(first, first + count + 1)
    kind = saturating(low, high, (first, first + count), 3)
    if low is not None and high is not None and low > high:
        return
    limited = raw.clip(low, high)
    if kind is None:
        # No range of a format has these ends.
        assert not np.array_equal(limited, raw)
        sizes = [1 << bits for bits in range(1, 8)]
        ranges = {(0, n - 1) for n in sizes} | {(-n, n - 1) for n in sizes}
        ranges |= {(1 - n, n - 1) for n in sizes}
        assert (int(limited.min()), int(limited.max())) not in ranges
    else:
        assert kind.frac == 3
        assert np.array_equal(kind.cast(raw, 3), limited)
