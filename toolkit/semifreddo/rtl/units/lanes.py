"""Channels of a layer without weights: all at once, or some at a time in the same lanes.

A word takes a cycle per group of channels, during which the operand stays where it is. The lanes
see registers into which a group's channels are selected, and the results of all groups come
together in one word.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from semifreddo.core.errors import ConfigError
from semifreddo.ir.layers import Layer
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, Multiplier, Override
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.lanes import Collect, Pick
from semifreddo.rtl.components.numbers import Cast
from semifreddo.rtl.components.streams import Issue
from semifreddo.rtl.components.verilog import vector
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.plan import Hardware, UnitPlan, least_steps
from semifreddo.rtl.units.unit import Context, depth_for, word_bits


@dataclass(frozen=True, eq=False)
class LanesPlan(UnitPlan):
    """A layer without weights: its choice is how many channels are computed at a time."""

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

    @property
    def registers(self) -> int:
        """Registers between what a lane sees and its cast."""
        return 0

    @property
    def engine(self) -> int:
        """Cycles from a group to the cycle in which its casts are right."""
        return int(self.groups > 1) + self.registers

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
        return Figures(self.latency, self.groups, depth=self.depth)

    @property
    def cycles(self) -> int:
        return self.layer.output.pixels * self.groups

    @property
    def words(self) -> str:
        count = self.choice.channels_per_cycle
        return f"{count} channel{'s' * (count > 1)} at a time" if count else "all channels"

    @property
    def limit(self) -> str:
        return "it takes one step of its window, or one word, per cycle"

    def advice(self, _resource: str) -> str:
        return "give its inputs fewer bits or channels"

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
        yield self.issue
        yield from self.casts()
        yield self.collect

    @abstractmethod
    def casts(self) -> list[Cast]:
        """Of each lane."""

    def rest(self) -> Parts:
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


@dataclass(frozen=True, eq=False)
class LanesHardware(Hardware):
    """A layer without weights.

    Attributes:
        plans: The class of its plans.
    """

    plans: type[LanesPlan]

    def make(self, choice: Choice, *, solve: bool) -> LanesPlan:  # noqa: ARG002 -- no adder graph
        return self.plans(self.context, self.layer, choice)

    def choices(
        self,
        fixed: Override,
        multipliers: Collection[Multiplier],  # noqa: ARG002 -- nothing is multiplied
    ) -> Sequence[Choice]:
        where = f"rtl layer {self.layer.name!r} ({self.layer.kind})"
        if replace(fixed, channels_per_cycle=None) != Override():
            raise ConfigError(f"{where} has only channels_per_cycle to choose")
        channels = self.layer.output.channels
        if fixed.channels_per_cycle is None:
            return [Choice(channels_per_cycle=each % channels) for each in least_steps(channels)]
        if fixed.channels_per_cycle > channels:
            raise ConfigError(
                f"{where}: channels_per_cycle {fixed.channels_per_cycle} is outside "
                f"0..{channels}, its channels"
            )
        return [Choice(channels_per_cycle=fixed.channels_per_cycle)]


def lanes_hardware(plans: type[LanesPlan]) -> Callable[[Layer, Context], LanesHardware]:
    """Makes the hardware of a layer kind with plans of a class."""

    def made(layer: Layer, context: Context) -> LanesHardware:
        return LanesHardware(context, layer, plans)

    return made
