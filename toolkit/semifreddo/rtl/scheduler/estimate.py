"""Predicted resources and cycles of a network, in milliseconds, from its schedule alone.

No adder graph is solved and no Verilog is made. Cycles are exact; resources are what all
components count times the costs of :mod:`semifreddo.rtl.components.costs`. How far they are off
against Yosys is measured by ``semifreddo study calibration``; the figures are in
``docs/rtl-measurements.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.bus import BusFormat
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.components.costs import Area
from semifreddo.rtl.design.buses import BusParts
from semifreddo.rtl.design.streams import StreamParts
from semifreddo.rtl.timing.fifos import Sized, size_fifos
from semifreddo.rtl.timing.folding import Plan, make_plan
from semifreddo.rtl.timing.pace import Pace
from semifreddo.rtl.units.kinds import hardware_of
from semifreddo.rtl.units.plan import Hardware, counted
from semifreddo.rtl.units.unit import Context


@dataclass(frozen=True)
class LayerEstimate:
    """Predicted figures of one layer.

    Attributes:
        name: The layer.
        kind: Its kind.
        cycles: Cycles per image when images follow each other without a pause; exact.
        area: Its resources.
    """

    name: str
    kind: str
    cycles: int
    area: Area

    @property
    def lut(self) -> int:
        """Look-up tables of any use."""
        return round(self.area.lut)

    @property
    def ff(self) -> int:
        """Flip-flops."""
        return round(self.area.ff)

    @property
    def dsp(self) -> int:
        """DSP slices."""
        return round(self.area.dsp)

    @property
    def bram18(self) -> int:
        """Block memories of 18 Kbit."""
        return round(self.area.bram18)


@dataclass(frozen=True)
class Estimate:
    """Predicted figures of a network.

    Attributes:
        layers: In order. Passes of a folded repeat behind the first are not listed: they have no
            hardware of their own, and their cycles count in the first one.
        repeats: Folded repeats as a whole: all passes, one after the other, take longer than any
            of their layers works. Their cycles depend on the latency of adder graphs, which is
            predicted; all other cycles are exact.
        streams: Forks and FIFOs between the layers.
        buses: AXI front end and registers; its cycles are those of the slower stream.
    """

    layers: tuple[LayerEstimate, ...]
    repeats: tuple[LayerEstimate, ...]
    streams: Area
    buses: LayerEstimate

    @cached_property
    def total(self) -> Area:
        """Resources of everything, rounded."""
        area = self.buses.area + self.streams
        for layer in self.layers:
            area = area + layer.area
        return area.rounded()

    @property
    def cycles_per_image(self) -> int:
        """Cycles between two results when images follow each other without a pause."""
        return max(found.cycles for found in self._paced)

    @property
    def bottleneck(self) -> str:
        """What sets :attr:`cycles_per_image`: a layer's name, a repeat's, or ``buses``."""
        return max(self._paced, key=lambda found: found.cycles).name

    @property
    def _paced(self) -> tuple[LayerEstimate, ...]:
        return (*self.layers, *self.repeats, self.buses)

    def frames_per_second(self, clock_mhz: float) -> float:
        """Images per second at a clock."""
        return clock_mhz * 1e6 / self.cycles_per_image


def estimate(net: StreamNet, schedule: RtlSchedule | None = None) -> Estimate:
    """Predict resources and cycles.

    Args:
        net: The network.
        schedule: Hardware choices; the least hardware if left out.

    Raises:
        ConfigError: The schedule does not fit the network.
        ProjectError: A layer has no hardware, or a repeat cannot be folded.
    """
    schedule = schedule or RtlSchedule()
    schedule.check(net)
    plan = make_plan(net, schedule.unrolled)
    return estimate_plan(plan, hardware_of(plan, Context.of(net)), schedule)


def estimate_plan(plan: Plan, hardware: Mapping[str, Hardware], schedule: RtlSchedule) -> Estimate:
    """Predict with hardware that is kept: the second time is faster. See :func:`estimate`."""
    plans = {name: found.plan(schedule[name]) for name, found in hardware.items()}
    sized = sized_plan(plan, hardware, schedule)
    paces = sized.pace.paces
    return Estimate(
        layers=tuple(
            LayerEstimate(name, found.layer.kind, found.cycles_per_image, found.area)
            for name, found in plans.items()
        ),
        repeats=tuple(
            LayerEstimate(block.name, "Repeat", paces[block.name], Area())
            for block in plan.blocks
            if block.folded
        ),
        streams=counted(StreamParts.of(sized).components()).area().rounded(),
        buses=buses(plan.net),
    )


def sized_plan(plan: Plan, hardware: Mapping[str, Hardware], schedule: RtlSchedule) -> Sized:
    """Pace and FIFOs, as far as adder graphs that are not solved decide them."""
    figures = {name: found.plan(schedule[name]).figures for name, found in hardware.items()}
    return size_fifos(Pace(plan, figures, BusFormat.of(plan.net)))


def buses(net: StreamNet) -> LayerEstimate:
    """The front end, which does not depend on the schedule."""
    bus = BusFormat.of(net)
    area = counted(BusParts.of(net).components()).area().rounded()
    return LayerEstimate("buses", "AXI", max(bus.input_cycles, bus.output_cycles), area)
