"""Numbers in generated text, with their exact range, and the casts that end every layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.core.fixed import signed_bits as signed_bits  # noqa: PLC0414 -- for the units
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.verilog import literal


@dataclass(frozen=True)
class Range:
    """What a signed signal can be.

    Attributes:
        low: Smallest value.
        high: Largest value.
        frac: Fraction bits.
    """

    low: int
    high: int
    frac: int

    @classmethod
    def code(cls, kind: FixedType) -> Range:
        """A raw value of a format; every code of the format is possible."""
        limit = 1 << (kind.width - kind.signed)
        return cls(-limit if kind.signed else 0, limit - 1, kind.frac)

    @property
    def bits(self) -> int:
        """Width of the signal, two's complement."""
        return signed_bits(self.low, self.high)

    def aligned(self, frac: int) -> Range:
        """The same values with ``frac`` fraction bits, not fewer than they have."""
        up = frac - self.frac
        return Range(self.low << up, self.high << up, frac)

    def cast(self, target: FixedType) -> Cast:
        """Into another format."""
        return Cast(self.bits, self.low, self.high, self.frac - target.frac, target)


@dataclass(frozen=True)
class Number:
    """A signed signal of the text.

    Attributes:
        text: The expression, ``bits`` wide or, after :meth:`shifted`, for a wider context.
        low: Smallest value it can have.
        high: Largest value.
        frac: Its fraction bits.
    """

    text: str
    low: int
    high: int
    frac: int

    @property
    def bits(self) -> int:
        """Width of the signal."""
        return signed_bits(self.low, self.high)

    @classmethod
    def of(cls, signal: str, kind: FixedType) -> Number:
        """A raw value of a format; every code of the format is possible."""
        if kind.signed:
            limit = 1 << (kind.width - 1)
            return cls(f"$signed({signal})", -limit, limit - 1, kind.frac)
        return cls(f"$signed({{1'b0, {signal}}})", 0, (1 << kind.width) - 1, kind.frac)

    def shifted(self, bits: int) -> Number:
        """The same value with more fraction bits; an expression for a wider context."""
        text = f"({self.text} <<< {bits})" if bits else self.text
        return Number(text, self.low << bits, self.high << bits, self.frac + bits)


def half_of(rounding: Rounding, drop: int) -> int | None:
    """The constant that turns a rounding into a floor: added before ``drop`` bits are cut off.

    ``HALF_EVEN`` also clears the last bit of a tie. None if the constant depends on the sign.
    """
    if drop <= 0 or rounding is Rounding.FLOOR:
        return 0
    if rounding in (Rounding.HALF_UP, Rounding.HALF_EVEN):
        return 1 << (drop - 1)
    if rounding is Rounding.HALF_DOWN:
        return (1 << (drop - 1)) - 1
    return None


@dataclass(frozen=True)
class Cast:
    """Brings a number into another format.

    Attributes:
        bits: Width of the number.
        low: Smallest number, after its sign is changed if it is.
        high: Largest number.
        drop: Fraction bits that go; negative if some come.
        target: The format.
        offset: A constant that is added first, in the number's last bits.
        negate: Whether the number's negative is cast.
        added: Whether the number contains :func:`half_of` already.
    """

    module: ClassVar[str] = "sf_cast"
    bits: int
    low: int
    high: int
    drop: int
    target: FixedType
    offset: int = 0
    negate: bool = False
    added: bool = False

    @property
    def half(self) -> int | None:
        """What its rounding adds, see :func:`half_of`."""
        return half_of(self.target.rounding, self.drop)

    @property
    def sums(self) -> tuple[int, int]:
        """Range of the number with everything that is added to it here."""
        low, high = self.low + self.offset, self.high + self.offset
        if self.added:
            return low, high
        half = self.half  # where it depends on the sign it is between 0 and the largest
        return low + (half or 0), high + ((1 << self.drop) - 1 if half is None else half)

    def parameters(self) -> Mapping[str, int | str]:
        low, high = self.sums
        found: dict[str, int | str] = {
            "IN_BITS": self.bits,
            "SUM_BITS": signed_bits(low, high),
            "SUM_SIGNED": int(low < 0),
            "DROP": self.drop,
            "OUT_BITS": self.target.width,
            "OUT_SIGNED": int(self.target.signed),
            "ROUNDING": self.target.rounding.name,
            "OVERFLOW": self.target.overflow.name,
        }
        if self.offset:
            bits = signed_bits(min(self.offset, 0), max(self.offset, 0))
            found |= {"OFFSET_BITS": bits, "OFFSET": literal(self.offset, bits)}
        if self.negate:
            found["NEGATE"] = 1
        if self.added and self.half is not None:
            found["ADDED"] = 1
        return found

    def counts(self) -> Parts:
        return self._counts

    @cached_property
    def _counts(self) -> Parts:
        """Below the last bit of the constant that is added, adding it is free."""
        parts, target, drop = Parts.of("cast"), self.target, self.drop
        low, high = self.sums
        bits = signed_bits(low, high)
        constant = self.offset + (0 if self.added else self.half or 0)
        if constant:
            parts.add("rounded_bit", max(bits - trailing_zeros(constant), 1))
        if drop > 0 and self.half is None:
            parts.add("added_bit", bits)
        if drop > 0 and target.rounding is Rounding.HALF_EVEN:
            parts.add("tie_bit", drop)
        down, up = max(drop, 0), max(-drop, 0)
        fits = target.min_raw <= (low << up) >> down and (high << up) >> down <= target.max_raw
        if target.overflow is not Overflow.WRAP and not fits:
            parts.add("clipped_bit", target.width)
            parts.add("checked_bit", max(bits - down - target.width, 0))
        return parts


def trailing_zeros(value: int) -> int:
    """Zero bits at the end of a nonzero integer."""
    return (value & -value).bit_length() - 1


def cast(
    name: str,
    value: Number,
    target: FixedType,
    result: str,
    *,
    offset: int = 0,
    negate: bool = False,
    added: bool = False,
) -> str:
    """A :class:`Cast` of ``value``, or of its negative, plus ``offset``, placed.

    Args:
        name: Name of the instance.
        value: What is cast.
        target: The format it is brought into.
        result: The signal that gets it.
        offset: See :class:`Cast`.
        negate: See :class:`Cast`.
        added: See :class:`Cast`.
    """
    low, high = (-value.high, -value.low) if negate else (value.low, value.high)
    part = Cast(value.bits, low, high, value.frac - target.frac, target, offset, negate, added)
    return place_cast(part, name, value.text, result)


def place_cast(part: Cast, name: str, text: str, result: str) -> str:
    """A cast of an expression of its width."""
    return place(part, name, {"value": unsigned_port(text), "result": result})


def unsigned_port(text: str) -> str:
    """A port connection without ``$signed`` around a plain signal: Yosys 0.70 stops there.

    The signal has the port's width, so nothing is extended (YosysHQ/yosys#6082).
    """
    plain = re.fullmatch(r"\$signed\((\w+(?:\[\d+:\d+\])?)\)", text)
    return plain[1] if plain else text
