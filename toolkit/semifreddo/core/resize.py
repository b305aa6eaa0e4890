"""Scaling pictures, in integers: the same on every machine, for training and for a device.

The filters are those of Pillow's ``BOX`` and ``BILINEAR``, with antialiasing when a picture becomes
smaller. Weights are whole numbers of 22 fraction bits, which sum to one exactly; the result is
rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import floor

import numpy as np
import numpy.typing as npt

_BITS = 22
_ONE = 1 << _BITS
_HALF = Fraction(1, 2)


def _box(x: Fraction) -> Fraction:
    return Fraction(int(-_HALF < x <= _HALF))


def _triangle(x: Fraction) -> Fraction:
    return max(Fraction(0), 1 - abs(x))


_FILTERS: dict[str, tuple[Fraction, Callable[[Fraction], Fraction]]] = {
    "box": (_HALF, _box),
    "bilinear": (Fraction(1), _triangle),
}
"""Half the width of a filter in result pixels, and its height at a distance."""

FILTERS = tuple(_FILTERS)


def resized(
    pixels: npt.NDArray[np.uint8], height: int, width: int, how: str
) -> npt.NDArray[np.uint8]:
    """Scale one picture.

    Args:
        pixels: uint8 ``(h, w, channels)``.
        height: Of the result.
        width: Of the result.
        how: One of :data:`FILTERS`.
    """
    rows, columns, channels = pixels.shape
    lines = np.zeros((height, columns, channels), np.int64)
    for out, (first, weights) in enumerate(_taps(rows, height, how)):
        for position, weight in enumerate(weights):
            lines[out] += weight * pixels[first + position].astype(np.int64)
    result = np.zeros((height, width, channels), np.int64)
    for out, (first, weights) in enumerate(_taps(columns, width, how)):
        for position, weight in enumerate(weights):
            result[:, out] += weight * lines[:, first + position]
    return ((result + (1 << (2 * _BITS - 1))) >> (2 * _BITS)).astype(np.uint8)


@lru_cache(maxsize=64)  # pictures of a folder mostly have the same size
def _taps(size: int, wanted: int, how: str) -> list[tuple[int, list[int]]]:
    """For each result line the first line it reads, and whole weights that sum to one."""
    radius, height_at = _FILTERS[how]
    scale = Fraction(size, wanted)
    stretch = max(scale, Fraction(1))
    taps = []
    for out in range(wanted):
        centre = (out + _HALF) * scale
        first = max(0, floor(centre - radius * stretch + _HALF))
        last = min(size, floor(centre + radius * stretch + _HALF))
        heights = [height_at((line + _HALF - centre) / stretch) for line in range(first, last)]
        total = sum(heights)
        weights = [round(height * _ONE / total) for height in heights]
        weights[weights.index(max(weights))] += _ONE - sum(weights)
        taps.append((first, weights))
    return taps
