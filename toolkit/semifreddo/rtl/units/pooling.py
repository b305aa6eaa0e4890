"""Maximum and average over windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from semifreddo.core.fixed import FixedType, bits_for
from semifreddo.ir.layers import AvgPool, MaxPool, Stream
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.lanes import Maximum, Reduce, Total
from semifreddo.rtl.components.memories import Delay
from semifreddo.rtl.components.numbers import Cast, Number, Range, place_cast
from semifreddo.rtl.components.verilog import concatenation, module, part, vector
from semifreddo.rtl.components.windows import Window
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.lanes import LanesPlan
from semifreddo.rtl.units.unit import (
    Unit,
    delay,
    issue,
    phase_bits,
    ports,
    word_bits,
)
from semifreddo.rtl.units.windows import window_lines, window_parameters, window_wires


@dataclass(frozen=True, eq=False)
class PoolPlan(LanesPlan):
    """A maximum or an average over windows; windows that do not overlap need no line memory."""

    layer: MaxPool | AvgPool

    @property
    def source(self) -> Stream:
        """The input stream."""
        return self.net.streams[self.layer.inputs[0]]

    @cached_property
    def window(self) -> Geometry:
        """The windows; a single one overlaps no other, whatever its stride says."""
        found = Geometry.of(self.layer, self.source)
        if found.out != (1, 1):
            return found
        rows, columns = (max(pair) for pair in zip(found.kernel, found.stride, strict=True))
        return replace(found, stride=(rows, columns))

    @property
    def registers(self) -> int:
        levels = (self.window.taps - 1).bit_length()
        return (levels + 1) // 2

    @property
    def engine(self) -> int:
        return 2 if self.window.disjoint else super().engine

    @property
    def figures(self) -> Figures:
        lead = 0 if self.window.disjoint else self.window.lead
        return replace(super().figures, latency=self.latency + lead, geometry=self.window)

    @property
    def cycles(self) -> int:
        window = self.window
        if window.disjoint:
            return window.height * window.width * self.groups
        return super().cycles + window.ticks - window.windows

    @property
    def former(self) -> Window | None:
        """The window former, if windows overlap and are more than a pixel."""
        if self.window.disjoint or self.window.trivial:
            return None
        return Window(self.window, word_bits(self.source))

    @property
    def sums(self) -> bool:
        """Whether it sums; otherwise it takes the maximum."""
        return isinstance(self.layer, AvgPool)

    @property
    def reduced(self) -> FixedType:
        """Format of a window's maximum or sum."""
        kind, area = self.source.type, prod(self.layer.kernel)
        if not self.sums:
            return kind
        width, signed = bits_for(kind.min_raw * area, kind.max_raw * area)
        return FixedType.exact(width, kind.frac + area.bit_length() - 1, signed=signed)

    @property
    def reduce(self) -> Reduce:
        """What works on windows that do not overlap."""
        kind = self.source.type
        return Reduce(
            self.source.channels,
            self.count,
            phase_bits(self.groups),
            kind.width,
            kind.signed,
            self.sums,
            self.reduced.width,
            self.window,
        )

    @property
    def whole(self) -> Maximum | Total:
        """What works on all pixels of a window at once, a channel at a time."""
        kind, taps = self.source.type, self.window.taps
        if not self.sums:
            return Maximum(taps, kind.width, kind.signed)
        return Total(taps, kind.width + (not kind.signed), not kind.signed)

    def casts(self) -> list[Cast]:
        return [Range.code(self.reduced).cast(self.layer.output.type)] * self.count

    def components(self) -> Iterator[Component]:
        yield from super().components()
        if self.window.disjoint:
            yield self.reduce
            return
        if self.former:
            yield self.former
        for _ in range(self.window.taps):
            yield from self.pick(self.source.type.width)
        for _ in range(self.count):
            yield self.whole
        yield from [Delay(self.engine)] * 2

    def unit(self) -> Unit:
        body = _disjoint(self) if self.window.disjoint else _overlapping(self)
        body += [*_casts(self), *self.collected("done", "last")]
        layer, name = self.layer, self.context.names[self.layer.name]
        size, source = "x".join(map(str, layer.kernel)), self.source.type
        comment = f"{layer.kind} {layer.name}: windows of {size}, {source} to {layer.output.type}."
        parameters = {} if self.window.disjoint else window_parameters(self.window)
        declared = ports(layer, self.net, loadable=False)
        text = module(name, comment, declared, body, parameters)
        return self.made(name, ((name, text),))


def _disjoint(pool: PoolPlan) -> list[str]:
    """From the pixels to ``reduced``, a group of channels."""
    return [
        "wire window_yields;",
        *issue(pool.issue, "in_valid", "in_ready", yields="window_yields"),
        "wire done, last;",
        f"wire {vector(pool.count * pool.reduced.width)} reduced;",
        place(
            pool.reduce,
            "reduce",
            {
                "clk": "clk",
                "rst": "rst",
                "active": "active",
                "phase": "phase",
                "taken": "in_ready",
                "pixel": "in_data",
                "yields": "window_yields",
                "done": "done",
                "last": "last",
                "result": "reduced",
            },
        ),
    ]


def _overlapping(pool: PoolPlan) -> list[str]:
    """From the pixels to ``reduced``, a group of channels."""
    width, bits, reduced = pool.source.type.width, word_bits(pool.source), pool.reduced
    lines = [
        *window_wires(pool.window.taps * bits),
        *window_lines(pool.former),
        *issue(pool.issue, "window_valid", "window_ready"),
        f"wire {vector(pool.count * reduced.width)} reduced;",
    ]
    taps = []
    for tap in range(pool.window.taps):
        pixel = f"pixel_{tap}"
        lines.append(f"wire {vector(bits)} {pixel} = {part('window', tap, bits)};")
        signal, text = pool.selected(f"{pixel}_now", pixel, width)
        taps.append(signal)
        lines += text
    for lane in range(pool.count):
        terms = [part(tap, lane, width) for tap in taps]
        result = part("reduced", lane, reduced.width)
        whole = pool.whole
        if isinstance(whole, Maximum):
            ports_ = {"clk": "clk", "terms": concatenation(terms), "result": result}
            lines.append(place(whole, f"max_{lane}", ports_))
        else:
            lines += _sum(whole, lane, terms, reduced.width, result)
    lines += delay("done", pool.engine, "active")
    return lines + delay("last", pool.engine, "window_ready")


def _sum(total: Total, lane: int, taps: list[str], bits: int, result: str) -> list[str]:
    padded = [f"{{1'b0, {tap}}}" for tap in taps] if total.padded else taps
    wide = total.bits + (total.terms - 1).bit_length()
    name = f"total_{lane}"
    ports_ = {"clk": "clk", "terms": concatenation(padded), "result": name}
    return [
        f"wire signed {vector(wide)} {name};",
        place(total, f"sum_{lane}", ports_),
        f"assign {result} = {name}[{bits - 1}:0];",
    ]


def _casts(pool: PoolPlan) -> list[str]:
    target, reduced = pool.layer.output.type, pool.reduced
    lines = [f"wire {vector(pool.count * target.width)} casts;"]
    for lane, cast in enumerate(pool.casts()):
        value = Number.of(part("reduced", lane, reduced.width), reduced).text
        lines.append(place_cast(cast, f"cast_{lane}", value, part("casts", lane, target.width)))
    return lines
