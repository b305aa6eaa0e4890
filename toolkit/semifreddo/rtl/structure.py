"""What a layer is made of, counted without making it; mirrors the unit modules and the library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.exact import exact_result, product_bounds
from semifreddo.ir.layers import Add, AvgPool, Blend, Conv, Layer, Linear, MaxPool, Route, Stream
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.costs import Parts, block_memories, ram_luts
from semifreddo.rtl.geometry import Geometry
from semifreddo.rtl.graph_size import GraphSize, graph_size
from semifreddo.rtl.schedule import Choice
from semifreddo.rtl.unit import depth_for, signed_bits, word_bits

FIFO_IN_FLIP_FLOPS = 2
"""Deepest FIFO that Yosys makes of flip-flops; deeper ones are memories."""


@dataclass(frozen=True)
class LayerModel:
    """A layer as counts of parts.

    Attributes:
        net: The network.
        layer: One of its layers.
    """

    net: StreamNet
    layer: Layer

    @property
    def output(self) -> Stream:
        """The stream it makes."""
        return self.layer.output

    def cycles(self, choice: Choice) -> int:
        """Cycles per image, as :attr:`semifreddo.rtl.unit.Unit.cycles`."""
        raise NotImplementedError

    def latency(self, choice: Choice) -> int:
        """About how many cycles pass between a word's last operand and its result."""
        raise NotImplementedError

    def parts(self, choice: Choice) -> Parts:
        """What it is made of."""
        raise NotImplementedError


def model_of(net: StreamNet, layer: Layer) -> LayerModel:
    """The model of any layer."""
    if isinstance(layer, Conv | Linear):
        return WeightedModel(net, layer)
    if isinstance(layer, MaxPool | AvgPool):
        return PoolModel(net, layer)
    return PointwiseModel(net, layer)


def add_fifo(parts: Parts, bits: int, depth: int) -> None:
    """A FIFO of ``library/sf_fifo.sv``."""
    parts.add("fifo")
    if depth <= FIFO_IN_FLIP_FLOPS:
        parts.add("word_bit", bits * depth)
        parts.add("mux_bit", bits / 2)
    else:
        add_memory(parts, depth, bits)


def add_memory(parts: Parts, words: int, bits: int) -> None:
    """A memory with one write and one read port: distributed if shallow."""
    if words <= 64:
        parts.add("ram_lut", ram_luts(words, bits))
        return
    parts.add("bram18", block_memories(words, bits))
    parts.add("bypass_bit", bits)


def add_window(parts: Parts, geometry: Geometry, bits: int) -> None:
    """A window former of ``library/sf_window.sv``."""
    if geometry.trivial:
        return
    rows, columns = geometry.kernel
    parts.add("position")
    parts.add("window_bit", rows * columns * bits)
    last = (geometry.out[1] - 1) * geometry.stride[1]
    right = geometry.left + geometry.width - 1 - last
    masked = sum(x < geometry.left or x > right for x in range(columns))
    parts.add("masked_bit", masked * rows * bits)
    if rows > 1:
        add_memory(parts, geometry.width, (rows - 1) * bits)


def add_cast(parts: Parts, bits: int, drop: int, target: FixedType, *, offset: bool) -> None:
    """A cast of ``library/sf_cast.sv``: ``drop`` fraction bits go, ``offset`` is a bias."""
    parts.add("cast")
    if offset:
        parts.add("rounded_bit", bits)
    elif drop > 0 and target.rounding is not Rounding.FLOOR:
        parts.add("rounded_bit", max(bits - drop, 1))
    if target.overflow is not Overflow.WRAP and bits - max(drop, 0) >= target.width:
        parts.add("clipped_bit", target.width)


def add_bank(parts: Parts, rows: int, row_bits: int, per_line: int) -> None:
    """A double-buffered weight memory of ``library/sf_bank.sv``."""
    lines = -(-rows // per_line)
    words = 2 << max(1, (lines - 1).bit_length())
    parts.add("load")
    parts.add("ram_lut", ram_luts(words, row_bits * per_line))
    if words > 64:
        parts.add("memory_mux_bit", row_bits * per_line * (words / 64 - 1))


@dataclass(frozen=True)
class WeightedModel(LayerModel):
    """A conv or linear layer: frozen channels, loadable channels, or both side by side."""

    layer: Conv | Linear

    @cached_property
    def source(self) -> Stream:
        """The input stream."""
        return self.net.streams[self.layer.inputs[0]]

    @cached_property
    def geometry(self) -> Geometry:
        """The windows."""
        return Geometry.of(self.layer, self.source)

    @cached_property
    def depthwise(self) -> bool:
        """Whether each channel sees only itself."""
        return isinstance(self.layer, Conv) and self.layer.depthwise

    @cached_property
    def graph(self) -> GraphSize | None:
        """The frozen channels' adders, if there are any."""
        weight = self.net.block[self.layer.weight]
        if not any(weight.frozen):
            return None
        return graph_size(weight, self.source.type, depthwise=self.depthwise)

    @cached_property
    def rows(self) -> int:
        """Rows of the weight matrix."""
        return self.net.block[self.layer.weight].rows

    @cached_property
    def loadable(self) -> int:
        """Channels with loadable weights."""
        return len(self.net.block[self.layer.weight].configurable_channels)

    @cached_property
    def idle_ticks(self) -> int:
        """Steps of the window former that complete no window."""
        return 0 if self.geometry.trivial else self.geometry.ticks - self.geometry.windows

    def multiplier_cycles(self, choice: Choice) -> int:
        """Cycles in which the multipliers work on a word."""
        if not self.loadable:
            return 1
        together = choice.channels_per_cycle or self.loadable
        return -(-self.rows // choice.rows_per_cycle) * -(-self.loadable // together)

    def word_cycles(self, choice: Choice) -> int:
        """Cycles per word."""
        frozen = self.graph.cycles(choice.digit_bits) if self.graph else 1
        return max(self.multiplier_cycles(choice), frozen)

    def cycles(self, choice: Choice) -> int:
        return self.geometry.windows * self.word_cycles(choice) + self.idle_ticks

    def _engine_latency(self, choice: Choice) -> int:
        ends = [2]
        if self.loadable:
            ends.append(4 + (choice.rows_per_cycle - 1).bit_length() // 2)
        if self.graph and choice.digit_bits:
            ends.append(self.graph.depth + 3)
        elif self.graph:
            ends.append(self.graph.depth // 2 + 2)
        return max(ends)

    def latency(self, choice: Choice) -> int:
        return self.word_cycles(choice) + self._engine_latency(choice)

    def parts(self, choice: Choice) -> Parts:
        parts = Parts()
        add_window(parts, self.geometry, word_bits(self.source))
        parts.add("control")
        weight, bias = self.net.weights_of(self.layer)
        bias_loadable = bias is not None and not all(bias.frozen)
        if self.loadable or bias_loadable:
            parts.add("swap")
        depth = depth_for(self.word_cycles(choice), self._engine_latency(choice))
        if self.graph:
            self._add_graph(parts, choice, self.graph)
            self._add_results(parts, weight.frozen_channels.tolist(), depth, frozen=True)
        if self.loadable:
            self._add_multipliers(parts, choice)
            self._add_results(parts, weight.configurable_channels.tolist(), depth, frozen=False)
        return parts

    def _add_graph(self, parts: Parts, choice: Choice, graph: GraphSize) -> None:
        if not choice.digit_bits:
            parts.add("adder_bit", graph.adder_bits)
            parts.add("pipeline_bit", graph.adder_bits)
            return
        digit, width = choice.digit_bits, self.source.type.width
        parts.add("digit_adder", graph.adders)
        parts.add("digit_bit", graph.adders * digit)
        parts.add("delay_bit", graph.adders * digit)
        digits = -(-width // digit)
        parts.add("picked_bit", graph.taps * digit * max(1.0, (digits - 1) / 3))
        parts.add("word_bit", graph.taps * digit)
        parts.add("collected_bit", sum(graph.digit_bits))

    def _add_multipliers(self, parts: Parts, choice: Choice) -> None:
        weight = self.net.block[self.layer.weight]
        lanes, together = choice.rows_per_cycle, choice.channels_per_cycle or self.loadable
        groups = -(-self.loadable // together)
        width = self.source.type.width
        operand = width * (together if self.depthwise else 1)
        lines = -(-self.rows // lanes)
        inputs = lines * (groups if self.depthwise else 1)
        parts.add("mux_bit", lanes * operand * (inputs - 1) / 3)
        parts.add("factor_bit", lanes * (operand + together * weight.bits))
        product = width + weight.bits
        multipliers = lanes * together
        if choice.multiplier == "dsp":
            parts.add("dsp", multipliers)
        else:
            parts.add("product_bit", multipliers * width * weight.bits)
            parts.add("product_register", multipliers * product)
        levels = (lanes - 1).bit_length()
        parts.add("tree_bit", (lanes - 1) * together * (product + levels / 2))
        bits = self._sum_bits()
        parts.add("total_bit", together * bits)
        parts.add("word_bit", (self.loadable - together) * bits)
        parts.add("mux_bit", together * bits * (groups - 1) / 3)
        add_bank(parts, self.rows * groups, together * weight.bits, lanes)

    def _sum_bits(self) -> int:
        weight = self.net.block[self.layer.weight]
        low, high = product_bounds(self.source.type, weight)
        chosen = weight.configurable_channels
        return signed_bits(int(low[chosen].min()), int(high[chosen].max()))

    def _add_results(self, parts: Parts, channels: list[int], depth: int, *, frozen: bool) -> None:
        weight, bias = self.net.weights_of(self.layer)
        target = self.output.type
        loaded = 0
        for index, channel in enumerate(channels):
            bits = self.graph.sum_bits[index] if frozen and self.graph else self._sum_bits()
            frac = self.source.type.frac + weight.frac[channel]
            offset = False
            if bias is not None:
                common = max(frac, bias.frac[channel])
                bits, frac = bits + common - frac, common
                if not bias.frozen[channel]:
                    bits, loaded = bits + 1, loaded + 1
                    parts.add("added_bit", bits)
                else:
                    offset = bool(bias.raw[channel])
            add_cast(parts, bits, frac - target.frac, target, offset=offset)
        if loaded and bias is not None:
            add_bank(parts, 1, loaded * bias.bits, 1)
        bits = len(channels) * target.width
        parts.add("word_bit", bits)
        add_fifo(parts, bits, depth)


@dataclass(frozen=True)
class PoolModel(LayerModel):
    """A maximum or an average over windows."""

    layer: MaxPool | AvgPool

    @cached_property
    def source(self) -> Stream:
        """The input stream."""
        return self.net.streams[self.layer.inputs[0]]

    @cached_property
    def geometry(self) -> Geometry:
        """The windows."""
        return Geometry.of(self.layer, self.source)

    def cycles(self, _choice: Choice) -> int:
        if self.geometry.disjoint:
            return self.geometry.height * self.geometry.width
        return self.geometry.ticks

    def latency(self, _choice: Choice) -> int:
        return 4 if self.geometry.disjoint else 2 + (self.geometry.taps - 1).bit_length() // 2

    def parts(self, choice: Choice) -> Parts:
        parts, source, geometry = Parts(), self.source, self.geometry
        parts.add("control")
        maximum = isinstance(self.layer, MaxPool)
        width, taps = source.type.width, geometry.taps
        sum_bits = width if maximum else width + (taps - 1).bit_length()
        kind = "compared_bit" if maximum else "added_bit"
        if geometry.disjoint:
            bits = source.channels * (sum_bits + 1)
            parts.add("position")
            parts.add(kind, 2 * bits)
            parts.add("word_bit", 2 * bits)
            parts.add("mux_bit", bits)
            if geometry.out[1] > 1:
                add_memory(parts, geometry.out[1], bits)
            else:
                parts.add("word_bit", bits)
        else:
            add_window(parts, geometry, word_bits(source))
            mean = source.channels * (width + sum_bits) / 2
            parts.add(kind, mean * (taps - 1))
            parts.add("word_bit", mean * (taps - 1) / 3)
        exact = exact_result(self.layer, (source,), self.net.block.__getitem__)
        for _ in range(source.channels):
            drop = exact.frac - self.output.type.frac
            add_cast(parts, sum_bits + 1, drop, self.output.type, offset=False)
        parts.add("word_bit", word_bits(self.output))
        add_fifo(parts, word_bits(self.output), depth_for(1, self.latency(choice) - 1))
        return parts


@dataclass(frozen=True)
class PointwiseModel(LayerModel):
    """A layer that sees one pixel at a time."""

    @cached_property
    def wiring(self) -> bool:
        """Whether it is nothing but wires."""
        target = self.output.type
        return isinstance(self.layer, Route) and all(
            (stream.type.width, stream.type.frac, stream.type.signed)
            == (target.width, target.frac, target.signed)
            for stream in self.net.input_streams(self.layer)
        )

    def cycles(self, _choice: Choice) -> int:
        return self.output.pixels

    def latency(self, _choice: Choice) -> int:
        return 0 if self.wiring else 2

    def parts(self, _choice: Choice) -> Parts:
        parts = Parts()
        if self.wiring:
            return parts
        net, layer, target = self.net, self.layer, self.output.type
        exact = exact_result(layer, net.input_streams(layer), net.block.__getitem__)
        parts.add("control")
        bits = exact.type.width + int(not exact.type.signed)
        for channel in range(self.output.channels):
            if isinstance(layer, Add):
                parts.add("added_bit", bits)
            elif isinstance(layer, Blend):
                frozen = net.block[layer.alpha].frozen[channel]
                parts.add("fixed_blend_bit" if frozen else "blend_bit", bits)
            add_cast(parts, bits, exact.frac - target.frac, target, offset=False)
        if isinstance(layer, Blend) and not all(net.block[layer.alpha].frozen):
            alpha = net.block[layer.alpha]
            parts.add("swap")
            add_bank(parts, 1, len(alpha.configurable_channels) * alpha.bits, 1)
        parts.add("word_bit", word_bits(self.output))
        add_fifo(parts, word_bits(self.output), depth_for(1, 2))
        return parts
