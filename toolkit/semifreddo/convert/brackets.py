"""What a real function gives at a fraction: between two fractions, as close as is asked for.

A bracket is two fractions, and the value lies strictly between them; or it is one fraction, the
value itself. The exponential, the logarithm and the error function of a fraction other than zero
are transcendental, so they never meet a boundary, and more digits always decide on which side they
are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import singledispatch
from typing import Any, TypeAlias

import mpmath

from semifreddo.convert.combined import Elu, Erf, Product, Softplus, Sum
from semifreddo.convert.functions import Affine, Clip, Function, Leaky, Sigmoid, Softsign

Bracket: TypeAlias = tuple[Fraction, Fraction]

_ZERO: Bracket = (Fraction(0), Fraction(0))
_GUARD = 10
"""Digits that an elementary function is computed with beyond those that are asked for."""


@singledispatch
def bracket(
    function: Function,
    channel: int,  # noqa: ARG001 -- for the functions of its types
    value: Bracket,
    digits: int,
) -> Bracket:
    """A bracket of a function's value.

    Args:
        function: A real function.
        channel: Whose parameters to take.
        value: A bracket of its argument.
        digits: Decimal digits, which decide how close its ends are.
    """
    raise TypeError(f"no bracket of {type(function).__name__} at {value} to {digits} digits")


def bracketed(functions: Sequence[Function], channel: int, value: Bracket, digits: int) -> Bracket:
    """The same of functions that are applied one after the other."""
    for function in functions:
        value = bracket(function, channel, value, digits)
    return value


@bracket.register
def _affine(function: Affine, channel: int, value: Bracket, digits: int) -> Bracket:
    del digits
    slope, offset = function.slopes[channel], function.offsets[channel]
    one, other = (end * slope + offset for end in value)
    return min(one, other), max(one, other)


@bracket.register
def _clip(function: Clip, channel: int, value: Bracket, digits: int) -> Bracket:
    del channel, digits
    low, high = value
    # A bracket that a bound divides keeps its width: the bound itself is a value, and lies inside.
    if function.low is not None and low < function.low:
        low = function.low - (high - low) if high > function.low else function.low
        high = max(high, function.low)
    if function.high is not None and high > function.high:
        high = function.high + (high - low) if low < function.high else function.high
        low = min(low, function.high)
    return low, high


@bracket.register
def _leaky(function: Leaky, channel: int, value: Bracket, digits: int) -> Bracket:
    slope = function.slopes[channel]
    if slope == 0:
        return bracket(Clip(Fraction(0)), channel, value, digits)
    low, high = (end if end >= 0 else end * slope for end in value)
    return low, high


@bracket.register
def _sigmoid(function: Sigmoid, channel: int, value: Bracket, digits: int) -> Bracket:
    del channel
    argument = bracket(Affine((function.steepness,), (Fraction(0),)), 0, value, digits)
    share = _rising(argument, digits, lambda x: 1 / (1 + mpmath.exp(-x)), Fraction(1, 2), (0, 1))
    return bracket(Affine((function.scale,), (function.shift,)), 0, share, digits)


@bracket.register
def _error(function: Erf, channel: int, value: Bracket, digits: int) -> Bracket:
    del function, channel
    return _rising(value, digits, mpmath.erf, Fraction(0), (-1, 1))


@bracket.register
def _softplus(function: Softplus, channel: int, value: Bracket, digits: int) -> Bracket:
    del function, channel
    return _rising(value, digits, lambda x: mpmath.log1p(mpmath.exp(x)), None, (0, None))


@bracket.register
def _elu(function: Elu, channel: int, value: Bracket, digits: int) -> Bracket:
    del channel
    negative = (min(value[0], Fraction(0)), min(value[1], Fraction(0)))
    share = _rising(negative, digits, mpmath.expm1, Fraction(0), (-1, None))
    ends = [each * function.alpha for each in share]
    low, high = (end if end >= 0 else below for end, below in zip(value, ends, strict=True))
    return low, high


@bracket.register
def _softsign(function: Softsign, channel: int, value: Bracket, digits: int) -> Bracket:
    del digits
    low, high = (function.value(channel, end) for end in value)
    return low, high


@bracket.register
def _product(function: Product, channel: int, value: Bracket, digits: int) -> Bracket:
    one = bracketed(function.left, channel, value, digits)
    other = bracketed(function.right, channel, value, digits)
    if _ZERO in (one, other):
        return _ZERO
    corners = [a * b for a in one for b in other]
    return min(corners), max(corners)


@bracket.register
def _sum(function: Sum, channel: int, value: Bracket, digits: int) -> Bracket:
    one = bracketed(function.left, channel, value, digits)
    other = bracketed(function.right, channel, value, digits)
    return one[0] + other[0], one[1] + other[1]


def _rising(
    value: Bracket,
    digits: int,
    function: Callable[[Any], Any],
    at_zero: Fraction | None,
    limits: tuple[int | None, int | None],
) -> Bracket:
    """A bracket of an elementary function that rises, and stays strictly between its limits.

    Args:
        value: Of its argument.
        digits: Decimal digits.
        function: The function, which mpmath computes with a relative error of a few units.
        at_zero: Its value at zero, where that is a fraction.
        limits: What it never reaches, if anything.
    """
    if value == _ZERO and at_zero is not None:
        return at_zero, at_zero
    low, high = (_near(end, digits, function, at_zero) for end in value)
    below, above = low[0], high[1]
    if limits[0] is not None:
        below = max(below, Fraction(limits[0]))
    if limits[1] is not None:
        above = min(above, Fraction(limits[1]))
    return below, above


def _near(
    argument: Fraction, digits: int, function: Callable[[Any], Any], at_zero: Fraction | None
) -> Bracket:
    if argument == 0 and at_zero is not None:
        return at_zero, at_zero
    with mpmath.workdps(digits + _GUARD):
        given = mpmath.mpf(argument.numerator) / argument.denominator
        found = function(given)
        result = Fraction(*mpmath.libmp.to_rational(found._mpf_))
    # The error of the rounded argument grows with it: |x * f'(x)| is at most 1 + |x| for all here.
    error = (2 + abs(argument)) * (2 + abs(result)) / Fraction(10) ** digits
    return result - error, result + error
