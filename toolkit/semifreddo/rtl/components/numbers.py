"""Numbers in generated text, with their exact range, and the casts that end every layer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from semifreddo.core.fixed import FixedType, Rounding, bits_for
from semifreddo.rtl.components.verilog import instance, literal


def signed_bits(low: int, high: int) -> int:
    """Width of a two's complement number that holds ``low..high``."""
    width, signed = bits_for(low, high)
    return width if signed else width + 1


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
    """An ``sf_cast`` of ``value``, or of its negative, plus ``offset`` of its last bits.

    Args:
        name: Name of the instance.
        value: What is cast.
        target: The format it is brought into.
        result: The signal that gets it.
        offset: A constant that is added first.
        negate: Whether the negative is cast.
        added: Whether ``value`` contains :func:`half_of` already.
    """
    drop = value.frac - target.frac
    low, high = (-value.high, -value.low) if negate else (value.low, value.high)
    low, high = low + offset, high + offset
    half = half_of(target.rounding, drop)
    if not added:
        low += half or 0  # where it depends on the sign it is between 0 and the largest
        high += (1 << drop) - 1 if half is None else half
    parameters: dict[str, int | str] = {
        "IN_BITS": value.bits,
        "SUM_BITS": signed_bits(low, high),
        "SUM_SIGNED": int(low < 0),
        "DROP": drop,
        "OUT_BITS": target.width,
        "OUT_SIGNED": int(target.signed),
        "ROUNDING": target.rounding.name,
        "OVERFLOW": target.overflow.name,
    }
    if offset:
        bits = signed_bits(min(offset, 0), max(offset, 0))
        parameters |= {"OFFSET_BITS": bits, "OFFSET": literal(offset, bits)}
    if negate:
        parameters["NEGATE"] = 1
    if added and half is not None:
        parameters["ADDED"] = 1
    return instance(
        "sf_cast", name, parameters, {"value": unsigned_port(value.text), "result": result}
    )


def unsigned_port(text: str) -> str:
    """A port connection without ``$signed`` around a plain signal: Yosys 0.70 stops there.

    The signal has the port's width, so nothing is extended (YosysHQ/yosys#6082).
    """
    plain = re.fullmatch(r"\$signed\((\w+(?:\[\d+:\d+\])?)\)", text)
    return plain[1] if plain else text
