"""Handlers of convolutions and linear layers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.convert.blocks import Draft
from semifreddo.convert.constants import transposed
from semifreddo.convert.context import Context, Handler
from semifreddo.convert.functions import Affine
from semifreddo.convert.node import Node
from semifreddo.convert.real import imaged, plain, power_of_two, settled_clip
from semifreddo.convert.values import NO_PADDING, Constant, Real, Signal, Value
from semifreddo.ir.layers import Conv, Linear, Stream, WeightBlock
from semifreddo.ir.validate import window_shape


def window_attributes(
    context: Context, node: Node, kernel: list[int], signal: Signal
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Kernel, stride and padding (top, left, bottom, right) of a two-dimensional window.

    Args:
        context: The network so far.
        node: The node.
        kernel: Its kernel.
        signal: What it reads, with whose size automatic padding grows.

    Raises:
        ConversionError: Not two-dimensional, or dilated.
    """
    attributes = node.attributes
    if len(kernel) != 2:
        context.refuse(node, f"has a {len(kernel)}-dimensional window; only images are supported")
    if any(step != 1 for step in attributes.get("dilations", (1, 1))):
        context.refuse(
            node, f"dilation {tuple(attributes['dilations'])} is not supported; use dilation 1"
        )
    stride = [int(step) for step in attributes.get("strides", (1, 1))]
    pads = [int(pad) for pad in attributes.get("pads", NO_PADDING)]
    if len(stride) != 2 or len(pads) != 4 or min(*kernel, *stride) < 1 or min(pads) < 0:
        context.refuse(node, f"window {kernel}, stride {stride}, pads {pads} is malformed")
    if (mode := attributes.get("auto_pad", "NOTSET")) in ("SAME_UPPER", "SAME_LOWER"):
        size = np.add(signal.index.shape[-2:], np.add(signal.padding[:2], signal.padding[2:]))
        missing = [
            max(0, (-(-int(length) // step) - 1) * step + span - int(length))
            for length, step, span in zip(size, stride, kernel, strict=True)
        ]
        less, more = [each // 2 for each in missing], [-(-each // 2) for each in missing]
        pads = [*less, *more] if mode == "SAME_UPPER" else [*more, *less]
    top, left, bottom, right = pads
    return (kernel[0], kernel[1]), (stride[0], stride[1]), (top, left, bottom, right)


def quantized(
    context: Context, node: Node, value: Value | None, role: str, advice: str
) -> Constant:
    """A constant that went through a Quant node.

    Raises:
        ConversionError: It did not.
    """
    constant = context.constant(node, value, role)
    if constant.quantized is None:
        context.refuse(
            node, f"{role} {constant.parameter or constant.name!r} is not quantized; {advice}"
        )
    return constant


def bias_of(context: Context, node: Node, value: Value | None, outputs: int) -> Constant | None:
    """A bias, quantized or not; None if there is none.

    Raises:
        ConversionError: It is no constant, or of another size.
    """
    if value is None:
        return None
    bias = context.constant(node, value, "bias")
    if bias.values.size != outputs or bias.values.shape[-1:] != (outputs,):
        context.refuse(
            node, f"bias shape {bias.values.shape} does not match {outputs} output channels"
        )
    return bias


def bias_block(context: Context, node: Node, bias: Constant | None) -> WeightBlock | None:
    """The block of a bias whose scale is a power of two; None of no bias."""
    if bias is None:
        return None
    draft = Draft.of(bias).reshape(bias.values.size)
    return context.blocks.add("bias", bias, draft, context.what(node))


def is_fixed_point(bias: Constant | None) -> bool:
    """Whether a bias can be a block of its own: there is none, or its scales are powers of two."""
    return bias is None or (bias.quantized is not None and bias.quantized.scale is None)


def weight_of(context: Context, node: Node, value: Value | None) -> Constant:
    """The weight of a layer.

    Raises:
        ConversionError: It is not quantized.
    """
    return quantized(
        context,
        node,
        value,
        "weight",
        "use a Brevitas layer with a weight quantizer",
    )


def check_window(context: Context, node: Node, weight: Constant) -> None:
    """Refuse windows that are not those of images.

    Raises:
        ConversionError: The weight of a convolution has not four dimensions.
    """
    if weight.values.ndim != 4:
        context.refuse(
            node, f"has a {weight.values.ndim - 2}-dimensional window; only images are supported"
        )


def _groups(context: Context, node: Node, channels: int, shape: tuple[int, ...]) -> int:
    """Groups of a convolution whose weight has a shape ``(outputs, inputs / groups, ...)``."""
    groups = int(node.attributes.get("group", 1))
    if groups < 1 or shape[1] * groups != channels or shape[0] % groups:
        context.refuse(node, f"weight shape {shape} does not match {channels} input channels")
    return groups


def dilations(node: Node) -> tuple[int, int]:
    """Distance of a kernel's rows, and of its columns."""
    rows, columns = (int(step) for step in node.attributes.get("dilations", (1, 1)))
    return max(rows, 1), max(columns, 1)


def source_of(
    context: Context, node: Node, value: Value | None, *, flat: bool = False
) -> tuple[Signal, Affine | None]:
    """The integers of an operand, and what they stand for if their format does not say it.

    Args:
        context: The network so far.
        node: Who reads it.
        value: The operand.
        flat: Whether the reader takes the values of a stream in any order.
    """
    if isinstance(value, Real):
        padding = value.signal.padding
        value = settled_clip(context, node, value)
        real = replace(value, signal=replace(value.signal, padding=NO_PADDING))
        if not flat or real.signal.channel_map is not None or not real.signal.is_permutation:
            real = imaged(context, node, real)
        signal = replace(real.signal, padding=padding)
        return signal, plain(context, node, real, "a weighted layer reads the values")
    return context.signal(node, value), None


def _conv(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    signal, meaning = source_of(context, node, operands[0])
    weight = weight_of(context, node, operands[1])
    check_window(context, node, weight)
    draft = Draft.of(weight).move(2, 3, 1, 0)
    filled = draft.dilated(dilations(node))
    plain_node = replace(node, attributes={**node.attributes, "dilations": (1, 1)})
    kernel, stride, pads = window_attributes(
        context, plain_node, list(filled.raw.shape[:2]), signal
    )
    padding: Any = tuple(np.add(pads, signal.padding).tolist())
    stream = context.image(node, replace(signal, padding=NO_PADDING))
    groups = _groups(context, node, stream.channels, weight.values.shape)
    depthwise = groups == stream.channels > 1
    # A depthwise layer has one input per output; with a multiplier, wiring repeats the inputs.
    inputs = np.arange(filled.raw.shape[-1]) // (filled.raw.shape[-1] // groups)
    if depthwise and len(inputs) > groups:
        view = Signal.image(stream, signal.node)
        stream = context.image(node, replace(view, index=view.index[:, inputs]))
    elif groups > 1 and not depthwise:
        filled = filled.ungrouped(groups)
    block = context.blocks.add("weight", weight, draft, context.what(node), filled=filled)
    given = bias_of(context, node, operands[2] if len(operands) > 2 else None, block.outputs)
    fixed = meaning is None and draft.scale is None and is_fixed_point(given)
    bias = bias_block(context, node, given) if fixed else None
    result = context.emit(
        node,
        Conv,
        (stream,),
        (*window_shape(stream.shape, kernel, stride, padding), block.outputs),
        weight=block.name,
        bias=None if bias is None else bias.name,
        kernel=kernel,
        stride=stride,
        padding=padding,
        depthwise=depthwise,
    )
    signal = Signal.image(result, node.name)
    if fixed:
        return [signal]
    if meaning is not None and any(meaning.offsets) and any(padding):
        context.refuse(node, "pads values that are not zero; give the quantizer zero point 0")
    return [
        accumulators(
            context,
            node,
            signal,
            stream,
            draft=draft,
            bias=given,
            meaning=meaning,
            inputs=inputs if depthwise else None,
        )
    ]


def _linear(
    context: Context, node: Node, value: Value | None, weight: Constant, bias: Value | None
) -> list[Value]:
    signal, meaning = source_of(context, node, value, flat=True)
    if signal.index.ndim != 2 or weight.values.ndim != 2 or signal.padding != NO_PADDING:
        context.refuse(
            node,
            f"multiplies shapes {signal.index.shape} and {weight.values.shape}; flatten the image "
            "to (1, values) before a linear layer",
        )
    if signal.index.shape[1] != len(weight.values):
        context.refuse(
            node,
            f"weight shape {weight.values.shape} does not match {signal.index.shape[1]} inputs",
        )
    if not signal.is_permutation:
        stream = context.image(node, signal)
        signal = Signal(stream, Signal.image(stream, "").index.reshape(1, -1))
    assert weight.quantized is not None
    draft = Draft.of(weight).rows(signal.index[0])
    block = context.blocks.add("weight", weight, draft, context.what(node))
    given = bias_of(context, node, bias, block.outputs)
    fixed = meaning is None and draft.scale is None and is_fixed_point(given)
    own = bias_block(context, node, given) if fixed else None
    result = context.emit(
        node,
        Linear,
        (signal.stream,),
        (1, 1, block.outputs),
        weight=block.name,
        bias=None if own is None else own.name,
    )
    index = np.arange(block.outputs).reshape(1, -1)
    if fixed:
        return [Signal(result, index, node=node.name)]
    made = Signal(result, index, node=node.name)
    return [
        accumulators(context, node, made, signal.stream, draft=draft, bias=given, meaning=meaning)
    ]


def accumulators(
    context: Context,
    node: Node,
    made: Signal,
    source: Stream,
    *,
    draft: Draft,
    bias: Constant | None,
    meaning: Affine | None,
    inputs: npt.NDArray[np.intp] | None = None,
) -> Real:
    """What the accumulators of a weighted layer stand for.

    Args:
        context: The network so far.
        node: The layer's node.
        made: The accumulators.
        source: The layer's input stream.
        draft: The weights.
        bias: The bias, not part of the accumulators.
        meaning: What the input's integers stand for; None if their format says it.
        inputs: The input channel of each output of a depthwise layer, otherwise None.
    """
    count = made.stream.channels
    meaning = meaning or Affine.scale(power_of_two(-source.type.frac), source.channels)
    if inputs is not None:
        meaning = meaning.select(inputs.tolist())
    elif len(set(meaning.slopes)) > 1 or len(set(meaning.offsets)) > 1:
        context.refuse(
            node, "reads channels of different scales; put a quantizer with one scale in front"
        )
    slopes, offsets = meaning.slopes, meaning.offsets
    if inputs is None:
        slopes, offsets = (slopes[0],) * count, (offsets[0],) * count
    context.hide(made.stream)
    unit = power_of_two(source.type.frac - made.stream.type.frac)
    scales = draft.scales or tuple(
        power_of_two(-int(frac)) for frac in draft.frac.reshape(-1, count)[0]
    )
    factors = draft.scales or (Fraction(1),) * count
    sums = draft.raw.reshape(-1, count).sum(axis=0)
    added = [
        offset * int(total) * scale
        for offset, total, scale in zip(offsets, sums, scales, strict=True)
    ]
    if bias is not None:
        values = bias.values.astype(np.float64).ravel()
        added = [one + Fraction(float(value)) for one, value in zip(added, values, strict=True)]
    return Real(
        made,
        (
            Affine(
                tuple(slope * unit * f for slope, f in zip(slopes, factors, strict=True)),
                tuple(added),
            ),
        ),
    )


def _gemm(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    attributes = node.attributes
    if attributes.get("transA", 0) or any(attributes.get(k, 1.0) != 1.0 for k in ("alpha", "beta")):
        context.refuse(node, "alpha, beta and transA must be 1, 1 and 0; use a plain linear layer")
    weight = weight_of(context, node, operands[1])
    if attributes.get("transB", 0) and weight.values.ndim == 2:
        weight = transposed(weight)
    return _linear(context, node, operands[0], weight, operands[2] if len(operands) > 2 else None)


def _matmul(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    return _linear(context, node, operands[0], weight_of(context, node, operands[1]), None)


WEIGHTED: dict[str, Handler] = {"Conv": _conv, "Gemm": _gemm, "MatMul": _matmul}
"""Handlers by operator."""
