"""Routes: channels in another order; some also in another format, others nothing but wires."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from semifreddo.core.errors import ConfigError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Route
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import DEFAULT, Choice, Multiplier, Override, is_wiring
from semifreddo.rtl.components import numbers
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.lanes import Pick
from semifreddo.rtl.components.numbers import Number, Range
from semifreddo.rtl.components.verilog import concatenation, module, part, vector
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.lanes import LanesHardware
from semifreddo.rtl.units.plan import Hardware, UnitPlan
from semifreddo.rtl.units.pointwise import Lane, PointwisePlan, input_names
from semifreddo.rtl.units.unit import Context, Unit, ports


def route_hardware(layer: Route, context: Context) -> Hardware:
    """A route."""
    if is_wiring(layer, context.net):
        return WiringHardware(context, layer)
    return LanesHardware(context, layer, RoutePlan)


def sources(layer: Route, net: StreamNet) -> list[tuple[str, FixedType]]:
    """For each output channel, the signal of the channel it copies, and its format."""
    every = [
        (part(f"{name}_data", channel, stream.type.width), stream.type)
        for name, stream in zip(input_names(layer), net.input_streams(layer), strict=True)
        for channel in range(stream.channels)
    ]
    return [every[index] for index in layer.indices]


@dataclass(frozen=True, eq=False)
class RoutePlan(PointwisePlan):
    """A route that is more than wires. All channels at once are cast each on its own."""

    layer: Route

    @cached_property
    def _copied(self) -> list[Range]:
        """The value that each output channel copies."""
        return [Range.code(kind) for _, kind in sources(self.layer, self.net)]

    @cached_property
    def exact(self) -> Range:
        """Any channel, when several channels share a lane."""
        frac = max(value.frac for value in self._copied)
        values = [value.aligned(frac) for value in self._copied]
        return Range(min(v.low for v in values), max(v.high for v in values), frac)

    def casts(self) -> list[numbers.Cast]:
        if self.groups == 1:
            return [value.cast(self.layer.output.type) for value in self._copied]
        return super().casts()

    def picks(self) -> Iterator[Pick]:
        yield from self.pick(self.exact.bits, zeros=int(self.exact.low >= 0))

    def lanes(self) -> tuple[list[str], list[Lane]]:
        found = [Number.of(*source) for source in sources(self.layer, self.net)]
        if self.groups == 1:
            return [], [(number.text, []) for number in found]
        bits = self.exact.bits
        aligned = [number.shifted(self.exact.frac - number.frac) for number in found]
        lines = [
            f"wire signed {vector(bits)} routed_{channel} = {number.text};"
            for channel, number in enumerate(aligned)
        ]
        every = concatenation([f"routed_{channel}" for channel in range(len(found))])
        lines.append(f"wire {vector(bits * len(found))} routed =\n    {every};")
        signal, text = self.selected("routed_now", "routed", bits, int(self.exact.low >= 0))
        values = [f"$signed({part(signal, lane, bits)})" for lane in range(self.count)]
        return lines + text, [(value, []) for value in values]


@dataclass(frozen=True, eq=False)
class WiringPlan(UnitPlan):
    """A route that is nothing but wires."""

    layer: Route

    @property
    def figures(self) -> Figures:
        return Figures(0)

    @property
    def cycles(self) -> int:
        return self.layer.output.pixels

    def components(self) -> Iterator[Component]:
        return iter(())

    def rest(self) -> Parts:
        return Parts()

    @property
    def words(self) -> str:
        return ""

    @property
    def limit(self) -> str:
        return "it takes one word per cycle"

    def advice(self, _resource: str) -> str:
        return "it is nothing but wires"

    def unit(self) -> Unit:
        layer, net = self.layer, self.context.net
        names = input_names(layer)
        body = [f"assign out_valid = {' && '.join(f'{name}_valid' for name in names)};"]
        body += [f"assign {name}_ready = out_valid && out_ready;" for name in names]
        wires = concatenation([signal for signal, _ in sources(layer, net)])
        body.append(f"assign out_data =\n    {wires};")
        name = self.context.names[layer.name]
        text = module(name, f"Wiring {layer.name}.", ports(layer, net, loadable=False), body)
        return self.made(name, ((name, text),))


@dataclass(frozen=True, eq=False)
class WiringHardware(Hardware):
    """A route that is nothing but wires."""

    layer: Route

    @property
    def wiring(self) -> bool:
        return True

    def make(self, choice: Choice, *, solve: bool) -> WiringPlan:  # noqa: ARG002 -- no adder graph
        return WiringPlan(self.context, self.layer, choice)

    def choices(
        self,
        fixed: Override,
        multipliers: Collection[Multiplier],  # noqa: ARG002 -- nothing is multiplied
    ) -> Sequence[Choice]:
        if fixed != Override():
            where = f"rtl layer {self.layer.name!r} ({self.layer.kind})"
            raise ConfigError(f"{where} has nothing to choose")
        return [DEFAULT]
