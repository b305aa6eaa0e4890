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
from semifreddo.ir.allowed import refusal
from semifreddo.ir.layers import WeightBlock
from semifreddo.ir.structure import Repeat, Structure
from semifreddo.ir.structure_json import structure_to_json
from semifreddo.ir.text import net_to_text
from semifreddo.ir.validate import validate

__all__ = ["Repeat", "StreamNet"]


@dataclass(frozen=True)
class StreamNet(Structure):
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

    def __post_init__(self) -> None:
        validate(self)

    @cached_property
    def device_digest(self) -> str:
        """Digest of everything a built device fixes: all but the loadable values."""
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
            NetError: Unknown block, wrong shape, or a value that may not be loaded.
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
        return net_to_text(self)


def _replace_values(block: WeightBlock, values: npt.NDArray[np.int64]) -> WeightBlock:
    channels = block.configurable_channels
    if values.shape != (block.rows, len(channels)):
        raise NetError(
            f"{block.name}: values have shape {values.shape}, "
            f"the block needs {(block.rows, len(channels))}"
        )
    if why := refusal(values, block.allowed):
        raise NetError(f"{block.name}: {why}")
    matrix = block.matrix.copy()
    matrix[:, channels] = values
    return dataclasses.replace(block, raw=matrix.reshape(block.raw.shape))
