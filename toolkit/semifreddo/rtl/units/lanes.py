"""Channels of a layer without weights: all at once, or some at a time in the same lanes.

A word takes a cycle per group of channels, during which the operand stays where it is. The lanes
see registers into which a group's channels are selected, and the results of all groups come
together in one word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.layers import AvgPool, Blend, Layer, MaxPool
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.lanes import Collect, Pick
from semifreddo.rtl.components.numbers import Cast
from semifreddo.rtl.components.streams import Issue
from semifreddo.rtl.components.verilog import vector
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.unit import Context, depth_for, word_bits


@dataclass(frozen=True, eq=False)
class Lanes:
    """A layer without weights and the choice for it.

    Attributes:
        context: The network, and where its loadable values live.
        layer: Add, blend, cast, pool, or a route that is more than wires.
        choice: How many channels are computed at a time.
    """

    context: Context
    layer: Layer
    choice: Choice

    @property
    def net(self) -> StreamNet:
        """The network."""
        return self.context.net

    @property
    def channels(self) -> int:
        """Channels of the result."""
        return self.layer.output.channels

    @property
    def count(self) -> int:
        """Channels that are computed at a time."""
        return self.choice.channels_per_cycle or self.channels

    @property
    def groups(self) -> int:
        """Cycles per word, or per pixel of windows that do not overlap."""
        return -(-self.channels // self.count)

    @cached_property
    def geometry(self) -> Geometry | None:
        """The windows of a pool."""
        if isinstance(self.layer, MaxPool | AvgPool):
            return Geometry.of(self.layer, self.net.streams[self.layer.inputs[0]])
        return None

    @property
    def _lead(self) -> int:
        slides = self.geometry is not None and not self.geometry.disjoint
        return self.geometry.lead if self.geometry is not None and slides else 0

    @property
    def engine(self) -> int:
        """Cycles from a group to the cycle in which its casts are right."""
        folded = int(self.groups > 1)
        if self.geometry is None:
            return folded + int(isinstance(self.layer, Blend))
        if self.geometry.disjoint:
            return 2
        levels = (self.geometry.taps - 1).bit_length()
        return folded + (levels + 1) // 2

    @property
    def latency(self) -> int:
        """Cycles from a word's first phase to the word on the output stream."""
        return self.groups - 1 + self.engine + 2

    @property
    def depth(self) -> int:
        """Words that have a place behind the pipeline.

        Two places are enough if a word reaches the output (after ``latency`` cycles) before the
        second word after it starts (2 x ``groups`` cycles later).
        """
        if self.groups > 1 and 2 * self.groups > self.latency:
            return 2
        return depth_for(self.groups, self.engine + 1)

    @property
    def figures(self) -> Figures:
        """What its times follow from."""
        operands, idle = self.layer.output.pixels, 0
        if self.geometry is not None and self.geometry.disjoint:
            operands = self.geometry.height * self.geometry.width
        elif self.geometry is not None:
            idle = self.geometry.ticks - self.geometry.windows
        return Figures(
            layer=self.layer.name,
            cycles=operands * self.groups + idle,
            latency=self.latency + self._lead,
            word_cycles=self.groups,
            geometry=self.geometry,
            depth=self.depth,
            passes=self.context.passes,
        )

    @property
    def loadable(self) -> bool:
        """Whether anything of the layer can be loaded."""
        return False

    # What it is made of --------------------------------------------------------------------------

    @property
    def issue(self) -> Issue:
        """The issuer."""
        return Issue(self.groups, self.depth)

    @property
    def collect(self) -> Collect:
        """Behind the casts."""
        group = self.count * self.layer.output.type.width
        return Collect(word_bits(self.layer.output), group, self.groups, self.depth)

    def pick(self, bits: int, zeros: int = 0) -> list[Pick]:
        """The selector of a signal with ``bits`` per channel, some of them zero; or none."""
        if self.groups == 1:
            return []
        return [Pick(self.channels * bits, self.count * bits, self.count * zeros)]

    def components(self) -> Iterator[Component]:
        """Every instance of a library module in the layer's module."""
        yield self.issue
        yield from self.casts()
        yield self.collect

    def casts(self) -> list[Cast]:
        """Of each lane."""
        raise NotImplementedError

    def rest(self) -> Parts:
        """What is no library module."""
        return Parts()

    # Text ----------------------------------------------------------------------------------------

    def selected(self, name: str, signal: str, bits: int, zeros: int = 0) -> tuple[str, list[str]]:
        """The present group's part of a signal with ``bits`` per channel: a name, and the text."""
        picks = self.pick(bits, zeros)
        if not picks:
            return signal, []
        ports = {"clk": "clk", "number": "phase", "word": signal, "picked": name}
        return name, [
            f"wire {vector(picks[0].group)} {name};",
            place(picks[0], f"{name}_pick", ports),
        ]

    def collected(self, done: str, last: str) -> list[str]:
        """From a group's ``casts``, right in the cycle of ``done``, to the output stream."""
        ports = {
            "clk": "clk",
            "rst": "rst",
            "in_valid": done,
            "in_last": last,
            "in_data": "casts",
            "out_valid": "out_valid",
            "out_ready": "out_ready",
            "out_data": "out_data",
        }
        return ["", place(self.collect, "collect", ports)]
