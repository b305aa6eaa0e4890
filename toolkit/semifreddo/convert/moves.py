"""Views of a stream that move values between pixels, as layers.

Whatever spelled a view (a resize, slices, depth-to-space, reshapes and transpositions), two forms
are hardware: blocks of pixels of which a rectangle is kept, and windows at even distances, each
channel of the result being one value of its window. The former is an
:class:`~semifreddo.ir.layers.Upsample`, the latter a pool of one pixel, or a convolution whose
weights are zeros and ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from semifreddo.convert.blocks import Blocks
from semifreddo.convert.node import Node
from semifreddo.convert.values import NO_PADDING, IndexArray, Signal
from semifreddo.ir.layers import Conv, Layer, MaxPool, Shape, Stream, Upsample
from semifreddo.ir.validate import window_shape

_MOST_WEIGHTS = 1 << 16
"""Of a convolution that only chooses values."""


class Builder(Protocol):
    """The network under construction; :class:`semifreddo.convert.context.Context`."""

    blocks: Blocks
    choosing: set[str]

    def emit(
        self,
        node: Node,
        kind: type[Layer],
        inputs: tuple[Stream, ...],
        shape: Shape,
        *,
        label: str = "",
        tensor: str | None = None,
        **fields: Any,
    ) -> Stream:
        """Add a layer."""
        ...


@dataclass(frozen=True)
class Upsampling:
    """A view as blocks of pixels; the fields are those of an ``Upsample`` layer."""

    factor: tuple[int, int]
    origin: tuple[int, int]
    size: tuple[int, int]
    indices: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Windows:
    """A view as windows at even distances: per channel, which value of the window it is.

    Attributes:
        stride: Rows and columns between windows.
        size: Rows and columns of windows.
        rows: Row of the stream that each channel of the first window has.
        columns: Column, likewise.
        channels: Channel, likewise.
    """

    stride: tuple[int, int]
    size: tuple[int, int]
    rows: IndexArray
    columns: IndexArray
    channels: IndexArray


def _places(signal: Signal) -> tuple[IndexArray, IndexArray, IndexArray] | None:
    """Row, column and channel of the stream, each ``(channels, height, width)`` of the view."""
    planes = signal.planes
    if planes is None or not planes.size:
        return None
    pixel, channel = np.divmod(planes, signal.stream.channels)
    row, column = np.divmod(pixel, signal.stream.shape[1])
    return row, column, channel


def _repeated(places: IndexArray) -> tuple[int, int] | None:
    """``factor`` and ``origin`` with ``(origin + i) // factor == places[i]``; None without."""
    begins = np.flatnonzero(np.diff(places, prepend=places[0] - 1))
    runs = np.diff(begins, append=len(places))
    factor = int(runs.max())
    origin = int(places[0]) * factor + (factor - int(runs[0]) if len(runs) > 1 else 0)
    found = (np.arange(len(places)) + origin) // factor
    return (factor, origin) if np.array_equal(found, places) else None


def as_blocks(signal: Signal) -> Upsampling | None:
    """A view as blocks of pixels; None if it is none."""
    places = _places(signal)
    if places is None:
        return None
    row, column, channel = places
    rows, columns = row[0, :, 0], column[0, 0]
    if (row != rows[:, None]).any() or (column != columns).any():
        return None
    down, along = _repeated(rows), _repeated(columns)
    if down is None or along is None:
        return None
    (high, top), (wide, left) = down, along
    y, x = (np.arange(len(rows)) + top) % high, (np.arange(len(columns)) + left) % wide
    table = np.zeros((high, wide, len(channel)), np.int64)
    table[y[:, None], x] = channel.transpose(1, 2, 0)
    if (table[y[:, None], x] != channel.transpose(1, 2, 0)).any():
        return None
    indices = tuple(table.ravel().tolist())
    return Upsampling((high, wide), (top, left), (len(rows), len(columns)), indices)


def as_windows(signal: Signal) -> Windows | None:
    """A view as windows at even distances; None if it is none."""
    places = _places(signal)
    if places is None:
        return None
    row, column, channel = places
    _, height, width = row.shape
    down = int(row[0, 1, 0] - row[0, 0, 0]) if height > 1 else signal.stream.shape[0]
    along = int(column[0, 0, 1] - column[0, 0, 0]) if width > 1 else signal.stream.shape[1]
    if min(down, along) < 1:
        return None
    rows, columns, channels = row[:, 0, 0], column[:, 0, 0], channel[:, 0, 0]
    if (row != rows[:, None, None] + down * np.arange(height)[:, None]).any():
        return None
    if (column != columns[:, None, None] + along * np.arange(width)).any():
        return None
    if (channel != channels[:, None, None]).any():
        return None
    return Windows((down, along), (height, width), rows, columns, channels)


def moved(context: Builder, node: Node, signal: Signal) -> Stream | None:
    """Emit the layers of a view that is no selection of channels; None if it is none of hardware.

    Args:
        context: The network so far.
        node: Who reads the view.
        signal: The view, without padding.
    """
    blocks = as_blocks(signal)
    if blocks is not None:
        return _upsampled(context, node, signal, signal.stream, blocks)
    windows = as_windows(signal)
    return None if windows is None else _windowed(context, node, signal, windows)


def is_hardware(signal: Signal) -> bool:
    """Whether a view can be made of a stream."""
    return signal.channel_map is not None or bool(as_blocks(signal) or as_windows(signal))


def _upsampled(
    context: Builder, node: Node, signal: Signal, source: Stream, blocks: Upsampling
) -> Stream:
    (high, wide), indices = blocks.factor, blocks.indices
    return context.emit(
        node,
        Upsample,
        (source,),
        (*blocks.size, len(indices) // (high * wide)),
        label=signal.node,
        tensor="",
        factor=blocks.factor,
        origin=blocks.origin,
        size=blocks.size,
        indices=indices,
    )


def _windowed(context: Builder, node: Node, signal: Signal, windows: Windows) -> Stream | None:
    stream = signal.stream
    origin = int(windows.rows.min()), int(windows.columns.min())
    rows, columns = windows.rows - origin[0], windows.columns - origin[1]
    kernel = int(rows.max()) + 1, int(columns.max()) + 1
    size = [
        (count - 1) * step + length
        for count, step, length in zip(windows.size, windows.stride, kernel, strict=True)
    ]
    chooses = kernel != (1, 1)
    channels = sorted({*windows.channels.tolist()}) if chooses else windows.channels.tolist()
    rest = [
        all_ - first - used for all_, first, used in zip(stream.shape, origin, size, strict=False)
    ]
    beyond = any(more >= step for more, step in zip(rest, windows.stride, strict=True))
    if any(origin) or beyond or channels != list(range(stream.channels)):
        part = Upsampling((1, 1), origin, (size[0], size[1]), tuple(channels))
        stream = _upsampled(context, node, signal, stream, part)
    if not chooses:
        return context.emit(
            node,
            MaxPool,
            (stream,),
            (*windows.size, stream.channels),
            label=signal.node,
            tensor="",
            kernel=kernel,
            stride=windows.stride,
            padding=NO_PADDING,
        )
    raw = np.zeros((*kernel, len(channels), len(rows)), np.int64)
    if raw.size > _MOST_WEIGHTS:
        return None
    raw[rows, columns, np.searchsorted(channels, windows.channels), np.arange(len(rows))] = 1
    return chosen(context, node, signal, stream, raw, stride=windows.stride)


def chosen(
    context: Builder,
    node: Node,
    signal: Signal,
    source: Stream,
    raw: IndexArray,
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = NO_PADDING,
) -> Stream:
    """A convolution that chooses values: each output has one weight of 1 at most.

    Args:
        context: The network so far.
        node: Who reads the result.
        signal: What names the layer.
        source: What it reads.
        raw: Weights ``(kh, kw, inputs, outputs)``; one input of a depthwise one.
        stride: Rows and columns between windows.
        padding: Zeros around the image.
    """
    outputs, kernel = raw.shape[-1], (raw.shape[0], raw.shape[1])
    block = context.blocks.derive(f"{source.name}.chosen", "weight", raw, 0, (True,) * outputs)
    context.choosing.add(block.name)
    size = window_shape(source.shape, kernel, stride, padding)
    return context.emit(
        node,
        Conv,
        (source,),
        (*size, outputs),
        label=signal.node,
        tensor="",
        weight=block.name,
        bias=None,
        kernel=kernel,
        stride=stride,
        padding=padding,
        depthwise=raw.shape[2] == 1 < source.channels,
    )


def padded(context: Builder, node: Node, signal: Signal, source: Stream) -> Stream:
    """An image with the zeros of a view around it."""
    top, left, bottom, right = signal.padding
    raw = np.zeros((top + 1, left + 1, 1, source.channels), np.int64)
    raw[0, 0] = 1
    around = (top, left, top + bottom, left + right)
    return chosen(context, node, signal, source, raw, padding=around)


def widened(
    context: Builder, node: Node, signal: Signal, source: Stream, places: list[int | None]
) -> Stream:
    """Channels of a stream among channels of zeros.

    Args:
        context: The network so far.
        node: Who makes the channels.
        signal: What names the layer.
        source: The stream.
        places: For each channel of the result one of the stream, or None for zeros.
    """
    raw = np.zeros((1, 1, source.channels, len(places)), np.int64)
    for output, channel in enumerate(places):
        if channel is not None:
            raw[0, 0, channel, output] = 1
    return chosen(context, node, signal, source, raw)
