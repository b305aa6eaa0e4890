"""What layers without weights are made of; mirrors pointwise.py, pooling.py and lanes.py."""

from __future__ import annotations

from dataclasses import dataclass

from semifreddo.ir.exact import exact_result
from semifreddo.ir.layers import Add, AvgPool, Blend, MaxPool, Route, WeightBlock
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.lanes import Collect, Maximum, Pick, Reduce, Total
from semifreddo.rtl.components.numbers import Cast, signed_bits
from semifreddo.rtl.components.windows import Window
from semifreddo.rtl.lanes import Lanes
from semifreddo.rtl.schedule import Choice
from semifreddo.rtl.structure import Bank, LayerModel
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
            parts.add_all(Pick(lanes.channels * bits, lanes.count * bits).counts())

    def _add_results(self, parts: Parts, lanes: Lanes) -> None:
        """Casts, and the words that are made of their results."""
        target = self.output.type
        inputs = self.net.input_streams(self.layer)
        exact = exact_result(self.layer, inputs, self.net.block.__getitem__)
        drop = exact.frac - target.frac
        bits = signed_bits(exact.low, exact.high)
        for _ in range(lanes.count):
            parts.add_all(Cast(bits, exact.low, exact.high, drop, target).counts())
        group = lanes.count * target.width
        parts.add_all(Collect(word_bits(self.output), group, lanes.groups, lanes.depth).counts())


@dataclass(frozen=True)
class PoolModel(LanesModel):
    """A maximum or an average over windows."""

    layer: MaxPool | AvgPool

    def parts(self, choice: Choice) -> Parts:
        parts, lanes = Parts(), self._lanes(choice)
        source = self.net.streams[self.layer.inputs[0]]
        geometry = Geometry.of(self.layer, source)
        parts.add("control")
        maximum, kind = isinstance(self.layer, MaxPool), source.type
        width, taps = kind.width, geometry.taps
        if geometry.disjoint:
            out_bits = width if maximum else width + (taps - 1).bit_length()
            reduce = Reduce(
                source.channels, lanes.count, 1, width, kind.signed, not maximum, out_bits, geometry
            )
            parts.add_all(reduce.counts())
        else:
            parts.add_all(Window(geometry, word_bits(source)).counts())
            self._add_selected(parts, lanes, taps * width)
            unsigned = not kind.signed
            one = (
                Maximum(taps, width, kind.signed)
                if maximum
                else Total(taps, width + unsigned, unsigned)
            )
            parts.add_all(one.counts(), lanes.count)
        self._add_results(parts, lanes)
        return parts


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
