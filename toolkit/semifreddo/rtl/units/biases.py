"""Loadable biases of channels that are computed group by group: which are read at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.address_map import WORD_BITS
from semifreddo.ir.layers import WeightBlock
from semifreddo.rtl.units.channels import Accumulator


@dataclass(frozen=True)
class Biases:
    """Where the biases of some channels are among those that are read.

    Attributes:
        block: The biases of the layer.
        loaded: Channels of the layer whose bias is in the memory, in its order.
        lanes: What sums up the channels, one after the other.
        whole: Whether every channel has its bias in the memory, and no other channel has.
    """

    block: WeightBlock
    loaded: Sequence[int]
    lanes: Sequence[Accumulator]
    whole: bool

    @property
    def groups(self) -> int:
        """Groups of channels, one after the other."""
        return len(self.lanes[0].channels)

    @cached_property
    def at_once(self) -> int:
        """Groups whose biases are read at once: as few as fill whole words of the address map.

        All of them, if a channel has no bias in the memory.
        """
        if not self.whole:
            return self.groups
        bits = len(self.lanes) * self.block.bits
        return min(self.groups, WORD_BITS // math.gcd(bits, WORD_BITS))

    @property
    def words(self) -> int:
        """Words that are read at once; 0 is all."""
        if self.at_once == self.groups:
            return 0
        return self.at_once * len(self.lanes) * self.block.bits // WORD_BITS

    @property
    def first_bit(self) -> int:
        """Bit of a group's number from which on it says what is read."""
        return (self.at_once - 1).bit_length()

    def place(self, lane: int, group: int) -> int:
        """Where the bias of a group's channel is among those that are read at once."""
        if self.words:
            return group % self.at_once * len(self.lanes) + lane
        return self.loaded.index(self.lanes[lane].channels[group].index)

    def shift(self, lane: int, group: int) -> int:
        """Bits by which it is shifted left to be added to the lane's number."""
        channel = self.lanes[lane].channels[group]
        return channel.frac - self.block.frac[channel.index]

    @cached_property
    def choices(self) -> int:
        """Of how many different ones a lane takes one for a group, at most."""
        if not self.words:
            return self.groups
        groups = range(self.groups)
        return max(
            len({(self.place(lane, group), self.shift(lane, group)) for group in groups})
            for lane in range(len(self.lanes))
        )
