"""Where a stream comes from, and what follows from it: its integers, and what decides its scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from semifreddo.convert.blocks import Blocks
from semifreddo.ir.exact import exact_result
from semifreddo.ir.layers import (
    Add,
    AvgPool,
    Cast,
    Conv,
    Layer,
    MaxPool,
    Route,
    Stream,
    Upsample,
    Weighted,
)

_NARROW_BITS = 10


class Lineage:
    """The layers of a network under construction, and questions about their streams.

    Args:
        blocks: Their weights.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.layers: list[Layer] = []
        self.input: Stream | None = None
        self.products: set[str] = set()
        """Streams that are another one times whole numbers, one per channel."""
        self.choosing: set[str] = set()
        """Weights of ones and zeros that only choose values."""

    def maker(self, stream: Stream) -> Layer | None:
        """The layer that makes a stream; None of the image."""
        return next((layer for layer in self.layers if layer.name == stream.name), None)

    def inputs_of(self, layer: Layer) -> tuple[Stream, ...]:
        """The streams that a layer reads."""
        streams = {known.name: known.output for known in self.layers}
        if self.input is not None:
            streams[self.input.name] = self.input
        return tuple(streams[name] for name in layer.inputs)

    def reach(self, stream: Stream) -> tuple[int, int]:
        """Smallest and largest integer of a stream, for every image and every task."""
        layer = self.maker(stream)
        if layer is not None and not isinstance(layer, Cast):
            exact = exact_result(layer, self.inputs_of(layer), self.blocks.by_name.__getitem__)
            if exact.type == stream.type:
                return exact.low, exact.high
        return stream.type.min_raw, stream.type.max_raw

    def arguments(self, stream: Stream) -> range | npt.NDArray[np.int64]:
        """All integers that can occur in a stream, sorted, for every image and every task.

        A sum of two narrow streams of different scales is known value by value: between its values
        are numbers that no image gives, and that need no exact answer.
        """
        layer = self.maker(stream)
        if isinstance(layer, Add):
            parts = [self._values(source) for source in self.inputs_of(layer)]
            if parts[0] is not None and parts[1] is not None:
                return np.unique(np.add.outer(parts[0], parts[1]))
        first, last = self.reach(stream)
        return range(first, last + 1)

    def _values(self, stream: Stream) -> npt.NDArray[np.int64] | None:
        """All integers of a narrow stream, or of one times a whole number; None of others."""
        layer = self.maker(stream)
        if isinstance(layer, Conv) and stream.name in self.products:
            (source,) = self.inputs_of(layer)
            factors = self.blocks.by_name[layer.weight].raw.ravel()
            values = None if len(set(factors.tolist())) > 1 else self._values(source)
            return None if values is None else values * factors[0]
        if stream.type.width > _NARROW_BITS:
            return None
        return np.arange(stream.type.min_raw, stream.type.max_raw + 1)

    def _weighted_before(self, stream: Stream) -> Weighted | None:
        """The layer with weights whose channels those of a stream are; pools keep them."""
        layer = self.maker(stream)
        while isinstance(layer, MaxPool | AvgPool):
            layer = self.maker(self.inputs_of(layer)[0])
        return layer if isinstance(layer, Weighted) else None

    def residency(self, stream: Stream) -> tuple[bool, ...]:
        """Per channel, whether what scales a stream is frozen: as the weights that make it."""
        layer = self.maker(stream)
        if isinstance(layer, Weighted) and layer.weight not in self.choosing:
            return self.blocks.by_name[layer.weight].frozen
        if not isinstance(layer, MaxPool | AvgPool | Upsample | Route | Conv):
            return (True,) * stream.channels
        below = [flag for source in self.inputs_of(layer) for flag in self.residency(source)]
        return tuple(
            all(below[channel] for channel in channels) for channels in self._sources(layer)
        )

    def _sources(self, layer: Layer) -> list[list[int]]:
        """For each channel of a layer that moves values, which channels it reads."""
        count = layer.output.channels
        if isinstance(layer, Upsample):
            return [list(layer.indices[channel::count]) for channel in range(count)]
        if isinstance(layer, Route):
            return [[index] for index in layer.indices]
        if isinstance(layer, Conv) and not layer.depthwise:
            raw = np.abs(self.blocks.by_name[layer.weight].raw).sum(axis=(0, 1))
            return [np.flatnonzero(column).tolist() for column in raw.T]
        return [[channel] for channel in range(count)]

    def derived_name(self, stream: Stream) -> str:
        """A name for the parameters that scale a stream."""
        layer = self._weighted_before(stream)
        return stream.name if layer is None else layer.weight.removesuffix(".weight")

    def takes_bias(self, stream: Stream) -> bool:
        """Whether a constant added to a stream can be the bias of the layer that makes it.

        The layer has weights and no bias, nothing reads its result yet, and no cast stands between
        its sums and the stream.
        """
        layer = self.maker(stream)
        if not isinstance(layer, Weighted) or layer.bias is not None:
            return False
        exact = exact_result(layer, self.inputs_of(layer), self.blocks.by_name.__getitem__)
        read = any(stream.name in other.inputs for other in self.layers)
        return exact.type == stream.type and not read
