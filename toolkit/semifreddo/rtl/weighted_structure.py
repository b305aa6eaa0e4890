"""What a conv or linear layer is made of: frozen channels, loadable channels, or both.

The parts of both are independent of each other, so that a scheduler can choose each on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.address_map import WORD_BITS
from semifreddo.ir.layers import Conv, Linear
from semifreddo.rtl.components.costs import Area, Parts
from semifreddo.rtl.components.memories import Fifo, mux
from semifreddo.rtl.components.numbers import Cast, signed_bits
from semifreddo.rtl.components.windows import Window
from semifreddo.rtl.graph_size import GraphSize, graph_size
from semifreddo.rtl.schedule import DEFAULT, Choice
from semifreddo.rtl.structure import Bank, LayerModel
from semifreddo.rtl.unit import Unit, depth_for, word_bits
from semifreddo.rtl.weighted_plan import Channel, Weighted, read_at_once

DSP_PRODUCT_BITS = 9
"""Narrower products are logic: Yosys makes no DSP slice of them, and it would be wasted."""


DEEPER = 4
"""Adders by which nine of ten solved graphs are no deeper than predicted."""


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

    def unit(self, choice: Choice) -> Unit:
        windows, idle = self._pace
        cycles, geometry = self.word_cycles(choice), self.plan.geometry
        latency = self._engine_latency(choice)
        return Unit(
            self.layer.name,
            "",
            (),
            windows * cycles + idle,
            cycles - 1 + latency + geometry.lead + 1,
            loadable=self.plan.has_banks,
            word_cycles=cycles,
            geometry=geometry,
            depth=depth_for(cycles, latency),
            passes=self.passes,
        )

    def _engine_latency(self, choice: Choice) -> int:
        """As :attr:`semifreddo.rtl.weighted_plan.Weighted.latency`."""
        cycles, ends = self.word_cycles(choice), [1]
        if self.graph:
            # Only passes wait for latency; a prediction that is too long keeps their promise.
            depth = self.graph.depth + (DEEPER if self.passes > 1 else 0)
            adders = depth // 2 + 2 if choice.digit_bits == 1 else depth + 2
            latency = adders if choice.digit_bits else max(1, (depth + 1) // 2)
            ends.append(latency + 1 - (cycles - self.frozen_cycles(choice)))
        if self.loadable:
            latency = self._chosen(choice).mac_latency
            ends.append(latency + 1 - (cycles - self.loadable_cycles(choice)))
        return max(ends)

    def parts(self, choice: Choice) -> Parts:
        parts = Parts()
        self._add_shared(parts)
        self._add_fifos(parts, self.unit(choice).depth)
        self._add_frozen(parts, choice)
        self._add_multipliers(parts, choice)
        return parts

    def _chosen(self, choice: Choice) -> Weighted:
        """The loadable channels as they are built with a choice."""
        key = choice.rows_per_cycle, choice.channels_per_cycle, choice.multiplier
        if key not in self._plans:
            self._plans[key] = Weighted(self.net, self.layer, choice)
        return self._plans[key]

    @cached_property
    def _plans(self) -> dict[tuple[object, ...], Weighted]:
        return {}

    def area(self, choice: Choice) -> Area:
        depth = self.unit(choice).depth
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
        if not plan.geometry.trivial:
            parts.add_all(Window(plan.geometry, word_bits(plan.source)).counts())
        parts.add("control")
        if plan.has_banks:
            parts.add("swap")

    def _add_fifos(self, parts: Parts, depth: int) -> None:
        for channels in (self.plan.frozen, self.plan.loadable):
            if channels:
                bits = len(channels) * self.plan.target.width
                parts.add("word_bit", bits)
                parts.add_all(Fifo(bits, depth, credited=True).counts())

    def _add_frozen(self, parts: Parts, choice: Choice) -> None:
        plan, graph = self.plan, self.graph
        if graph is None:
            return
        if choice.digit_bits:
            self._add_digits(parts, choice.digit_bits, graph)
        else:
            parts.add("adder_bit", graph.adder_bits)
            parts.add("pipeline_bit", graph.adder_bits)
            parts.add("waiting_bit", graph.taps * plan.source.type.width)
        self._add_bias_bank(parts, plan.frozen)
        for index in plan.frozen:
            channel = plan.channel(index)
            if index in plan.loadable_bias:
                parts.add("added_bit", channel.bits + channel.up + 1)
            self._add_cast(parts, channel, added=bool(choice.digit_bits))

    def _add_cast(self, parts: Parts, channel: Channel, *, added: bool) -> None:
        """The cast of a channel; the constant is added in it, or is in the sum already."""
        target = self.plan.target
        bias = self.plan.bias_range(channel.index)
        inside = channel.constant if added else 0
        low = (channel.low << channel.up) + inside + bias[0]
        high = (channel.high << channel.up) + inside + bias[1]
        offset = 0 if added else channel.bias
        drop = channel.frac - target.frac
        bits = signed_bits(low, high)
        parts.add_all(Cast(bits, low, high, drop, target, offset, added=added).counts())

    def _add_digits(self, parts: Parts, digit: int, graph: GraphSize) -> None:
        """Adders that are a digit wide, with their delays; constants; digits in, sums out."""
        plan = self.plan
        constants = sum(bool(plan.channel(index).carried) for index in plan.frozen)
        adders = graph.adders + constants
        if digit == 1:
            parts.add("bit_adder", adders)
        else:
            parts.add("digit_adder", adders)
            parts.add("digit_bit", adders * digit)
        parts.add("constant_bit", constants * digit)
        parts.add("mark", graph.depth * plan.weight.bits / digit)
        inputs = -(-plan.source.type.width // digit)
        parts.add("picked_bit", graph.taps * digit * max(1.0, (inputs - 1) / 3))
        parts.add("word_bit", graph.taps * digit)
        parts.add("collected_bit", sum(plan.serial_bits))

    def _add_multipliers(self, parts: Parts, choice: Choice) -> None:
        if not self.loadable:
            return
        parts.add("multiply")
        plan, weight = self.plan, self.plan.weight
        rows, lanes = choice.rows_per_cycle, choice.channels_per_cycle or self.loadable
        groups = -(-self.loadable // lanes)
        lines = -(-self.rows // rows)
        width = plan.source.type.width
        operand = width * (lanes if plan.depthwise else 1)
        parts.add("mux_bit", rows * operand * mux(lines * (groups if plan.depthwise else 1)))
        together = read_at_once(groups, lanes * weight.bits)
        parts.add("mux_bit", rows * lanes * weight.bits * mux(together))
        reads = self._chosen(choice).reads
        choices = lines * (groups if plan.depthwise else 1)
        split = -(-choices // 16) - 1 if reads and choices > 16 else 0
        parts.add("factor_bit", rows * operand * (1 + reads + split))
        self._add_products(parts, choice, lanes)
        bank = self._bank(rows, together * lanes)
        bank.add_to(parts)
        if reads:
            parts.add("factor_bit", bank.register_bits + (reads - 1) * rows * bank.read_bits)
        else:
            # What is read are the factors, counted with the products.
            dsp = choice.multiplier == "dsp" and not self.narrow
            kind = "dsp_factor_bit" if dsp else "factor_bit"
            parts.add(kind, bank.register_bits - rows * bank.read_bits)
        self._add_sums(parts, choice, lanes, groups)

    def _bank(self, rows: int, channels: int) -> Bank:
        """The weights' memory, of which so many rows and channels are read at once."""
        bits = self.plan.weight.bits
        unit_words = -(-min(channels, self.loadable) * bits // WORD_BITS)
        regions = self.regions(self.layer.weight)
        return Bank(self.rows, self.loadable * bits, rows, unit_words, regions, True)

    @cached_property
    def narrow(self) -> bool:
        """Whether products are so narrow that tools make logic of them in any case."""
        return self.plan.source.type.width + self.plan.weight.bits < DSP_PRODUCT_BITS

    def _add_products(self, parts: Parts, choice: Choice, lanes: int) -> None:
        """Multipliers and the trees that add the products of a cycle."""
        width, bits = self.plan.source.type.width, self.plan.weight.bits
        # Unsigned times unsigned still gets a sign bit, as in library/sf_multiply.sv.
        unsigned = not self.plan.weight.signed
        rows, product = choice.rows_per_cycle, width + bits
        product += unsigned and not self.plan.source.type.signed
        multipliers = rows * lanes
        if choice.multiplier == "dsp" and not self.narrow:
            parts.add("dsp", multipliers)
            parts.add("dsp_factor_bit", multipliers * bits)
        elif choice.multiplier == "dsp":
            parts.add("factor_bit", multipliers * bits)
            parts.add("plain_product_bit", multipliers * width * bits)
            parts.add("product_register", multipliers * product)
        else:
            # Booth: two bits of the weight are a row; a register behind every second row.
            array = (bits + unsigned + 1) // 2
            waits = (array + 1) // 2 - 1
            parts.add("factor_bit", multipliers * bits)
            parts.add("product_bit", multipliers * array * (width + 2))
            parts.add("product_register", multipliers * (product + waits * (product + width)))
        levels = (rows - 1).bit_length()
        parts.add("tree_bit", (rows - 1) * lanes * (product + levels / 2))
        kind = "dsp_total_bit" if self._inside(choice) else "total_bit"
        parts.add(kind, lanes * self.plan.sum_bits)

    def _inside(self, choice: Choice) -> bool:
        """Whether a slice takes its accumulator in, and what that starts with."""
        return choice.multiplier == "dsp" and not self.narrow and choice.rows_per_cycle == 1

    def _add_sums(self, parts: Parts, choice: Choice, lanes: int, groups: int) -> None:
        """Accumulators, what they start with, and their casts."""
        plan = self.plan
        loaded = sorted(set(plan.loadable) & set(plan.loadable_bias))
        if groups > 1:
            parts.add("mux_bit", lanes * plan.sum_bits * mux(groups))
            parts.add("word_bit", (groups - 1) * lanes * plan.target.width)
        if (groups > 1 or loaded) and not self._inside(choice):
            parts.add("word_bit", lanes * plan.sum_bits)
        if loaded:
            self._add_bias_bank(parts, plan.loadable)
            parts.add("word_bit", lanes * plan.sum_bits)
            if any(plan.channel(index).constant for index in loaded):
                parts.add("start_bit", lanes * plan.sum_bits)
        parts.add_all(self._loaded_casts, lanes / self.loadable)

    @cached_property
    def _loaded_casts(self) -> Parts:
        """Casts of all loadable channels, if each has its own."""
        parts, plan = Parts(), self.plan
        for index in plan.loadable:
            self._add_cast(parts, plan.channel(index), added=True)
        return parts

    def _add_bias_bank(self, parts: Parts, channels: Sequence[int]) -> None:
        loaded = set(channels) & set(self.plan.loadable_bias)
        if loaded and self.plan.bias is not None:
            bits = len(loaded) * self.plan.bias.bits
            Bank(1, bits, regions=self.regions(self.plan.bias.name)).add_to(parts)
