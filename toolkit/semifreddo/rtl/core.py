"""The network's streams: layers, forks and the FIFOs that keep joins from deadlock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from semifreddo.core.errors import ProjectError
from semifreddo.ir.layers import Add, AvgPool, Blend, Cast, Conv, Layer, Linear, MaxPool, Route
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.depths import join_depths
from semifreddo.rtl.pointwise import pointwise_unit
from semifreddo.rtl.pooling import pool_unit
from semifreddo.rtl.schedule import RtlSchedule
from semifreddo.rtl.unit import Context, Unit, word_bits
from semifreddo.rtl.verilog import (
    CLOCK,
    LOAD,
    connect,
    identifier,
    instance,
    module,
    quoted,
    stream_ports,
    vector,
)
from semifreddo.rtl.weighted import weighted_unit


@dataclass(frozen=True)
class Core:
    """A network in Verilog, without bus interfaces.

    Attributes:
        net: The network.
        units: One per layer, in order.
        module: Name of the module that connects them.
        text: Its text.
        depths: Words of the FIFO in front of input ``index`` of a layer, by (layer, index).
    """

    net: StreamNet
    units: tuple[Unit, ...]
    module: str
    text: str
    depths: Mapping[tuple[str, int], int]

    @property
    def loadable(self) -> bool:
        """Whether anything can be loaded."""
        return any(unit.loadable for unit in self.units)


def make_unit(context: Context, layer: Layer, schedule: RtlSchedule) -> Unit:
    """The unit of any layer.

    Raises:
        ProjectError: The layer kind has no hardware.
    """
    if isinstance(layer, Conv | Linear):
        return weighted_unit(context, layer, schedule[layer.name])
    if isinstance(layer, MaxPool | AvgPool):
        return pool_unit(context, layer)
    if isinstance(layer, Add | Blend | Cast | Route):
        return pointwise_unit(context, layer)
    raise ProjectError(f"{layer.name}: no hardware is defined for layer kind {layer.kind}")


def make_core(context: Context, schedule: RtlSchedule) -> Core:
    """Make all units and connect them."""
    net = context.net
    units = tuple(make_unit(context, layer, schedule) for layer in net.layers)
    depths = join_depths(net, units)
    name = f"{net.name}_layers"
    loadable = any(unit.loadable for unit in units)
    ports = [
        *CLOCK,
        *stream_ports("in", word_bits(net.input), source=False),
        *stream_ports("out", word_bits(net.output), source=True),
        *(LOAD if loadable else ()),
    ]
    body: list[str] = []
    signals = _signals(net, body, depths)
    for layer, unit in zip(net.layers, units, strict=True):
        body += ["", _place(layer, unit, signals)]
    comment = f"The layers of {net.name}."
    return Core(net, units, name, module(name, comment, ports, body), depths)


def _place(layer: Layer, unit: Unit, signals: _Signals) -> str:
    ports = connect(CLOCK)
    for index in range(len(layer.inputs)):
        prefix = "in" if len(layer.inputs) == 1 else f"in{index}"
        ports |= _stream(prefix, signals.read[layer.name, index])
    ports |= _stream("out", signals.made[layer.name])
    if unit.loadable:
        ports |= connect(LOAD)
    return instance(unit.module, f"{unit.module}_unit", {}, ports)


def _stream(prefix: str, signal: str) -> dict[str, str]:
    return {f"{prefix}_{end}": f"{signal}_{end}" for end in ("valid", "ready", "data")}


@dataclass(frozen=True)
class _Signals:
    """Signal prefixes: of the stream a layer makes, and of what each layer input reads."""

    made: Mapping[str, str]
    read: Mapping[tuple[str, int], str]


def _signals(net: StreamNet, body: list[str], depths: Mapping[tuple[str, int], int]) -> _Signals:
    """Declare all streams, with forks and FIFOs; appends their text to ``body``."""
    made: dict[str, str] = {net.input.name: "in", net.output.name: "out"}
    taken = {"in", "out", "load", "flip", "clk", "rst"}
    for name, stream in net.streams.items():
        if name not in made:
            made[name] = identifier(f"stream_{name}", taken)
            taken.add(made[name])
            body += [_declare(made[name], word_bits(stream)), *_probe(net, name, made[name])]
    body += _probe(net, net.output.name, "out")
    read: dict[tuple[str, int], str] = {}
    for name, stream in net.streams.items():
        readers = [
            (layer.name, index)
            for layer in net.layers
            for index, found in enumerate(layer.inputs)
            if found == name
        ]
        ends = [made[name]]
        if len(readers) > 1:
            ends = [f"{made[name]}_to{index}" for index in range(len(readers))]
            body += ["", *_fork(made[name], ends, word_bits(stream))]
        for reader, end in zip(readers, ends, strict=False):
            read[reader] = end
            if depth := depths.get(reader, 0):
                read[reader] = f"{end}_held"
                body += ["", *_hold(end, word_bits(stream), depth)]
    return _Signals(made, read)


def _declare(name: str, bits: int) -> str:
    return f"wire {name}_valid, {name}_ready;\nwire {vector(bits)} {name}_data;"


def _fork(source: str, ends: list[str], bits: int) -> list[str]:
    ports = {
        "clk": "clk",
        "rst": "rst",
        "in_valid": f"{source}_valid",
        "in_ready": f"{source}_ready",
        "out_valid": "{" + ", ".join(f"{end}_valid" for end in ends[::-1]) + "}",
        "out_ready": "{" + ", ".join(f"{end}_ready" for end in ends[::-1]) + "}",
    }
    return [
        *(_declare(end, bits) for end in ends),
        *(f"assign {end}_data = {source}_data;" for end in ends),
        instance("sf_fork", f"{source}_fork", {"READERS": len(ends)}, ports),
    ]


def _hold(end: str, bits: int, depth: int) -> list[str]:
    ports = connect(CLOCK) | _stream("in", end) | _stream("out", f"{end}_held")
    return [
        _declare(f"{end}_held", bits),
        instance("sf_fifo", f"{end}_fifo", {"BITS": bits, "DEPTH": depth}, ports),
    ]


def _probe(net: StreamNet, name: str, signal: str) -> list[str]:
    """Simulation only: what passes on a layer's stream."""
    stream = net.streams[name]
    ports = {"clk": "clk", "rst": "rst"} | {
        end: f"{signal}_{end}" for end in ("valid", "ready", "data")
    }
    parameters: dict[str, int | str] = {"NAME": quoted(name), "BITS": word_bits(stream)}
    return ["`ifdef SF_PROBE", instance("sf_probe", f"{signal}_probe", parameters, ports), "`endif"]
