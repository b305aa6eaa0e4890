"""Quantizers as step functions of an integer accumulator, and the scalers that equal them.

The output integer of a quantizer is a step function of the accumulator in front of it: each level
starts at one accumulator. :func:`steps_of` finds these accumulators in exact arithmetic;
:func:`scalers_of` finds integers with ``(M * x + K) / 2**S``, rounded, equal to the step function
at every accumulator of a range, which is proven at the steps, since both are monotone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from semifreddo.convert.functions import HalfLine, Invertible, chained, direction
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import Rounding

UP = "UP"
CEILING = "CEIL"
"""QONNX rounding modes that no fixed-point type has."""

MOST_SHIFT = 48
"""Fraction bits of a scaler that are tried."""


class NoScalerError(ConversionError):
    """A step function that no multiplication equals."""


@dataclass(frozen=True)
class Quantizer:
    """What a quantizer does to real numbers: ``clip(round(x / scale), low, high)``.

    Attributes:
        scale: Real value of one step, positive.
        low: Smallest integer.
        high: Largest integer.
        rounding: A :class:`Rounding`, or one of the modes that only step functions know.
        zero: What is added before rounding, and taken away from the integer again: a whole number.
        step: Distance of two levels; 2 for a quantizer to -1 and 1, which has its boundary at 0.
    """

    scale: Fraction
    low: int
    high: int
    rounding: Rounding | str
    zero: int = 0
    step: int = 1

    def boundary(self, level: int) -> HalfLine:
        """Real numbers that become ``level`` or more; above ``low``."""
        if self.step != 1:
            return HalfLine(Fraction(0), above=True, closed=True)
        # Rounding modes that look at the sign see the number with the zero point in it.
        bound, closed = _rounds_to(level + self.zero, self.rounding)
        return HalfLine((bound - self.zero) * self.scale, above=True, closed=closed)

    @property
    def width(self) -> Fraction:
        """Distance of two boundaries, as a real number."""
        return self.scale

    @property
    def levels(self) -> range:
        """All integers above the smallest."""
        return range(self.low + self.step, self.high + 1, self.step)


@dataclass(frozen=True, kw_only=True)
class Truncation(Quantizer):
    """QONNX' ``Trunc``: to a whole number of fine steps first, then to one of ``scale``.

    Attributes:
        fine: Real value of a fine step.
        ratio: Fine steps in one step, a power of two.
    """

    fine: Fraction
    ratio: Fraction

    @property
    def width(self) -> Fraction:
        return self.fine * self.ratio

    def boundary(self, level: int) -> HalfLine:
        bound, closed = _rounds_to(level, self.rounding)
        first = HalfLine(bound * self.ratio, above=True, closed=closed).first_integer()
        half, even = _rounds_to(first, Rounding.HALF_EVEN)
        return HalfLine(half * self.fine, above=True, closed=even)


def _rounds_to(level: int, rounding: Rounding | str) -> tuple[Fraction, bool]:
    """Where rounding begins to give ``level`` or more, and whether that number does."""
    doubled, closed = _doubled_bound(level, rounding)
    return Fraction(doubled, 2), closed


def _doubled_bound(level: int, rounding: Rounding | str) -> tuple[int, bool]:
    """Twice the number that :func:`_rounds_to` gives: fractions would be slow."""
    half, whole, before = 2 * level - 1, 2 * level, 2 * level - 2
    positive = level > 0
    table: dict[Rounding | str, tuple[int, bool]] = {
        Rounding.HALF_EVEN: (half, level % 2 == 0),
        Rounding.HALF_UP: (half, True),
        Rounding.HALF_DOWN: (half, False),
        Rounding.HALF_AWAY: (half, positive),
        Rounding.HALF_TOWARD_ZERO: (half, not positive),
        Rounding.FLOOR: (whole, True),
        Rounding.TOWARD_ZERO: (whole, True) if positive else (before, False),
        CEILING: (before, False),
        UP: (before, False) if positive else (whole, True),
    }
    return table[rounding]


@dataclass(frozen=True)
class Steps:
    """A monotone step function of the integers ``first..last``.

    Attributes:
        low: Value where no step is reached.
        step: Height of a step.
        rising: Whether values rise with the argument.
        starts: Rising: the first argument with ``low + (i + 1) * step`` or more. Falling: the last
            one. Outside ``first..last`` by one if no argument has.
        before: The nearest argument on the other side of each start. It is the next integer,
            unless that can never occur.
        first: Smallest argument.
        last: Largest argument.
    """

    low: int
    step: int
    rising: bool
    starts: tuple[int, ...]
    before: tuple[int, ...]
    first: int
    last: int

    def __call__(self, argument: int) -> int:
        """The value at an argument."""
        if self.rising:
            return self.low + self.step * sum(argument >= start for start in self.starts)
        return self.low + self.step * sum(argument <= start for start in self.starts)

    def mirrored(self) -> Steps:
        """The same values at the negated arguments."""
        return Steps(
            self.low,
            self.step,
            not self.rising,
            tuple(-start for start in self.starts),
            tuple(-start for start in self.before),
            -self.last,
            -self.first,
        )

    def negated(self) -> Steps:
        """The negated values of the same arguments."""
        return replace(
            self,
            low=-(self.low + len(self.starts) * self.step),
            rising=not self.rising,
            starts=self.before[::-1],
            before=self.starts[::-1],
        )

    def between(self, low: int, high: int) -> Steps:
        """The levels above ``low`` and up to ``high`` alone: what is left is clipped there."""
        begin, end = ((level - self.low) // self.step for level in (low, high))
        return replace(self, low=low, starts=self.starts[begin:end], before=self.before[begin:end])


def steps_of(
    functions: Sequence[Invertible],
    channel: int,
    quantizer: Quantizer,
    arguments: range | npt.NDArray[np.int64],
) -> Steps:
    """The quantized value of a function of integers.

    Args:
        functions: From the integer to the real number that is quantized.
        channel: Whose parameters to take.
        quantizer: The quantizer.
        arguments: All integers that can occur, sorted; at least one.
    """
    first, last = int(arguments[0]), int(arguments[-1])
    rising = (direction(functions, channel) or 0) >= 0
    never = last + 1 if rising else first - 1
    always = first if rising else last
    starts = []
    for start in _first_integers(tuple(functions), channel, quantizer):
        if isinstance(start, bool):
            starts.append(always if start else never)
        else:
            starts.append(min(max(start, first), never) if rising else max(min(start, last), never))
    before = [start - 1 if rising else start + 1 for start in starts]
    if not isinstance(arguments, range):
        starts, before = _among(arguments, starts, rising=rising)
    return Steps(quantizer.low, quantizer.step, rising, tuple(starts), tuple(before), first, last)


@lru_cache(maxsize=1 << 12)
def _first_integers(
    functions: tuple[Invertible, ...], channel: int, quantizer: Quantizer
) -> tuple[int | bool, ...]:
    """Where each level starts; true or false if every integer has it, or none.

    Kept, because a file is converted whenever it is checked, executed or proven.
    """
    regions = [chained(functions, channel, quantizer.boundary(each)) for each in quantizer.levels]
    return tuple(each if isinstance(each, bool) else each.first_integer() for each in regions)


def _among(
    arguments: npt.NDArray[np.int64], starts: list[int], *, rising: bool
) -> tuple[list[int], list[int]]:
    """The nearest arguments that occur on both sides of each start."""
    padded = np.concatenate([[arguments[0] - 1], arguments, [arguments[-1] + 1]])
    if rising:
        place = np.searchsorted(padded, starts)
        return padded[place].tolist(), padded[np.maximum(place - 1, 0)].tolist()
    place = np.searchsorted(padded, starts, side="right")
    last = len(padded) - 1
    return padded[place - 1].tolist(), padded[np.minimum(place, last)].tolist()


@dataclass(frozen=True)
class Scaler:
    """``(factor * x + offset) / 2**shift``, rounded and clipped to the quantizer's range."""

    factor: int
    offset: int
    shift: int


def scaler_of(steps: Steps, shift: int, slope: Fraction, rounding: Rounding) -> Scaler | None:
    """The scaler of a given shift that equals a step function; None if there is none.

    Args:
        steps: The step function; the scaler is clipped to its lowest and highest level.
        shift: Bits that are dropped.
        slope: Levels per argument near which factors are tried, of either sign.
        rounding: How they are dropped. Only a quantizer that rounds ties to even, and meets ties,
            needs another mode than the cheapest.
    """
    if not steps.rising:
        found = scaler_of(steps.mirrored(), shift, abs(slope), rounding)
        return None if found is None else Scaler(-found.factor, found.offset, shift)
    scaled = abs(slope) * (1 << shift)
    nearest = scaled.numerator // scaled.denominator
    # A channel whose value never changes needs no product.
    still = (0,) if steps(steps.first) == steps(steps.last) else ()
    for factor in dict.fromkeys((*still, nearest, nearest + 1, max(0, nearest - 1))):
        bounds = _offsets(steps, shift, factor, rounding)
        if bounds is not None:
            return Scaler(factor, _roundest(*bounds), shift)
    return None


def _offsets(steps: Steps, shift: int, factor: int, rounding: Rounding) -> tuple[int, int] | None:
    """All offsets with which a factor gives the step function; None if there are none."""
    least, most = None, None
    for position, (start, before) in enumerate(zip(steps.starts, steps.before, strict=True), 1):
        bound, closed = _doubled_bound(steps.low + position * steps.step, rounding)
        doubled = bound << shift
        if start <= steps.last:
            low = -(-doubled // 2) if closed else doubled // 2 + 1
            low -= factor * start
            least = low if least is None else max(least, low)
        if start > steps.first:
            # Levels are ``step`` apart, and there is nothing between them.
            high = -(-doubled // 2) - 1 if closed else doubled // 2
            high -= ((steps.step - 1) << shift) + factor * before
            most = high if most is None else min(most, high)
        if least is not None and most is not None and least > most:
            return None
    if least is None and most is None:
        return 0, 0
    if least is None:
        assert most is not None
        return most - (1 << shift), most
    if most is None:
        return least, least + (1 << shift)
    return least, most


def _roundest(least: int, most: int) -> int:
    """The number of a range with the most zeros at its end."""
    if least <= 0 <= most:
        return 0
    bits = (most ^ (least - 1)).bit_length() - 1
    return (most >> bits) << bits


def scalers_of(
    channels: Sequence[Steps], slopes: Sequence[Fraction], what: str
) -> tuple[tuple[Scaler, ...], Rounding]:
    """One scaler per channel, all with one rounding and the smallest shift that serves them all.

    Args:
        channels: Step functions.
        slopes: Levels per argument of each.
        what: Names the quantizer in errors.

    Raises:
        NoScalerError: There is none; the function is not affine between its ends, or it meets ties
            at some arguments only.
    """
    for rounding in Rounding:
        found = _with_rounding(channels, slopes, rounding)
        if found is not None:
            return found, rounding
    raise NoScalerError(
        f"{what}: no multiplication by an integer equals this quantizer; use a scale that is no "
        "simple fraction of the accumulator's, or a power of two"
    )


def _with_rounding(
    channels: Sequence[Steps], slopes: Sequence[Fraction], rounding: Rounding
) -> tuple[Scaler, ...] | None:
    shift, found = 0, []
    for steps, slope in zip(channels, slopes, strict=True):
        own = _smallest(steps, slope, rounding)
        if own is None:
            return None
        found.append(own)
        shift = max(shift, own.shift)
    return tuple(
        Scaler(own.factor << shift - own.shift, own.offset << shift - own.shift, shift)
        for own in found
    )


@lru_cache(maxsize=1 << 12)
def _smallest(steps: Steps, slope: Fraction, rounding: Rounding) -> Scaler | None:
    """The scaler with the smallest shift. Channels, and conversions of one file, repeat."""
    if steps.step > 1:
        slope = Fraction(steps.step)  # one step: whatever is as steep as that
    for shift in range(MOST_SHIFT + 1):
        own = scaler_of(steps, shift, slope, rounding)
        if own is not None:
            return own
    return None
