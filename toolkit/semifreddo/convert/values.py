"""What a tensor of the ONNX graph can be while it is converted.

A :class:`Constant` is known now; a :class:`Signal` is a stream of the network, seen through pure
re-indexing (slice, transpose, reshape), which costs nothing until the data are needed in
order. :class:`Scaled` and :class:`Difference` are halves of an alpha blend that is not complete
yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.convert.functions import Function
from semifreddo.convert.node import Node
from semifreddo.ir.layers import Stream

NO_PADDING = (0, 0, 0, 0)

IndexArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Quantized:
    """The number format of a quantized constant.

    Attributes:
        frac: Fraction bits of every entry, shaped like the constant; 0 where ``scale`` is given.
        bits: Storage width.
        signed: Two's complement if true.
        scale: Real value of one step of every entry, shaped like the constant; None if all are
            powers of two, which ``frac`` says.
        signs: Whether every integer is -1 or 1, whatever is trained.
    """

    frac: IndexArray
    bits: int
    signed: bool
    scale: npt.NDArray[np.float64] | None = None
    signs: bool = False


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor whose values are known.

    Attributes:
        name: The ONNX tensor it is, for messages.
        values: The values; floats are float64, so that every fixed-point number is exact.
        parameter: The one trained parameter it derives from, if any.
        index: Flat position in that parameter of every entry; shaped like ``values``.
        shape: Shape of that parameter.
        quantized: The format, once it went through a Quant node.
    """

    name: str
    values: npt.NDArray[Any]
    parameter: str | None = None
    index: IndexArray | None = None
    shape: tuple[int, ...] = ()
    quantized: Quantized | None = None

    @property
    def raw(self) -> npt.NDArray[np.int64]:
        """The integers of a quantized constant."""
        assert self.quantized is not None, self.name
        if self.quantized.scale is not None:
            return np.rint(self.values / self.quantized.scale).astype(np.int64)
        raw: npt.NDArray[np.int64] = np.ldexp(self.values, self.quantized.frac).astype(np.int64)
        return raw


@dataclass(frozen=True, eq=False)
class Signal:
    """A stream, or a re-indexed view of one.

    Attributes:
        stream: The stream.
        index: Shaped like the ONNX tensor; each entry is a flat (height, width, channel) position
            in the stream.
        padding: Zeros around the image (top, left, bottom, right) that a Pad node added.
        node: Name of the last node that made the view.
    """

    stream: Stream
    index: IndexArray
    padding: tuple[int, int, int, int] = NO_PADDING
    node: str = ""

    @classmethod
    def image(cls, stream: Stream, node: str) -> Signal:
        """A whole stream as an NCHW tensor of batch 1."""
        height, width, channels = stream.shape
        index = np.arange(height * width * channels).reshape(1, height, width, channels)
        return cls(stream, index.transpose(0, 3, 1, 2), node=node)

    @classmethod
    def whole(cls, stream: Stream, rank: int, node: str) -> Signal:
        """A whole stream as an image, a signal ``(1, channels, length)`` or a vector."""
        height, width, channels = stream.shape
        shape = {2: (1, channels), 3: (1, channels, width)}.get(rank, (1, channels, height, width))
        return cls(stream, cls.image(stream, "").index.reshape(shape), node=node)

    def with_stream(self, stream: Stream) -> Signal:
        """The same view of a stream of the same shape."""
        return replace(self, stream=stream)

    def same_as(self, other: Signal) -> bool:
        """Whether both are the same tensor."""
        return self.stream.name == other.stream.name and self.same_view(other)

    def same_view(self, other: Signal) -> bool:
        """Whether both look at streams of one shape in the same way."""
        return (
            self.stream.shape == other.stream.shape
            and self.padding == other.padding
            and np.array_equal(self.index, other.index)
        )

    @property
    def is_permutation(self) -> bool:
        """Whether the view has every value of the stream exactly once."""
        size = self.stream.pixels * self.stream.channels
        return bool(
            self.index.size == size and (np.bincount(self.index.ravel(), minlength=size) == 1).all()
        )

    @property
    def is_whole(self) -> bool:
        """Whether the view has the values of the stream in the order of an ONNX image."""
        return np.array_equal(self.index.ravel(), Signal.image(self.stream, "").index.ravel())

    @property
    def planes(self) -> IndexArray | None:
        """The index as ``(channels, height, width)``; None of another rank or batch.

        A signal ``(1, channels, length)`` has one row, a vector ``(1, channels)`` one pixel.
        """
        rank = self.index.ndim
        if rank not in (2, 3, 4) or len(self.index) != 1:
            return None
        planes: IndexArray = self.index[0]
        if rank == 2:
            return planes[:, None, None]
        return planes[:, None] if rank == 3 else planes

    @property
    def channel_map(self) -> tuple[int, ...] | None:
        """Stream channel of each channel of the view; None if the view moves pixels around."""
        height, width, channels = self.stream.shape
        planes = self.planes
        if planes is None or planes.shape[1:] != (height, width):
            return None
        pixel, channel = np.divmod(planes, channels)
        in_place = pixel == np.arange(height * width).reshape(height, width)
        if not in_place.all() or not (channel == channel[:, :1, :1]).all():
            return None
        return tuple(int(entry) for entry in channel[:, 0, 0])


@dataclass(frozen=True, eq=False)
class Scaled:
    """A signal, or a difference of two, times a constant."""

    signal: Signal | Difference
    factor: Constant
    node: Node


@dataclass(frozen=True, eq=False)
class Difference:
    """One signal minus another."""

    left: Signal
    right: Signal


@dataclass(frozen=True, eq=False)
class Real:
    """A signal whose integers stand for real numbers of any scale.

    Attributes:
        signal: The integers.
        functions: From an integer to the real number, by channel of the signal's *stream*; the
            first one is affine.
    """

    signal: Signal
    functions: tuple[Function, ...]


@dataclass(frozen=True, eq=False)
class RawImage:
    """The network's input before the quantizer that gives it a format.

    Attributes:
        signal: A view of the image; its stream has no format yet.
        functions: What was done to its real numbers so far, by channel.
    """

    signal: Signal
    functions: tuple[Function, ...]


Value: TypeAlias = Constant | Signal | Real | Scaled | Difference | RawImage
