"""Where each loadable value of a device lives: the contract of every weight port.

A task is one array of 32-bit words. Each configurable block owns a region; regions follow each
other in block order. A region holds the block's rows (for a weight: one per input of the fan-in, in
kernel-height, kernel-width, input-channel order; for a bias or alpha: one). A row holds one value
per configurable output channel, in channel order, ``bits`` bits each, two's complement, least
significant bit first, padded with zeros to whole words. Hardware can therefore shift words in and
use a row at once as one wide word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import TaskError
from semifreddo.ir.allowed import refusal, text_of
from semifreddo.ir.layers import Role, WeightBlock
from semifreddo.ir.net import StreamNet

WORD_BITS = 32


@dataclass(frozen=True)
class Region:
    """The words of one configurable block.

    Attributes:
        block: Its name.
        role: What its values are used for.
        offset_words: Where it begins.
        rows: Of values.
        channels: Values of a row.
        bits: Of a value.
        min_value: Smallest value that may be loaded.
        max_value: Largest value that may be loaded.
        listed: All such values, ascending; empty if they are all integers in between.
    """

    block: str
    role: Role
    offset_words: int
    rows: int
    channels: int
    bits: int
    min_value: int
    max_value: int
    listed: tuple[int, ...] = ()

    @property
    def allowed(self) -> Sequence[int]:
        """All values that may be loaded."""
        return self.listed or range(self.min_value, self.max_value + 1)

    @property
    def values_text(self) -> str:
        """These values for a person to read."""
        return text_of(self.allowed)

    @property
    def row_bits(self) -> int:
        """Used bits of a row."""
        return self.channels * self.bits

    @property
    def row_words(self) -> int:
        """Words per row."""
        return -(-self.row_bits // WORD_BITS)

    @property
    def words(self) -> int:
        """Words of the region."""
        return self.rows * self.row_words

    def pack(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        """Words of ``(rows, channels)`` integers.

        Raises:
            TaskError: A value may not be loaded.
        """
        self._check(values)
        shifts = np.arange(self.bits)
        bits = ((values[:, :, None] >> shifts) & 1).astype(np.uint8).reshape(self.rows, -1)
        padded = np.zeros((self.rows, self.row_words * WORD_BITS), np.uint8)
        padded[:, : self.row_bits] = bits
        return np.packbits(padded, axis=1, bitorder="little").view("<u4").reshape(-1)

    def unpack(self, words: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Inverse of :meth:`pack`.

        Raises:
            TaskError: A value may not be loaded or a padding bit is set.
        """
        octets = words.astype("<u4").view(np.uint8).reshape(self.rows, -1)
        bits = np.unpackbits(octets, axis=1, bitorder="little")
        if bits[:, self.row_bits :].any():
            raise TaskError(f"{self.block}: padding bits are set; the task file is damaged")
        weights = np.int64(1) << np.arange(self.bits)
        if self.min_value < 0:
            weights[-1] = -weights[-1]
        packed = bits[:, : self.row_bits].reshape(self.rows, self.channels, self.bits)
        values: npt.NDArray[np.int64] = packed.astype(np.int64) @ weights
        self._check(values)
        return values

    def _check(self, values: npt.NDArray[np.int64]) -> None:
        if why := refusal(values, self.allowed):
            raise TaskError(f"{self.block}: {why}; retarget the task to this device")


def _region(block: WeightBlock, offset: int) -> Region:
    return Region(
        block=block.name,
        role=block.role,
        offset_words=offset,
        rows=block.rows,
        channels=len(block.configurable_channels),
        bits=block.bits,
        min_value=block.min_value,
        max_value=block.max_value,
        listed=() if isinstance(block.allowed, range) else tuple(block.allowed),
    )


@dataclass(frozen=True)
class AddressMap:
    """All regions of a device, in address order."""

    regions: tuple[Region, ...]

    @classmethod
    def of(cls, net: StreamNet) -> AddressMap:
        """The map of a network; the same for every task of a device."""
        regions: list[Region] = []
        offset = 0
        for block in net.configurable_blocks:
            regions.append(_region(block, offset))
            offset += regions[-1].words
        return cls(tuple(regions))

    @property
    def words(self) -> int:
        """Total 32-bit words of a task."""
        return sum(region.words for region in self.regions)

    @cached_property
    def region(self) -> Mapping[str, Region]:
        """Regions by block name."""
        return {region.block: region for region in self.regions}

    def pack(self, net: StreamNet) -> npt.NDArray[np.uint32]:
        """The task words that hold a network's loadable values."""
        parts = [
            self.region[block.name].pack(block.matrix[:, block.configurable_channels])
            for block in net.configurable_blocks
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.uint32)

    def unpack(self, words: npt.NDArray[np.uint32]) -> dict[str, npt.NDArray[np.int64]]:
        """Values per block, ``(rows, configurable channels)``.

        Raises:
            TaskError: Wrong number of words, or a value that may not be loaded.
        """
        if words.shape != (self.words,):
            raise TaskError(f"task has {words.size} words, the device needs {self.words}")
        return {
            region.block: region.unpack(
                words[region.offset_words : region.offset_words + region.words]
            )
            for region in self.regions
        }
