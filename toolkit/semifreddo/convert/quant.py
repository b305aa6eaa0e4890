"""The meaning of QONNX quantizers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.convert.node import Node
from semifreddo.convert.steps import CEILING, UP, Quantizer, Truncation
from semifreddo.convert.values import Constant, Quantized
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import FixedType, Overflow, Rounding, bits_for

ROUNDINGS: dict[str, Rounding | str] = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "FLOOR": Rounding.FLOOR,
    "DOWN": Rounding.TOWARD_ZERO,
    "ROUND_TO_ZERO": Rounding.TOWARD_ZERO,
    # QONNX rounds magnitudes: half up is away from zero on both sides.
    "HALF_UP": Rounding.HALF_AWAY,
    "HALF_DOWN": Rounding.HALF_TOWARD_ZERO,
    "CEIL": CEILING,
    "UP": UP,
}
"""QONNX rounding modes; the last two have no fixed-point type."""

MAX_BITS = 32
"""Widest quantizer: what a stored weight block holds."""


def exponents(scale: npt.NDArray[Any]) -> npt.NDArray[np.int64] | None:
    """Fraction bits of power-of-two scales, same shape; None if one is no power of two."""
    mantissa, exponent = np.frexp(scale.astype(np.float64))
    return None if (mantissa != 0.5).any() else 1 - exponent.astype(np.int64)


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
        ConversionError: Not a uniform quantizer of integers.
    """

    step = 1

    def __init__(self, node: Node, operands: list[Constant], what: str) -> None:
        self.what = what
        self.scale = _operand(node, operands, 0, what).astype(np.float64)
        _check_scale(self.scale, what)
        zero = _operand(node, operands, 1, what)
        if (zero != np.rint(zero)).any():
            raise ConversionError(
                f"{what}: zero point {zero[zero != np.rint(zero)].ravel()[0]:g} is not a whole "
                "number; train with integer zero points"
            )
        self.zero = zero.astype(np.int64)
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

    @property
    def _limits(self) -> tuple[int, int]:
        """Smallest and largest integer, before the zero point is taken away."""
        high = (1 << (self.bits - int(self.signed))) - 1
        if self.signed:
            return -high - (not self.narrow), high
        return 0, high - self.narrow

    def type(self) -> FixedType | None:
        """The format of an activation stream; None if a cast cannot do what the quantizer does.

        Raises:
            ConversionError: The scale differs per channel.
        """
        frac = exponents(self._one(self.scale, "scale"))
        plain = isinstance(self.rounding, Rounding) and (self.signed or not self.narrow)
        if frac is None or not plain or self._one(self.zero, "zero point").any():
            return None
        assert isinstance(self.rounding, Rounding)
        overflow = Overflow.SATURATE_SYMMETRIC if self.narrow else Overflow.SATURATE
        return FixedType(self.bits, int(frac.ravel()[0]), self.signed, self.rounding, overflow)

    def quantizer(self) -> Quantizer:
        """What it does to an activation; integers are those from which the zero point is taken.

        Raises:
            ConversionError: The scale differs per channel.
        """
        scale = float(self._one(self.scale, "scale").ravel()[0])
        zero = int(self._one(self.zero, "zero point").ravel()[0])
        low, high = self._limits
        return Quantizer(Fraction(scale), low - zero, high - zero, self.rounding, zero)

    def _one(self, values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        if (values != values.ravel()[0]).any():
            raise ConversionError(
                f"{self.what}: activations with a {name} per channel are not supported; use a "
                "per-tensor activation quantizer"
            )
        return values

    def apply(self, data: Constant) -> Constant:
        """Quantize a constant.

        Raises:
            ConversionError: It is not finite.
        """
        _check_finite(data, self.what)
        shape = data.values.shape
        low, high = self._limits
        zero = np.broadcast_to(self.zero, shape)
        frac, scale = exponents(self.scale), np.broadcast_to(self.scale, shape)
        shifted = data.values.astype(np.float64) / scale + zero
        raw = _round(np.clip(shifted, low, high), self.rounding) - zero
        bits, signed = self.bits, self.signed
        if self.zero.any():
            bits, signed = bits_for(int(low - self.zero.max()), int(high - self.zero.min()))
        if frac is None:
            form = Quantized(np.zeros(shape, np.int64), bits, signed, scale)
        else:
            form = Quantized(np.broadcast_to(frac, shape), bits, signed)
        return replace(data, values=raw * scale, quantized=form)


class BipolarNode:
    """A BipolarQuant node: to ``-scale`` below zero, otherwise to ``scale``.

    Args:
        node: The node.
        operands: Its scale.
        what: Names the quantizer in messages.

    Raises:
        ConversionError: The scale is not positive.
    """

    step = 2

    def __init__(self, node: Node, operands: list[Constant], what: str) -> None:
        self.what = what
        self.scale = _operand(node, operands, 0, what).astype(np.float64)
        _check_scale(self.scale, what)

    def type(self) -> FixedType | None:
        """None: no cast gives -1 and 1."""
        return None

    def quantizer(self) -> Quantizer:
        """What it does to an activation.

        Raises:
            ConversionError: The scale differs per channel.
        """
        if (self.scale != self.scale.ravel()[0]).any():
            raise ConversionError(
                f"{self.what}: activations with a scale per channel are not supported; use a "
                "per-tensor activation quantizer"
            )
        return Quantizer(Fraction(float(self.scale.ravel()[0])), -1, 1, Rounding.FLOOR, step=2)

    def apply(self, data: Constant) -> Constant:
        """Quantize a constant.

        Raises:
            ConversionError: It is not finite.
        """
        _check_finite(data, self.what)
        shape = data.values.shape
        frac, scale = exponents(self.scale), np.broadcast_to(self.scale, shape)
        raw = np.where(data.values >= 0, 1.0, -1.0)
        if frac is None:
            form = Quantized(np.zeros(shape, np.int64), 2, True, scale, signs=True)
        else:
            form = Quantized(np.broadcast_to(frac, shape), 2, True, signs=True)
        return replace(data, values=raw * scale, quantized=form)


def truncation_of(
    node: Node, operands: list[Constant], what: str, reach: Callable[[Fraction], tuple[int, int]]
) -> Truncation:
    """What a Trunc node does to an activation.

    Args:
        node: The node. With five inputs (first version of the operator) it keeps the scale and does
            not saturate, with six it has a scale and limits of its own.
        operands: Scale, zero point, bits before, the new scale of the second version, bits.
        what: Names the node in messages.
        reach: Smallest and largest multiple of a scale that comes in.

    Raises:
        ConversionError: A zero point, a scale per channel, or an unknown rounding mode.
    """
    first = len(operands) < 5
    names = ["scale", "zero point", "input bit width", *([] if first else ["output scale"]), "bits"]
    found: dict[str, float] = {}
    for slot, name in enumerate(names):
        values = _operand(node, operands, slot, what).astype(np.float64).ravel()
        if (values != values[0]).any():
            raise ConversionError(f"{what}: its {name} differs by channel; use one for all")
        found[name] = float(values[0])
    if found["zero point"]:
        raise ConversionError(f"{what}: a zero point is not supported; use zero point 0")
    _check_scale(np.array([found["scale"], found.get("output scale", 1.0)]), what)
    mode = str(node.attributes.get("rounding_mode", "FLOOR")).upper()
    if mode not in ROUNDINGS:
        raise ConversionError(
            f"{what}: rounding mode {mode} is not supported; use one of {', '.join(ROUNDINGS)}"
        )
    fine, bits, rounding = Fraction(found["scale"]), int(found["bits"]), ROUNDINGS[mode]
    if first:
        ratio = Fraction(2) ** int(found["input bit width"] - bits)
        width, below_zero = bits_for(*(round(end / ratio) + (end > 0) for end in reach(fine)))
        kind = FixedType.exact(width + 1, 0, signed=below_zero)  # nothing saturates
        return Truncation(fine, kind.min_raw, kind.max_raw, rounding, fine=fine, ratio=ratio)
    scale = found["output scale"]
    ratio = Fraction(2) ** round(np.log2(scale / found["scale"]))
    signed, narrow = (int(node.attributes.get(k, d)) for k, d in (("signed", 1), ("narrow", 0)))
    high = (1 << (bits - signed)) - 1
    low = -high - (not narrow) if signed else 0
    return Truncation(
        Fraction(scale), low, high - (narrow and not signed), rounding, fine=fine, ratio=ratio
    )


QUANTIZERS: dict[str, Callable[[Node, list[Constant], str], QuantNode | BipolarNode]] = {
    "Quant": QuantNode,
    "IntQuant": QuantNode,
    "BipolarQuant": BipolarNode,
}
"""By operator."""


def _check_scale(scale: npt.NDArray[np.float64], what: str) -> None:
    wrong = ~np.isfinite(scale) | (scale <= 0)
    if wrong.any():
        raise ConversionError(
            f"{what}: scale {scale[wrong].ravel()[0]:g} is not a positive number; export again"
        )


def _check_finite(data: Constant, what: str) -> None:
    if not np.isfinite(data.values).all():
        raise ConversionError(
            f"{what}: {data.parameter or data.name!r} has NaN or infinite values; "
            "training diverged, so load an earlier checkpoint"
        )


def _round(values: npt.NDArray[np.float64], rounding: Rounding | str) -> npt.NDArray[np.float64]:
    if rounding is Rounding.HALF_EVEN:
        return np.rint(values)
    if rounding is Rounding.FLOOR:
        return np.floor(values)
    if rounding == CEILING:
        return np.ceil(values)
    if rounding is Rounding.TOWARD_ZERO:
        return np.trunc(values)
    magnitude = np.abs(values)
    if rounding == UP:
        whole = np.ceil(magnitude)
    else:
        away = rounding is Rounding.HALF_AWAY
        whole = np.floor(magnitude + 0.5) if away else np.ceil(magnitude - 0.5)
    rounded: npt.NDArray[np.float64] = np.copysign(whole, values)
    return rounded
