"""Monotone real functions between two quantizers, inverted exactly.

Between two quantizers everything is real arithmetic: an accumulator times a scale, batch norm,
bias, activation. The quantizer behind it asks one question per level, "is the real number at least
this boundary?", and every function here hands that question back to its own input, until it is a
question about the integer accumulator. Parameters are fractions, one per channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from math import isqrt
from typing import Protocol, TypeAlias

IRRATIONAL_BITS = 240
"""Precision of square roots and logarithms that are no fractions."""

_DECIMAL_DIGITS = 100


@dataclass(frozen=True)
class HalfLine:
    """All real numbers on one side of a bound.

    Attributes:
        bound: The bound.
        above: Whether the numbers are those above it, otherwise those below it.
        closed: Whether the bound itself belongs to them.
    """

    bound: Fraction
    above: bool
    closed: bool

    def first_integer(self) -> int:
        """The integer nearest to the bound that belongs to the half-line."""
        floor = self.bound.numerator // self.bound.denominator
        whole = floor == self.bound
        if self.above:
            return floor if whole and self.closed else floor + 1
        return floor - 1 if whole and not self.closed else floor


Region: TypeAlias = HalfLine | bool
"""A half-line, all numbers (true) or none (false)."""


class Function(Protocol):
    """A real function, one per channel."""

    def direction(self, channel: int) -> int | None:
        """1 if values rise with arguments, -1 if they fall, 0 if constant, None if not monotone."""
        ...

    def value(self, channel: int, argument: Fraction) -> Fraction:
        """The value at an argument; curves to :data:`IRRATIONAL_BITS` bits."""
        ...

    def select(self, channels: Sequence[int]) -> Function:
        """The function of other channels: new channel ``i`` is old channel ``channels[i]``."""
        ...


class Invertible(Function, Protocol):
    """A monotone function whose inverse is as exact as itself."""

    def preimage(self, channel: int, region: HalfLine) -> Region:
        """The arguments whose value lies in a half-line."""
        ...

    def direction(self, channel: int) -> int:
        """1 if values rise with arguments, -1 if they fall, 0 if they are constant."""
        ...


@dataclass(frozen=True)
class Affine:
    """``slope * x + offset``."""

    slopes: tuple[Fraction, ...]
    offsets: tuple[Fraction, ...]

    @classmethod
    def scale(cls, slope: Fraction, channels: int) -> Affine:
        """One slope for all channels."""
        return cls((slope,) * channels, (Fraction(0),) * channels)

    def preimage(self, channel: int, region: HalfLine) -> Region:
        slope, offset = self.slopes[channel], self.offsets[channel]
        if slope == 0:
            return _contains(region, offset)
        above = region.above == (slope > 0)
        return HalfLine((region.bound - offset) / slope, above, region.closed)

    def direction(self, channel: int) -> int:
        slope = self.slopes[channel]
        return (slope > 0) - (slope < 0)

    def value(self, channel: int, argument: Fraction) -> Fraction:
        return self.slopes[channel] * argument + self.offsets[channel]

    def select(self, channels: Sequence[int]) -> Affine:
        return Affine(
            tuple(self.slopes[channel] for channel in channels),
            tuple(self.offsets[channel] for channel in channels),
        )

    def then(self, slopes: Sequence[Fraction], offsets: Sequence[Fraction]) -> Affine:
        """``slope * self + offset``, channel by channel."""
        return Affine(
            tuple(a * slope for a, slope in zip(self.slopes, slopes, strict=True)),
            tuple(
                b * slope + offset
                for b, slope, offset in zip(self.offsets, slopes, offsets, strict=True)
            ),
        )

    @property
    def uniform(self) -> Fraction | None:
        """The slope, if it is the same everywhere and nothing is added."""
        same = len(set(self.slopes)) == 1 and not any(self.offsets)
        return self.slopes[0] if same else None


def _contains(region: HalfLine, value: Fraction) -> bool:
    if value == region.bound:
        return region.closed
    return (value > region.bound) == region.above


@dataclass(frozen=True)
class Clip:
    """``min(max(x, low), high)``; a ReLU has low 0 and no high end."""

    low: Fraction | None = None
    high: Fraction | None = None

    def preimage(self, channel: int, region: HalfLine) -> Region:
        del channel
        low = self.low is not None and _contains(region, self.low)
        high = self.high is not None and _contains(region, self.high)
        # The end on the half-line's own side decides whether anything is inside at all.
        far, near = (self.high, self.low) if region.above else (self.low, self.high)
        inside_far, inside_near = (high, low) if region.above else (low, high)
        if near is not None and inside_near:
            return True
        if far is not None and not inside_far:
            return False
        return region

    def direction(self, channel: int) -> int:
        del channel
        return 1

    def value(self, channel: int, argument: Fraction) -> Fraction:
        del channel
        raised = argument if self.low is None else max(argument, self.low)
        return raised if self.high is None else min(raised, self.high)

    def select(self, channels: Sequence[int]) -> Clip:
        del channels
        return self


@dataclass(frozen=True)
class Leaky:
    """``x`` above zero, ``slope * x`` below; slopes are not negative."""

    slopes: tuple[Fraction, ...]

    def preimage(self, channel: int, region: HalfLine) -> Region:
        slope = self.slopes[channel]
        if region.bound > 0 or (region.bound == 0 and region.above and not region.closed):
            return region
        if slope == 0:
            return Clip(Fraction(0)).preimage(channel, region)
        return HalfLine(region.bound / slope, region.above, region.closed)

    def direction(self, channel: int) -> int:
        del channel
        return 1

    def value(self, channel: int, argument: Fraction) -> Fraction:
        return argument if argument >= 0 else self.slopes[channel] * argument

    def select(self, channels: Sequence[int]) -> Leaky:
        return Leaky(tuple(self.slopes[channel] for channel in channels))


@dataclass(frozen=True)
class Sigmoid:
    """``scale / (1 + exp(-steepness * x)) + shift``: sigmoid, and tanh with 2, 2, -1."""

    steepness: Fraction = Fraction(1)
    scale: Fraction = Fraction(1)
    shift: Fraction = Fraction(0)

    def preimage(self, channel: int, region: HalfLine) -> Region:
        del channel
        share = (region.bound - self.shift) / self.scale
        if share <= 0:
            return region.above
        if share >= 1:
            return not region.above
        bound = logarithm(share / (1 - share)) / self.steepness
        return HalfLine(bound, region.above, region.closed)

    def direction(self, channel: int) -> int:
        del channel
        return 1

    def value(self, channel: int, argument: Fraction) -> Fraction:
        del channel
        falling = exponential(-self.steepness * argument)
        return self.scale / (1 + falling) + self.shift

    def select(self, channels: Sequence[int]) -> Sigmoid:
        del channels
        return self


@dataclass(frozen=True)
class Softsign:
    """``x / (1 + |x|)``, whose inverse is ``y / (1 - |y|)``."""

    def preimage(self, channel: int, region: HalfLine) -> Region:
        del channel
        if abs(region.bound) >= 1:
            return (region.bound < 0) == region.above
        return HalfLine(region.bound / (1 - abs(region.bound)), region.above, region.closed)

    def direction(self, channel: int) -> int:
        del channel
        return 1

    def value(self, channel: int, argument: Fraction) -> Fraction:
        del channel
        return argument / (1 + abs(argument))

    def select(self, channels: Sequence[int]) -> Softsign:
        del channels
        return self


SIGMOID = Sigmoid()
TANH = Sigmoid(Fraction(2), Fraction(2), Fraction(-1))


def inverse_root(value: Fraction) -> Fraction:
    """``1 / sqrt(value)``: exact if it is a fraction, otherwise to :data:`IRRATIONAL_BITS` bits.

    An irrational slope meets a rational boundary at no integer but zero, where the precision of the
    slope plays no part.

    Raises:
        ArithmeticError: The value is not positive.
    """
    if value <= 0:
        raise ArithmeticError(f"a variance of {float(value):g}")
    top, bottom = isqrt(value.numerator), isqrt(value.denominator)
    if top * top == value.numerator and bottom * bottom == value.denominator:
        return Fraction(bottom, top)
    # sqrt(d / n) = sqrt(d * n) / n, with d * n scaled up until the root has enough bits.
    product = value.numerator * value.denominator
    shift = max(0, 2 * IRRATIONAL_BITS - product.bit_length()) // 2 + 1
    return Fraction(isqrt(product << (2 * shift)), value.numerator << shift)


def logarithm(value: Fraction) -> Fraction:
    """Natural logarithm of a positive fraction, to about 300 bits; exact at 1."""
    if value == 1:
        return Fraction(0)
    with localcontext() as context:
        context.prec = _DECIMAL_DIGITS
        quotient = Decimal(value.numerator) / Decimal(value.denominator)
        return Fraction(quotient.ln())


def exponential(value: Fraction) -> Fraction:
    """``exp`` of a fraction, to about 300 bits of itself."""
    with localcontext() as context:
        context.prec = _DECIMAL_DIGITS
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).exp())


def value_of(functions: Sequence[Function], channel: int, argument: int | Fraction) -> Fraction:
    """The last function's value at an argument of the first."""
    value = Fraction(argument)
    for function in functions:
        value = function.value(channel, value)
    return value


def chained(functions: Sequence[Invertible], channel: int, region: HalfLine) -> Region:
    """Arguments of the first function for which the last one's value lies in a half-line."""
    for function in reversed(functions):
        found = function.preimage(channel, region)
        if isinstance(found, bool):
            return found
        region = found
    return region


def invertible(functions: Sequence[Function]) -> tuple[Invertible, ...] | None:
    """The functions, if each of them is; otherwise None."""
    kinds = Affine | Clip | Leaky | Sigmoid | Softsign
    known = tuple(each for each in functions if isinstance(each, kinds))
    return known if len(known) == len(functions) else None


def direction(functions: Sequence[Function], channel: int) -> int | None:
    """How the last value follows the first argument, as :meth:`Function.direction` has it."""
    total = 1
    for function in functions:
        way = function.direction(channel)
        if way is None:
            return None
        total *= way
    return total
