"""Transposed convolutions: a convolution for each place between two pixels, and depth-to-space."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from semifreddo.convert.blocks import Draft
from semifreddo.convert.context import Context, Handler
from semifreddo.convert.node import Node
from semifreddo.convert.values import NO_PADDING, Constant, Signal, Value
from semifreddo.convert.weighted import (
    accumulators,
    bias_of,
    check_window,
    dilations,
    is_fixed_point,
    source_of,
    weight_of,
)
from semifreddo.ir.layers import Conv, WeightBlock
from semifreddo.ir.validate import window_shape


@dataclass(frozen=True)
class _Axis:
    """One axis of a transposed convolution as one of a convolution with ``stride`` phases.

    Result ``stride * q + r`` has tap ``r + pad - stride * d`` of input ``q + d``.

    Attributes:
        kernel: Length of the transposed kernel.
        stride: Places per input.
        pad: Results that are left out at the beginning.
        length: Results.
    """

    kernel: int
    stride: int
    pad: int
    length: int

    @property
    def first(self) -> int:
        """Smallest ``d``."""
        return -((self.kernel - 1 - self.pad) // self.stride)

    @property
    def size(self) -> int:
        """Length of the convolution's kernel."""
        return (self.stride - 1 + self.pad) // self.stride - self.first + 1

    @property
    def blocks(self) -> int:
        """Results of the convolution that are needed."""
        return -(-self.length // self.stride)

    def padding(self, inputs: int) -> tuple[int, int]:
        """Zeros before and behind the inputs."""
        before = -self.first
        return before, max(0, self.blocks - inputs - before + self.size - 1)

    def taps(self, phase: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Places in the convolution's kernel that a phase uses, and their taps."""
        places = np.arange(self.size)
        taps = phase + self.pad - self.stride * (places + self.first)
        inside = (taps >= 0) & (taps < self.kernel)
        return places[inside], taps[inside]


def _conv_transpose(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    signal, meaning = source_of(context, node, operands[0])
    weight = weight_of(context, node, operands[1])
    check_window(context, node, weight)
    stream = context.image(node, signal)
    groups = int(node.attributes.get("group", 1))
    inputs, outputs = weight.values.shape[0], weight.values.shape[1] * groups
    if inputs != stream.channels or groups < 1 or inputs % groups:
        context.refuse(
            node,
            f"weight shape {weight.values.shape} does not match {stream.channels} input channels",
        )
    size = weight.values.shape[2:]
    # (kh, kw, inputs / groups, outputs), as that of a convolution.
    grouped = Draft.of(weight).reshape(groups, inputs // groups, outputs // groups, *size)
    draft = grouped.move(3, 4, 1, 0, 2).reshape(*size, inputs // groups, outputs)
    dense = draft.ungrouped(groups) if groups > 1 else draft
    axes = _axes(context, node, dense.dilated(dilations(node)).raw.shape[:2], stream.shape[:2])
    filled = draft.repeated(_phases(dense.dilated(dilations(node)).raw, axes))
    stored = draft.move(2, 0, 1, 3) if groups == 1 else draft
    block = context.blocks.add("weight", weight, stored, context.what(node), filled=filled)
    given = bias_of(context, node, operands[2] if len(operands) > 2 else None, outputs)
    fixed = meaning is None and draft.scale is None and is_fixed_point(given)
    bias = _bias_block(context, node, given, block.outputs) if fixed else None
    (top, bottom), (left, right) = (
        axis.padding(length) for axis, length in zip(axes, stream.shape, strict=False)
    )
    kernel, padding = (axes[0].size, axes[1].size), (top, left, bottom, right)
    result = context.emit(
        node,
        Conv,
        (stream,),
        (*window_shape(stream.shape, kernel, (1, 1), padding), block.outputs),
        tensor="",
        weight=block.name,
        bias=None if bias is None else bias.name,
        kernel=kernel,
        stride=(1, 1),
        padding=padding,
        depthwise=False,
    )
    view = _spread(result.shape, Signal.image(result, node.name), axes, outputs)
    if fixed:
        return [view]
    if meaning is not None and any(meaning.offsets) and any(padding):
        context.refuse(node, "pads values that are not zero; give the quantizer zero point 0")
    if given is not None:
        given = Constant(given.name, np.tile(given.values.ravel(), block.outputs // outputs))
    return [accumulators(context, node, view, stream, draft=filled, bias=given, meaning=meaning)]


def _axes(
    context: Context, node: Node, kernel: tuple[int, ...], size: tuple[int, ...]
) -> tuple[_Axis, _Axis]:
    attributes = node.attributes
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or attributes.get(
        "output_shape"
    ):
        context.refuse(node, "its padding follows from an output shape; give explicit pads")
    strides = [int(step) for step in attributes.get("strides", (1, 1))]
    pads = [int(pad) for pad in attributes.get("pads", NO_PADDING)]
    more = [int(count) for count in attributes.get("output_padding", (0, 0))]
    if len(strides) != 2 or len(pads) != 4 or len(more) != 2 or min(*strides, 1) < 1:
        context.refuse(node, f"stride {strides}, pads {pads} and output padding {more} are wrong")
    found = []
    for axis in (0, 1):
        length = (size[axis] - 1) * strides[axis] + kernel[axis] + more[axis]
        length -= pads[axis] + pads[axis + 2]
        if not 0 <= pads[axis] < kernel[axis] or length < 1:
            context.refuse(
                node, f"pads {pads} are not smaller than the kernel {list(kernel)}; pad less"
            )
        found.append(_Axis(kernel[axis], strides[axis], pads[axis], length))
    return found[0], found[1]


def _phases(raw: npt.NDArray[np.int64], axes: tuple[_Axis, _Axis]) -> npt.NDArray[np.int64]:
    """Kernels ``(kh, kw, inputs, outputs)`` of all phases, as outputs one after the other."""
    rows, columns = axes
    inputs, outputs = raw.shape[2:]
    shape = (rows.size, columns.size, inputs, rows.stride, columns.stride, outputs)
    found = np.zeros(shape, np.int64)
    for y, x in np.ndindex(rows.stride, columns.stride):
        (down, row), (along, column) = rows.taps(y), columns.taps(x)
        found[down[:, None], along, :, y, x] = raw[row[:, None], column]
    return found.reshape(*shape[:3], -1)


def _bias_block(
    context: Context, node: Node, bias: Constant | None, outputs: int
) -> WeightBlock | None:
    """The bias of all phases."""
    if bias is None:
        return None
    draft = Draft.of(bias).reshape(bias.values.size)
    filled = draft.repeated(np.tile(draft.raw, outputs // bias.values.size))
    return context.blocks.add("bias", bias, draft, context.what(node), filled=filled)


def _spread(
    shape: tuple[int, int, int], signal: Signal, axes: tuple[_Axis, _Axis], outputs: int
) -> Signal:
    """Depth-to-space, and the results that are wanted."""
    height, width, _ = shape
    rows, columns = axes
    phases = signal.index.reshape(rows.stride, columns.stride, outputs, height, width)
    image = phases.transpose(2, 3, 0, 4, 1).reshape(
        1, outputs, height * rows.stride, width * columns.stride
    )
    return replace(signal, index=image[:, :, : rows.length, : columns.length])


TRANSPOSED: dict[str, Handler] = {"ConvTranspose": _conv_transpose}
"""Handlers by operator."""
