"""What layers without weights are made of; mirrors pointwise.py, pooling.py and lanes.py."""

from __future__ import annotations

from dataclasses import dataclass

from semifreddo.ir.exact import exact_result
from semifreddo.ir.layers import Add, AvgPool, Blend, MaxPool, Route, WeightBlock
from semifreddo.rtl.components.costs import Parts, ram_luts
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.numbers import half_of
from semifreddo.rtl.lanes import Lanes
from semifreddo.rtl.schedule import Choice
from semifreddo.rtl.structure import (
    Bank,
    LayerModel,
    add_cast,
    add_fifo,
    add_memory,
    add_window,
    mux,
)
from semifreddo.rtl.unit import Unit, word_bits


@dataclass(frozen=True)
class LanesModel(LayerModel):
    """A layer without weights."""

    def unit(self, choice: Choice) -> Unit:
        return self._lanes(choice).unit(passes=self.passes)

    def _lanes(self, choice: Choice) -> Lanes:
        return Lanes(self.net, self.layer, choice)

    def _add_selected(self, parts: Parts, lanes: Lanes, bits: int) -> None:
        """A signal with ``bits`` per channel, of which the lanes see a group at a time."""
        if lanes.groups > 1:
            parts.add("mux_bit", lanes.count * bits * mux(lanes.groups))
            parts.add("word_bit", lanes.count * bits)

    def _add_results(self, parts: Parts, lanes: Lanes) -> None:
        """Casts, and the words that are made of their results."""
        target, bits = self.output.type, word_bits(self.output)
        inputs = self.net.input_streams(self.layer)
        exact = exact_result(self.layer, inputs, self.net.block.__getitem__)
        drop = exact.frac - target.frac
        half = half_of(target.rounding, drop) or 0
        for _ in range(lanes.count):
            add_cast(parts, (exact.low + half, exact.high + half), drop, target, half)
        if lanes.groups > 1:
            parts.add("turns")
        parts.add("word_bit", lanes.groups * lanes.count * target.width)
        if lanes.depth == 2:
            parts.add("word_bit", bits)
        else:
            add_fifo(parts, bits, lanes.depth)


@dataclass(frozen=True)
class PoolModel(LanesModel):
    """A maximum or an average over windows."""

    layer: MaxPool | AvgPool

    def parts(self, choice: Choice) -> Parts:
        parts, lanes = Parts(), self._lanes(choice)
        source = self.net.streams[self.layer.inputs[0]]
        geometry = Geometry.of(self.layer, source)
        parts.add("control")
        maximum = isinstance(self.layer, MaxPool)
        width, taps = source.type.width, geometry.taps
        sum_bits = width if maximum else width + (taps - 1).bit_length()
        if geometry.disjoint:
            parts.add("position")
            self._add_selected(parts, lanes, width)
            parts.add("kept_maximum_bit" if maximum else "kept_sum_bit", lanes.count * sum_bits)
            parts.add("word_bit", lanes.count * (sum_bits + width * (lanes.groups == 1)))
            self._add_running(parts, lanes, geometry, sum_bits)
        else:
            add_window(parts, geometry, word_bits(source))
            self._add_selected(parts, lanes, taps * width)
            mean = lanes.count * (width + sum_bits) / 2
            parts.add("compared_bit" if maximum else "added_bit", mean * (taps - 1))
            parts.add("word_bit", mean * (taps - 1) / 3)
        self._add_results(parts, lanes)
        return parts

    def _add_running(self, parts: Parts, lanes: Lanes, geometry: Geometry, bits: int) -> None:
        """The memory of ``library/sf_reduce.sv``; none if the last sum is all it keeps."""
        place, group = (geometry.out[1] - 1).bit_length(), (lanes.groups - 1).bit_length()
        words = 1 << place + group
        if 1 < words <= 64:
            add_memory(parts, words, lanes.count * bits)
        elif words > 64:
            parts.add("ram_lut", ram_luts(words, lanes.count * bits))
            parts.add("memory_mux_bit", lanes.count * bits * (words / 64 - 1))


@dataclass(frozen=True)
class PointwiseModel(LanesModel):
    """A layer that sees one pixel at a time."""

    def unit(self, choice: Choice) -> Unit:
        if self.wiring:
            name, cycles = self.layer.name, self.output.pixels
            return Unit(name, "", (), cycles, 0, False, passes=self.passes)
        return super().unit(choice)

    def parts(self, choice: Choice) -> Parts:
        parts, lanes = Parts(), self._lanes(choice)
        if self.wiring:
            return parts
        net, layer = self.net, self.layer
        streams = net.input_streams(layer)
        kind = exact_result(layer, streams, net.block.__getitem__).type
        bits = kind.width + int(not kind.signed)
        parts.add("control")
        if isinstance(layer, Route):
            self._add_selected(parts, lanes, kind.width)
        else:
            self._add_selected(parts, lanes, sum(stream.type.width for stream in streams))
        if isinstance(layer, Add):
            parts.add("added_bit", lanes.count * bits)
        elif isinstance(layer, Blend):
            self._add_blend(parts, lanes, net.block[layer.alpha], bits)
        self._add_results(parts, lanes)
        return parts

    def _add_blend(self, parts: Parts, lanes: Lanes, alpha: WeightBlock, bits: int) -> None:
        factors = [
            int(value) if frozen else None
            for value, frozen in zip(alpha.raw.reshape(-1), alpha.frozen, strict=True)
        ]
        if lanes.groups == 1:
            fixed = sum(alpha.frozen)
            parts.add("fixed_blend_bit", fixed * bits)
            parts.add("blend_bit", (lanes.count - fixed) * bits)
        elif None not in factors and len(set(factors)) == 1:
            parts.add("fixed_blend_bit", lanes.count * bits)
        else:
            self._add_selected(parts, lanes, 4)
            parts.add("blend_bit", lanes.count * bits)
        parts.add("word_bit", lanes.count * bits)
        if None in factors:
            parts.add("swap")
            bits = len(alpha.configurable_channels) * alpha.bits
            Bank(1, bits, regions=self.regions(alpha.name)).add_to(parts)
