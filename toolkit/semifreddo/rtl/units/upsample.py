"""Upsampling: blocks of pixels, and the rectangle of them that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from semifreddo.ir.layers import Stream, Upsample
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.geometry import Blocks
from semifreddo.rtl.components.memories import Delay, selector
from semifreddo.rtl.components.numbers import Cast, Number, Range, place_cast
from semifreddo.rtl.components.verilog import concatenation, module, part, vector
from semifreddo.rtl.components.windows import Upsampler
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.lanes import LanesPlan
from semifreddo.rtl.units.unit import Unit, delay, issue, ports, word_bits


@dataclass(frozen=True, eq=False)
class UpsamplePlan(LanesPlan):
    """Every pixel goes in once; the row that is being repeated lies in a FIFO."""

    layer: Upsample

    @property
    def source(self) -> Stream:
        """The input stream."""
        return self.net.streams[self.layer.inputs[0]]

    @cached_property
    def blocks(self) -> Blocks:
        """Where pixels and results are."""
        return Blocks.of(self.layer, self.source)

    @cached_property
    def kept(self) -> list[int]:
        """Channels of a pixel that the later rows of its block need."""
        return sorted(set(self.layer.indices[self.layer.factor[1] * self.channels :]))

    @property
    def former(self) -> Upsampler:
        """What makes the blocks."""
        bits = self.source.type.width
        return Upsampler(self.blocks, word_bits(self.source), max(1, len(self.kept) * bits))

    @property
    def figures(self) -> Figures:
        return replace(super().figures, blocks=self.blocks)

    @property
    def cycles(self) -> int:
        return self.blocks.ticks * self.groups

    @property
    def limit(self) -> str:
        return "it gives one pixel per cycle"

    def casts(self) -> list[Cast]:
        return [Range.code(self.source.type).cast(self.layer.output.type)] * self.count

    def components(self) -> Iterator[Component]:
        yield from super().components()
        yield self.former
        yield from self.pick(self.source.type.width)
        yield from [Delay(self.engine)] * 2

    def rest(self) -> Parts:
        count = sum(selector(len(set(self._sources(channel)))) for channel in range(self.channels))
        return Parts.of("selector_lut", count * self.source.type.width)

    def _sources(self, channel: int) -> tuple[int, ...]:
        """The channel of the image's pixel that each pixel of a block has as a channel."""
        return self.layer.indices[channel :: self.channels]

    # Text ----------------------------------------------------------------------------------------

    def unit(self) -> Unit:
        layer, target = self.layer, self.layer.output.type
        body = [*self._blocks(), *issue(self.issue, "there", "taken", yields="yields")]
        body += self._channels()
        signal, text = self.selected("chosen_now", "chosen", self.source.type.width)
        body += ["", *text, f"wire {vector(self.count * target.width)} casts;"]
        for lane, cast in enumerate(self.casts()):
            value = Number.of(part(signal, lane, self.source.type.width), self.source.type).text
            body.append(place_cast(cast, f"cast_{lane}", value, part("casts", lane, target.width)))
        body += ["wire gives = active && yields;", "wire ends = taken && yields;"]
        body += delay("done", self.engine, "gives")
        body += delay("last", self.engine, "ends")
        body += self.collected("done", "last")
        name = self.context.names[layer.name]
        size = "x".join(map(str, layer.factor))
        comment = f"{layer.kind} {layer.name}: blocks of {size}, {self.source.type} to {target}."
        text_ = module(name, comment, ports(layer, self.net, loadable=False), body)
        return self.made(name, ((name, text_),))

    def _blocks(self) -> list[str]:
        """The image's ``pixel`` for each result."""
        former, width = self.former, self.source.type.width
        places = {channel: number for number, channel in enumerate(self.kept)}
        again = [
            part("kept", places[channel], width) if channel in places else f"{{{width}{{1'b0}}}}"
            for channel in range(self.source.channels)
        ]
        keep = [part("pixel", channel, width) for channel in self.kept] or ["1'b0"]
        signals = ("there", "yields", "taken")
        return [
            f"wire {', '.join(signals)};",
            f"wire {vector(former.bits)} pixel, again;",
            f"wire {vector(former.keep)} keep, kept;",
            *(
                f"wire {vector(bits)} {name};"
                for name, bits in zip(("row", "column"), former.place_bits, strict=True)
            ),
            f"assign again =\n    {concatenation(again)};",
            f"assign keep =\n    {concatenation(keep)};",
            place(
                former,
                "blocks",
                {
                    "clk": "clk",
                    "rst": "rst",
                    "in_valid": "in_valid",
                    "in_ready": "in_ready",
                    "in_data": "in_data",
                    "again": "again",
                    "kept": "kept",
                    "keep": "keep",
                    "there": "there",
                    "taken": "taken",
                    "pixel": "pixel",
                    "yields": "yields",
                    "row": "row",
                    "column": "column",
                },
            ),
        ]

    def _channels(self) -> list[str]:
        """The result's channels of the pixel, ``chosen``."""
        width, columns = self.source.type.width, self.layer.factor[1]
        lines, found = [], []
        several = any(len(set(self._sources(c))) > 1 for c in range(self.channels))
        if several:
            for number in range(self.layer.factor[0] * columns - 1):
                row, column = divmod(number, columns)
                place_ = f"row == {row} && column == {column}"
                lines.append(f"wire at_{number} = {place_};")
        for channel in range(self.channels):
            *others, last = self._sources(channel)
            text = part("pixel", last, width)
            for number, index in reversed(list(enumerate(others))):
                if index != last:
                    text = f"at_{number} ? {part('pixel', index, width)} : {text}"
            found.append(f"({text})" if "?" in text else text)
        lines.append(f"wire {vector(self.channels * width)} chosen =\n    {concatenation(found)};")
        return ["", *lines]
