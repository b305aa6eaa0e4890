"""Layers that see one pixel at a time; of them casts and sums."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.layers import Add, Cast, Layer, Stream
from semifreddo.rtl.components import numbers
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.lanes import Pick
from semifreddo.rtl.components.memories import Delay
from semifreddo.rtl.components.numbers import Number, Range, place_cast
from semifreddo.rtl.components.verilog import module, part, vector
from semifreddo.rtl.units.lanes import LanesPlan
from semifreddo.rtl.units.unit import Unit, delay, issue, ports

Lane = tuple[str, list[str]]
"""The exact result of a channel: its expression, and the text that makes it."""


@dataclass(frozen=True, eq=False)
class PointwisePlan(LanesPlan):
    """A layer without windows: in each lane an exact result and its cast."""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The input streams."""
        return self.net.input_streams(self.layer)

    @cached_property
    def frac(self) -> int:
        """Fraction bits to which inputs are aligned."""
        return max(stream.type.frac for stream in self.streams)

    @cached_property
    def inputs(self) -> list[Range]:
        """A value of each input, aligned."""
        return [Range.code(stream.type).aligned(self.frac) for stream in self.streams]

    @property
    @abstractmethod
    def exact(self) -> Range:
        """The exact result of any channel."""

    def casts(self) -> list[numbers.Cast]:
        return [self.exact.cast(self.layer.output.type)] * self.count

    # What it is made of --------------------------------------------------------------------------

    def picks(self) -> Iterator[Pick]:
        """The selectors of the inputs."""
        for stream in self.streams:
            yield from self.pick(stream.type.width)

    def components(self) -> Iterator[Component]:
        yield from super().components()
        yield from self.picks()
        yield from [Delay(self.engine)] * 2

    # Text ----------------------------------------------------------------------------------------

    @abstractmethod
    def lanes(self) -> tuple[list[str], list[Lane]]:
        """Text that all lanes share, and each lane."""

    def loading(self) -> list[str]:
        """Bank selector and memories of loadable values."""
        return []

    def unit(self) -> Unit:
        layer, net = self.layer, self.net
        names, target = input_names(layer), layer.output.type
        body = ["wire all_valid = " + " && ".join(f"{name}_valid" for name in names) + ";"]
        body += ["wire taken;", *issue(self.issue, "all_valid", "taken")]
        body += [f"assign {name}_ready = taken;" for name in names]
        body += self.loading()
        body += ["", f"wire {vector(self.count * target.width)} casts;"]
        shared, lanes = self.lanes()
        body += shared
        for lane, (cast, (value, lines)) in enumerate(zip(self.casts(), lanes, strict=True)):
            result = part("casts", lane, target.width)
            body += [*lines, place_cast(cast, f"cast_{lane}", value, result)]
        body += delay("done", self.engine, "active")
        body += delay("last", self.engine, "taken")
        body += self.collected("done", "last")
        name = self.context.names[layer.name]
        formats = " and ".join(str(stream.type) for stream in self.streams)
        comment = f"{layer.kind} {layer.name}: {formats} to {target}."
        text = module(name, comment, ports(layer, net, self.loadable), body)
        return self.made(name, ((name, text),), loadable=self.loadable)

    def read(self) -> tuple[list[str], list[list[str]]]:
        """Text of what the lanes see, and each lane's value of every input, aligned."""
        lines, values = [], []
        for name, stream in zip(input_names(self.layer), self.streams, strict=True):
            kind = stream.type
            signal, text = self.selected(f"{name}_now", f"{name}_data", kind.width)
            lines += text
            found = [Number.of(part(signal, lane, kind.width), kind) for lane in range(self.count)]
            values.append([number.shifted(self.frac - kind.frac).text for number in found])
        return lines, [list(lane) for lane in zip(*values, strict=True)]


def input_names(layer: Layer) -> list[str]:
    """Prefixes of the input streams' ports."""
    if len(layer.inputs) == 1:
        return ["in"]
    return [f"in{index}" for index in range(len(layer.inputs))]


@dataclass(frozen=True, eq=False)
class CastPlan(PointwisePlan):
    """A cast."""

    layer: Cast

    @property
    def exact(self) -> Range:
        return self.inputs[0]

    def lanes(self) -> tuple[list[str], list[Lane]]:
        shared, values = self.read()
        return shared, [(value, []) for (value,) in values]


@dataclass(frozen=True, eq=False)
class AddPlan(PointwisePlan):
    """The sum of two streams."""

    layer: Add

    @cached_property
    def exact(self) -> Range:
        one, other = self.inputs
        return Range(one.low + other.low, one.high + other.high, self.frac)

    def rest(self) -> Parts:
        return Parts.of("added_bit", self.count * self.exact.bits)

    def lanes(self) -> tuple[list[str], list[Lane]]:
        shared, values = self.read()
        bits = vector(self.exact.bits)
        return shared, [
            (f"sum_{lane}", [f"wire signed {bits} sum_{lane} = {one} + {other};"])
            for lane, (one, other) in enumerate(values)
        ]
