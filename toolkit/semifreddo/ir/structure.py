"""The parts of a network and what follows from their connections, before they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.layers import Layer, Stream, WeightBlock, Weighted


@dataclass(frozen=True)
class Repeat:
    """Layers that are the same hardware used several times in one inference.

    Attributes:
        name: Name of the repeated block in the trained model.
        passes: Layer names of each pass, in corresponding order. Pass ``p`` computes what pass 0
            computes, on the result of pass ``p - 1``; frozen blocks are the same in all passes.
    """

    name: str
    passes: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Structure:
    """The fields of a :class:`~semifreddo.ir.net.StreamNet`, which says what they are."""

    name: str
    input: Stream
    layers: tuple[Layer, ...]
    blocks: tuple[WeightBlock, ...]
    repeats: tuple[Repeat, ...] = ()

    @property
    def output(self) -> Stream:
        """The result stream."""
        return self.layers[-1].output

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        """Every stream by name."""
        return {self.input.name: self.input} | {layer.name: layer.output for layer in self.layers}

    @cached_property
    def block(self) -> Mapping[str, WeightBlock]:
        """Every weight block by name."""
        return {block.name: block for block in self.blocks}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Layer, ...]]:
        """The layers that read each stream, in order; a layer reading twice is listed twice."""
        readers: dict[str, list[Layer]] = {name: [] for name in self.streams}
        for layer in self.layers:
            for name in layer.inputs:
                readers[name].append(layer)
        return {name: tuple(found) for name, found in readers.items()}

    def input_streams(self, layer: Layer) -> tuple[Stream, ...]:
        """The streams a layer reads."""
        return tuple(self.streams[name] for name in layer.inputs)

    def weights_of(self, layer: Weighted) -> tuple[WeightBlock, WeightBlock | None]:
        """The weight and bias block of a weighted layer."""
        return self.block[layer.weight], None if layer.bias is None else self.block[layer.bias]

    @property
    def configurable_blocks(self) -> tuple[WeightBlock, ...]:
        """Blocks with at least one loadable channel, in address order."""
        return tuple(block for block in self.blocks if not all(block.frozen))
