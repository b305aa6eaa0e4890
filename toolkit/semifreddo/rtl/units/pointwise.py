"""Layers that see one pixel at a time: add, blend, cast and wiring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from semifreddo.core.errors import ConfigError
from semifreddo.ir.layers import ALPHA_FRAC, Add, Blend, Cast, Layer, Route, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import DEFAULT, Choice, Override, is_wiring
from semifreddo.rtl.components import numbers
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.lanes import BlendMix, Pick
from semifreddo.rtl.components.memories import Bank, Delay
from semifreddo.rtl.components.numbers import Number, Range, place_cast
from semifreddo.rtl.components.streams import Swap
from semifreddo.rtl.components.verilog import concatenation, module, part, vector
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.lanes import LanesHardware, LanesPlan
from semifreddo.rtl.units.plan import Hardware, UnitPlan
from semifreddo.rtl.units.unit import Context, Unit, bank, bank_select, delay, issue, ports, swap

FACTOR_BITS = 4
"""Of a blend factor, 0 to 8."""


@dataclass(frozen=True, eq=False)
class PointwisePlan(LanesPlan):
    """An add, blend, cast, or a route that is more than wires."""

    layer: Add | Blend | Cast | Route

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The input streams."""
        return self.net.input_streams(self.layer)

    @property
    def alpha(self) -> WeightBlock | None:
        """The blend factors."""
        return self.net.block[self.layer.alpha] if isinstance(self.layer, Blend) else None

    @property
    def loadable(self) -> bool:
        return self.alpha is not None and not all(self.alpha.frozen)

    @property
    def swap(self) -> Swap:
        """The bank selector of loadable factors."""
        return Swap(self.layer.output.pixels, self.context.passes)

    def bank(self, alpha: WeightBlock) -> Bank:
        """The memory of loadable factors."""
        return self.context.bank(alpha.name, 1)

    # Values: ranges, for each lane -------------------------------------------------------------

    @cached_property
    def frac(self) -> int:
        """Fraction bits to which inputs are aligned."""
        return max(stream.type.frac for stream in self.streams)

    @cached_property
    def inputs(self) -> list[Range]:
        """A value of each input, aligned."""
        return [Range.code(stream.type).aligned(self.frac) for stream in self.streams]

    @cached_property
    def _copied(self) -> list[Range]:
        """The value that each output channel of a route copies."""
        assert isinstance(self.layer, Route)
        every = [Range.code(s.type) for s in self.streams for _ in range(s.channels)]
        return [every[index] for index in self.layer.indices]

    @cached_property
    def routed(self) -> Range:
        """Any channel that a lane of a route copies, when several channels share the lane."""
        frac = max(value.frac for value in self._copied)
        values = [value.aligned(frac) for value in self._copied]
        return Range(min(v.low for v in values), max(v.high for v in values), frac)

    @cached_property
    def sum(self) -> Range:
        """Of an add."""
        one, other = self.inputs
        return Range(one.low + other.low, one.high + other.high, self.frac)

    @cached_property
    def mixed(self) -> Range:
        """Either input of a blend."""
        one, other = self.inputs
        return Range(min(one.low, other.low), max(one.high, other.high), self.frac)

    @cached_property
    def mix(self) -> Range:
        """Of a blend, in eighths."""
        up = ALPHA_FRAC
        return Range(self.mixed.low << up, self.mixed.high << up, self.mixed.frac + up)

    def casts(self) -> list[numbers.Cast]:
        target, layer = self.layer.output.type, self.layer
        if isinstance(layer, Route) and self.groups == 1:
            return [value.cast(target) for value in self._copied]
        value = self.inputs[0]
        if isinstance(layer, Route):
            value = self.routed
        elif isinstance(layer, Add):
            value = self.sum
        elif isinstance(layer, Blend):
            value = self.mix
        return [value.cast(target)] * self.count

    # What it is made of --------------------------------------------------------------------------

    @cached_property
    def _same_factor(self) -> bool:
        """Whether all channels have the same frozen factor."""
        alpha = self.alpha
        return alpha is not None and all(alpha.frozen) and len(set(alpha.raw.tolist())) == 1

    def factor_picks(self) -> list[Pick]:
        """The selector of the factors, if channels that take turns have different ones."""
        return [] if self._same_factor else self.pick(FACTOR_BITS)

    def blends(self) -> list[BlendMix]:
        """Of each lane of a blend."""
        alpha = self.alpha
        if alpha is None:
            return []
        own = alpha.frozen if self.groups == 1 else [self._same_factor] * self.count
        return [BlendMix(self.mixed.bits, constant) for constant in own]

    def picks(self) -> Iterator[Pick]:
        """The selectors of the inputs."""
        if isinstance(self.layer, Route):
            yield from self.pick(self.routed.bits, zeros=int(self.routed.low >= 0))
            return
        for stream in self.streams:
            yield from self.pick(stream.type.width)

    def components(self) -> Iterator[Component]:
        yield from super().components()
        yield from self.picks()
        if self.alpha is not None:
            yield from self.factor_picks()
            yield from self.blends()
            if self.loadable:
                yield self.swap
                yield Delay(0, self.context.select_bits)
                yield self.bank(self.alpha)
        yield from [Delay(self.engine)] * 2

    def rest(self) -> Parts:
        if isinstance(self.layer, Add):
            return Parts.of("added_bit", self.count * self.sum.bits)
        if isinstance(self.layer, Blend):
            return Parts.of("word_bit", self.count * self.mix.bits)
        return Parts()

    # Text ----------------------------------------------------------------------------------------

    def unit(self) -> Unit:
        layer, net, context = self.layer, self.net, self.context
        names = _input_names(layer)
        body = ["wire all_valid = " + " && ".join(f"{name}_valid" for name in names) + ";"]
        body += ["wire taken;", *issue(self.issue, "all_valid", "taken")]
        body += [f"assign {name}_ready = taken;" for name in names]
        if self.loadable:
            assert self.alpha is not None
            body += swap(context, self.swap, "taken")
            body += bank_select("alpha", context, 0)
            body += bank("alpha", context, self.alpha, self.bank(self.alpha), "1'b0")
        body += ["", f"wire {vector(self.count * layer.output.type.width)} casts;"]
        body += _Text(self).lines()
        body += delay("done", self.engine, "active")
        body += delay("last", self.engine, "taken")
        body += self.collected("done", "last")
        name = context.names[layer.name]
        comment = f"{layer.kind} {layer.name}: {_formats(layer, net)} to {layer.output.type}."
        text = module(name, comment, ports(layer, net, self.loadable), body)
        return self.made(name, ((name, text),), loadable=self.loadable)


def _formats(layer: Layer, net: StreamNet) -> str:
    return " and ".join(str(stream.type) for stream in net.input_streams(layer))


def _input_names(layer: Layer) -> list[str]:
    if len(layer.inputs) == 1:
        return ["in"]
    return [f"in{index}" for index in range(len(layer.inputs))]


def _sources(layer: Route, net: StreamNet) -> list[Number]:
    """For each output channel, the signal of the channel it copies."""
    every = [
        Number.of(part(f"{name}_data", channel, stream.type.width), stream.type)
        for name, stream in zip(_input_names(layer), net.input_streams(layer), strict=True)
        for channel in range(stream.channels)
    ]
    return [every[index] for index in layer.indices]


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
        names = _input_names(layer)
        body = [f"assign out_valid = {' && '.join(f'{name}_valid' for name in names)};"]
        body += [f"assign {name}_ready = out_valid && out_ready;" for name in names]
        every = [
            part(f"{name}_data", channel, stream.type.width)
            for name, stream in zip(names, net.input_streams(layer), strict=True)
            for channel in range(stream.channels)
        ]
        wires = concatenation([every[index] for index in layer.indices])
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

    def choices(self, fixed: Override) -> Sequence[Choice]:
        if fixed != Override():
            where = f"rtl layer {self.layer.name!r} ({self.layer.kind})"
            raise ConfigError(f"{where} has nothing to choose")
        return [DEFAULT]


def pointwise_hardware(layer: Add | Blend | Cast | Route, context: Context) -> Hardware:
    """A layer without windows."""
    if isinstance(layer, Route) and is_wiring(layer, context.net):
        return WiringHardware(context, layer)
    return LanesHardware(context, layer, PointwisePlan)


@dataclass(frozen=True)
class _Text:
    """The lanes of a layer, each with the exact result and the cast of a channel at a time."""

    lanes: PointwisePlan

    def lines(self) -> list[str]:
        """From the input streams to ``casts``."""
        layer, lanes = self.lanes.layer, self.lanes
        values, lines = self._routed(layer) if isinstance(layer, Route) else self._read()
        factors: list[str] = []
        if isinstance(layer, Blend):
            factors, text = self._factors(layer)
            lines += text
        width, blends = layer.output.type.width, lanes.blends()
        for lane, cast in enumerate(lanes.casts()):
            value = values[0][lane]
            if isinstance(layer, Add):
                value, text = self._sum(lane, value, values[1][lane])
                lines += text
            elif isinstance(layer, Blend):
                pair = value, values[1][lane]
                value, text = self._mix(lane, blends[lane], factors[lane], pair)
                lines += text
            lines.append(place_cast(cast, f"cast_{lane}", value, part("casts", lane, width)))
        return lines

    def _read(self) -> tuple[list[list[str]], list[str]]:
        """What each lane sees of each input, aligned, and the text."""
        lanes, lines, values = self.lanes, [], []
        for name, stream in zip(_input_names(lanes.layer), lanes.streams, strict=True):
            kind = stream.type
            signal, text = lanes.selected(f"{name}_now", f"{name}_data", kind.width)
            lines += text
            found = [Number.of(part(signal, lane, kind.width), kind) for lane in range(lanes.count)]
            values.append([number.shifted(lanes.frac - kind.frac).text for number in found])
        return values, lines

    def _routed(self, layer: Route) -> tuple[list[list[str]], list[str]]:
        """The channel that each lane copies; channels that take turns are aligned."""
        lanes = self.lanes
        found = _sources(layer, lanes.net)
        if lanes.groups == 1:
            return [[number.text for number in found]], []
        bits = lanes.routed.bits
        aligned = [number.shifted(lanes.routed.frac - number.frac) for number in found]
        lines = [
            f"wire signed {vector(bits)} routed_{channel} = {number.text};"
            for channel, number in enumerate(aligned)
        ]
        every = concatenation([f"routed_{channel}" for channel in range(len(found))])
        lines.append(f"wire {vector(bits * len(found))} routed =\n    {every};")
        signal, text = lanes.selected("routed_now", "routed", bits, int(lanes.routed.low >= 0))
        values = [f"$signed({part(signal, lane, bits)})" for lane in range(lanes.count)]
        return [values], lines + text

    def _factors(self, layer: Blend) -> tuple[list[str], list[str]]:
        """The blend factor of each lane in eighths, four bits, and the text."""
        lanes = self.lanes
        factors = [_alpha(lanes.context, layer, channel) for channel in range(lanes.channels)]
        if not lanes.factor_picks():
            return factors[: lanes.count], []
        bits = vector(FACTOR_BITS * len(factors))
        lines = [f"wire {bits} factors =\n    {concatenation(factors)};"]
        signal, text = lanes.selected("factors_now", "factors", FACTOR_BITS)
        return [part(signal, lane, FACTOR_BITS) for lane in range(lanes.count)], lines + text

    def _sum(self, lane: int, one: str, other: str) -> tuple[str, list[str]]:
        total = f"sum_{lane}"
        return total, [f"wire signed {vector(self.lanes.sum.bits)} {total} = {one} + {other};"]

    def _mix(
        self, lane: int, blend: BlendMix, factor: str, pair: tuple[str, str]
    ) -> tuple[str, list[str]]:
        name, bits = f"mix_{lane}", vector(self.lanes.mix.bits)
        connected = {"k": factor, "a": f"a_{lane}", "b": f"b_{lane}", "mix": name}
        held = f"{name}_held"  # three adders are long enough a path
        return held, [
            f"wire signed {vector(blend.bits)} a_{lane} = {pair[0]};",
            f"wire signed {vector(blend.bits)} b_{lane} = {pair[1]};",
            f"wire signed {bits} {name};",
            place(blend, f"blend_{lane}", connected),
            f"reg signed {bits} {held};",
            f"always @(posedge clk) {held} <= {name};",
        ]


def _alpha(context: Context, layer: Blend, channel: int) -> str:
    """The blend factor in eighths: four bits, a constant or read from the bank."""
    block = context.net.block[layer.alpha]
    if block.frozen[channel]:
        return f"4'd{int(block.raw[channel])}"
    index = [int(found) for found in block.configurable_channels].index(channel)
    signal = part("alpha", index, block.bits)
    if block.bits > 4:
        return f"{signal[: signal.index('[')]}[{index * block.bits + 3}:{index * block.bits}]"
    return signal if block.bits == 4 else f"{{{4 - block.bits}'b0, {signal}}}"
