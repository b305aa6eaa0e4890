"""StreamNet: the integer network every backend is made from.

It holds no paths and no tool names. Two nets with the same :attr:`StreamNet.device_digest` are the
same hardware; they may differ in loadable values only, which :attr:`StreamNet.task_digest` tells
apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from semifreddo.core.digest import digest_ints, digest_json
from semifreddo.core.errors import NetError
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
class StreamNet:
    """A network of integer layers, in topological order, with one input and one output.

    Attributes:
        name: Identifier of the design (C and Verilog identifier rules).
        input: The image stream.
        layers: In topological order; the last one produces the output stream.
        blocks: Every tensor, in the order of first use. Two layers may share a block.
        repeats: Which layers are passes of one repeated block.

    Raises:
        NetError: A stream or block is missing or unused, a shape does not match, or the name is
            no identifier.
    """

    name: str
    input: Stream
    layers: tuple[Layer, ...]
    blocks: tuple[WeightBlock, ...]
    repeats: tuple[Repeat, ...] = ()

    def __post_init__(self) -> None:
        from semifreddo.ir.validate import validate

        validate(self)

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

    @cached_property
    def device_digest(self) -> str:
        """Digest of everything a built device fixes: all but the loadable values."""
        from semifreddo.ir.serial import structure_to_json

        frozen = [
            digest_ints(block.matrix[:, block.frozen_channels], block.name) for block in self.blocks
        ]
        return digest_json([structure_to_json(self), frozen])

    @cached_property
    def task_digest(self) -> str:
        """Digest of the loadable values."""
        return digest_json(
            [
                digest_ints(block.matrix[:, block.configurable_channels], block.name)
                for block in self.configurable_blocks
            ]
        )

    def with_values(self, values: Mapping[str, npt.NDArray[np.int64]]) -> StreamNet:
        """The same device with other loadable values.

        Args:
            values: For some or all configurable blocks, ``(rows, configurable channels)``.

        Raises:
            NetError: Unknown block, wrong shape, or a value out of range.
        """
        unknown = sorted(set(values) - {block.name for block in self.configurable_blocks})
        if unknown:
            raise NetError(f"{self.name}: {unknown[0]!r} is not a configurable block")
        return dataclasses.replace(
            self,
            blocks=tuple(
                _replace_values(block, values[block.name]) if block.name in values else block
                for block in self.blocks
            ),
        )

    def __str__(self) -> str:
        """Stable text: see :mod:`semifreddo.ir.text`."""
        from semifreddo.ir.text import net_to_text

        return net_to_text(self)


def _replace_values(block: WeightBlock, values: npt.NDArray[np.int64]) -> WeightBlock:
    channels = block.configurable_channels
    if values.shape != (block.rows, len(channels)):
        raise NetError(
            f"{block.name}: values have shape {values.shape}, "
            f"the block needs {(block.rows, len(channels))}"
        )
    if values.size and not block.min_value <= values.min() <= values.max() <= block.max_value:
        raise NetError(
            f"{block.name}: values {int(values.min())}..{int(values.max())} are outside "
            f"{block.min_value}..{block.max_value}"
        )
    matrix = block.matrix.copy()
    matrix[:, channels] = values
    return dataclasses.replace(block, raw=matrix.reshape(block.raw.shape))
