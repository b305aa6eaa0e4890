"""Predicted resources and cycles of a network, in milliseconds, from its schedule alone.

No adder graph is solved and no Verilog is made. Cycles are exact; resources are what all
components count times the costs of :mod:`semifreddo.rtl.components.costs`. How far they are off
against Yosys is measured by ``semifreddo study calibration``; the figures are in
``docs/rtl-measurements.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from semifreddo.core.errors import ProjectError
from semifreddo.ir.bus import BusFormat
from semifreddo.ir.kinds import KindTable
from semifreddo.ir.layers import (
    Add,
    AvgPool,
    Blend,
    Cast,
    Conv,
    Linear,
    MaxPool,
    Route,
)
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.components.costs import Area, Parts
from semifreddo.rtl.components.memories import Fifo
from semifreddo.rtl.components.streams import Fork, RepeatIn
from semifreddo.rtl.scheduler.lanes_structure import LanesModel
from semifreddo.rtl.scheduler.structure import LayerModel
from semifreddo.rtl.scheduler.weighted_structure import WeightedModel
from semifreddo.rtl.timing.fifos import Sized, size_buffers
from semifreddo.rtl.timing.folding import Plan, make_plan
from semifreddo.rtl.timing.pace import INPUT_DEPTH, Clockwork
from semifreddo.rtl.units.unit import Context, word_bits


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
    return estimate_plan(plan, models_of(plan), schedule)


def estimate_plan(plan: Plan, models: Mapping[str, LayerModel], schedule: RtlSchedule) -> Estimate:
    """Predict with models that are kept: the second time is faster. See :func:`estimate`."""
    figures = {name: model.figures(schedule[name]) for name, model in models.items()}
    sized = size_buffers(Clockwork(plan, figures, BusFormat.of(plan.net)))
    paces = sized.clockwork.paces
    return Estimate(
        layers=tuple(
            LayerEstimate(name, model.layer.kind, model.cycles(choice), model.area(choice))
            for name, model in models.items()
            for choice in (schedule[name],)
        ),
        repeats=tuple(
            LayerEstimate(block.name, "Repeat", paces[block.name], Area())
            for block in plan.blocks
            if block.folded
        ),
        streams=stream_parts(sized).area().rounded(),
        buses=buses(plan.net),
    )


def models_of(plan: Plan) -> dict[str, LayerModel]:
    """The models of all layers that have hardware: of a folded repeat those of the first pass."""
    context = Context.of(plan.net)
    return {
        layer.name: MODELS(layer, inner)
        for block in plan.blocks
        for inner in (replace(context, passes=block.count, pass_blocks=block.pass_blocks),)
        for layer in block.layers
    }


def stream_parts(sized: Sized) -> Parts:
    """Forks, FIFOs, and the ways back of folded repeats with their feature-map buffers."""
    parts, plan = Parts(), sized.clockwork.plan
    for stream in plan.streams:
        _add_fork(parts, len(plan.readers.get(stream, ())) + len(plan.leaves(stream)))
    for block in plan.blocks:
        for ends in Counter(entry.back for entry in block.entries).values():
            _add_fork(parts, ends)
    for reader, depth in sized.depths.items():
        parts.add_all(Fifo(word_bits(plan.streams[plan.reads[reader]]), depth).counts())
    for entry, depth in sized.returns.items():
        bits = word_bits(plan.streams[entry])
        parts.add_all(RepeatIn(bits, plan.streams[entry].pixels, 0, 0).counts())
        parts.add_all(Fifo(bits, depth).counts())
    return parts


def _add_fork(parts: Parts, ends: int) -> None:
    if ends > 1:
        parts.add_all(Fork(ends).counts())


MODELS: KindTable[LayerModel] = KindTable(
    "resource model", "semifreddo.rtl.scheduler.estimate", ProjectError
)
"""Functions of (layer, context)."""


@MODELS.register(Conv, Linear)
def _weighted(layer: Conv | Linear, context: Context) -> LayerModel:
    return WeightedModel(context, layer)


@MODELS.register(Add, AvgPool, Blend, Cast, MaxPool, Route)
def _lanes(layer: Add | AvgPool | Blend | Cast | MaxPool | Route, context: Context) -> LayerModel:
    return LanesModel(context, layer)


def buses(net: StreamNet) -> LayerEstimate:
    """The front end, which does not depend on the schedule."""
    bus = BusFormat.of(net)
    parts = Parts()
    parts.add("bus_registers")
    parts.add("bus_input")
    parts.add("bus_input_byte", bus.pixel_bytes)
    if bus.task_words:
        parts.add("bus_task")
    parts.add("bus_output")
    for fifo in (Fifo(33, 2), Fifo(33, INPUT_DEPTH), Fifo(word_bits(net.input), INPUT_DEPTH)):
        parts.add_all(fifo.counts())
    parts.add("mux_bit", net.output.type.width * (net.output.channels - 1) / 3)
    return LayerEstimate(
        "buses", "AXI", max(bus.input_cycles, bus.output_cycles), parts.area().rounded()
    )
