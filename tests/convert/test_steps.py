"""Quantized real functions of integers, against rational arithmetic argument by argument."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from semifreddo.convert.functions import (
    IRRATIONAL_BITS,
    SIGMOID,
    TANH,
    Affine,
    Clip,
    Function,
    Leaky,
    inverse_root,
    logarithm,
)
from semifreddo.convert.steps import (
    CEILING,
    UP,
    Quantizer,
    Scaler,
    Steps,
    _offsets,
    scalers_of,
    steps_of,
)
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import FixedType, Overflow, Rounding, bits_for

HALF = Fraction(1, 2)

ROUNDED: dict[Rounding | str, Callable[[Fraction], int]] = {
    Rounding.HALF_EVEN: round,
    Rounding.FLOOR: math.floor,
    Rounding.TOWARD_ZERO: math.trunc,
    Rounding.HALF_UP: lambda y: math.floor(y + HALF),
    Rounding.HALF_DOWN: lambda y: math.ceil(y - HALF),
    Rounding.HALF_AWAY: lambda y: math.floor(abs(y) + HALF) * (1 if y >= 0 else -1),
    Rounding.HALF_TOWARD_ZERO: lambda y: math.ceil(abs(y) - HALF) * (1 if y >= 0 else -1),
    CEILING: math.ceil,
    UP: lambda y: math.ceil(abs(y)) * (1 if y >= 0 else -1),
}
"""The meaning of each rounding mode, in the words of its name."""


def valued(functions: Sequence[Function], x: int) -> Fraction:
    """The value of a chain of rational functions."""
    y = Fraction(x)
    for function in functions:
        if isinstance(function, Affine):
            y = function.slopes[0] * y + function.offsets[0]
        elif isinstance(function, Clip):
            y = y if function.low is None else max(y, function.low)
            y = y if function.high is None else min(y, function.high)
        else:
            assert isinstance(function, Leaky)
            y = y if y > 0 else y * function.slopes[0]
    return y


def quantized(functions: Sequence[Function], quantizer: Quantizer, x: int) -> int:
    y = ROUNDED[quantizer.rounding](valued(functions, x) / quantizer.scale + quantizer.zero)
    return min(max(y - quantizer.zero, quantizer.low), quantizer.high)


fractions = st.builds(Fraction, st.integers(-9, 9), st.integers(1, 12))
# Scales over twelve orders of magnitude, as float32 has them: a few bits and an exponent.
scales = st.builds(
    lambda mantissa, exponent: Fraction(mantissa) * Fraction(2) ** exponent,
    st.integers(1, 15),
    st.integers(-23, 20),
)
ranges = st.tuples(st.integers(-200, 50), st.integers(0, 300)).map(lambda p: (p[0], p[0] + p[1]))


@st.composite
def quantizers(draw: st.DrawFn) -> Quantizer:
    bits, signed = draw(st.integers(2, 6)), draw(st.booleans())
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    scale = draw(st.one_of(scales, st.builds(Fraction, st.integers(1, 9), st.integers(1, 9))))
    zero = draw(st.sampled_from([0, 0, 3, -2]))
    return Quantizer(scale, low, high, draw(st.sampled_from(list(ROUNDED))), zero)


@st.composite
def chains(draw: st.DrawFn, quantizer: Quantizer) -> list[Function]:
    """Functions whose values are near the quantizer's range: ties and both ends occur."""
    slope, offset = draw(fractions) * quantizer.scale / 4, draw(fractions) * quantizer.scale
    found: list[Function] = [Affine((slope,), (offset,))]
    shape = draw(st.sampled_from(["none", "relu", "hardtanh", "leaky"]))
    if shape == "relu":
        found.append(Clip(Fraction(0)))
    elif shape == "hardtanh":
        found.append(Clip(-quantizer.scale, draw(st.integers(0, 9)) * quantizer.scale / 2))
    elif shape == "leaky":
        found.append(Leaky((draw(st.builds(Fraction, st.integers(0, 5), st.just(4))),)))
    if draw(st.booleans()):
        found.append(Affine((draw(fractions),), (draw(fractions) * quantizer.scale,)))
    return found


@settings(max_examples=200, deadline=None)
@given(st.data(), quantizers(), ranges)
def test_steps_equal_the_rational_function(
    data: st.DataObject, quantizer: Quantizer, reach: tuple[int, int]
) -> None:
    functions = data.draw(chains(quantizer))
    steps = steps_of(functions, 0, quantizer, range(reach[0], reach[1] + 1))
    for x in range(reach[0], reach[1] + 1):
        assert steps(x) == quantized(functions, quantizer, x)


def scaled(scaler: Scaler, kind: FixedType, first: int, last: int) -> list[int]:
    """What a layer of hardware makes of all integers of a range."""
    values = scaler.factor * np.arange(first, last + 1) + scaler.offset
    return kind.cast(values, scaler.shift).tolist()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(Rounding)),
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(-20, 20),
    st.integers(-9, 4),
    st.integers(2, 8),
)
def test_all_offsets_are_found(
    rounding: Rounding, factor: int, shift: int, offset: int, first: int, count: int
) -> None:
    """Those between both ends, and no other, give the step function of one of them."""
    reach = range(first, first + count)

    def values(offset: int, low: int, high: int) -> list[int]:
        exact = (Fraction(factor * x + offset, 1 << shift) for x in reach)
        return [min(max(ROUNDED[rounding](y), low), high) for y in exact]

    found = values(offset, -1000, 1000)
    low, high = found[0], found[-1]
    assume(low < high)
    levels = range(low + 1, high + 1)
    starts = tuple(next(x for x, y in zip(reach, found, strict=True) if y >= n) for n in levels)
    before = tuple(start - 1 for start in starts)
    steps = Steps(low, 1, True, starts, before, reach[0], reach[-1])
    assert [steps(x) for x in reach] == found
    near = range(offset - 64, offset + 65)
    same = [other for other in near if values(other, low, high) == found]
    assert _offsets(steps, shift, factor, rounding) == (same[0], same[-1])


def range_type(quantizer: Quantizer, rounding: Rounding) -> FixedType:
    width, signed = bits_for(quantizer.low, quantizer.high)
    return FixedType(width, 0, signed, rounding, Overflow.SATURATE)


@settings(max_examples=200, deadline=None)
@given(quantizers(), ranges, fractions, fractions)
def test_a_scaler_equals_its_steps_everywhere(
    quantizer: Quantizer, reach: tuple[int, int], slope: Fraction, offset: Fraction
) -> None:
    functions = [Affine((slope * quantizer.scale / 4,), (offset * quantizer.scale,))]
    steps = steps_of(functions, 0, quantizer, range(reach[0], reach[1] + 1))
    try:
        (scaler,), rounding = scalers_of([steps], [slope / 4], "quantizer")
    except ConversionError:
        # Ties that go to even numbers, and rounding by sign around a zero point, are not affine.
        real = [valued(functions, x) / quantizer.scale for x in range(reach[0], reach[1] + 1)]
        ties = any((value + quantizer.zero) % 1 == HALF for value in real)
        assert ties or quantizer.rounding in (UP, Rounding.TOWARD_ZERO)
        return
    found = scaled(scaler, range_type(quantizer, rounding), *reach)
    assert found == [steps(x) for x in range(reach[0], reach[1] + 1)]


@given(st.integers(1, 9), st.integers(-40, 40), st.sampled_from(list(Rounding)))
def test_ties_of_powers_of_two_keep_the_rounding(bits: int, eighths: int, mode: Rounding) -> None:
    quantizer = Quantizer(Fraction(1, 2), -8, 7, mode)
    slope, offset = Fraction(1, 1 << bits), Fraction(eighths, 8)
    steps = steps_of([Affine((slope,), (offset,))], 0, quantizer, range(-300, 301))
    (scaler,), rounding = scalers_of([steps], [2 * slope], "quantizer")
    assert scaled(scaler, range_type(quantizer, rounding), -300, 300) == [
        quantized([Affine((slope,), (offset,))], quantizer, x) for x in range(-300, 301)
    ]


@given(st.lists(st.integers(-300, 300), min_size=1, unique=True), fractions, fractions)
def test_only_arguments_that_occur_count(
    chosen: list[int], slope: Fraction, offset: Fraction
) -> None:
    quantizer = Quantizer(Fraction(1), -8, 7, Rounding.HALF_EVEN)
    arguments = np.array(sorted(chosen))
    functions = [Affine((slope / 4,), (offset,))]
    steps = steps_of(functions, 0, quantizer, arguments)
    mirrored, negated = steps.mirrored(), steps.negated()
    for x in chosen:
        assert steps(x) == quantized(functions, quantizer, x)
        assert mirrored(-x) == steps(x) == -negated(x)
    for start, before in zip(steps.starts, steps.before, strict=True):
        inside = [value for value in (start, before) if min(chosen) <= value <= max(chosen)]
        assert set(inside) <= set(chosen)
        assert start != before


def test_scalers_of_a_layer_share_the_shift() -> None:
    quantizer = Quantizer(Fraction(1), 0, 255, Rounding.HALF_EVEN)
    slopes = [Fraction(1, 3), Fraction(7, 1000), Fraction(2), Fraction(-1, 5)]
    steps = [
        steps_of([Affine((slope,), (Fraction(1, 7),))], 0, quantizer, range(-3000, 3001))
        for slope in slopes
    ]
    found, rounding = scalers_of(steps, slopes, "quantizer")
    assert len({scaler.shift for scaler in found}) == 1
    for scaler, each in zip(found, steps, strict=True):
        values = scaled(scaler, range_type(quantizer, rounding), -3000, 3000)
        assert values == [each(x) for x in range(-3000, 3001)]


def test_what_is_no_multiplication_is_refused() -> None:
    bent = Steps(0, 1, True, (0, 1, 50), (-1, 0, 49), -10, 100)
    with pytest.raises(ConversionError, match="where: no multiplication by an integer equals"):
        scalers_of([bent], [Fraction(1, 20)], "where")


def test_sign() -> None:
    """Zero is positive, as qonnx has it."""
    sign = Quantizer(Fraction(1), -1, 1, Rounding.FLOOR, step=2)
    steps = steps_of([Affine((Fraction(-2),), (Fraction(6),))], 0, sign, range(-10, 11))
    assert [steps(x) for x in (-10, 2, 3, 4, 10)] == [1, 1, 1, -1, -1]
    (scaler,), rounding = scalers_of([steps], [Fraction(-2)], "sign")
    kind = FixedType(2, 0, True, rounding, Overflow.SATURATE_SYMMETRIC)
    assert scaled(scaler, kind, -10, 10) == [steps(x) for x in range(-10, 11)]


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_inverse_roots(top: int, bottom: int) -> None:
    value = Fraction(top, bottom)
    assert inverse_root(value * value) == 1 / value
    assume(math.isqrt(value.numerator) ** 2 != value.numerator)
    root = inverse_root(value)
    error = root * root * value - 1
    assert 0 < abs(error) < Fraction(1, 1 << IRRATIONAL_BITS - 40)


@pytest.mark.parametrize(
    ("function", "value"), [(SIGMOID, lambda x: 1 / (1 + math.exp(-x))), (TANH, math.tanh)]
)
def test_curves(function: Function, value: Callable[[float], float]) -> None:
    """Doubles decide all but ties, which no argument but zero has."""
    quantizer = Quantizer(Fraction(1, 128), -128, 127, Rounding.HALF_EVEN)
    functions = [Affine((Fraction(1, 32),), (Fraction(0),)), function]
    steps = steps_of(functions, 0, quantizer, range(-200, 201))
    for x in range(-200, 201):
        assert steps(x) == min(round(value(x / 32) * 128), 127)


def test_logarithm() -> None:
    assert logarithm(Fraction(1)) == 0
    assert math.isclose(float(logarithm(Fraction(7, 3))), math.log(7 / 3), rel_tol=1e-15)
