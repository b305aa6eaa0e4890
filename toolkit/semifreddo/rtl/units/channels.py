"""Output channels of a weighted layer: ranges, alignment and casts, before any choice is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semifreddo.core.fixed import FixedType, IntArray
from semifreddo.ir.exact import product_bounds
from semifreddo.ir.layers import Conv, Linear, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.numbers import Cast, half_of, signed_bits
from semifreddo.rtl.components.shifts import Codes


@dataclass(frozen=True)
class Channel:
    """How the sum of products of an output channel becomes the number that is cast.

    The number is ``sum * 2**up + constant`` (plus a loadable bias), with ``frac`` fraction bits.

    Attributes:
        index: Which output channel.
        frac: Fraction bits of the number.
        up: Bits by which the sum is shifted left.
        bias: Frozen bias, in the number's last bits; 0 if it is loadable.
        half: What the rounding adds, or 0 if that depends on the sign.
        low: Smallest sum.
        high: Largest sum.
        loaded: Range of the loadable bias, in the number's last bits; 0 if there is none.
    """

    index: int
    frac: int
    up: int
    bias: int
    half: int
    low: int
    high: int
    loaded: tuple[int, int]

    @property
    def constant(self) -> int:
        """Everything known that is added."""
        return self.bias + self.half

    @property
    def carried(self) -> int:
        """The part of the constant that is added to the sum, in the sum's last bits."""
        return self.constant >> self.up

    @property
    def rest(self) -> int:
        """The part of the constant below the sum's last bit: ``up`` bits that need no adder."""
        return self.constant & ((1 << self.up) - 1)

    @property
    def bits(self) -> int:
        """Width of the sum with :attr:`carried`, two's complement."""
        return signed_bits(self.low + self.carried, self.high + self.carried)

    @property
    def accumulator_bits(self) -> int:
        """Width of the sum with everything that is added."""
        low, high = ((edge + self.constant) >> self.up for edge in self.loaded)
        return signed_bits(self.low + low, self.high + high)

    def number(self, *, added: bool) -> tuple[int, int]:
        """Range of the number that is cast, with or without the constant."""
        inside = self.constant if added else 0
        low, high = ((limit << self.up) + inside for limit in (self.low, self.high))
        return low + self.loaded[0], high + self.loaded[1]


@dataclass(frozen=True)
class Accumulator:
    """The channels that one lane sums up, one after the other, and their common cast."""

    channels: tuple[Channel, ...]
    target: FixedType

    @property
    def most_up(self) -> int:
        """Bits of the number below the accumulator."""
        return max(channel.up for channel in self.channels)

    @cached_property
    def range(self) -> tuple[int, int]:
        """Range of the number that is cast, over all channels."""
        ranges = [channel.number(added=True) for channel in self.channels]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    @cached_property
    def cast(self) -> Cast:
        """Behind the accumulator."""
        low, high = self.range
        drop = self.channels[0].frac - self.target.frac
        return Cast(signed_bits(low, high), low, high, drop, self.target, added=True)


@dataclass(frozen=True, eq=False)
class WeightedLayer:
    """A conv or linear layer: what holds for every choice of its hardware."""

    net: StreamNet
    layer: Conv | Linear

    @property
    def source(self) -> Stream:
        """The input stream."""
        return self.net.streams[self.layer.inputs[0]]

    @property
    def target(self) -> FixedType:
        """Format of the output."""
        return self.layer.output.type

    @cached_property
    def weight(self) -> WeightBlock:
        """The weights."""
        return self.net.block[self.layer.weight]

    @cached_property
    def bias(self) -> WeightBlock | None:
        """The bias, if any."""
        return None if self.layer.bias is None else self.net.block[self.layer.bias]

    @property
    def depthwise(self) -> bool:
        """Whether each channel sees only itself."""
        return isinstance(self.layer, Conv) and self.layer.depthwise

    @cached_property
    def geometry(self) -> Geometry:
        """The windows."""
        return Geometry.of(self.layer, self.source)

    @cached_property
    def frozen(self) -> list[int]:
        """Channels that are logic."""
        return [int(channel) for channel in self.weight.frozen_channels]

    @cached_property
    def loadable(self) -> list[int]:
        """Channels whose weights are in memory."""
        return [int(channel) for channel in self.weight.configurable_channels]

    @cached_property
    def loadable_bias(self) -> list[int]:
        """Channels whose bias is in memory."""
        return [] if self.bias is None else [int(c) for c in self.bias.configurable_channels]

    @property
    def has_banks(self) -> bool:
        """Whether anything of the layer can be loaded."""
        return bool(self.loadable or self.loadable_bias)

    @cached_property
    def zeros(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Of each output channel: zero bits that all its weights end with (frozen ones only)."""
        together = np.bitwise_or.reduce(self.weight.matrix, axis=0)
        ends = [(int(value) & -int(value)).bit_length() - 1 if value else 0 for value in together]
        return np.where(self.weight.frozen, ends, 0)

    @cached_property
    def frozen_matrix(self) -> IntArray:
        """Weights of the frozen channels by (row, channel), without the zero bits of a channel."""
        return self.weight.matrix[:, self.frozen] >> self.zeros[self.frozen]

    @cached_property
    def frozen_bits(self) -> tuple[int, bool]:
        """Bits that hold each of these weights, and whether they are two's complement."""
        low, high = int(self.frozen_matrix.min()), int(self.frozen_matrix.max())
        if low < 0:
            return signed_bits(low, high), True
        return max(1, high.bit_length()), False

    @cached_property
    def frozen_signs(self) -> bool:
        """Whether each of these weights is -1 or 1."""
        return bool((np.abs(self.frozen_matrix) == 1).all())

    @cached_property
    def frozen_codes(self) -> Codes | None:
        """How these weights are written as powers of two; None if they are no sums of few."""
        return Codes.of(self.frozen_matrix)

    @property
    def loadable_codes(self) -> Codes | None:
        """How any loadable weights are written as powers of two; None if nothing is promised."""
        return Codes(self.weight.terms, self.weight.bits - 1) if self.weight.terms else None

    @cached_property
    def _bounds(self) -> list[tuple[int, int]]:
        low, high = product_bounds(self.source.type, self.weight)
        return list(zip((low >> self.zeros).tolist(), (high >> self.zeros).tolist(), strict=True))

    def _own_frac(self, index: int) -> int:
        frac = self.source.type.frac + self.weight.frac[index]
        return frac if self.bias is None else max(frac, self.bias.frac[index])

    def _channel(self, index: int, frac: int) -> Channel:
        up = frac - self.source.type.frac - self.weight.frac[index] + int(self.zeros[index])
        half = half_of(self.target.rounding, frac - self.target.frac) or 0
        bias, loaded = 0, (0, 0)
        if self.bias is not None:
            shift = frac - self.bias.frac[index]
            if index in self.loadable_bias:
                loaded = self.bias.min_value << shift, self.bias.max_value << shift
            else:
                bias = int(self.bias.raw[index]) << shift
        return Channel(index, frac, up, bias, half, *self._bounds[index], loaded)

    @cached_property
    def frozen_channels(self) -> tuple[Channel, ...]:
        """The frozen channels, each aligned on its own."""
        return tuple(self._channel(index, self._own_frac(index)) for index in self.frozen)

    @cached_property
    def serial_bits(self) -> tuple[int, ...]:
        """Width of each frozen channel's sum as digits: constants are among its operands."""
        return tuple(channel.bits for channel in self.frozen_channels)

    @cached_property
    def widest(self) -> int:
        """Width of the widest of these sums."""
        return max(self.serial_bits, default=1)

    def digits(self, digit: int) -> int:
        """Cycles of the frozen channels' adders for a word; they need no graph."""
        return -(-self.widest // digit) if digit else 1

    @cached_property
    def _accumulators(self) -> dict[tuple[int, int], tuple[Accumulator, ...]]:
        return {}

    @cached_property
    def _sum_bits(self) -> dict[tuple[int, int], int]:
        return {}

    def sum_bits(self, channels: Sequence[int], lanes: int) -> int:
        """Width of all accumulators of ``lanes``: every channel's sum with its bias fits."""
        key = channels[0], lanes
        if key not in self._sum_bits:
            self._sum_bits[key] = max(
                channel.accumulator_bits
                for lane in self.accumulators(channels, lanes)
                for channel in lane.channels
            )
        return self._sum_bits[key]

    def accumulators(self, channels: Sequence[int], lanes: int) -> tuple[Accumulator, ...]:
        """Channels, ``lanes`` at a time; those of a lane are aligned to each other.

        A last group that is not full repeats the last channel of a lane; its results are not read.

        Args:
            channels: The frozen ones, or the loadable ones.
            lanes: How many at a time.
        """
        key = channels[0], lanes
        if key not in self._accumulators:
            groups = -(-len(channels) // lanes)
            found = []
            for lane in range(lanes):
                own = channels[lane::lanes]
                frac = max(self._own_frac(index) for index in own)
                summed = [self._channel(index, frac) for index in own]
                summed += summed[-1:] * (groups - len(summed))
                found.append(Accumulator(tuple(summed), self.target))
            self._accumulators[key] = tuple(found)
        return self._accumulators[key]
