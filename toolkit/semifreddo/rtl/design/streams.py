"""The streams between the units: forks, FIFOs, and the ways of folded repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.layers import Layer
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.memories import Fifo
from semifreddo.rtl.components.streams import Fork, Probe, RepeatIn, RepeatOut
from semifreddo.rtl.components.verilog import (
    CLOCK,
    LOAD,
    connect,
    identifier,
    instance,
    vector,
)
from semifreddo.rtl.timing.fifos import Sized
from semifreddo.rtl.timing.folding import Block, Entry, Plan
from semifreddo.rtl.timing.pace import OUTPUT, Reader
from semifreddo.rtl.units.unit import Unit, word_bits


def _stream(prefix: str, signal: str) -> dict[str, str]:
    return {f"{prefix}_{end}": f"{signal}_{end}" for end in ("valid", "ready", "data")}


@dataclass(frozen=True)
class StreamParts:
    """The components between the units, each made once: text and estimate read the same.

    Attributes:
        forks: Where a stream goes several ways, by stream.
        holds: FIFOs in front of readers.
        exits: Ways out of folded repeats, by stream.
        back_forks: Where what comes back goes to several entries, by stream.
        returns: FIFOs of what comes back, by entry; they hold feature maps.
        entries: Ways into folded repeats, by entry.
    """

    forks: Mapping[str, Fork]
    holds: Mapping[Reader, Fifo]
    exits: Mapping[str, RepeatOut]
    back_forks: Mapping[str, Fork]
    returns: Mapping[str, Fifo]
    entries: Mapping[str, RepeatIn]

    @classmethod
    def of(cls, sized: Sized) -> StreamParts:
        """Those of a network with its FIFOs."""
        plan, spacing = sized.pace.plan, sized.pace.spacing
        bits = {name: word_bits(stream) for name, stream in plan.streams.items()}
        ways = {
            name: len(plan.readers.get(name, ())) + len(plan.leaves(name)) for name in plan.streams
        }
        backs = Counter(entry.back for block in plan.blocks for entry in block.entries)
        return cls(
            forks=_forks(ways),
            holds={
                reader: Fifo(bits[plan.reads[reader]], depth)
                for reader, depth in sized.depths.items()
            },
            exits={
                name: RepeatOut(
                    stream.pixels, block.count, name in backs, block.onward(name) in plan.readers
                )
                for name, stream in plan.streams.items()
                for block in plan.leaves(name)
            },
            back_forks=_forks(backs),
            returns={entry: Fifo(bits[entry], depth) for entry, depth in sized.returns.items()},
            entries={
                entry.name: RepeatIn(
                    bits[entry.name],
                    plan.streams[entry.name].pixels,
                    block.count,
                    spacing[block.name],
                )
                for block in plan.blocks
                for entry in block.entries
            },
        )

    def components(self) -> Iterator[Component]:
        """All of them."""
        yield from self.forks.values()
        yield from self.holds.values()
        yield from self.exits.values()
        yield from self.back_forks.values()
        yield from self.returns.values()
        yield from self.entries.values()


def _forks(ways: Mapping[str, int]) -> dict[str, Fork]:
    return {name: Fork(count) for name, count in ways.items() if count > 1}


@dataclass(frozen=True)
class Streams:
    """The text of all streams; a stream's signals share a prefix.

    Attributes:
        plan: What is built.
        parts: The components between the units.
        patience: Of layers with windows, see :attr:`Pace.patience`.
    """

    plan: Plan
    parts: StreamParts
    patience: Mapping[str, int]

    @cached_property
    def made(self) -> Mapping[str, str]:
        """Signal prefix of every stream."""
        net = self.plan.net
        found = {net.input.name: "in", net.output.name: "out"}
        taken = {"in", "out", "load", "flip", "clk", "rst"}
        names = [*self.plan.readers, *(layer.name for layer in self.plan.built)]
        if ends := self._ends(net.output.name):
            assert ends[-1] == OUTPUT
            if len(ends) > 1 or OUTPUT in self.parts.holds:
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
                body += self._enter(entry, read)
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
        if layer.name in self.patience:
            parameters["PATIENCE"] = self.patience[layer.name]
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
        if fork := self.parts.forks.get(name):
            ends = [f"{signal}_to{index}" for index in range(fork.readers)]
            body += ["", *_fork(fork, signal, ends, bits)]
        for reader, end in zip(readers, ends, strict=False):
            read[reader] = end
            if hold := self.parts.holds.get(reader):
                read[reader] = f"{end}_held"
                body += ["", *_hold(hold, end, f"{end}_held")]
        for block in leaves:
            body += ["", *self._leave(block, name, ends[-1])]
        return body

    def _leave(self, block: Block, name: str, end: str) -> list[str]:
        """The last pass's words of a stream go on, the others into feature-map buffers."""
        out, bits = self.parts.exits[name], word_bits(self.plan.streams[name])
        onward = self.made[block.onward(name)] if out.onward else ""
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
        body = [place(out, f"{self.made[name]}_leave", ports)]
        if onward:
            body.append(f"assign {onward}_data = {end}_data;")
        if entries:
            body = [_declare(back, bits), *body, f"assign {back}_data = {end}_data;"]
            ends = [back]
            if fork := self.parts.back_forks.get(name):
                ends = [f"{back}_to{index}" for index in range(fork.readers)]
                body += _fork(fork, back, ends, bits)
            for entry, source in zip(entries, ends, strict=True):
                returned = f"{self.made[entry.name]}_returned"
                body += _hold(self.parts.returns[entry.name], source, returned)
        return body

    def _enter(self, entry: Entry, read: Mapping[Reader, str]) -> list[str]:
        """What a folded block reads: the stream from outside, or what it gave back."""
        signal, into = self.made[entry.name], self.parts.entries[entry.name]
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
            words = layer.output.pixels if block.folded else 0
            probe = Probe(name, word_bits(layer.output), words, block.count, number)
            suffix = f"_pass{number}" if block.folded else ""
            ports = {"clk": "clk", "rst": "rst"} | {
                end: f"{signal}_{end}" for end in ("valid", "ready", "data")
            }
            body.append(place(probe, f"{signal}{suffix}_probe", ports))
        return [*body, "`endif"]


def _declare(name: str, bits: int) -> str:
    return f"wire {name}_valid, {name}_ready;\nwire {vector(bits)} {name}_data;"


def _fork(fork: Fork, source: str, ends: list[str], bits: int) -> list[str]:
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
        place(fork, f"{source}_fork", ports),
    ]


def _hold(part: Fifo, end: str, held: str) -> list[str]:
    ports = connect(CLOCK) | _stream("in", end) | _stream("out", held)
    return [
        _declare(held, part.bits),
        place(part, f"{end}_fifo", ports),
    ]
