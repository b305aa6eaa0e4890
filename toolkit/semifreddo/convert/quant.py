"""The meaning of QONNX Quant nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.convert.load import Node
from semifreddo.convert.values import Constant, Quantized
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import FixedType, Overflow, Rounding

ROUNDINGS: dict[str, Rounding] = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "FLOOR": Rounding.FLOOR,
    "DOWN": Rounding.TOWARD_ZERO,
    "ROUND_TO_ZERO": Rounding.TOWARD_ZERO,
    # QONNX rounds magnitudes: half up is away from zero on both sides.
    "HALF_UP": Rounding.HALF_AWAY,
    "HALF_DOWN": Rounding.HALF_TOWARD_ZERO,
}
"""QONNX rounding modes; CEIL and UP have no fixed-point type."""

MAX_BITS = 32
"""Widest quantizer: what a stored weight block holds."""


def exponents(scale: npt.NDArray[Any], what: str) -> npt.NDArray[np.int64]:
    """Fraction bits of power-of-two scales, same shape.

    Args:
        scale: The scales.
        what: Whose scales they are, for the message.

    Raises:
        ConversionError: One is not a power of two.
    """
    mantissa, exponent = np.frexp(scale.astype(np.float64))
    wrong = ~np.isfinite(scale) | (mantissa != 0.5)
    if wrong.any():
        raise ConversionError(
            f"{what}: scale {scale[wrong].ravel()[0]:g} is not a power of two; train with a "
            "power-of-two (FixedPoint) quantizer"
        )
    return 1 - exponent.astype(np.int64)


def _operand(node: Node, operands: list[Constant], slot: int, what: str) -> npt.NDArray[Any]:
    if slot >= len(operands) or not operands[slot].values.size:
        raise ConversionError(f"{what}: input {slot} of node {node.name!r} is missing")
    return operands[slot].values


class QuantNode:
    """One Quant node with constant parameters.

    Args:
        node: The node.
        operands: Its scale, zero point and bit width.
        what: Names the quantizer in messages.

    Raises:
        ConversionError: Not a fixed-point quantizer.
    """

    def __init__(self, node: Node, operands: list[Constant], what: str) -> None:
        self.what = what
        self.scale = _operand(node, operands, 0, what)
        self.frac = exponents(self.scale, what)
        zero = _operand(node, operands, 1, what)
        if zero.any():
            raise ConversionError(
                f"{what}: zero point {zero[zero != 0].ravel()[0]:g} is not 0; train with a "
                "symmetric (FixedPoint) quantizer"
            )
        bits = _operand(node, operands, 2, what)
        if bits.size != 1 or bits.ravel()[0] != int(bits.ravel()[0]):
            raise ConversionError(f"{what}: the bit width is not one whole number")
        self.bits = int(bits.ravel()[0])
        self.signed = bool(node.attributes.get("signed", 1))
        self.narrow = bool(node.attributes.get("narrow", 0))
        if not (2 if self.signed else 1) <= self.bits <= MAX_BITS:
            raise ConversionError(
                f"{what}: bit width {self.bits} is not supported; use 2 to {MAX_BITS} bits"
            )
        mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
        if mode not in ROUNDINGS:
            raise ConversionError(
                f"{what}: rounding mode {mode} is not supported; use one of {', '.join(ROUNDINGS)}"
            )
        self.rounding = ROUNDINGS[mode]
        if self.narrow and not self.signed:
            raise ConversionError(
                f"{what}: narrow range of an unsigned quantizer is not supported; "
                "set narrow_range=False"
            )

    def type(self) -> FixedType:
        """The format of an activation stream.

        Raises:
            ConversionError: The scale differs per channel.
        """
        if (self.frac != self.frac.ravel()[0]).any():
            raise ConversionError(
                f"{self.what}: activations with a scale per channel are not supported; use a "
                "per-tensor activation quantizer"
            )
        overflow = Overflow.SATURATE_SYMMETRIC if self.narrow else Overflow.SATURATE
        return FixedType(self.bits, int(self.frac.ravel()[0]), self.signed, self.rounding, overflow)

    def apply(self, data: Constant) -> Constant:
        """Quantize a constant.

        Raises:
            ConversionError: It is not finite, or its scale varies in a way no layer can have.
        """
        if not np.isfinite(data.values).all():
            raise ConversionError(
                f"{self.what}: {data.parameter or data.name!r} has NaN or infinite values; "
                "training diverged, so load an earlier checkpoint"
            )
        frac = np.broadcast_to(self.frac, data.values.shape)
        scaled = np.ldexp(data.values.astype(np.float64), frac)
        high = float((1 << (self.bits - int(self.signed))) - 1)
        low = (-high - (not self.narrow)) if self.signed else 0.0
        rounded = _round(np.clip(scaled, low, high), self.rounding)
        return replace(
            data,
            values=np.ldexp(rounded, -frac),
            quantized=Quantized(frac, self.bits, self.signed),
        )


def _round(values: npt.NDArray[np.float64], rounding: Rounding) -> npt.NDArray[np.float64]:
    if rounding is Rounding.HALF_EVEN:
        return np.rint(values)
    if rounding is Rounding.FLOOR:
        return np.floor(values)
    if rounding is Rounding.TOWARD_ZERO:
        return np.trunc(values)
    magnitude = np.abs(values)
    away = rounding is Rounding.HALF_AWAY
    whole = np.floor(magnitude + 0.5) if away else np.ceil(magnitude - 0.5)
    rounded: npt.NDArray[np.float64] = np.copysign(whole, values)
    return rounded
