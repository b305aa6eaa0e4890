"""Handlers of quantizers, activations, pools and wiring."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from semifreddo.convert.context import Context, Handler
from semifreddo.convert.load import Node
from semifreddo.convert.quant import QuantNode
from semifreddo.convert.reindex import REINDEX
from semifreddo.convert.values import NO_PADDING, Constant, RawImage, Scaled, Signal, Value
from semifreddo.convert.weighted import window_attributes
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.layers import AvgPool, Cast, MaxPool, Route
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
    if len(parameters) != 3:
        context.refuse(node, "its scale, zero point and bit width must be constants")
    kind = QuantNode(node, parameters, context.what(node)).type()
    if isinstance(operands[0], RawImage):
        return [Signal.image(context.set_input(node, kind), node.name)]
    return [_cast(context, node, context.signal(node, operands[0]), kind)]


def _relu(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
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
    _floor_mode(context, node)
    signal = context.signal(node, operands[0])
    kernel, stride, pads = window_attributes(context, node, list(node.attributes["kernel_shape"]))
    if signal.padding != NO_PADDING and any(pads):
        context.refuse(node, "pads an image that a Pad node padded; use one of the two")
    source = context.image(node, replace(signal, padding=NO_PADDING))
    padding = signal.padding if signal.padding != NO_PADDING else pads
    if any(padding) and source.type.signed:
        context.refuse(
            node,
            "pads a signed stream, where zero is not the smallest value; put a ReLU before the "
            "pool or use no padding",
        )
    result = context.emit(
        node,
        MaxPool,
        (source,),
        (*window_shape(source.shape, kernel, stride, padding), source.channels),
        kernel=kernel,
        stride=stride,
        padding=padding,
    )
    return [Signal.image(result, node.name)]


def _average(
    context: Context,
    node: Node,
    signal: Signal,
    kernel: tuple[int, int] | None,
    stride: tuple[int, int] | None,
) -> Signal:
    """Mean over windows; over the whole image without a kernel."""
    source = context.image(node, signal)
    kernel = kernel or (source.shape[0], source.shape[1])
    stride = stride or kernel
    area = prod(kernel)
    if area & (area - 1):
        context.refuse(
            node,
            f"averages over {kernel[0]}x{kernel[1]} pixels, and {area} is not a power of two; "
            "choose image size, strides or padding so that the window is 2x2, 4x4, 2x4...",
        )
    result = context.emit(
        node,
        AvgPool,
        (source,),
        (*window_shape(source.shape, kernel, stride, NO_PADDING), source.channels),
        kernel=kernel,
        stride=stride,
    )
    return Signal.image(result, node.name)


def _avgpool(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    _floor_mode(context, node)
    kernel, stride, pads = window_attributes(context, node, list(node.attributes["kernel_shape"]))
    if any(pads):
        context.refuse(
            node, "padding of an average pool is not supported; pad before it or use none"
        )
    return [_average(context, node, context.signal(node, operands[0]), kernel, stride)]


def _global_average(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    return [_average(context, node, context.signal(node, operands[0]), None, None)]


def _reduce_mean(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    signal = context.signal(node, operands[0])
    given = node.attributes.get("axes")
    if len(operands) > 1 and operands[1] is not None:
        given = context.constant(node, operands[1], "axis list").values.ravel()
    axes = sorted(int(axis) % 4 for axis in ([] if given is None else given))
    if signal.index.ndim != 4 or axes != [2, 3]:
        context.refuse(node, "only the mean over height and width is supported")
    mean = _average(context, node, signal, None, None)
    if not node.attributes.get("keepdims", 1):
        mean = replace(mean, index=mean.index.reshape(1, -1))
    return [mean]


def _concat(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    signals = [context.signal(node, value) for value in operands]
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
    return [result if rank == 4 else replace(result, index=result.index.reshape(1, -1))]


def _reindex(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    signal = context.signal(node, operands[0])
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
    signal = context.signal(node, operands[0])
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
    return [replace(signal, padding=(top, left, bottom, right), node=node.name)]


def _shape(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    signal = operands[0].signal if isinstance(operands[0], Scaled) else operands[0]
    if isinstance(signal, RawImage):
        return [Constant(node.outputs[0], np.array((1, *context.graph.input_shape)))]
    plain = context.signal(node, signal if isinstance(signal, Signal) else operands[0])
    if plain.padding != NO_PADDING:
        context.refuse(node, "reads a padded image; only a convolution or pool may follow a Pad")
    return [Constant(node.outputs[0], np.array(plain.index.shape))]


STREAMS: dict[str, Handler] = {
    **dict.fromkeys(REINDEX, _reindex),
    "Quant": _quant,
    "IntQuant": _quant,
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
