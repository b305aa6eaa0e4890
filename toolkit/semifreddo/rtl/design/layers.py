"""The layers of a network and the streams that connect them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from semifreddo.ir.bus import BusFormat
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.verilog import (
    CLOCK,
    LOAD,
    module,
    stream_ports,
)
from semifreddo.rtl.design.streams import StreamParts, Streams
from semifreddo.rtl.timing.fifos import Sized, size_fifos
from semifreddo.rtl.timing.folding import Plan, make_plan
from semifreddo.rtl.timing.pace import Pace, Reader
from semifreddo.rtl.units.kinds import hardware_of
from semifreddo.rtl.units.plan import UnitPlan
from semifreddo.rtl.units.unit import Context, Unit, word_bits


@dataclass(frozen=True)
class Layers:
    """A network in Verilog, without bus interfaces.

    Attributes:
        net: The network.
        plan: Which layers are built; a folded repeat's once.
        plans: One per layer of ``plan.built``, in that order.
        streams: The components between the units.
        units: One per plan.
        module: Name of the module that connects them.
        text: Its text.
        sized: Its times and FIFOs.
    """

    net: StreamNet
    plan: Plan
    plans: Mapping[str, UnitPlan]
    streams: StreamParts
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

    def components(self) -> Iterator[Component]:
        """Every instance of a library module."""
        for plan in self.plans.values():
            yield from plan.components()
        yield from self.streams.components()


def make_layers(context: Context, schedule: RtlSchedule) -> Layers:
    """Make all units and connect them.

    Raises:
        ProjectError: A layer has no hardware, or a repeat cannot be folded.
    """
    net = context.net
    plan = make_plan(net, schedule.unrolled)
    plans = {
        name: hardware.make(schedule[name], solve=True)
        for name, hardware in hardware_of(plan, context).items()
    }
    figures = {name: found.figures for name, found in plans.items()}
    sized = size_fifos(Pace(plan, figures, BusFormat.of(net)))
    units = {name: found.unit() for name, found in plans.items()}
    name = f"{net.name}_layers"
    loadable = any(unit.loadable for unit in units.values())
    ports = [
        *CLOCK,
        *stream_ports("in", word_bits(net.input), source=False),
        *stream_ports("out", word_bits(net.output), source=True),
        *(LOAD if loadable else ()),
    ]
    streams = StreamParts.of(sized)
    body = Streams(plan, streams, sized.pace.patience).text(units)
    text = module(name, f"The layers of {net.name}.", ports, body)
    return Layers(net, plan, plans, streams, tuple(units.values()), name, text, sized)
