"""Widths, cycles and latencies of a weighted layer.

Cycles follow from the exact bounds of every channel's sum, not from its adder graph, so that a
scheduler can ask for them thousands of times per second; the graph is solved when its text or its
latency is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semifreddo import adders
from semifreddo.core.fixed import FixedType
from semifreddo.ir.address_map import WORD_BITS
from semifreddo.ir.exact import product_bounds
from semifreddo.ir.layers import Conv, Linear, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.numbers import half_of, signed_bits
from semifreddo.rtl.graph import PipelinedGraph
from semifreddo.rtl.schedule import Choice
from semifreddo.rtl.serial import SerialGraph
from semifreddo.rtl.unit import depth_for

DEEP_LINES = 9
"""Lines of weights from which on a bank, which is twice as deep, can be in block memories."""


def word_cycles(net: StreamNet, layer: Conv | Linear, choice: Choice) -> int:
    """Cycles that a layer takes for one word; exact, and known without an adder graph."""
    return Weighted(net, layer, choice).cycles


def serial_cycles(net: StreamNet, layer: Conv | Linear, digit_bits: int) -> int:
    """Cycles per word of a layer's frozen channels with digits of ``digit_bits``; 0 is all bits."""
    return Weighted(net, layer, Choice(digit_bits=digit_bits)).frozen_cycles


def read_at_once(groups: int, bits: int) -> int:
    """Groups of channels whose weights, of ``bits`` each, are read from memory at once.

    As few as fill whole words of the address map: a power of two; or all there are.
    """
    return min(groups, WORD_BITS // math.gcd(bits, WORD_BITS))


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
    """

    index: int
    frac: int
    up: int
    bias: int
    half: int
    low: int
    high: int

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


@dataclass(frozen=True)
class Weighted:
    """A weighted layer and the choices for it."""

    net: StreamNet
    layer: Conv | Linear
    choice: Choice

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

    @property
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

    # Loadable channels -------------------------------------------------------------------------

    @property
    def lanes(self) -> int:
        """Loadable channels that are multiplied at the same time."""
        return self.choice.channels_per_cycle or len(self.loadable)

    @property
    def groups(self) -> int:
        """Groups of ``lanes`` loadable channels, one after the other."""
        return -(-len(self.loadable) // self.lanes) if self.loadable else 0

    @property
    def lines(self) -> int:
        """Cycles of the multipliers for a group."""
        return -(-self.weight.rows // self.choice.rows_per_cycle)

    @property
    def groups_per_unit(self) -> int:
        """Groups whose weights are read at once."""
        return read_at_once(self.groups, self.lanes * self.weight.bits)

    @property
    def unit_words(self) -> int:
        """Words of a row that are read at once."""
        channels = min(self.groups_per_unit * self.lanes, len(self.loadable))
        return -(-channels * self.weight.bits // WORD_BITS)

    @property
    def units(self) -> int:
        """Parts of a row, each read on its own."""
        return -(-self.groups // self.groups_per_unit)

    @property
    def deep(self) -> bool:
        """Whether the weights may be in block memories, which answer late in a cycle.

        What is read is then held once more before it is used: a block memory of an ECP5 takes 6 ns.
        """
        return self.lines * self.units >= DEEP_LINES and bool(self.loadable)

    @property
    def reads(self) -> int:
        """Registers between the weights' memory and a group's share of what is read."""
        return int(self.groups > 1) + int(self.deep)

    @property
    def loadable_cycles(self) -> int:
        """Cycles of the multipliers for a word."""
        return self.groups * self.lines

    @property
    def multipliers(self) -> int:
        """Multipliers of the layer."""
        return self.lanes * self.choice.rows_per_cycle if self.loadable else 0

    @property
    def multiplier_stages(self) -> int:
        """Cycles of a multiplication: see ``library/sf_multiply.sv``."""
        if self.choice.multiplier == "dsp":
            return 1
        digits = (self.weight.bits + int(not self.weight.signed) + 1) // 2
        return (digits + 1) // 2

    @property
    def mac_latency(self) -> int:
        """Cycles from the last phase of a group to its sums: see ``library/sf_mac.sv``."""
        tree = (self.choice.rows_per_cycle - 1).bit_length()
        return 2 + self.reads + self.multiplier_stages + (tree + 1) // 2

    def lane(self, lane: int) -> list[int]:
        """The channels that a lane computes, group by group."""
        return self.loadable[lane :: self.lanes]

    @cached_property
    def sum_bits(self) -> int:
        """Width of the accumulators: every loadable channel's sum with its bias fits."""
        return max(self._accumulator_bits(c) for lane in range(self.lanes) for c in self.lane(lane))

    def _accumulator_bits(self, index: int) -> int:
        channel = self.channel(index)
        low, high = self.bias_range(index)
        low, high = (low + channel.constant) >> channel.up, (high + channel.constant) >> channel.up
        return signed_bits(channel.low + low, channel.high + high)

    def bias_range(self, index: int) -> tuple[int, int]:
        """Range of a channel's loadable bias in the last bits of its number; 0 if it has none."""
        if self.bias is None or index not in self.loadable_bias:
            return 0, 0
        up = self.number_frac(index) - self.bias.frac[index]
        return self.bias.min_value << up, self.bias.max_value << up

    # Frozen channels ---------------------------------------------------------------------------

    @cached_property
    def serial_bits(self) -> tuple[int, ...]:
        """Width of each frozen channel's sum as digits: constants are among its operands."""
        return tuple(self.channel(index).bits for index in self.frozen)

    @property
    def frozen_cycles(self) -> int:
        """Cycles of the adders for a word."""
        digit = self.choice.digit_bits
        return max([1, *(-(-bits // digit) for bits in self.serial_bits)]) if digit else 1

    @cached_property
    def graph(self) -> PipelinedGraph | SerialGraph:
        """The frozen channels: all bits at once, or some per cycle."""
        matrix = self.weight.matrix[:, self.frozen] >> self._zeros[self.frozen]
        kind = self.source.type
        if self.depthwise:
            channels = self.source.channels
            places = [
                [tap * channels + channel for tap in range(len(matrix))] for channel in self.frozen
            ]
            solved = adders.solve_depthwise(matrix, kind)
            graph = adders.merge(solved, places, channels * len(matrix))
        else:
            graph = adders.solve(matrix, kind)
        if not self.choice.digit_bits:
            return PipelinedGraph(graph, kind.width, kind.signed)
        constants = tuple(self.channel(index).carried for index in self.frozen)
        return SerialGraph(
            graph, kind.width, kind.signed, self.serial_bits, constants, self.choice.digit_bits
        )

    # Both --------------------------------------------------------------------------------------

    @property
    def cycles(self) -> int:
        """Cycles per word."""
        return max(1, self.loadable_cycles, self.frozen_cycles if self.frozen else 1)

    @property
    def latency(self) -> int:
        """Cycles from a word's last phase to the word in the FIFO; the slower engine counts."""
        ends = [1]
        if self.frozen:
            ends.append(self.graph.latency + 1 - (self.cycles - self.frozen_cycles))
        if self.loadable:
            ends.append(self.mac_latency + 1 - (self.cycles - self.loadable_cycles))
        return max(ends)

    @property
    def depth(self) -> int:
        """Words of the output FIFOs."""
        return depth_for(self.cycles, self.latency)

    @cached_property
    def _zeros(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Of each output channel: zero bits that all its weights end with (frozen ones only)."""
        together = np.bitwise_or.reduce(self.weight.matrix, axis=0)
        ends = [(int(value) & -int(value)).bit_length() - 1 if value else 0 for value in together]
        return np.where(self.weight.frozen, ends, 0)

    @cached_property
    def _bounds(self) -> list[tuple[int, int]]:
        low, high = product_bounds(self.source.type, self.weight)
        return list(zip((low >> self._zeros).tolist(), (high >> self._zeros).tolist(), strict=True))

    def number_frac(self, index: int) -> int:
        """Fraction bits of the number that is cast; those of a lane's channels are equal."""
        if index in self.loadable:
            lane = self.lane(self.loadable.index(index) % self.lanes)
        else:
            lane = [index]
        return max(self._own_frac(channel) for channel in lane)

    def _own_frac(self, index: int) -> int:
        frac = self.source.type.frac + self.weight.frac[index]
        return frac if self.bias is None else max(frac, self.bias.frac[index])

    def channel(self, index: int) -> Channel:
        """The alignment of an output channel."""
        frac = self.number_frac(index)
        up = frac - self.source.type.frac - self.weight.frac[index] + int(self._zeros[index])
        half = half_of(self.target.rounding, frac - self.target.frac) or 0
        bias = 0
        if self.bias is not None and index not in self.loadable_bias:
            bias = int(self.bias.raw[index]) << (frac - self.bias.frac[index])
        return Channel(index, frac, up, bias, half, *self._bounds[index])
