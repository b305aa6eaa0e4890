"""Layers that see one pixel at a time: add, blend, cast and wiring."""

from __future__ import annotations

from dataclasses import dataclass, replace

from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import ALPHA_FRAC, Add, Blend, Cast, Layer, Route
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.lanes import BlendMix
from semifreddo.rtl.components.numbers import Number, cast, signed_bits
from semifreddo.rtl.components.verilog import concatenation, module, part, vector
from semifreddo.rtl.lanes import Lanes
from semifreddo.rtl.schedule import Choice
from semifreddo.rtl.unit import (
    Context,
    Unit,
    bank,
    bank_select,
    delay,
    is_wiring,
    issue,
    ports,
    swap,
)


def pointwise_unit(context: Context, layer: Add | Blend | Cast | Route, choice: Choice) -> Unit:
    """The unit of a layer without windows."""
    net = context.net
    if isinstance(layer, Route) and is_wiring(layer, net):
        return _wiring_unit(context, layer)
    lanes = Lanes(net, layer, choice)
    names = _input_names(layer)
    alpha = net.block[layer.alpha] if isinstance(layer, Blend) else None
    loadable = alpha is not None and not all(alpha.frozen)
    body = ["wire all_valid = " + " && ".join(f"{name}_valid" for name in names) + ";"]
    body += ["wire taken;", *issue(lanes.groups, lanes.depth, "all_valid", "taken")]
    body += [f"assign {name}_ready = taken;" for name in names]
    if loadable:
        assert alpha is not None
        body += swap(context, layer.output.pixels, "taken")
        body += bank_select("alpha", context, 0)
        body += bank("alpha", context, alpha, 1, "1'b0")
    body += ["", f"wire {vector(lanes.count * layer.output.type.width)} casts;"]
    body += _Text(context, layer, lanes).lines()
    body += delay("done", lanes.engine, "active")
    body += delay("last", lanes.engine, "taken")
    body += lanes.collected("done", "last")
    name = context.names[layer.name]
    comment = f"{layer.kind} {layer.name}: {_formats(layer, net)} to {layer.output.type}."
    text = module(name, comment, ports(layer, net, loadable), body)
    return lanes.unit(name, ((name, text),), loadable=loadable)


def _formats(layer: Layer, net: StreamNet) -> str:
    return " and ".join(str(stream.type) for stream in net.input_streams(layer))


def _input_names(layer: Layer) -> list[str]:
    if len(layer.inputs) == 1:
        return ["in"]
    return [f"in{index}" for index in range(len(layer.inputs))]


def _sources(layer: Route, net: StreamNet) -> list[tuple[str, FixedType]]:
    """For each output channel, the signal and format of the channel it copies."""
    every = [
        (part(f"{name}_data", channel, stream.type.width), stream.type)
        for name, stream in zip(_input_names(layer), net.input_streams(layer), strict=True)
        for channel in range(stream.channels)
    ]
    return [every[index] for index in layer.indices]


def _wiring_unit(context: Context, layer: Route) -> Unit:
    names = _input_names(layer)
    body = [f"assign out_valid = {' && '.join(f'{name}_valid' for name in names)};"]
    body += [f"assign {name}_ready = out_valid && out_ready;" for name in names]
    wires = concatenation([signal for signal, _ in _sources(layer, context.net)])
    body.append(f"assign out_data =\n    {wires};")
    name = context.names[layer.name]
    comment = f"Wiring {layer.name}."
    text = module(name, comment, ports(layer, context.net, False), body)
    return Unit(layer.name, name, ((name, text),), layer.output.pixels, 0, False)


@dataclass(frozen=True)
class _Text:
    """The lanes of a layer, each with the exact result and the cast of a channel at a time."""

    context: Context
    layer: Add | Blend | Cast | Route
    lanes: Lanes

    @property
    def folded(self) -> bool:
        return self.lanes.groups > 1

    def lines(self) -> list[str]:
        """From the input streams to ``casts``."""
        if isinstance(self.layer, Route):
            values, lines = self._routed(self.layer)
        else:
            values, lines = self._read()
        factors: list[str] = []
        if isinstance(self.layer, Blend):
            factors, text = self._factors(self.layer)
            lines += text
        target = self.layer.output.type
        for lane in range(self.lanes.count):
            value = values[0][lane]
            if isinstance(self.layer, Add):
                value, text = self._sum(lane, value, values[1][lane])
                lines += text
            elif isinstance(self.layer, Blend):
                value, text = self._mix(lane, factors[lane], value, values[1][lane])
                lines += text
            lines.append(cast(f"cast_{lane}", value, target, part("casts", lane, target.width)))
        return lines

    def _read(self) -> tuple[list[list[Number]], list[str]]:
        """What each lane sees of each input, aligned, and the text."""
        streams = self.context.net.input_streams(self.layer)
        frac, lines = max(stream.type.frac for stream in streams), []
        values = []
        for name, stream in zip(_input_names(self.layer), streams, strict=True):
            kind = stream.type
            signal, text = self.lanes.selected(f"{name}_now", f"{name}_data", kind.width)
            lines += text
            numbers = [
                Number.of(part(signal, lane, kind.width), kind) for lane in range(self.lanes.count)
            ]
            values.append([number.shifted(frac - kind.frac) for number in numbers])
        return values, lines

    def _routed(self, layer: Route) -> tuple[list[list[Number]], list[str]]:
        """The channel that each lane copies; channels that take turns are aligned."""
        numbers = [Number.of(signal, kind) for signal, kind in _sources(layer, self.context.net)]
        if not self.folded:
            return [numbers], []
        frac = max(number.frac for number in numbers)
        numbers = [number.shifted(frac - number.frac) for number in numbers]
        low, high = min(n.low for n in numbers), max(n.high for n in numbers)
        bits = signed_bits(low, high)
        lines = [
            f"wire signed {vector(bits)} routed_{channel} = {number.text};"
            for channel, number in enumerate(numbers)
        ]
        every = concatenation([f"routed_{channel}" for channel in range(len(numbers))])
        lines.append(f"wire {vector(bits * len(numbers))} routed =\n    {every};")
        signal, text = self.lanes.selected("routed_now", "routed", bits)
        return [
            [
                Number(f"$signed({part(signal, lane, bits)})", low, high, frac)
                for lane in range(self.lanes.count)
            ]
        ], lines + text

    def _factors(self, layer: Blend) -> tuple[list[str], list[str]]:
        """The blend factor of each lane in eighths, four bits, and the text."""
        factors = [_alpha(self.context, layer, channel) for channel in range(self.lanes.channels)]
        if not self.folded or len(set(factors)) == 1:
            return factors[: self.lanes.count], []
        lines = [f"wire {vector(4 * len(factors))} factors =\n    {concatenation(factors)};"]
        signal, text = self.lanes.selected("factors_now", "factors", 4)
        return [part(signal, lane, 4) for lane in range(self.lanes.count)], lines + text

    def _sum(self, lane: int, one: Number, other: Number) -> tuple[Number, list[str]]:
        total = Number(f"sum_{lane}", one.low + other.low, one.high + other.high, one.frac)
        wire = f"wire signed {vector(total.bits)} {total.text} = {one.text} + {other.text};"
        return total, [wire]

    def _mix(self, lane: int, factor: str, one: Number, other: Number) -> tuple[Number, list[str]]:
        low, high = min(one.low, other.low), max(one.high, other.high)
        name = f"mix_{lane}"
        mix = Number(name, low << ALPHA_FRAC, high << ALPHA_FRAC, one.frac + ALPHA_FRAC)
        width = mix.bits - ALPHA_FRAC
        connected = {"k": factor, "a": f"a_{lane}", "b": f"b_{lane}", "mix": name}
        held = replace(mix, text=f"{name}_held")  # three adders are long enough a path
        return held, [
            f"wire signed {vector(width)} a_{lane} = {one.text};",
            f"wire signed {vector(width)} b_{lane} = {other.text};",
            f"wire signed {vector(mix.bits)} {name};",
            place(BlendMix(width, constant="'" in factor), f"blend_{lane}", connected),
            f"reg signed {vector(mix.bits)} {held.text};",
            f"always @(posedge clk) {held.text} <= {name};",
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
