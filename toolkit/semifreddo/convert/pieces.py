"""Quantizers behind any real function: where each level begins, found by halving intervals.

The accumulators that can occur are divided until the function's values on each part lie between two
boundaries of the quantizer. Double precision, rounded outwards, decides that for almost all parts.
A single accumulator that it does not decide is computed with more and more digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from semifreddo.convert.brackets import Bracket, bracketed
from semifreddo.convert.enclosures import Interval, enclosed
from semifreddo.convert.functions import Function
from semifreddo.convert.steps import Quantizer
from semifreddo.core.errors import ConversionError

_MOST_LEVELS = 1 << 16
_MOST_PARTS = 1 << 20
_DIGITS = (30, 60, 120, 240, 480)
"""Digits that are tried, one after the other."""

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """A step function of the integers ``first..last``.

    Attributes:
        first: Smallest argument.
        last: Largest argument.
        starts: Arguments at which another level begins, rising.
        levels: The level before the first start, and behind each.
    """

    first: int
    last: int
    starts: tuple[int, ...]
    levels: tuple[int, ...]

    def __call__(self, argument: int) -> int:
        """The level at an argument."""
        return self.levels[sum(argument >= start for start in self.starts)]


class _Boundaries:
    """The real numbers at which a quantizer's levels begin."""

    def __init__(self, quantizer: Quantizer) -> None:
        lines = [quantizer.boundary(level) for level in quantizer.levels]
        self._exact = [line.bound for line in lines]
        self._closed = np.array([line.closed for line in lines], bool)
        nearest = np.array([float(bound) for bound in self._exact])
        self._is_float = np.array([Fraction(float(bound)) == bound for bound in self._exact], bool)
        self._below = np.where(self._is_float, nearest, np.nextafter(nearest, -np.inf))
        self._above = np.where(self._is_float, nearest, np.nextafter(nearest, np.inf))

    def reached(self, values: Interval) -> tuple[_Ints, _Ints]:
        """Fewest and most boundaries that values of each interval have reached."""
        low, high = values
        least = np.searchsorted(self._above, low, side="right")
        most = np.searchsorted(self._below, high, side="left")
        exact = low == high
        least = np.where(exact, np.searchsorted(self._above, low, side="left"), least)
        most = np.where(exact, np.searchsorted(self._below, high, side="right"), most)
        # A number that is a boundary.
        tie = exact & (most == least + 1)
        place = np.where(tie, least, 0)
        tie &= self._is_float[place]
        least = np.where(tie, least + self._closed[place], least)
        return least, np.where(tie, least, most)

    def count(self, value: Bracket) -> int | None:
        """Boundaries that a value has reached; None if its bracket does not say it."""
        low, high = value
        if low == high:
            return sum(
                low > bound or (low == bound and bool(closed))
                for bound, closed in zip(self._exact, self._closed, strict=True)
            )
        least = sum(low >= bound for bound in self._exact)
        return least if all(high <= bound for bound in self._exact[least:]) else None


def pieces_of(
    functions: Sequence[Function],
    channel: int,
    quantizer: Quantizer,
    reach: tuple[int, int],
    what: str,
) -> Pieces:
    """The quantized value of a function of integers.

    Args:
        functions: From the integer to the real number that is quantized.
        channel: Whose parameters to take.
        quantizer: The quantizer.
        reach: Smallest and largest integer that can occur.
        what: Names the quantizer in errors.

    Raises:
        ConversionError: The quantizer has too many levels, or some digits decide nothing.
    """
    if len(quantizer.levels) >= _MOST_LEVELS:
        raise ConversionError(
            f"{what}: quantizes a curve to {len(quantizer.levels) + 1} levels; use at most 16 bits"
        )
    boundaries = _Boundaries(quantizer)
    low, high = (np.array([end], np.int64) for end in reach)
    found: list[tuple[_Ints, _Ints]] = []
    parts = 0
    while len(low):
        parts += len(low)
        if parts > _MOST_PARTS:
            raise ConversionError(
                f"{what}: a flat part of the curve in front of it lies on a boundary of its "
                "levels; use another scale"
            )
        # Several integers lie strictly between their ends.
        around = np.where(low < high, 0.5, 0.0)
        ends = low.astype(np.float64) - around, high.astype(np.float64) + around
        least, most = boundaries.reached(enclosed(functions, channel, *ends))
        for place in np.flatnonzero((least < most) & (low == high)):
            argument = int(low[place])
            least[place] = most[place] = _decided(functions, channel, boundaries, argument, what)
        done = least >= most
        found.append((low[done], least[done]))
        low, high = low[~done], high[~done]
        middle = low + (high - low) // 2
        low, high = np.concatenate([low, middle + 1]), np.concatenate([middle, high])
    begins = np.concatenate([part[0] for part in found])
    order = np.argsort(begins)
    begins, counts = begins[order], np.concatenate([part[1] for part in found])[order]
    changes = np.flatnonzero(np.diff(counts)) + 1
    levels = quantizer.low + quantizer.step * counts[np.concatenate([[0], changes])]
    return Pieces(*reach, tuple(begins[changes].tolist()), tuple(levels.tolist()))


def _decided(
    functions: Sequence[Function], channel: int, boundaries: _Boundaries, argument: int, what: str
) -> int:
    exact = Fraction(argument)
    for digits in _DIGITS:
        count = boundaries.count(bracketed(functions, channel, (exact, exact), digits))
        if count is not None:
            return count
    raise ConversionError(
        f"{what}: {_DIGITS[-1]} digits do not tell on which side of a boundary the curve in front "
        f"of it is at accumulator {argument}; use another scale"
    )
