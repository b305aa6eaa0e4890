"""The hardware of a weighted layer: its components, cycles and latencies for one choice.

Cycles follow from the exact bounds of every channel's sum, not from its adder graph, so that a
scheduler can compute them thousands of times per second. The graph is solved when its text or its
latency is needed, unless a plan was made with a predicted size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from semifreddo import adders
from semifreddo.adders import Tap
from semifreddo.ir.address_map import WORD_BITS
from semifreddo.ir.layers import Conv, Linear, WeightBlock
from semifreddo.rtl.adders.digits import SerialGraph
from semifreddo.rtl.adders.pipelined import PipelinedGraph
from semifreddo.rtl.adders.size import GraphSize
from semifreddo.rtl.choices import Choice
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.memories import Bank, Delay, Fifo, mux
from semifreddo.rtl.components.multiply import Mac
from semifreddo.rtl.components.numbers import Cast, signed_bits
from semifreddo.rtl.components.streams import Issue, Swap
from semifreddo.rtl.components.windows import Window
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.channels import Accumulator, Channel, WeightedLayer
from semifreddo.rtl.units.unit import Context, depth_for, phase_bits, word_bits

DEEP_LINES = 9
"""Lines of weights from which on a bank, which is twice as deep, can be in block memories."""

NO_TAP = Tap(0, 0, False)
"""The output of a graph whose sums come as they are."""


@dataclass(frozen=True, eq=False)
class Weighted:
    """A weighted layer and the choices for it.

    Attributes:
        of: The layer.
        choice: The choices.
        context: Where its loadable values live, and its passes.
        predicted: Size of the adder graph if that shall not be solved.
    """

    of: WeightedLayer
    choice: Choice
    context: Context
    predicted: GraphSize | None = None

    @classmethod
    def alone(cls, context: Context, layer: Conv | Linear, choice: Choice) -> Weighted:
        """A plan of a layer that has no other plan."""
        return cls(WeightedLayer(context.net, layer), choice, context)

    # Loadable channels -------------------------------------------------------------------------

    @cached_property
    def lanes(self) -> int:
        """Loadable channels that are multiplied at the same time."""
        return self.choice.channels_per_cycle or len(self.of.loadable)

    @cached_property
    def groups(self) -> int:
        """Groups of ``lanes`` loadable channels, one after the other."""
        return -(-len(self.of.loadable) // self.lanes) if self.of.loadable else 0

    @cached_property
    def groups_per_unit(self) -> int:
        """Groups whose weights are read at once: as few as fill whole words of the address map."""
        bits = self.lanes * self.of.weight.bits
        return min(self.groups, WORD_BITS // math.gcd(bits, WORD_BITS))

    @cached_property
    def units(self) -> int:
        """Parts of a row, each read on its own."""
        return -(-self.groups // self.groups_per_unit)

    @cached_property
    def lines(self) -> int:
        """Cycles of the multipliers for a group."""
        return -(-self.of.weight.rows // self.choice.rows_per_cycle)

    @cached_property
    def deep(self) -> bool:
        """Whether the weights may be in block memories, which answer late in a cycle.

        What is read is then held once more before it is used: a block memory of an ECP5 takes 6 ns.
        """
        return self.lines * self.units >= DEEP_LINES and bool(self.of.loadable)

    @property
    def loadable_cycles(self) -> int:
        """Cycles of the multipliers for a word."""
        return self.groups * self.lines

    @property
    def accumulators(self) -> tuple[Accumulator, ...]:
        """What each lane sums up."""
        return self.of.accumulators(self.lanes)

    @property
    def sum_bits(self) -> int:
        """Width of the accumulators."""
        return self.of.sum_bits(self.lanes)

    @cached_property
    def mac(self) -> Mac:
        """Multipliers and accumulators."""
        source, weight = self.of.source.type, self.of.weight
        return Mac(
            rows=weight.rows,
            per_cycle=self.choice.rows_per_cycle,
            channels=len(self.of.loadable),
            lanes=self.lanes,
            per_unit=self.groups_per_unit,
            shared=not self.of.depthwise,
            x_bits=source.width,
            x_signed=source.signed,
            w_bits=weight.bits,
            w_signed=weight.signed,
            sum_bits=self.sum_bits,
            dsp=self.choice.multiplier == "dsp",
            deep=self.deep,
            phase=phase_bits(self.cycles),
        )

    @cached_property
    def weights_bank(self) -> Bank:
        """The weights of the loadable channels."""
        channels = min(self.groups_per_unit * self.lanes, len(self.of.loadable))
        words = -(-channels * self.of.weight.bits // WORD_BITS)
        return self._bank(self.of.weight, self.choice.rows_per_cycle, words, registered=True)

    def _bank(
        self, block: WeightBlock, per_line: int, words: int = 0, used: int = 0, *, registered: bool
    ) -> Bank:
        regions = self.context.regions(block.name)
        first = regions[0]
        offsets = tuple(region.offset_words for region in regions)
        return Bank(
            first.rows,
            first.row_bits,
            per_line,
            words or first.row_words,
            offsets,
            used,
            registered,
        )

    def bias_bank(self, channels: Sequence[int]) -> Bank | None:
        """The loadable biases of some channels, if they have any; it is read by them alone."""
        loaded = set(channels) & set(self.of.loadable_bias)
        if not loaded or self.of.bias is None:
            return None
        return self._bank(self.of.bias, 1, used=len(loaded) * self.of.bias.bits, registered=False)

    # Frozen channels ---------------------------------------------------------------------------

    @cached_property
    def frozen_cycles(self) -> int:
        """Cycles of the adders for a word."""
        digit = self.choice.digit_bits
        return -(-self.of.widest // digit) if digit else 1

    @cached_property
    def graph(self) -> PipelinedGraph | SerialGraph:
        """The frozen channels: all bits at once, or some per cycle."""
        of, kind = self.of, self.of.source.type
        matrix = of.weight.matrix[:, of.frozen] >> of.zeros[of.frozen]
        if of.depthwise:
            channels = of.source.channels
            places = [
                [tap * channels + channel for tap in range(len(matrix))] for channel in of.frozen
            ]
            solved = adders.solve_depthwise(matrix, kind)
            graph = adders.merge(solved, places, channels * len(matrix))
        else:
            graph = adders.solve(matrix, kind)
        if not self.choice.digit_bits:
            return PipelinedGraph(graph, kind.width, kind.signed)
        constants = tuple(channel.carried for channel in of.frozen_channels)
        return SerialGraph(
            graph, kind.width, kind.signed, self.of.serial_bits, constants, self.choice.digit_bits
        )

    @property
    def adder_latency(self) -> int:
        """Cycles from the last digit of the window to the sums."""
        if self.predicted is not None:
            return self.predicted.latency(self.choice.digit_bits, folded=self.context.passes > 1)
        return self.graph.latency

    @property
    def taps(self) -> Sequence[Tap]:
        """How each frozen channel's sum leaves the graph."""
        if self.predicted is not None or isinstance(self.graph, SerialGraph):
            return [NO_TAP] * len(self.of.frozen)
        return self.graph.graph.outputs

    def frozen_cast(self, channel: Channel, tap: Tap = NO_TAP) -> Cast:
        """Behind a frozen channel's sum, and its loadable bias if it has one."""
        added = bool(self.choice.digit_bits)
        low, high = channel.number(added=added)
        drop = channel.frac - self.of.target.frac
        biased = channel.loaded != (0, 0) or channel.index in self.of.loadable_bias
        negate = tap.negate and not biased
        bits = signed_bits(-high, -low) if negate else signed_bits(low, high)
        offset = 0 if added else channel.bias
        return Cast(bits, low, high, drop, self.of.target, offset, negate, added)

    # Both --------------------------------------------------------------------------------------

    @cached_property
    def cycles(self) -> int:
        """Cycles per word."""
        return max(1, self.loadable_cycles, self.frozen_cycles if self.of.frozen else 1)

    @cached_property
    def latency(self) -> int:
        """Cycles from a word's last phase to the word in the FIFO; the slower engine counts."""
        ends = [1]
        if self.of.frozen:
            ends.append(self.adder_latency + 1 - (self.cycles - self.frozen_cycles))
        if self.of.loadable:
            ends.append(self.mac.latency + 1 - (self.cycles - self.loadable_cycles))
        return max(ends)

    @property
    def depth(self) -> int:
        """Words of the output FIFOs."""
        return depth_for(self.cycles, self.latency)

    def fifo(self, channels: Sequence[int]) -> Fifo:
        """Behind the words of some channels."""
        return Fifo(len(channels) * self.of.target.width, self.depth, credited=True)

    @cached_property
    def window(self) -> Window | None:
        """The window former, if a window is more than a pixel."""
        geometry = self.of.geometry
        return None if geometry.trivial else Window(geometry, word_bits(self.of.source))

    @property
    def issue(self) -> Issue:
        """The issuer."""
        return Issue(self.cycles, self.depth)

    @property
    def swap(self) -> Swap | None:
        """The bank selector, if anything can be loaded."""
        operands = self.of.geometry.windows
        return Swap(operands, self.context.passes) if self.of.has_banks else None

    @property
    def figures(self) -> Figures:
        """What its times follow from."""
        geometry = self.of.geometry
        idle = 0 if geometry.trivial else geometry.ticks - geometry.windows
        return Figures(
            layer=self.of.layer.name,
            cycles=geometry.windows * self.cycles + idle,
            latency=self.cycles - 1 + self.latency + geometry.lead + 1,
            word_cycles=self.cycles,
            geometry=geometry,
            depth=self.depth,
            passes=self.context.passes,
        )

    # What it is made of ------------------------------------------------------------------------

    def components(self) -> Iterator[Component]:
        """Every instance of a library module in the layer's module."""
        yield from self.shared_components()
        yield from self.frozen_components()
        yield from self.loadable_components()
        for channels in (self.of.frozen, self.of.loadable):
            if channels:
                yield self.fifo(channels)

    def shared_components(self) -> Iterator[Component]:
        """What serves both kinds of channels."""
        if self.window:
            yield self.window
        yield self.issue
        if self.swap:
            yield self.swap

    def frozen_components(self) -> Iterator[Component]:
        """Behind the adders, the FIFO left out."""
        if not self.of.frozen:
            return
        yield Delay(self.adder_latency)
        yield Delay(1)
        if bank := self.bias_bank(self.of.frozen):
            yield Delay(self.adder_latency, self.context.select_bits)
            yield bank
        for channel, tap in zip(self.of.frozen_channels, self.taps, strict=True):
            yield self.frozen_cast(channel, tap)

    def loadable_components(self) -> Iterator[Component]:
        """Memories, multipliers and casts, the FIFO left out."""
        if not self.of.loadable:
            return
        yield Delay(0, self.context.select_bits)
        yield self.weights_bank
        if bank := self.bias_bank(self.of.loadable):
            yield Delay(self.mac.latency - 3, self.context.select_bits)
            yield bank
        yield self.mac
        yield Delay(1)
        for lane in self.accumulators:
            yield lane.cast

    def frozen_rest(self) -> Parts:
        """What is no library module: the adders, and sums of loaded biases."""
        parts, of, size = Parts(), self.of, self.predicted
        if size is None:
            return parts
        digit = self.choice.digit_bits
        if digit:
            constants = sum(bool(channel.carried) for channel in of.frozen_channels)
            parts.add_all(size.digits(digit, constants, of.source.type.width, of.weight.bits))
            parts.add("collected_bit", sum(self.of.serial_bits))
        else:
            parts.add_all(size.pipeline(of.source.type.width))
        for channel in of.frozen_channels:
            if channel.index in of.loadable_bias:
                parts.add("added_bit", channel.bits + channel.up + 1)
        return parts

    def loadable_rest(self) -> Parts:
        """What is no library module: registers behind memories, starts and words."""
        parts, of, mac, bank = Parts(), self.of, self.mac, self.weights_bank
        if mac.reads:
            held = (mac.reads - 1) * bank.per_line * bank.read_bits
            parts.add("factor_bit", bank.register_bits + held)
        else:
            # What is read are the factors, counted with the products.
            parts.add(mac.factor_kind, bank.register_bits - bank.per_line * bank.read_bits)
        loaded = set(of.loadable) & set(of.loadable_bias)
        sums = self.lanes * self.sum_bits
        if self.groups > 1:
            parts.add("mux_bit", sums * mux(self.groups))
            parts.add("word_bit", (self.groups - 1) * self.lanes * of.target.width)
        if (self.groups > 1 or loaded) and not mac.takes_sums_in:
            parts.add("word_bit", sums)
        if loaded:
            parts.add("word_bit", sums)
            if any(
                channel.constant
                for lane in self.accumulators
                for channel in lane.channels
                if channel.index in loaded
            ):
                parts.add("start_bit", sums)
        return parts
