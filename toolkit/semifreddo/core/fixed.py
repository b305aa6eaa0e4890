"""Fixed-point number formats: one value type for torch, the IR, C++ and RTL.

A raw integer ``r`` of a format with ``frac`` fraction bits stands for the real number
``r * 2**-frac``. Rounding and overflow say what happens when a value is *brought into* the format
and are part of it, exactly as in ``ap_fixed<W, I, Q, O>``; there is no default for either, because
a forgotten one is the most common reason for two simulations to differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]

MAX_WIDTH = 62
"""Widest format the 64-bit reference arithmetic can hold with a bit to spare for rounding."""


class Rounding(Enum):
    """What happens to discarded fraction bits; the values are the ``ap_fixed`` names."""

    FLOOR = "TRN"
    TOWARD_ZERO = "TRN_ZERO"
    HALF_UP = "RND"
    HALF_DOWN = "RND_MIN_INF"
    HALF_EVEN = "RND_CONV"
    HALF_TOWARD_ZERO = "RND_ZERO"
    HALF_AWAY = "RND_INF"


class Overflow(Enum):
    """What happens to a value outside the range; the values are the ``ap_fixed`` names."""

    SATURATE = "SAT"
    SATURATE_SYMMETRIC = "SAT_SYM"
    WRAP = "WRAP"


def shift_right(raw: IntArray, bits: int, rounding: Rounding) -> IntArray:
    """Divide integers by ``2**bits`` under a rounding mode.

    Args:
        raw: Integers, any shape.
        bits: How many fraction bits to discard, at least 1.
        rounding: The rounding mode.

    Returns:
        New array of the same shape.
    """
    half = 1 << (bits - 1)
    if rounding is Rounding.FLOOR:
        return raw >> bits
    if rounding is Rounding.TOWARD_ZERO:
        return (raw + np.where(raw < 0, (1 << bits) - 1, 0)) >> bits
    if rounding is Rounding.HALF_UP:
        return (raw + half) >> bits
    if rounding is Rounding.HALF_DOWN:
        return (raw + (half - 1)) >> bits
    if rounding is Rounding.HALF_EVEN:
        return (raw + (half - 1) + ((raw >> bits) & 1)) >> bits
    if rounding is Rounding.HALF_TOWARD_ZERO:
        return (raw + half - (raw >= 0)) >> bits
    return (raw + half - (raw < 0)) >> bits


@dataclass(frozen=True)
class FixedType:
    """A fixed-point format.

    Attributes:
        width: Total bits, sign included.
        frac: Fraction bits; may be negative or exceed ``width``.
        signed: Two's complement if true.
        rounding: How a value with more fraction bits is brought in.
        overflow: How a value outside the range is brought in.
    """

    width: int
    frac: int
    signed: bool
    rounding: Rounding
    overflow: Overflow

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_WIDTH:
            raise ValueError(f"width {self.width} is outside 1..{MAX_WIDTH}")
        if self.overflow is Overflow.SATURATE_SYMMETRIC and not self.signed:
            raise ValueError("symmetric saturation needs a signed format")

    @classmethod
    def exact(cls, width: int, frac: int, *, signed: bool) -> FixedType:
        """A format that values enter without rounding or overflow (an accumulator, an input)."""
        return cls(width, frac, signed, Rounding.FLOOR, Overflow.WRAP)

    @property
    def min_raw(self) -> int:
        """Smallest raw integer a cast can produce."""
        if not self.signed:
            return 0
        low = -(1 << (self.width - 1))
        return low + 1 if self.overflow is Overflow.SATURATE_SYMMETRIC else low

    @property
    def max_raw(self) -> int:
        """Largest raw integer."""
        return (1 << (self.width - int(self.signed))) - 1

    @property
    def integer_bits(self) -> int:
        """``I`` of ``ap_fixed<W, I>``: bits left of the binary point, sign included."""
        return self.width - self.frac

    @property
    def scale(self) -> float:
        """Real value of one raw step."""
        return float(2.0**-self.frac)

    def cast(self, raw: npt.NDArray[np.integer], frac: int) -> IntArray:
        """Bring integers with ``frac`` fraction bits into this format.

        Args:
            raw: Integers, any shape.
            frac: Fraction bits of ``raw``.

        Returns:
            Raw integers of this format, same shape, int64.

        Raises:
            OverflowError: A left shift would leave 63 bits.
        """
        value: IntArray = raw.astype(np.int64, copy=False)
        drop = frac - self.frac
        if drop > MAX_WIDTH:
            raise OverflowError(f"cannot drop {drop} fraction bits in 64-bit arithmetic")
        if drop > 0:
            value = shift_right(value, drop, self.rounding)
        elif drop < 0:
            if value.size and int(np.abs(value).max()).bit_length() - drop > MAX_WIDTH:
                raise OverflowError(f"a left shift by {-drop} leaves 64-bit arithmetic")
            value = value << -drop
        if self.overflow is Overflow.WRAP:
            mask = (1 << self.width) - 1
            value = value & mask
            if self.signed:
                value = np.where(value > self.max_raw, value - (mask + 1), value)
            return value
        return np.clip(value, self.min_raw, self.max_raw)

    def holds(self, raw: npt.NDArray[np.integer]) -> bool:
        """Whether every raw integer is in range."""
        if raw.size == 0:
            return True
        return self.min_raw <= int(raw.min()) and int(raw.max()) <= self.max_raw

    def to_real(self, raw: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Real values of raw integers."""
        return np.ldexp(raw.astype(np.float64), -self.frac)

    @property
    def ap_name(self) -> str:
        """The C++ type, e.g. ``ap_ufixed<8,4,AP_RND_CONV,AP_SAT>``."""
        kind = "ap_fixed" if self.signed else "ap_ufixed"
        modes = f"AP_{self.rounding.value},AP_{self.overflow.value}"
        return f"{kind}<{self.width},{self.integer_bits},{modes}>"

    def __str__(self) -> str:
        """Stable text form, e.g. ``u8.4:RND_CONV:SAT`` (width, fraction bits, modes)."""
        sign = "s" if self.signed else "u"
        return f"{sign}{self.width}.{self.frac}:{self.rounding.value}:{self.overflow.value}"

    @classmethod
    def parse(cls, text: str) -> FixedType:
        """Inverse of :meth:`__str__`.

        Raises:
            ValueError: ``text`` is not such a form.
        """
        match = re.fullmatch(r"([su])(\d{1,3})\.(-?\d{1,4}):(\w+):(\w+)", text)
        if match is None:
            raise ValueError(f"{text!r} is not a fixed-point format like 'u8.4:RND_CONV:SAT'")
        sign, width, frac, rounding, overflow = match.groups()
        return cls(int(width), int(frac), sign == "s", Rounding(rounding), Overflow(overflow))


def saturating(
    low: int | None, high: int | None, reach: tuple[int, int], frac: int
) -> FixedType | None:
    """The smallest format that limits integers to two ends, and nothing else.

    Args:
        low: Lower end; None if there is none.
        high: Upper end; None if there is none.
        reach: Smallest and largest integer that comes in: an end behind them limits nothing.
        frac: Fraction bits.

    Returns:
        The format; None if no format saturates there.
    """
    low_end = low if low is not None and low > reach[0] else None
    high_end = high if high is not None and high < reach[1] else None
    least = reach[0] if low_end is None else low_end
    most = reach[1] if high_end is None else high_end
    width, signed = bits_for(least, most)
    for overflow in (Overflow.SATURATE, *(Overflow.SATURATE_SYMMETRIC,) * signed):
        kind = FixedType(width, frac, signed, Rounding.FLOOR, overflow)
        fits = kind.min_raw <= least and most <= kind.max_raw
        if fits and low_end in (None, kind.min_raw) and high_end in (None, kind.max_raw):
            return kind
    return None


def bits_for(low: int, high: int) -> tuple[int, bool]:
    """Smallest (width, signed) whose range holds ``low..high``."""
    if low >= 0:
        return max(1, high.bit_length()), False
    return max((-low - 1).bit_length(), high.bit_length() if high > 0 else 0) + 1, True


def signed_bits(low: int, high: int) -> int:
    """Width of a two's complement number that holds ``low..high``; at least two without a sign."""
    width, signed = bits_for(low, high)
    return width if signed else width + 1
