"""Handlers of convolutions and linear layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from semifreddo.convert.blocks import Draft
from semifreddo.convert.constants import transposed
from semifreddo.convert.context import Context, Handler
from semifreddo.convert.load import Node
from semifreddo.convert.values import NO_PADDING, Constant, Signal, Value
from semifreddo.ir.layers import Conv, Linear, WeightBlock
from semifreddo.ir.validate import window_shape


def window_attributes(
    context: Context, node: Node, kernel: list[int]
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Kernel, stride and padding (top, left, bottom, right) of a two-dimensional window.

    Raises:
        ConversionError: Not two-dimensional, dilated, or padded automatically.
    """
    attributes = node.attributes
    if len(kernel) != 2:
        context.refuse(node, f"has a {len(kernel)}-dimensional window; only images are supported")
    if any(step != 1 for step in attributes.get("dilations", (1, 1))):
        context.refuse(
            node, f"dilation {tuple(attributes['dilations'])} is not supported; use dilation 1"
        )
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        context.refuse(
            node, f"auto_pad {attributes['auto_pad']} is not supported; give explicit pads"
        )
    stride = [int(step) for step in attributes.get("strides", (1, 1))]
    pads = [int(pad) for pad in attributes.get("pads", NO_PADDING)]
    if len(stride) != 2 or len(pads) != 4 or min(*kernel, *stride) < 1 or min(pads) < 0:
        context.refuse(node, f"window {kernel}, stride {stride}, pads {pads} is malformed")
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


def bias_block(
    context: Context, node: Node, value: Value | None, outputs: int
) -> WeightBlock | None:
    """The block of a bias; None if there is none.

    Raises:
        ConversionError: Not quantized or of another size.
    """
    if value is None:
        return None
    bias = quantized(
        context, node, value, "bias", "give the layer a bias quantizer (bias_quant=Int16Bias, say)"
    )
    if bias.values.size != outputs or bias.values.shape[-1:] != (outputs,):
        context.refuse(
            node, f"bias shape {bias.values.shape} does not match {outputs} output channels"
        )
    draft = Draft.of(bias).reshape(outputs)
    return context.blocks.add("bias", bias, draft, context.what(node))


def _weight(context: Context, node: Node, value: Value | None) -> Constant:
    return quantized(
        context,
        node,
        value,
        "weight",
        "use a Brevitas layer with a FixedPoint weight quantizer",
    )


def _is_depthwise(context: Context, node: Node, channels: int, shape: tuple[int, ...]) -> bool:
    groups = int(node.attributes.get("group", 1))
    if shape[1] * groups != channels:
        context.refuse(node, f"weight shape {shape} does not match {channels} input channels")
    if groups == 1:
        return False
    if groups != channels:
        context.refuse(
            node,
            f"{groups} groups for {channels} input channels are not supported; use 1 group or "
            "one per channel (depthwise)",
        )
    if shape[0] != channels:
        context.refuse(
            node,
            f"depth multiplier {shape[0] // channels} is not supported; use a depthwise "
            "convolution with as many outputs as inputs",
        )
    return True


def _conv(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    signal = context.signal(node, operands[0])
    weight = _weight(context, node, operands[1])
    if weight.values.ndim != 4:
        context.refuse(
            node, f"has a {weight.values.ndim - 2}-dimensional window; only images are supported"
        )
    kernel, stride, pads = window_attributes(context, node, list(weight.values.shape[2:]))
    padding: Any = tuple(np.add(pads, signal.padding).tolist())
    stream = context.image(node, _unpadded(signal))
    depthwise = _is_depthwise(context, node, stream.channels, weight.values.shape)
    draft = Draft.of(weight).move(2, 3, 1, 0)
    block = context.blocks.add("weight", weight, draft, context.what(node))
    bias = bias_block(context, node, operands[2] if len(operands) > 2 else None, block.outputs)
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
    return [Signal.image(result, node.name)]


def _unpadded(signal: Signal) -> Signal:
    return Signal(signal.stream, signal.index, NO_PADDING, signal.node)


def _linear(
    context: Context, node: Node, value: Value | None, weight: Constant, bias: Value | None
) -> list[Value]:
    signal = context.signal(node, value)
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
    bias_of = bias_block(context, node, bias, block.outputs)
    result = context.emit(
        node,
        Linear,
        (signal.stream,),
        (1, 1, block.outputs),
        weight=block.name,
        bias=None if bias_of is None else bias_of.name,
    )
    return [Signal(result, np.arange(block.outputs).reshape(1, -1), node=node.name)]


def _gemm(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    attributes = node.attributes
    if attributes.get("transA", 0) or any(attributes.get(k, 1.0) != 1.0 for k in ("alpha", "beta")):
        context.refuse(node, "alpha, beta and transA must be 1, 1 and 0; use a plain linear layer")
    weight = _weight(context, node, operands[1])
    if attributes.get("transB", 0) and weight.values.ndim == 2:
        weight = transposed(weight)
    return _linear(context, node, operands[0], weight, operands[2] if len(operands) > 2 else None)


def _matmul(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    return _linear(context, node, operands[0], _weight(context, node, operands[1]), None)


WEIGHTED: dict[str, Handler] = {"Conv": _conv, "Gemm": _gemm, "MatMul": _matmul}
"""Handlers by operator."""
