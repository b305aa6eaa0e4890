"""Handlers of quantizers, activations and pools."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor, prod

import numpy as np

from semifreddo.convert.activations import ACTIVATIONS
from semifreddo.convert.context import Context, Handler
from semifreddo.convert.decisions import Decision
from semifreddo.convert.enclosures import enclosed
from semifreddo.convert.entrance import Entrance
from semifreddo.convert.functions import Affine, Clip
from semifreddo.convert.node import Node
from semifreddo.convert.quant import QUANTIZERS, exponents, truncation_of
from semifreddo.convert.real import (
    REAL,
    above_zero,
    appended,
    directions,
    imaged,
    lifted,
    multiplied,
    plain,
    power_of_two,
    settled_clip,
)
from semifreddo.convert.requantize import requantize
from semifreddo.convert.steps import CEILING, UP, Quantizer
from semifreddo.convert.values import NO_PADDING, Constant, RawImage, Real, Signal, Value
from semifreddo.convert.weighted import window_attributes
from semifreddo.convert.wiring import WIRING
from semifreddo.core.fixed import FixedType, Overflow, Rounding, bits_for
from semifreddo.ir.layers import AvgPool, Cast, MaxPool, Shape
from semifreddo.ir.validate import window_shape

_MOST_WHOLE_BITS = 16
"""Of whole numbers that no quantizer limits."""


def _cast(context: Context, node: Node, signal: Signal, into: FixedType) -> Signal:
    """Cast every value of a signal; zero stays zero, so padding does not matter."""
    plain = replace(signal, padding=NO_PADDING)
    if plain.channel_map is None:
        ordered = signal.padding == NO_PADDING and context.in_file_order(plain)
        shape, tensor = signal.stream.shape, None if ordered else ""
        stream = context.emit(node, Cast, (signal.stream,), shape, into=into, tensor=tensor)
        return replace(signal, stream=stream, node=node.name)
    source = context.image(node, plain)
    # The ONNX tensor of a padded image has another shape than the stream.
    tensor = None if signal.padding == NO_PADDING else ""
    stream = context.emit(node, Cast, (source,), source.shape, into=into, tensor=tensor)
    index = Signal.image(stream, "").index.reshape(signal.index.shape)
    return Signal(stream, index, signal.padding, node.name)


def _quant(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    parameters = [value for value in operands[1:] if isinstance(value, Constant)]
    if len(parameters) != len(operands) - 1:
        context.refuse(node, "its scale, zero point and bit width must be constants")
    quant = QUANTIZERS[node.op](node, parameters, context.what(node))
    kind, value = quant.type(), operands[0]
    if isinstance(value, RawImage):
        return [_quantized_input(context, node, value, quant.quantizer(), kind)]
    return [_quantized(context, node, value, quant.quantizer(), kind)]


def _quantized(
    context: Context, node: Node, value: Value | None, quantizer: Quantizer, kind: FixedType | None
) -> Signal | Real:
    """What a quantizer makes of a stream; ``kind`` is a format that does the same, if any does."""
    if kind is not None and not isinstance(value, Real):
        made = _cast(context, node, context.signal(node, value), kind)
        _decided(context, node, made, quantizer)
        return made
    exponent = exponents(np.array(float(quantizer.scale)))
    frac = 0 if exponent is None else int(exponent)
    signal = requantize(context, node, lifted(context, node, value), quantizer, frac)
    return signal if exponent is not None else _with_scale(signal, quantizer.scale)


ROUNDINGS: dict[str, Rounding | str] = {
    "Floor": Rounding.FLOOR,
    "Ceil": CEILING,
    "Round": Rounding.HALF_EVEN,
    "Sign": UP,
}
"""Operators that make whole numbers without a quantizer's parameters."""


def _rounded(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    """Whole numbers: a quantizer of scale 1 that is wide enough for everything that comes in.

    A sign is what is left of a number that is rounded away from zero, and limited to -1 and 1.
    """
    rounding = ROUNDINGS[node.op]
    real = lifted(context, node, operands[0])
    low, high = (-1, 1) if node.op == "Sign" else _whole_range(context, real)
    width, signed = bits_for(low, high)
    if width > _MOST_WHOLE_BITS:
        context.refuse(
            node,
            f"gives whole numbers of {width} bits, at most {_MOST_WHOLE_BITS} are built; limit "
            "what comes in by a Clip, or use a Quant node",
        )
    kind = None
    if isinstance(rounding, Rounding):
        kind = FixedType(width, 0, signed, rounding, Overflow.SATURATE)
        low, high = kind.min_raw, kind.max_raw
    quantizer = Quantizer(Fraction(1), low, high, rounding)
    return [_quantized(context, node, operands[0], quantizer, kind)]


def _whole_range(context: Context, real: Real) -> tuple[int, int]:
    """Whole numbers around everything that a real tensor can be."""
    first, last = (np.array([float(end)]) for end in context.reach(real.signal.stream))
    ends = [
        enclosed(real.functions, channel, first, last)
        for channel in range(real.signal.stream.channels)
    ]
    return floor(min(low.min() for low, _ in ends)), ceil(max(high.max() for _, high in ends))


def _trunc(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    parameters = [context.constant(node, value, "parameter") for value in operands[1:]]
    real = imaged(context, node, lifted(context, node, operands[0]))
    function = plain(context, node, real, "a truncation reads the values")

    def reach(scale: Fraction) -> tuple[int, int]:
        ends = [
            (slope * end + offset) / scale
            for slope, offset in zip(function.slopes, function.offsets, strict=True)
            for end in context.reach(real.signal.stream)
        ]
        return round(min(ends)), round(max(ends))

    quantizer = truncation_of(node, parameters, context.what(node), reach)
    exponent = exponents(np.array(float(quantizer.scale)))
    signal = requantize(context, node, real, quantizer, 0 if exponent is None else int(exponent))
    return [signal if exponent is not None else _with_scale(signal, quantizer.scale)]


def _decided(context: Context, node: Node, made: Signal, quantizer: Quantizer) -> None:
    """Note what a cast decides about the integers in front of it."""
    cast = context.maker(made.stream)
    assert cast is not None
    (source,) = context.inputs_of(cast)
    scale = Affine.scale(power_of_two(-source.type.frac), source.channels)
    reach = context.arguments(source)
    context.decisions.append(Decision.of(node, source, made, (scale,), quantizer, arguments=reach))


def _with_scale(signal: Signal, scale: Fraction) -> Real:
    """Integers of a scale that is no power of two."""
    return Real(signal, (Affine.scale(scale, signal.stream.channels),))


def _quantized_input(
    context: Context, node: Node, image: RawImage, quantizer: Quantizer, kind: FixedType | None
) -> Signal | Real:
    """The image gets the format of the quantizer that reads it first."""
    exponent = exponents(np.array(float(quantizer.scale)))
    if kind is None:
        width, signed = bits_for(quantizer.low, quantizer.high)
        frac = 0 if exponent is None else int(exponent)
        kind = FixedType(width, frac, signed, Rounding.HALF_EVEN, Overflow.SATURATE)
    stream = context.set_input(node, kind, Entrance(image.functions, quantizer))
    signal = image.signal.with_stream(stream)
    signal = replace(signal, node=node.name)
    return signal if exponent is not None else _with_scale(signal, quantizer.scale)


def _relu(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    if isinstance(operands[0], Real | RawImage):
        return [appended(operands[0], node, Clip(Fraction(0)))]
    signal = context.signal(node, operands[0])
    source = signal.stream.type
    if not source.signed:
        return [signal]
    positive = FixedType(
        max(1, source.width - 1), source.frac, False, Rounding.FLOOR, Overflow.SATURATE
    )
    return [_cast(context, node, signal, positive)]


def _maxpool(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    real = operands[0] if isinstance(operands[0], Real) else None
    if real is not None:
        real = _rising(context, node, real)
    signal = real.signal if real is not None else context.signal(node, operands[0])
    size = list(node.attributes.get("kernel_shape") or signal.index.shape[2:])
    kernel, stride, pads = window_attributes(context, node, size, signal)
    if signal.padding != NO_PADDING and (any(pads) or signal.stream.type.signed):
        # Zeros of a Pad node are values like others, and not what a pool pads with.
        if real is not None:
            real = imaged(context, node, real)
        signal = Signal.whole(context.image(node, signal), 4, signal.node)
    source = context.image(node, replace(signal, padding=NO_PADDING))
    if node.attributes.get("ceil_mode", 0):
        pads = _with_last_windows(source.shape, kernel, stride, pads)
    if any(pads) and source.type.signed:
        # A pool pads with what is below every value, and in hardware that is zero.
        real = above_zero(
            context, node, imaged(context, node, real or lifted(context, node, signal))
        )
        source = real.signal.stream
    padding = signal.padding if signal.padding != NO_PADDING else pads
    result = context.emit(
        node,
        MaxPool,
        (source,),
        (*window_shape(source.shape, kernel, stride, padding), source.channels),
        kernel=kernel,
        stride=stride,
        padding=padding,
    )
    pooled = Signal.image(result, node.name)
    if real is None:
        return [pooled]
    context.hide(result)
    return [Real(pooled, real.functions)]


def _with_last_windows(
    shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
) -> tuple[int, int, int, int]:
    """Padding at the bottom and right that lets windows in which stick out of the image."""
    found = list(pads)
    for axis in (0, 1):
        size = shape[axis] + pads[axis] + pads[axis + 2]
        count = -(-(size - kernel[axis]) // stride[axis]) + 1
        if (count - 1) * stride[axis] >= shape[axis] + pads[axis]:
            count -= 1  # a window that begins in the padding does not count
        found[axis + 2] += max(0, (count - 1) * stride[axis] + kernel[axis] - size)
    top, left, bottom, right = found
    return top, left, bottom, right


def _rising(context: Context, node: Node, real: Real) -> Real:
    """The same tensor, with integers that rise where the real numbers do; as a whole stream."""
    padding = real.signal.padding
    real = imaged(context, node, replace(real, signal=replace(real.signal, padding=NO_PADDING)))
    ways = directions(real)
    if None in ways:
        context.refuse(
            node,
            "takes the maximum of a function that rises and falls; put a quantizer in front",
        )
    signs = [-1 if way == -1 else 1 for way in ways]
    if -1 in signs:
        factors = [Fraction(sign) for sign in signs]
        stream = multiplied(context, node, real.signal.stream, factors)
        first, *rest = real.functions
        assert isinstance(first, Affine)
        slopes = tuple(slope * sign for slope, sign in zip(first.slopes, signs, strict=True))
        real = Real(real.signal.with_stream(stream), (Affine(slopes, first.offsets), *rest))
    return replace(real, signal=replace(real.signal, padding=padding))


def _average(
    context: Context,
    node: Node,
    value: Value | None,
    kernel: tuple[int, int] | None,
    stride: tuple[int, int] | None,
) -> Signal | Real:
    """Mean over windows; over the whole image without a kernel."""
    real = None
    if isinstance(value, Real):
        real = imaged(context, node, settled_clip(context, node, value))
    signal = real.signal if real is not None else context.signal(node, value)
    source = context.image(node, signal)
    kernel = kernel or (source.shape[0], source.shape[1])
    stride = stride or kernel
    area = prod(kernel)
    if real is None and area & (area - 1):
        real = lifted(context, node, Signal.whole(source, 4, signal.node))
    result = context.emit(
        node,
        AvgPool,
        (source,),
        (*window_shape(source.shape, kernel, stride, NO_PADDING), source.channels),
        kernel=kernel,
        stride=stride,
    )
    mean = Signal.image(result, node.name)
    if real is None:
        return mean
    context.hide(result)
    function = plain(context, node, real, "an average reads the values")
    slopes = tuple(slope / area for slope in function.slopes)
    return Real(mean, (Affine(slopes, function.offsets),))


def _avgpool(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    real = operands[0] if isinstance(operands[0], Real) else None
    signal = real.signal if real is not None else context.signal(node, operands[0])
    kernel, stride, pads = window_attributes(
        context, node, list(node.attributes["kernel_shape"]), signal
    )
    if any(pads):
        if not node.attributes.get("count_include_pad", 0):
            context.refuse(
                node,
                "averages fewer values at the edge, where it is padded; pad before it, or count "
                "the padding",
            )
        (value,) = WIRING["Pad"](
            context,
            replace(node, attributes={"pads": [0, 0, *pads[:2], 0, 0, *pads[2:]]}),
            [operands[0]],
        )
        operands = [value]
    size = [
        length + extra for length, extra in zip(signal.index.shape[2:], _edges(pads), strict=True)
    ]
    if node.attributes.get("ceil_mode", 0) and any(
        (length - span) % step for length, span, step in zip(size, kernel, stride, strict=True)
    ):
        context.refuse(node, "ceil_mode averages fewer values at the edge; set ceil_mode=False")
    return [_average(context, node, operands[0], kernel, stride)]


def _edges(pads: tuple[int, int, int, int]) -> tuple[int, int]:
    """Rows and columns that padding adds."""
    top, left, bottom, right = pads
    return top + bottom, left + right


def _global_average(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    return [_average(context, node, operands[0], None, None)]


def _reduce_mean(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    real = operands[0] if isinstance(operands[0], Real) else None
    signal = real.signal if real is not None else context.signal(node, operands[0])
    given = node.attributes.get("axes")
    if len(operands) > 1 and operands[1] is not None:
        given = context.constant(node, operands[1], "axis list").values.ravel()
    rank = signal.index.ndim
    axes = sorted(int(axis) % rank for axis in ([] if given is None else given))
    if rank not in (3, 4) or axes != list(range(2, rank)):
        context.refuse(node, "only the mean over height and width is supported")
    mean = _average(context, node, operands[0], None, None)
    shape = (1, -1, *[1] * (rank - 2)) if node.attributes.get("keepdims", 1) else (1, -1)
    if isinstance(mean, Real):
        flat = replace(mean.signal, index=mean.signal.index.reshape(shape))
        return [replace(mean, signal=flat)]
    return [replace(mean, index=mean.index.reshape(shape))]


STREAMS: dict[str, Handler] = {
    **WIRING,
    **dict.fromkeys(QUANTIZERS, _quant),
    **REAL,
    **ACTIVATIONS,
    "Trunc": _trunc,
    **dict.fromkeys(ROUNDINGS, _rounded),
    "Relu": _relu,
    "MaxPool": _maxpool,
    "GlobalMaxPool": _maxpool,
    "AveragePool": _avgpool,
    "GlobalAveragePool": _global_average,
    "ReduceMean": _reduce_mean,
}
"""Handlers by operator."""
