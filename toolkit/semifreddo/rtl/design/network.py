"""The network's streams: layers, forks, folded blocks, and the FIFOs that keep the pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from semifreddo.ir.bus import BusFormat
from semifreddo.ir.layers import Layer
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.memories import Fifo
from semifreddo.rtl.components.streams import Fork, RepeatIn, RepeatOut
from semifreddo.rtl.components.verilog import (
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
from semifreddo.rtl.timing.fifos import Sized, size_buffers
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.timing.folding import Block, Entry, Plan, make_plan, refuse
from semifreddo.rtl.timing.pace import OUTPUT, Clockwork, Reader
from semifreddo.rtl.timing.ticks import Rhythm
from semifreddo.rtl.units.kinds import make_unit
from semifreddo.rtl.units.unit import Context, Unit, word_bits


@dataclass(frozen=True)
class Core:
    """A network in Verilog, without bus interfaces.

    Attributes:
        net: The network.
        plan: Which layers are built; a folded repeat's once.
        units: One per layer of ``plan.built``, in that order.
        module: Name of the module that connects them.
        text: Its text.
        sized: Its times and FIFOs.
    """

    net: StreamNet
    plan: Plan
    units: tuple[Unit, ...]
    module: str
    text: str
    sized: Sized

    @property
    def loadable(self) -> bool:
        """Whether anything can be loaded."""
        return any(unit.loadable for unit in self.units)

    @property
    def depths(self) -> Mapping[Reader, int]:
        """Words of the FIFO in front of input ``index`` of a layer, by (layer, index)."""
        return self.sized.depths


def make_core(context: Context, schedule: RtlSchedule) -> Core:
    """Make all units and connect them.

    Raises:
        ProjectError: A layer has no hardware, or a repeat cannot be folded.
    """
    net = context.net
    plan = make_plan(net, schedule.unrolled)
    units = {
        unit.layer: unit for block in plan.blocks for unit in _block_units(context, block, schedule)
    }
    figures = {name: unit.figures for name, unit in units.items()}
    sized = size_buffers(Clockwork(plan, figures, BusFormat.of(net)))
    name = f"{net.name}_layers"
    loadable = any(unit.loadable for unit in units.values())
    ports = [
        *CLOCK,
        *stream_ports("in", word_bits(net.input), source=False),
        *stream_ports("out", word_bits(net.output), source=True),
        *(LOAD if loadable else ()),
    ]
    body = _Streams(plan, sized).text(units)
    comment = f"The layers of {net.name}."
    text = module(name, comment, ports, body)
    return Core(net, plan, tuple(units.values()), name, text, sized)


def _block_units(context: Context, block: Block, schedule: RtlSchedule) -> list[Unit]:
    """The units of a block; in a folded one their cycles are those of a pass.

    Raises:
        ProjectError: A layer has no hardware, or a folded repeat has none.
    """
    inner = replace(context, passes=block.count, pass_blocks=block.pass_blocks)
    units = [make_unit(inner, layer, schedule[layer.name]) for layer in block.layers]
    if not block.folded:
        return units
    if all(unit.figures.depth == 0 for unit in units):
        refuse(block.name, "it is nothing but wiring")
    return [
        replace(unit, figures=replace(unit.figures, cycles=_busy(unit.figures, layer)))
        for unit, layer in zip(units, block.layers, strict=True)
    ]


def _busy(figures: Figures, layer: Layer) -> int:
    rhythm = Rhythm.of(figures, layer, together=False)
    return layer.output.pixels if rhythm is None else rhythm.busy


def _stream(prefix: str, signal: str) -> dict[str, str]:
    return {f"{prefix}_{end}": f"{signal}_{end}" for end in ("valid", "ready", "data")}


@dataclass(frozen=True)
class _Streams:
    """The text of all streams; a stream's signals share a prefix."""

    plan: Plan
    sized: Sized

    @cached_property
    def made(self) -> Mapping[str, str]:
        """Signal prefix of every stream."""
        net = self.plan.net
        found = {net.input.name: "in", net.output.name: "out"}
        taken = {"in", "out", "load", "flip", "clk", "rst"}
        names = [*self.plan.readers, *(layer.name for layer in self.plan.built)]
        if ends := self._ends(net.output.name):
            assert ends[-1] == OUTPUT
            if len(ends) > 1 or OUTPUT in self.sized.depths:
                del found[net.output.name]
        for name in dict.fromkeys(names):
            if name not in found:
                found[name] = identifier(f"stream_{name}", taken)
                taken.add(found[name])
        return found

    def _ends(self, stream: str) -> tuple[Reader, ...]:
        return self.plan.readers.get(stream, ())

    def text(self, units: Mapping[str, Unit]) -> list[str]:
        """Everything inside the module that connects the layers."""
        body: list[str] = []
        read: dict[Reader, str] = {}
        for name, signal in self.made.items():
            if signal not in ("in", "out"):
                body.append(_declare(signal, word_bits(self.plan.streams[name])))
        for block in self.plan.blocks:
            for layer in block.layers:
                body += self._probes(block, layer)
        for name, signal in self.made.items():
            body += self._deliver(name, signal, read)
        for block in self.plan.blocks:
            for entry in block.entries:
                body += self._enter(block, entry, read)
        if (signal := read[OUTPUT]) != "out":
            body += ["", f"assign out_valid = {signal}_valid;", f"assign out_data = {signal}_data;"]
            body += [f"assign {signal}_ready = out_ready;"]
        for block in self.plan.blocks:
            for layer in block.layers:
                body += ["", self._place(block, layer, units[layer.name], read)]
        return body

    def _place(self, block: Block, layer: Layer, unit: Unit, read: Mapping[Reader, str]) -> str:
        ports = connect(CLOCK)
        for index in range(len(layer.inputs)):
            prefix = "in" if len(layer.inputs) == 1 else f"in{index}"
            ports |= _stream(prefix, read[layer.name, index])
        ports |= _stream("out", self.made[layer.name])
        if unit.loadable:
            ports |= connect(LOAD)
        parameters: dict[str, int | str] = {}
        if layer.name in self.sized.clockwork.patience:
            parameters["PATIENCE"] = self.sized.clockwork.patience[layer.name]
        text = instance(unit.module, f"{unit.module}_unit", parameters, ports)
        if block.folded:
            passes = ", ".join(block.names(layer.name))
            text = f"// {block.name}: {passes}\n{text}"
        return text

    def _deliver(self, name: str, signal: str, read: dict[Reader, str]) -> list[str]:
        """A stream to its readers: forked if there are several, held where it must wait."""
        readers, bits = self._ends(name), word_bits(self.plan.streams[name])
        leaves = self.plan.leaves(name)
        ends, body = [signal], []
        if len(readers) + len(leaves) > 1:
            ends = [f"{signal}_to{index}" for index in range(len(readers) + len(leaves))]
            body += ["", *_fork(signal, ends, bits)]
        for reader, end in zip(readers, ends, strict=False):
            read[reader] = end
            if depth := self.sized.depths.get(reader, 0):
                read[reader] = f"{end}_held"
                body += ["", *_hold(end, f"{end}_held", bits, depth)]
        for block in leaves:
            body += ["", *self._leave(block, name, ends[-1])]
        return body

    def _leave(self, block: Block, name: str, end: str) -> list[str]:
        """The last pass's words of a stream go on, the others into feature-map buffers."""
        stream, onward = self.plan.streams[name], self.made.get(block.onward(name))
        bits = word_bits(stream)
        entries = [entry for entry in block.entries if entry.back == name]
        back = f"{self.made[name]}_back"
        ports = connect(CLOCK) | {
            "in_valid": f"{end}_valid",
            "in_ready": f"{end}_ready",
            "back_valid": f"{back}_valid" if entries else "",
            "back_ready": f"{back}_ready" if entries else "1'b0",
            "out_valid": f"{onward}_valid" if onward else "",
            "out_ready": f"{onward}_ready" if onward else "1'b0",
        }
        out = RepeatOut(stream.pixels, block.count, bool(entries), onward is not None)
        body = [place(out, f"{self.made[name]}_leave", ports)]
        if onward:
            body.append(f"assign {onward}_data = {end}_data;")
        if entries:
            body = [_declare(back, bits), *body, f"assign {back}_data = {end}_data;"]
            ends = [back]
            if len(entries) > 1:
                ends = [f"{back}_to{index}" for index in range(len(entries))]
                body += _fork(back, ends, bits)
            for entry, source in zip(entries, ends, strict=True):
                returned = f"{self.made[entry.name]}_returned"
                body += _hold(source, returned, bits, self.sized.returns[entry.name])
        return body

    def _enter(self, block: Block, entry: Entry, read: Mapping[Reader, str]) -> list[str]:
        """What a folded block reads: the stream from outside, or what it gave back."""
        stream, signal = self.plan.streams[entry.name], self.made[entry.name]
        spacing = self.sized.clockwork.spacing[block.name]
        into = RepeatIn(word_bits(stream), stream.pixels, block.count, spacing)
        ports = (
            connect(CLOCK)
            | _stream("in", read[entry.name, 0])
            | _stream("back", f"{signal}_returned")
            | _stream("out", signal)
        )
        return ["", place(into, f"{signal}_enter", ports)]

    def _probes(self, block: Block, layer: Layer) -> list[str]:
        """Simulation only: what passes on a layer's stream, for every pass under its own name."""
        signal = self.made[layer.name]
        body = ["`ifdef SF_PROBE"]
        for number, name in enumerate(block.names(layer.name)):
            parameters: dict[str, int | str] = {
                "NAME": quoted(name),
                "BITS": word_bits(layer.output),
            }
            if block.folded:
                parameters |= {
                    "WORDS": layer.output.pixels,
                    "PASSES": block.count,
                    "PASS": number,
                }
            suffix = f"_pass{number}" if block.folded else ""
            ports = {"clk": "clk", "rst": "rst"} | {
                end: f"{signal}_{end}" for end in ("valid", "ready", "data")
            }
            body.append(instance("sf_probe", f"{signal}{suffix}_probe", parameters, ports))
        return [*body, "`endif"]


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
        place(Fork(len(ends)), f"{source}_fork", ports),
    ]


def _hold(end: str, held: str, bits: int, depth: int) -> list[str]:
    ports = connect(CLOCK) | _stream("in", end) | _stream("out", held)
    return [
        _declare(held, bits),
        place(Fifo(bits, depth), f"{end}_fifo", ports),
    ]
