"""Handlers of quantizers, activations, pools and wiring."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from semifreddo.convert.context import Context, Handler
from semifreddo.convert.entrance import Entrance
from semifreddo.convert.functions import Affine, Clip
from semifreddo.convert.node import Node
from semifreddo.convert.quant import QUANTIZERS, exponents
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
)
from semifreddo.convert.reindex import REINDEX
from semifreddo.convert.requantize import requantize
from semifreddo.convert.steps import Quantizer
from semifreddo.convert.values import NO_PADDING, Constant, RawImage, Real, Scaled, Signal, Value
from semifreddo.convert.weighted import window_attributes
from semifreddo.core.fixed import FixedType, Overflow, Rounding, bits_for
from semifreddo.ir.layers import AvgPool, Cast, MaxPool, Route, Shape
from semifreddo.ir.validate import window_shape


def _cast(context: Context, node: Node, signal: Signal, into: FixedType) -> Signal:
    """Cast every value of a signal; zero stays zero, so padding does not matter."""
    plain = replace(signal, padding=NO_PADDING)
    if plain.channel_map is None and plain.is_permutation:
        stream = context.emit(node, Cast, (signal.stream,), signal.stream.shape, into=into)
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
    if kind is not None and not isinstance(value, Real):
        return [_cast(context, node, context.signal(node, value), kind)]
    quantizer = quant.quantizer()
    exponent = exponents(np.array(float(quantizer.scale)))
    frac = 0 if exponent is None else int(exponent)
    signal = requantize(context, node, lifted(context, node, value), quantizer, frac)
    return [signal if exponent is not None else _with_scale(signal, quantizer.scale)]


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


def _floor_mode(context: Context, node: Node) -> None:
    if node.attributes.get("ceil_mode", 0):
        context.refuse(node, "ceil_mode is not supported; set ceil_mode=False")


def _maxpool(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    real = operands[0] if isinstance(operands[0], Real) else None
    if real is not None:
        real = _rising(context, node, real)
    signal = real.signal if real is not None else context.signal(node, operands[0])
    kernel, stride, pads = window_attributes(context, node, list(node.attributes["kernel_shape"]))
    source = context.image(node, replace(signal, padding=NO_PADDING))
    if node.attributes.get("ceil_mode", 0):
        pads = _with_last_windows(source.shape, kernel, stride, pads)
    if signal.padding != NO_PADDING and any(pads):
        context.refuse(node, "pads an image that a Pad node padded; use one of the two")
    if signal.padding != NO_PADDING and source.type.signed:
        context.refuse(
            node,
            "reads a signed stream that a Pad node padded with zeros, which are not its smallest "
            "values; let the pool pad",
        )
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
    signs = [-1 if way < 0 else 1 for way in directions(real)]
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
    real = imaged(context, node, value) if isinstance(value, Real) else None
    signal = real.signal if real is not None else context.signal(node, value)
    source = context.image(node, signal)
    kernel = kernel or (source.shape[0], source.shape[1])
    stride = stride or kernel
    area = prod(kernel)
    if real is None and area & (area - 1):
        real = lifted(context, node, value)
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
    _floor_mode(context, node)
    kernel, stride, pads = window_attributes(context, node, list(node.attributes["kernel_shape"]))
    if any(pads):
        context.refuse(
            node, "padding of an average pool is not supported; pad before it or use none"
        )
    return [_average(context, node, operands[0], kernel, stride)]


def _global_average(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    return [_average(context, node, operands[0], None, None)]


def _reduce_mean(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    real = operands[0] if isinstance(operands[0], Real) else None
    signal = real.signal if real is not None else context.signal(node, operands[0])
    given = node.attributes.get("axes")
    if len(operands) > 1 and operands[1] is not None:
        given = context.constant(node, operands[1], "axis list").values.ravel()
    axes = sorted(int(axis) % 4 for axis in ([] if given is None else given))
    if signal.index.ndim != 4 or axes != [2, 3]:
        context.refuse(node, "only the mean over height and width is supported")
    mean = _average(context, node, operands[0], None, None)
    if node.attributes.get("keepdims", 1):
        return [mean]
    if isinstance(mean, Real):
        flat = replace(mean.signal, index=mean.signal.index.reshape(1, -1))
        return [replace(mean, signal=flat)]
    return [replace(mean, index=mean.index.reshape(1, -1))]


def _concat(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    reals = []
    if any(isinstance(value, Real) for value in operands):
        reals = [lifted(context, node, value) for value in operands]
    signals = [real.signal for real in reals] or [context.signal(node, v) for v in operands]
    rank = signals[0].index.ndim
    if int(node.attributes.get("axis", 1)) % rank != 1:
        context.refuse(node, "only concatenation of channels (axis 1) is supported")
    streams: list[Signal] = []
    indices: list[int] = []
    for signal in signals:
        channels = None if signal.padding != NO_PADDING else signal.channel_map
        if channels is None or signal.index.ndim != rank:
            context.refuse(
                node,
                "concatenates reshaped or padded streams; concatenate whole channels, before "
                "flattening",
            )
        if signal.stream.shape[:2] != signals[0].stream.shape[:2]:
            context.refuse(node, "concatenates images of different sizes")
        names = [known.stream.name for known in streams]
        if signal.stream.name not in names:
            streams.append(signal)
            names.append(signal.stream.name)
        offset = sum(s.stream.channels for s in streams[: names.index(signal.stream.name)])
        indices += [offset + channel for channel in channels]
    shape = (*signals[0].stream.shape[:2], len(indices))
    inputs = tuple(signal.stream for signal in streams)
    result = Signal.image(
        context.emit(node, Route, inputs, shape, indices=tuple(indices)), node.name
    )
    if rank != 4:
        result = replace(result, index=result.index.reshape(1, -1))
    return [_joined(context, node, reals, result) if reals else result]


def _joined(context: Context, node: Node, reals: list[Real], result: Signal) -> Real:
    """What the channels of a concatenation stand for."""
    slopes: list[Fraction] = []
    offsets: list[Fraction] = []
    for real in reals:
        function = plain(context, node, real, "a concatenation reads the values")
        # Wiring aligns the fraction bits of its inputs.
        unit = power_of_two(real.signal.stream.type.frac - result.stream.type.frac)
        chosen = function.select(real.signal.channel_map or ())
        slopes += [slope * unit for slope in chosen.slopes]
        offsets += chosen.offsets
    context.hide(result.stream)
    return Real(result, (Affine(tuple(slopes), tuple(offsets)),))


def _reindex(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    value = operands[0]
    if isinstance(value, Real):
        if value.signal.channel_map is not None and not value.signal.is_permutation:
            value = imaged(context, node, value)
        views = _reindexed(context, node, value.signal, operands)
        return [Real(view, value.functions) for view in views]
    if isinstance(value, RawImage):
        return [replace(value, signal=s) for s in _reindexed(context, node, value.signal, operands)]
    return list(_reindexed(context, node, context.signal(node, value), operands))


def _reindexed(
    context: Context, node: Node, signal: Signal, operands: list[Value | None]
) -> list[Signal]:
    if signal.padding != NO_PADDING:
        context.refuse(node, "reads a padded image; only a convolution or pool may follow a Pad")
    arguments = [
        None if value is None else context.constant(node, value, "argument").values
        for value in operands[1:]
    ]
    selects = signal.channel_map is not None and not signal.is_permutation
    if selects and signal.index.ndim == 4 and node.op in ("Reshape", "Flatten"):
        # A selection of channels becomes a stream before it is reshaped; slices stay views.
        signal = Signal.image(context.image(node, signal), signal.node)
    views = REINDEX[node.op](node, signal.index, arguments)
    return [replace(signal, index=view, node=node.name) for view in views]


def _pad(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    real = operands[0] if isinstance(operands[0], Real) else None
    if real is not None and any(plain(context, node, real, "a pad reads the values").offsets):
        context.refuse(node, "pads values that are not zero; pad behind the quantizer")
    signal = real.signal if real is not None else context.signal(node, operands[0])
    if node.attributes.get("mode", "constant") != "constant":
        context.refuse(node, f"mode {node.attributes['mode']} is not supported; pad with zeros")
    fill = operands[2] if len(operands) > 2 else None
    if fill is not None and context.constant(node, fill, "fill value").values.any():
        context.refuse(node, "pads with another value than 0; pad with zeros")
    if len(operands) > 3 and operands[3] is not None:
        context.refuse(node, "an axis list is not supported; pad with torch.nn.ZeroPad2d")
    given = context.constant(node, operands[1], "pad width").values if len(operands) > 1 else None
    pads = np.asarray(node.attributes.get("pads") if given is None else given).ravel()
    if pads.size != 8 or pads[[0, 1, 4, 5]].any() or (pads < 0).any():
        context.refuse(node, f"pads {pads.tolist()}; only zeros around the image are supported")
    top, left, bottom, right = (
        int(new + old) for new, old in zip(pads[[2, 3, 6, 7]], signal.padding, strict=True)
    )
    padded = replace(signal, padding=(top, left, bottom, right), node=node.name)
    return [padded if real is None else replace(real, signal=padded)]


def _shape(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    value = operands[0]
    known = value.signal if isinstance(value, Scaled | Real | RawImage) else value
    signal = context.signal(node, known if isinstance(known, Signal) else value)
    if signal.padding != NO_PADDING:
        context.refuse(node, "reads a padded image; only a convolution or pool may follow a Pad")
    return [Constant(node.outputs[0], np.array(signal.index.shape))]


STREAMS: dict[str, Handler] = {
    **dict.fromkeys(REINDEX, _reindex),
    **dict.fromkeys(QUANTIZERS, _quant),
    **REAL,
    "Relu": _relu,
    "MaxPool": _maxpool,
    "AveragePool": _avgpool,
    "GlobalAveragePool": _global_average,
    "ReduceMean": _reduce_mean,
    "Concat": _concat,
    "Pad": _pad,
    "Shape": _shape,
}
"""Handlers by operator."""
