"""What real functions give on intervals of their arguments, in double precision, rounded outwards.

An interval is two arrays, its lower and its upper ends. Every value of the function lies strictly
between them, unless both are the same number: then that number is the value, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import singledispatch
from math import erf, frexp
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.convert.combined import Elu, Erf, Product, Softplus, Sum
from semifreddo.convert.functions import Affine, Clip, Function, Leaky, Sigmoid, Softsign

Floats: TypeAlias = npt.NDArray[np.float64]
Interval: TypeAlias = tuple[Floats, Floats]

_SLACK = 2.0**-44
"""Relative error of a few operations of double precision, and of its elementary functions."""
_TINY = 1e-290
"""More than what is lost where numbers become too small."""

_erf = np.vectorize(erf, otypes=[np.float64])


def _outward(low: Floats, high: Floats, exact: Any = False, tiny: float = _TINY) -> Interval:
    """Ends moved apart by what rounding may have moved them, except where they are exact.

    A sum of floating-point numbers is zero only if it is exactly that: it needs no ``tiny``.
    """
    below = low - np.abs(low) * _SLACK - tiny
    above = high + np.abs(high) * _SLACK + tiny
    below, above = np.where(exact, low, below), np.where(exact, high, above)
    return np.where(np.isnan(below), -np.inf, below), np.where(np.isnan(above), np.inf, above)


def _is_float(value: Fraction) -> bool:
    return Fraction(float(value)) == value


def _is_shift(value: Fraction) -> bool:
    mantissa, exponent = frexp(value)
    return abs(mantissa) == 0.5 and abs(exponent) < 64 and _is_float(value)


def _lost(offset: Fraction) -> float:
    """What an offset may lose that no sum with it shows."""
    return 0.0 if _is_float(offset) else abs(float(offset)) * _SLACK


@singledispatch
def enclose(
    function: Function,
    channel: int,  # noqa: ARG001 -- for the functions of its types
    low: Floats,
    high: Floats,
) -> Interval:
    """An interval that holds all values of a function on an interval, element by element.

    Args:
        function: A real function.
        channel: Whose parameters to take.
        low: Lower ends of its arguments.
        high: Upper ends, not below the lower ones.
    """
    raise TypeError(f"no enclosure of {type(function).__name__} on {low}..{high}")


def enclosed(functions: Sequence[Function], channel: int, low: Floats, high: Floats) -> Interval:
    """The same of functions that are applied one after the other."""
    with np.errstate(all="ignore"):
        for function in functions:
            low, high = enclose(function, channel, low, high)
    return low, high


@enclose.register
def _affine(function: Affine, channel: int, low: Floats, high: Floats) -> Interval:
    slope, offset = function.slopes[channel], function.offsets[channel]
    if slope == 0:
        constant = np.full_like(low, float(offset))
        return _outward(constant, constant, _is_float(offset))
    ends = (low, high) if slope > 0 else (high, low)
    # A product with zero is exact, and so is one with a power of two.
    exact = ((low == 0) & (high == 0)) | _is_shift(slope)
    low, high = _outward(ends[0] * float(slope), ends[1] * float(slope), exact)
    if offset == 0:
        return low, high
    nothing = (low == 0) & (high == 0) & _is_float(offset)
    return _outward(low + float(offset), high + float(offset), nothing, _lost(offset))


@enclose.register
def _clip(function: Clip, channel: int, low: Floats, high: Floats) -> Interval:
    del channel
    if function.low is not None:
        end = float(function.low)
        flat, cut = high <= end, low < end
        # The end itself is a value: it must lie inside.
        low = np.where(flat, end, np.where(cut, end - abs(end) * _SLACK - _TINY, low))
        high = np.where(flat, end, high)
        if not _is_float(function.low):
            low, high = _outward(low, high)
    if function.high is not None:
        end = float(function.high)
        flat, cut = low >= end, high > end
        high = np.where(flat, end, np.where(cut, end + abs(end) * _SLACK + _TINY, high))
        low = np.where(flat, end, low)
        if not _is_float(function.high):
            low, high = _outward(low, high)
    return low, high


@enclose.register
def _leaky(function: Leaky, channel: int, low: Floats, high: Floats) -> Interval:
    slope = function.slopes[channel]
    if slope == 0:
        return enclose(Clip(Fraction(0)), channel, low, high)
    steep = Affine((slope,), (Fraction(0),))
    below = enclose(steep, 0, np.minimum(low, 0), np.minimum(high, 0))
    return np.where(low >= 0, low, below[0]), np.where(high >= 0, high, below[1])


@enclose.register
def _sigmoid(function: Sigmoid, channel: int, low: Floats, high: Floats) -> Interval:
    del channel
    steepness = float(function.steepness)
    share = [1 / (1 + np.exp(-steepness * end)) for end in (low, high)]
    # An argument's relative error is that of the exponent, which is large for large ones.
    slack = [np.minimum(1, (1 + np.abs(steepness * end)) * _SLACK) for end in (low, high)]
    below = np.maximum(share[0] * (1 - slack[0]) - _TINY, np.where(low >= 0, 0.5, 0))
    above = np.minimum(share[1] * (1 + slack[1]) + _TINY, np.where(high <= 0, 0.5, 1))
    least, most = float(function.shift), float(function.shift + function.scale)
    scaled = Affine((function.scale,), (function.shift,))
    below, above = enclose(scaled, 0, below, above)
    # Both limits are fractions of a few bits: 0 and 1, or -1 and 1.
    return np.maximum(below, least), np.minimum(above, most)


@enclose.register
def _error(function: Erf, channel: int, low: Floats, high: Floats) -> Interval:
    del function, channel
    zero = (low == 0) & (high == 0)
    below, above = _outward(_erf(low), _erf(high), zero)
    return np.maximum(below, -1), np.minimum(above, 1)


@enclose.register
def _softplus(function: Softplus, channel: int, low: Floats, high: Floats) -> Interval:
    del function, channel
    below, above = _outward(np.logaddexp(0, low), np.logaddexp(0, high))
    slack = (1 + np.abs(low)) * _SLACK  # of a large negative argument's exponential
    return np.maximum(below * (1 - slack), 0), above * (1 + (1 + np.abs(high)) * _SLACK)


@enclose.register
def _elu(function: Elu, channel: int, low: Floats, high: Floats) -> Interval:
    del channel
    alpha = float(function.alpha)
    negative = [np.expm1(np.minimum(end, 0)) * alpha for end in (low, high)]
    below, above = _outward(negative[0], negative[1], (low == 0) & (high == 0))
    if _is_float(function.alpha):
        below = np.maximum(below, -alpha)
    return np.where(low >= 0, low, below), np.where(high >= 0, high, above)


@enclose.register
def _softsign(function: Softsign, channel: int, low: Floats, high: Floats) -> Interval:
    del function, channel
    below, above = _outward(low / (1 + np.abs(low)), high / (1 + np.abs(high)))
    zero = (low == 0) & (high == 0)
    # An infinite argument gives no number, but the function stays between its limits.
    below, above = np.maximum(below, -1), np.minimum(above, 1)
    return np.where(zero, 0.0, below), np.where(zero, 0.0, above)


@enclose.register
def _product(function: Product, channel: int, low: Floats, high: Floats) -> Interval:
    one = enclosed(function.left, channel, low, high)
    other = enclosed(function.right, channel, low, high)
    corners = np.stack([a * b for a in one for b in other])
    none = [(ends[0] == 0) & (ends[1] == 0) for ends in (one, other)]
    zero = none[0] | none[1]
    corners = np.where(zero, 0.0, corners)
    lost = np.isnan(corners).any(axis=0)
    below, above = _outward(corners.min(axis=0), corners.max(axis=0), zero)
    # Where the signs of both are known, that of the product is.
    up, down = ([sign * ends[end] >= 0 for ends in (one, other)] for sign, end in ((1, 0), (-1, 1)))
    below = np.where((up[0] & up[1]) | (down[0] & down[1]), np.maximum(below, 0), below)
    above = np.where((up[0] & down[1]) | (down[0] & up[1]), np.minimum(above, 0), above)
    return np.where(lost, -np.inf, below), np.where(lost, np.inf, above)


@enclose.register
def _sum(function: Sum, channel: int, low: Floats, high: Floats) -> Interval:
    one = enclosed(function.left, channel, low, high)
    other = enclosed(function.right, channel, low, high)
    zero = np.logical_and.reduce([end == 0 for end in (*one, *other)])
    return _outward(one[0] + other[0], one[1] + other[1], zero, 0.0)
