"""Handlers of Add, Sub and Mul: residual sums, biases, fixed scalers and alpha blends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.convert.blocks import Draft
from semifreddo.convert.combined import Product
from semifreddo.convert.constants import reshaped
from semifreddo.convert.context import Context, Handler
from semifreddo.convert.node import Node
from semifreddo.convert.real import affine as real_affine
from semifreddo.convert.real import (
    combined,
    imaged,
    lifted,
    real_quotient,
    real_sum,
    same_values,
)
from semifreddo.convert.values import (
    NO_PADDING,
    Constant,
    Difference,
    Quantized,
    RawImage,
    Real,
    Scaled,
    Signal,
    Value,
)
from semifreddo.convert.weighted import bias_block
from semifreddo.core.fixed import FixedType, bits_for
from semifreddo.ir.layers import ALPHA_FRAC, ROLES, Add, Blend

_SCALER_BITS = 16


def settle(context: Context, node: Node, value: Value | None) -> Signal | Real:
    """The tensor of an operand; a pending product becomes a fixed scaler (1x1 depthwise).

    A product with a factor that is no short fixed-point number stays a real one.

    Raises:
        ConversionError: The operand is no stream.
    """
    if isinstance(value, Real):
        return value
    if isinstance(value, Difference):
        return _subtracted(context, node, value)
    if not isinstance(value, Scaled):
        return context.signal(node, value)
    if isinstance(value.signal, Difference):
        return real_affine(
            context, node, _subtracted(context, node, value.signal), value.factor, None
        )
    signal, node = value.signal, value.node
    if not _is_scaler(value.factor):
        return real_affine(context, node, lifted(context, node, signal), value.factor, None)
    stream = context.image(node, signal)
    factor, draft = _scaler(context, node, value.factor, stream.channels, signal.index.ndim)
    block = context.blocks.add("weight", factor, draft, context.what(node))
    result = context.emit_scaler(node, stream, block)
    return Signal.whole(result, signal.index.ndim, node.name)


def _subtracted(context: Context, node: Node, value: Difference) -> Real:
    """One stream minus another, outside of a blend."""
    minus_one = Constant("-1", np.array(-1.0))
    left, right = (lifted(context, node, side) for side in (value.left, value.right))
    return real_sum(context, node, left, real_affine(context, node, right, minus_one, None))


def _per_channel(context: Context, node: Node, factor: Constant, channels: int, rank: int) -> bool:
    """Whether a factor has one entry per channel (true) or one altogether (false)."""
    shape = (1,) * (rank - factor.values.ndim) + factor.values.shape
    if factor.values.size == 1:
        return channels == 1
    if len(shape) != rank or shape != (1, channels) + (1,) * (rank - 2):
        context.refuse(
            node,
            f"factor shape {factor.values.shape} is not one value per channel "
            f"({channels} channels); multiply by a (1, {channels}, 1, 1) constant",
        )
    return True


def _scaler(
    context: Context, node: Node, factor: Constant, channels: int, rank: int
) -> tuple[Constant, Draft]:
    if not _per_channel(context, node, factor, channels, rank):
        # A single factor is copied to every channel, so it is no longer the parameter itself.
        spread = np.broadcast_to(factor.values.ravel(), (channels,))
        old = factor.quantized
        frac = None if old is None else np.broadcast_to(old.frac.ravel(), (channels,))
        form = None if old is None or frac is None else replace(old, frac=frac)
        factor = Constant(factor.name, spread, quantized=form)
    if factor.quantized is None:
        fixed = _as_fixed_point(factor)
        assert fixed is not None, factor.name
        factor = fixed
    return factor, Draft.of(factor).reshape(1, 1, 1, channels)


def _is_scaler(factor: Constant) -> bool:
    """Whether a factor can be the weights of a scaler of its own."""
    if factor.quantized is not None:
        return factor.quantized.scale is None
    return _as_fixed_point(factor) is not None


def _as_fixed_point(factor: Constant) -> Constant | None:
    """A factor as numbers of a few bits; None if it is no such number."""
    values = factor.values.astype(np.float64)
    for frac in range(_SCALER_BITS):
        raw = np.ldexp(values, frac)
        if (raw == np.rint(raw)).all():
            bits, signed = bits_for(int(raw.min()), int(raw.max()))
            if bits <= _SCALER_BITS:
                form = Quantized(np.full(values.shape, frac), bits, signed)
                return replace(factor, values=values, quantized=form)
    return None


def _attach_bias(
    context: Context, node: Node, signal: Signal, bias: Constant
) -> list[Value] | None:
    """Add a constant to a weighted layer without bias; None if it cannot be that layer's bias."""
    stream = signal.stream
    if not context.takes_bias(stream) or context.readers(context.origins[stream.name].tensor) != 1:
        return None
    channels = stream.channels
    shape = (1,) * (signal.index.ndim - bias.values.ndim) + bias.values.shape
    per_channel = shape == (1, channels) + (1,) * (signal.index.ndim - 2)
    if signal.channel_map != tuple(range(channels)) or not per_channel or bias.quantized is None:
        return None
    if bias.quantized.scale is not None:
        return None
    block = bias_block(context, node, reshaped(bias, (channels,)))
    assert block is not None
    stream = context.replace_layer(node, stream, bias=block.name)
    return [replace(signal, stream=stream, node=node.name)]


def _blend(
    context: Context, node: Node, frozen: Signal, trainable: Signal, alpha: Constant
) -> list[Value]:
    first, second = context.image(node, frozen), context.image(node, trainable)
    channels = first.channels
    assert alpha.quantized is not None
    wide = FixedType.exact(alpha.quantized.bits, 0, signed=alpha.quantized.signed)
    low, high = ROLES["alpha"].range_of(wide)
    if (alpha.quantized.frac != ALPHA_FRAC).any() or not (
        low <= alpha.raw.min() and alpha.raw.max() <= high
    ):
        context.refuse(
            node,
            f"blend factors {alpha.parameter or alpha.name!r} are not k/8 with k from 0 to 8; "
            "quantize them to 4 unsigned bits with scale 1/8",
        )
    if first.shape != second.shape or not _per_channel(
        context, node, alpha, channels, frozen.index.ndim
    ):
        context.refuse(
            node,
            f"blends shapes {first.shape} and {second.shape} with factors of shape "
            f"{alpha.values.shape}; use one factor per channel",
        )
    draft = Draft.of(alpha).reshape(channels)
    block = context.blocks.add("alpha", alpha, draft, context.what(node))
    label = node.name.rpartition("/")[0] + "/Blend"
    result = context.emit(node, Blend, (first, second), first.shape, label=label, alpha=block.name)
    return [Signal.whole(result, frozen.index.ndim, node.name)]


def _as_blend(context: Context, node: Node, left: Value, right: Value) -> list[Value] | None:
    """Recognize ``f * q + t * (1 - q)`` and ``t + q * (f - t)``; None if it is neither."""
    for one, other in ((left, right), (right, left)):
        if not isinstance(one, Scaled) or one.factor.quantized is None:
            continue
        if isinstance(one.signal, Difference):
            ends = one.signal
            if isinstance(other, Signal) and other.same_as(ends.right):
                return _blend(context, node, ends.left, ends.right, one.factor)
        elif isinstance(other, Scaled) and isinstance(other.signal, Signal):
            try:
                whole = one.factor.values + other.factor.values
            except ValueError:
                continue
            if (whole == 1).all():
                return _blend(context, node, one.signal, other.signal, one.factor)
    return None


def _add(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    left, right = operands
    assert left is not None and right is not None
    for one, other in ((left, right), (right, left)):
        if isinstance(other, Constant):
            return [_plus(context, node, one, context.constant(node, other, "bias"))]
    blend = _as_blend(context, node, left, right)
    if blend is not None:
        return blend
    a, b = (_with_zeros(context, node, settle(context, node, side)) for side in (left, right))
    if isinstance(a, Real) or isinstance(b, Real):
        return [real_sum(context, node, lifted(context, node, a), lifted(context, node, b))]
    if a.index.shape != b.index.shape:
        context.refuse(
            node,
            f"adds shapes {a.index.shape} and {b.index.shape}; both streams must have the same",
        )
    if a.channel_map is None and a.same_view(b) and a.is_permutation:
        result = context.emit(node, Add, (a.stream, b.stream), a.stream.shape)
        return [replace(a, stream=result, node=node.name)]
    first, second = context.image(node, a), context.image(node, b)
    result = context.emit(node, Add, (first, second), first.shape)
    return [Signal.whole(result, a.index.ndim, node.name)]


def _with_zeros(context: Context, node: Node, value: Signal | Real) -> Signal | Real:
    """A tensor whose padding is part of its stream."""
    signal = value.signal if isinstance(value, Real) else value
    if signal.padding == NO_PADDING:
        return value
    if isinstance(value, Real):
        return imaged(context, node, value)
    return Signal.whole(context.image(node, signal), signal.index.ndim, signal.node)


def _plus(context: Context, node: Node, value: Value, constant: Constant) -> Value:
    """A tensor plus a constant: the bias of the layer before, or part of a real function."""
    if isinstance(value, RawImage):
        return real_affine(context, node, value, None, constant)
    settled = settle(context, node, value)
    if isinstance(settled, Signal):
        attached = _attach_bias(context, node, settled, constant)
        if attached is not None:
            return attached[0]
    return real_affine(context, node, lifted(context, node, settled), None, constant)


def _sub(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    left, right = operands
    if isinstance(right, Constant) and left is not None:
        negative = context.constant(node, right, "operand")
        return [_plus(context, node, left, _plain_constant(negative, -negative.values))]
    if isinstance(left, Constant) and right is not None:
        minus = _mul(context, node, [right, Constant("-1", np.array(-1.0))])
        return [_plus(context, node, minus[0], context.constant(node, left, "operand"))]
    first, second = (
        _with_zeros(context, node, settle(context, node, side)) for side in (left, right)
    )
    if isinstance(first, Real) or isinstance(second, Real):
        minus_one = Constant("-1", np.array(-1.0))
        other = real_affine(context, node, lifted(context, node, second), minus_one, None)
        return [real_sum(context, node, lifted(context, node, first), other)]
    return [Difference(first, second)]


def _plain_constant(constant: Constant, values: npt.NDArray[Any]) -> Constant:
    """Other values under the same name; they are no parameter any more."""
    return Constant(constant.name, values)


def _mul(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    for one, other in (operands, operands[::-1]):
        if isinstance(other, Constant) and not isinstance(one, Constant):
            factor = context.constant(node, other, "factor")
            if isinstance(one, Difference):
                return [Scaled(one, factor, node)]
            if isinstance(one, RawImage):
                return [real_affine(context, node, one, factor, None)]
            settled = settle(context, node, one)
            if isinstance(settled, Real):
                return [real_affine(context, node, settled, factor, None)]
            return [Scaled(settled, factor, node)]
    left, right = (as_real(context, node, operand) for operand in operands)
    if same_values(left, right):
        return [combined(node, Product, left, right)]
    context.refuse(node, "multiplies two streams, which is not supported; one must be a constant")


def as_real(context: Context, node: Node, value: Value | None) -> Real:
    """An operand as real numbers; a pending product is no layer, but part of the function.

    Raises:
        ConversionError: The operand is no stream.
    """
    if isinstance(value, Scaled) and isinstance(value.signal, Signal):
        signal = lifted(context, node, value.signal)
        return real_affine(context, node, signal, value.factor, None)
    return lifted(context, node, settle(context, node, value))


def _div(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    divisor = context.constant(node, operands[1], "divisor")
    values = divisor.values.astype(np.float64)
    if not values.all():
        context.refuse(node, "divides by zero; export the model again")
    mantissa, _ = np.frexp(np.abs(values))
    if (mantissa == 0.5).all():
        return _mul(context, node, [operands[0], Constant(divisor.name, 1 / values)])
    value = operands[0]
    if not isinstance(value, RawImage):
        value = lifted(context, node, settle(context, node, value))
    return [real_quotient(context, node, value, divisor)]


def _neg(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    return _mul(context, node, [operands[0], Constant("-1", np.array(-1.0))])


ARITHMETIC: dict[str, Handler] = {"Add": _add, "Sub": _sub, "Mul": _mul, "Div": _div, "Neg": _neg}
"""Handlers by operator; operands may be pending products and differences."""
