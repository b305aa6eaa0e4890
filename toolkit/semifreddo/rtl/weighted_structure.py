"""What a conv or linear layer is made of: frozen channels, loadable channels, or both.

The parts of both are independent of each other, so that a scheduler can choose each on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.layers import Conv, Linear
from semifreddo.rtl.costs import Area, Parts
from semifreddo.rtl.graph_size import GraphSize, graph_size
from semifreddo.rtl.schedule import DEFAULT, Choice
from semifreddo.rtl.structure import (
    LayerModel,
    add_bank,
    add_cast,
    add_fifo,
    add_window,
)
from semifreddo.rtl.unit import depth_for, word_bits
from semifreddo.rtl.weighted_plan import Weighted


@dataclass(frozen=True)
class WeightedModel(LayerModel):
    """A weighted layer as counts of parts."""

    layer: Conv | Linear

    @cached_property
    def plan(self) -> Weighted:
        """The layer with default choices: bounds and formats are those of any choice."""
        return Weighted(self.net, self.layer, DEFAULT)

    @cached_property
    def graph(self) -> GraphSize | None:
        """The frozen channels' adders, if there are any."""
        if not self.plan.frozen:
            return None
        return graph_size(self.plan.weight, self.plan.source.type, depthwise=self.plan.depthwise)

    @cached_property
    def serial_bits(self) -> int:
        """Width of the widest sum of the frozen channels."""
        return max(self.plan.serial_bits, default=1)

    @cached_property
    def rows(self) -> int:
        """Rows of the weight matrix."""
        return self.plan.weight.rows

    @cached_property
    def loadable(self) -> int:
        """Channels with loadable weights."""
        return len(self.plan.loadable)

    @cached_property
    def _pace(self) -> tuple[int, int]:
        """Words per image, and cycles of the window former that complete no word."""
        geometry = self.plan.geometry
        idle = 0 if geometry.trivial else geometry.ticks - geometry.windows
        return geometry.windows, idle

    @cached_property
    def _known(self) -> dict[tuple[object, ...], Area]:
        return {}

    def _once(self, key: tuple[object, ...], fill: Callable[[Parts], None]) -> Area:
        if key not in self._known:
            parts = Parts()
            fill(parts)
            self._known[key] = parts.area()
        return self._known[key]

    def frozen_cycles(self, choice: Choice) -> int:
        """Cycles of the adders for a word."""
        digit = choice.digit_bits
        return -(-self.serial_bits // digit) if digit and self.graph else 1

    def loadable_cycles(self, choice: Choice) -> int:
        """Cycles of the multipliers for a word."""
        if not self.loadable:
            return 1
        groups = -(-self.loadable // (choice.channels_per_cycle or self.loadable))
        return groups * -(-self.rows // choice.rows_per_cycle)

    def word_cycles(self, choice: Choice) -> int:
        """Cycles per word."""
        return max(self.frozen_cycles(choice), self.loadable_cycles(choice))

    def pass_cycles(self, choice: Choice) -> int:
        windows, idle = self._pace
        return windows * self.word_cycles(choice) + idle

    def latency(self, choice: Choice) -> int:
        return self.word_cycles(choice) + self._engine_latency(choice)

    def _engine_latency(self, choice: Choice) -> int:
        ends = [2]
        if self.loadable:
            ends.append(4 + (choice.rows_per_cycle - 1).bit_length() // 2)
        if self.graph:
            ends.append(self.graph.depth + 3 if choice.digit_bits else self.graph.depth // 2 + 2)
        return max(ends)

    def parts(self, choice: Choice) -> Parts:
        parts = Parts()
        self._add_shared(parts)
        self._add_fifos(parts, self._depth(choice))
        self._add_frozen(parts, choice)
        self._add_multipliers(parts, choice)
        return parts

    def _depth(self, choice: Choice) -> int:
        return depth_for(self.word_cycles(choice), self._engine_latency(choice))

    def area(self, choice: Choice) -> Area:
        depth = self._depth(choice)
        areas = (
            self._once(("shared",), self._add_shared),
            self._once(("fifo", depth), lambda parts: self._add_fifos(parts, depth)),
            self.frozen_area(choice),
            self.loadable_area(choice),
        )
        return sum(areas, Area()).rounded()

    def frozen_area(self, choice: Choice) -> Area:
        """The adders of the frozen channels and what feeds them."""
        return self._once(
            ("frozen", choice.digit_bits), lambda parts: self._add_frozen(parts, choice)
        )

    def loadable_area(self, choice: Choice) -> Area:
        """The multipliers of the loadable channels, their weights and what feeds them."""
        key = (choice.rows_per_cycle, choice.channels_per_cycle, choice.multiplier)
        return self._once(key, lambda parts: self._add_multipliers(parts, choice))

    def _add_shared(self, parts: Parts) -> None:
        plan = self.plan
        add_window(parts, plan.geometry, word_bits(plan.source))
        parts.add("control")
        if plan.has_banks:
            parts.add("swap")
        for channels in (plan.frozen, plan.loadable):
            self._add_casts(parts, channels)

    def _add_fifos(self, parts: Parts, depth: int) -> None:
        for channels in (self.plan.frozen, self.plan.loadable):
            if channels:
                add_fifo(parts, len(channels) * self.plan.target.width, depth)

    def _add_frozen(self, parts: Parts, choice: Choice) -> None:
        graph = self.graph
        if graph is None:
            return
        if not choice.digit_bits:
            parts.add("adder_bit", graph.adder_bits)
            parts.add("pipeline_bit", graph.adder_bits)
            return
        digit, width = choice.digit_bits, self.plan.source.type.width
        parts.add("digit_adder", graph.adders)
        parts.add("digit_bit", graph.adders * digit)
        parts.add("delay_bit", graph.adders * digit)
        digits = -(-width // digit)
        parts.add("picked_bit", graph.taps * digit * max(1.0, (digits - 1) / 3))
        parts.add("word_bit", graph.taps * digit)
        parts.add("collected_bit", sum(self.plan.serial_bits))

    def _add_multipliers(self, parts: Parts, choice: Choice) -> None:
        if not self.loadable:
            return
        plan, weight = self.plan, self.plan.weight
        rows, lanes = choice.rows_per_cycle, choice.channels_per_cycle or self.loadable
        groups = -(-self.loadable // lanes)
        lines = -(-self.rows // rows)
        width = plan.source.type.width
        operand = width * (lanes if plan.depthwise else 1)
        inputs = lines * (groups if plan.depthwise else 1)
        parts.add("mux_bit", rows * operand * (inputs - 1) / 3)
        parts.add("factor_bit", rows * (operand + lanes * weight.bits))
        product, multipliers = width + weight.bits, lanes * rows
        if choice.multiplier == "dsp":
            parts.add("dsp", multipliers)
        else:
            parts.add("product_bit", multipliers * width * weight.bits)
            parts.add("product_register", multipliers * product)
        parts.add("tree_bit", (rows - 1) * lanes * (product + (rows - 1).bit_length() / 2))
        parts.add("total_bit", lanes * plan.sum_bits)
        parts.add("word_bit", (self.loadable - lanes) * plan.sum_bits)
        parts.add("mux_bit", lanes * plan.sum_bits * (groups - 1) / 3)
        add_bank(parts, self.rows * groups, lanes * weight.bits, rows, self.passes)

    def _add_casts(self, parts: Parts, channels: Sequence[int]) -> None:
        plan, target = self.plan, self.plan.target
        for index in channels:
            channel = plan.channel(index)
            bits = channel.bits + channel.up
            if index in plan.loadable_bias:
                parts.add("added_bit", bits + 1)
            add_cast(parts, bits, channel.frac - target.frac, target, offset=bool(channel.constant))
        loaded = set(channels) & set(plan.loadable_bias)
        if loaded and plan.bias is not None:
            add_bank(parts, 1, len(loaded) * plan.bias.bits, 1, self.passes)
        parts.add("word_bit", len(channels) * target.width)
