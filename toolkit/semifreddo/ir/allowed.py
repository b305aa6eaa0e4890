"""Which values a task may load into a block."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

SIGNS = (-1, 1)
"""All values of a block of signs."""

MOST_TERMS = 2
"""Most signed powers of two that a weight is promised to be the sum of."""

_FEW = 16
"""Values that a message lists."""


@lru_cache(maxsize=64)
def sums_of_powers(bits: int, terms: int) -> tuple[int, ...]:
    """All sums of at most so many signed powers of two, ``2**0`` to ``2**(bits - 2)``, ascending.

    None is larger than 1.5 times the largest power, so that all fit two's complement of ``bits``.

    Args:
        bits: Of such a value, 2 or more.
        terms: 1 or 2.
    """
    powers = [sign << exponent for exponent in range(bits - 1) for sign in (-1, 1)]
    found = {0, *powers}
    if terms > 1:
        found |= {one + other for one in powers for other in powers}
    return tuple(sorted(value for value in found if 2 * abs(value) <= 3 << (bits - 2)))


def text_of(allowed: Sequence[int]) -> str:
    """Some values for a person to read."""
    if isinstance(allowed, range):
        return f"{allowed[0]}..{allowed[-1]}"
    if len(allowed) <= _FEW:
        return ", ".join(map(str, allowed))
    return f"{', '.join(map(str, allowed[:3]))}, ..., {allowed[-1]} ({len(allowed)} values)"


def refusal(values: npt.NDArray[np.int64], allowed: Sequence[int]) -> str:
    """Why values may not be loaded, in words that follow the name of a block; empty if they may.

    Args:
        values: Integers of any shape.
        allowed: All values that may be loaded, ascending; a range of all integers in between, or a
            list.
    """
    if not values.size:
        return ""
    low, high = int(values.min()), int(values.max())
    if not allowed[0] <= low <= high <= allowed[-1]:
        return f"values {low}..{high} are outside {allowed[0]}..{allowed[-1]}"
    if isinstance(allowed, range):
        return ""
    between = values[~np.isin(values, allowed)]
    return f"value {int(between[0])} is none of {text_of(allowed)}" if between.size else ""
