"""The frozen channels of a weighted layer: an adder graph and its casts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from semifreddo import adders as graphs
from semifreddo.adders import Tap
from semifreddo.rtl.adders.digits import DigitAdders
from semifreddo.rtl.adders.digits_text import digits_module
from semifreddo.rtl.adders.pipelined import PipelinedAdders, graph_module
from semifreddo.rtl.adders.size import Adders, GraphSize, PredictedAdders
from semifreddo.rtl.adders.words_text import words_module
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.memories import Delay, Fifo
from semifreddo.rtl.components.numbers import Cast, Number, place_cast, signed_bits
from semifreddo.rtl.components.verilog import fast_or_not, instance, literal, part, vector
from semifreddo.rtl.units.channels import Channel, WeightedLayer
from semifreddo.rtl.units.engine import Engine
from semifreddo.rtl.units.unit import Context, bank, bank_select, delay, fifo

NO_TAP = Tap(0, 0, False)
"""The output of a graph whose sums come as they are."""


@dataclass(frozen=True, eq=False)
class FrozenEngine(Engine):
    """The frozen channels.

    Attributes:
        digit: Bits per cycle of the adders; 0 is all bits at once.
        adders: The adders, solved or predicted.
    """

    name: ClassVar[str] = "frozen"
    digit: int
    adders: Adders

    @classmethod
    def predicted(
        cls, of: WeightedLayer, context: Context, digit: int, size: GraphSize
    ) -> FrozenEngine:
        """With adders of a predicted size."""
        constants = sum(bool(channel.carried) for channel in of.frozen_channels)
        bits, folded = of.source.type.width, context.passes > 1
        adders = PredictedAdders(size, digit, constants, bits, of.weight.bits, folded)
        return cls(of, context, digit, adders)

    @classmethod
    def solved(cls, of: WeightedLayer, context: Context, digit: int) -> FrozenEngine:
        """With adders whose graph is solved."""
        return cls(of, context, digit, solved_adders(of, digit))

    @property
    def channels(self) -> Sequence[int]:
        return self.of.frozen

    @property
    def cycles(self) -> int:
        return self.of.digits(self.digit)

    @property
    def latency(self) -> int:
        return self.adders.latency + 1

    @property
    def words(self) -> str:
        digit = self.digit
        return f"adders {digit} bit{'s' * (digit > 1)} per cycle" if digit else "adders, all bits"

    @property
    def advice(self) -> str:
        return "freeze fewer of its channels or give its weights fewer bits"

    @property
    def taps(self) -> Sequence[Tap]:
        """How each channel's sum leaves the adders."""
        if isinstance(self.adders, PipelinedAdders):
            return self.adders.graph.outputs
        return [NO_TAP] * len(self.channels)

    def cast(self, channel: Channel, tap: Tap) -> Cast:
        """Behind a channel's sum, and its loadable bias if it has one."""
        added = bool(self.digit)
        low, high = channel.number(added=added)
        drop = channel.frac - self.of.target.frac
        biased = channel.loaded != (0, 0) or channel.index in self.of.loadable_bias
        negate = tap.negate and not biased
        bits = signed_bits(-high, -low) if negate else signed_bits(low, high)
        offset = 0 if added else channel.bias
        return Cast(bits, low, high, drop, self.of.target, offset, negate, added)

    def components(self, _phase: int) -> Iterator[Component]:
        yield self.adders
        yield from self.adders.inside()
        yield Delay(self.adders.latency)
        yield Delay(1)
        if self.bias_bank:
            yield self.select_delay(self.adders.latency)
            yield self.bias_bank
        for channel, tap in zip(self.of.frozen_channels, self.taps, strict=True):
            yield self.cast(channel, tap)

    def rest(self) -> Parts:
        """Registers of sums that are collected, and sums of loaded biases."""
        parts = Parts()
        if self.digit:
            parts.add("collected_bit", sum(self.of.serial_bits))
        for channel in self.of.frozen_channels:
            if channel.index in self.of.loadable_bias:
                parts.add("added_bit", channel.bits + channel.up + 1)
        return parts

    # Text ----------------------------------------------------------------------------------------

    def files(self, name: str, phase: int) -> list[tuple[str, str]]:
        """The module with the adders, which must be solved."""
        adders, weight, name = self.adders, self.of.weight, graph_name(name)
        comment = f"Frozen weights {weight.name} ({weight.rows} x {len(self.channels)})"
        if isinstance(adders, DigitAdders):
            comment += f", {adders.digit} bits per cycle, {adders.cycles} cycles per word."
            words = words_name(name)
            return [
                (name, digits_module(name, comment, adders, phase)),
                (words, words_module(words, comment, adders, phase, name)),
            ]
        assert isinstance(adders, PipelinedAdders)
        comment += f" as {len(adders.graph.adders)} adders, all bits at once."
        return [(name, graph_module(name, comment, adders))]

    def text(self, name: str, _phase: int, fifo_: Fifo) -> list[str]:
        of, adders, width = self.of, self.adders, self.of.target.width
        assert isinstance(adders, DigitAdders | PipelinedAdders)
        connected = {"clk": "clk", "taps": "window"} | {
            f"sum_{index}": f"frozen_sum_{channel}" for index, channel in enumerate(of.frozen)
        }
        name, last = graph_name(name), f"active && phase == {self.cycles - 1}"
        if isinstance(adders, DigitAdders):
            connected |= {"first": "first", "phase": "phase"}
        graph = [instance(name, "graph", {}, connected)]
        if isinstance(adders, DigitAdders):
            words = instance(words_name(name), "graph", {}, connected | {"last": last})
            graph = fast_or_not([words], graph)
        lines = ["// Frozen channels: adders."]
        lines += [
            f"wire {vector(bits)} frozen_sum_{channel};"
            for channel, bits in zip(of.frozen, adders.sum_bits, strict=True)
        ]
        lines += [
            *graph,
            *delay("frozen_done", adders.latency, last),
            "",
        ]
        if of.bias is not None and self.bias_bank:
            lines += bank_select("frozen_bias", self.context, adders.latency)
            lines += bank("frozen_bias", self.context, of.bias, self.bias_bank, "1'b0")
        bits = len(of.frozen) * width
        lines.append(f"wire {vector(bits)} frozen_cast;")
        for index, (channel, tap) in enumerate(zip(of.frozen_channels, self.taps, strict=True)):
            lines += self._result(channel, tap, part("frozen_cast", index, width))
        return [
            *lines,
            f"reg {vector(bits)} frozen_word;",
            "always @(posedge clk) frozen_word <= frozen_cast;",
            *delay("frozen_push", 1, "frozen_done"),
            *fifo("frozen", fifo_, "frozen_push", "pop"),
        ]

    def _result(self, channel: Channel, tap: Tap, result: str) -> list[str]:
        """Bias and cast of one channel."""
        of = self.of
        number, lines = _serial_number(channel) if self.digit else _number(channel, tap)
        cast, name = self.cast(channel, tap), f"cast_{channel.index}"
        if of.bias is None or channel.index not in of.loadable_bias:
            return [*lines, place_cast(cast, name, number.text, result)]
        loaded = part("frozen_bias", of.loadable_bias.index(channel.index), of.bias.bits)
        bias = Number.of(loaded, of.bias.type).shifted(number.frac - of.bias.frac[channel.index])
        biased, sign = f"biased_{channel.index}", "-" if tap.negate else "+"
        return [
            *lines,
            f"wire signed {vector(cast.bits)} {biased} = {bias.text} {sign} {number.text};",
            place_cast(cast, name, biased, result),
        ]


def graph_name(name: str) -> str:
    """Name of the module with the adders of a layer's module."""
    return f"{name}_graph"


def words_name(graph: str) -> str:
    """Name of the module that stands in for one with adders of a few bits in a fast simulation."""
    return f"{graph}_words"


def solved_adders(of: WeightedLayer, digit: int) -> PipelinedAdders | DigitAdders:
    """The adders of a layer's frozen channels: all bits at once, or some per cycle."""
    kind = of.source.type
    matrix = of.frozen_matrix
    if of.depthwise:
        channels = of.source.channels
        places = [[tap * channels + channel for tap in range(len(matrix))] for channel in of.frozen]
        solved = graphs.solve_depthwise(matrix, kind)
        graph = graphs.merge(solved, places, channels * len(matrix))
    else:
        graph = graphs.solve(matrix, kind, of.weight.name)
    if not digit:
        return PipelinedAdders(graph, kind.width, kind.signed)
    constants = tuple(channel.carried for channel in of.frozen_channels)
    bits = of.weight.bits
    return DigitAdders(graph, kind.width, kind.signed, bits, of.serial_bits, constants, digit)


def _number(channel: Channel, tap: Tap) -> tuple[Number, list[str]]:
    """A sum as it comes from the graph, aligned."""
    name = f"total_{channel.index}"
    low, high = channel.low << channel.up, channel.high << channel.up
    number = Number(name, *((-high, -low) if tap.negate else (low, high)), channel.frac)
    if not low and not high:
        return number, [f"wire signed {vector(number.bits)} {name} = '0;"]
    kept = f"frozen_sum_{channel.index}[{number.bits - channel.up - 1}:0]"
    text = f"{{{kept}, {channel.up}'b0}}" if channel.up else kept
    return number, [f"wire signed {vector(number.bits)} {name} = {text};"]


def _serial_number(channel: Channel) -> tuple[Number, list[str]]:
    """A sum that contains its constants, but for the bits below its last one."""
    name = f"total_{channel.index}"
    low, high = ((limit << channel.up) + channel.constant for limit in (channel.low, channel.high))
    number = Number(name, low, high, channel.frac)
    if low == high:
        return number, [f"wire signed {vector(number.bits)} {name} = {literal(low, number.bits)};"]
    text = f"frozen_sum_{channel.index}"
    if channel.up:
        text = f"{{{text}, {channel.up}'d{channel.rest}}}"
    return number, [f"wire signed {vector(number.bits)} {name} = {text};"]
