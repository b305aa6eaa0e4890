"""Why a schedule is as it is: layer by layer, as data and as a text table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from semifreddo.boards.spec import Resources
from semifreddo.core.columns import text_table
from semifreddo.rtl.components.costs import Area
from semifreddo.rtl.scheduler.estimate import Estimate
from semifreddo.rtl.units.plan import Hardware, Option

_WHY = 30
"""Characters in which a reason can be read."""

RESOURCES = {"lut": "LUT", "ff": "flip-flops", "dsp": "DSP", "bram18": "BRAM18"}
"""What is counted, and how people call it."""


@dataclass(frozen=True)
class Shortage:
    """A resource of which too much is needed.

    Attributes:
        resource: A key of :data:`RESOURCES`.
        needed: What would be needed.
        available: What the budget has.
    """

    resource: str
    needed: int
    available: int

    @property
    def share(self) -> float:
        """What would be needed, as a share of what there is."""
        return self.needed / max(self.available, 1)

    def __str__(self) -> str:
        return (
            f"{self.needed:,} {RESOURCES[self.resource]}, {self.needed - self.available:,} more "
            f"than the budget of {self.available:,}"
        )


def shortages(needed: Area, budget: Resources) -> list[Shortage]:
    """What a budget lacks, the scarcest first."""
    found = [
        Shortage(name, int(getattr(needed, name)), getattr(budget, name))
        for name in RESOURCES
        if getattr(needed, name) > getattr(budget, name)
    ]
    return sorted(found, key=lambda short: -short.share)


@dataclass(frozen=True)
class Reason:
    """One layer of the explanation.

    Attributes:
        name: The layer.
        kind: Its kind.
        choice: What was chosen, in words; empty if there is nothing to choose.
        cycles: Cycles per image.
        busy: Share of the interval between two images in which it works.
        lut: Predicted look-up tables.
        ff: Predicted flip-flops.
        dsp: Predicted DSP slices.
        bram18: Predicted memories.
        note: Why it is not slower and smaller, or what being faster would cost.
    """

    name: str
    kind: str
    choice: str
    cycles: int
    busy: float
    lut: int
    ff: int
    dsp: int
    bram18: int
    note: str


@dataclass(frozen=True)
class Explanation:
    """Why a schedule is as it is.

    Attributes:
        net: Name of the network.
        clock_mhz: Clock of the logic.
        target_fps: The wanted rate; None for as fast as fits.
        frames_per_second: What will be reached.
        cycles_per_image: The interval between two images.
        bottleneck: The layer that sets it, or ``buses``.
        reason: Why it is no faster.
        layers: Every layer, then the folded repeats as a whole (their hardware is that of their
            layers), the streams between layers and the buses.
        total: Predicted resources.
        budget: What there was.
        lut_pairs: Predicted LUTs if two that fit into a LUT6_2 are one, where the budget counts so.
    """

    net: str
    clock_mhz: float
    target_fps: float | None
    frames_per_second: float
    cycles_per_image: int
    bottleneck: str
    reason: str
    layers: tuple[Reason, ...]
    total: Mapping[str, int]
    budget: Mapping[str, int]
    lut_pairs: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def __str__(self) -> str:
        """A table for people, as wide as it gets."""
        return self.text()

    def text(self, width: int | None = None) -> str:
        """A table for people, no wider than so many characters; a narrow one does not say why."""
        wanted = "as fast as fits" if self.target_fps is None else f"{self.target_fps:,g} wanted"
        used = ", ".join(
            f"{self.total[name]:,} of {self.budget[name]:,} {title}"
            for name, title in RESOURCES.items()
        )
        if self.lut_pairs is not None:
            used = f"{self.lut_pairs:,} LUT6_2 and others from {used}"
        return "\n".join(
            [
                f"{self.net}: {self.frames_per_second:,.0f} frames/s at {self.clock_mhz:g} MHz "
                f"({wanted}), one image every {self.cycles_per_image:,} cycles",
                f"bottleneck: {self.bottleneck}; {self.reason}",
                f"predicted: {used}",
                "",
                _table(self.layers, width),
            ]
        )


def _table(layers: tuple[Reason, ...], width: int | None) -> str:
    head = ("layer", "choice", "cycles", "busy", "LUT", "FF", "DSP", "BRAM18", "why")
    rows = [
        (
            layer.name,
            layer.choice or "-",
            f"{layer.cycles:,}" if layer.cycles else "-",
            f"{layer.busy:.0%}" if layer.cycles else "-",
            *(f"{getattr(layer, name):,}" for name in RESOURCES),
            layer.note,
        )
        for layer in layers
    ]
    without = text_table(head[:-1], [row[:-1] for row in rows])
    if width is not None and max(map(len, without.splitlines())) + _WHY > width:
        return text_table(head[:-1], [row[:-1] for row in rows], width)
    return text_table(head, rows, width)


def note(
    hardware: Hardware, chosen: Option, options: tuple[Option, ...], interval: int, slices: int
) -> str:
    """Why a layer is not smaller, within a number of DSP slices."""
    if len(options) == 1:
        return "nothing to choose"
    smaller = [
        option
        for option in options
        if option.cycles > interval
        and option.area.lut < chosen.area.lut
        and option.area.dsp <= slices
    ]
    if not smaller:
        return "the smallest there is"
    first = smaller[0]
    saved = chosen.area.lut - first.area.lut
    return (
        f"{hardware.plan(first.choice).words} would save {saved:,.0f} LUT but take "
        f"{first.cycles:,} cycles"
    )


def rows_of(
    hardware: Mapping[str, Hardware],
    chosen: Mapping[str, Option],
    options: Mapping[str, tuple[Option, ...]],
    estimate: Estimate,
    slices: int,
) -> tuple[Reason, ...]:
    """The rows of the table, for a board with ``slices`` DSP slices."""
    interval = estimate.cycles_per_image
    rows = [
        Reason(
            layer.name,
            layer.kind,
            hardware[layer.name].plan(chosen[layer.name].choice).words,
            layer.cycles,
            layer.cycles / interval,
            layer.lut,
            layer.ff,
            layer.dsp,
            layer.bram18,
            note(hardware[layer.name], chosen[layer.name], options[layer.name], interval, slices),
        )
        for layer in estimate.layers
    ]
    rows += [
        Reason(each.name, each.kind, "", each.cycles, each.cycles / interval, 0, 0, 0, 0, "")
        for each in estimate.repeats
    ]
    streams, buses = estimate.streams.rounded(), estimate.buses
    rows.append(Reason("streams", "forks, FIFOs", "", 0, 0.0, *_whole(streams), ""))
    busy = buses.cycles / interval
    rows.append(Reason("buses", buses.kind, "", buses.cycles, busy, *_whole(buses.area), ""))
    return tuple(rows)


def _whole(area: Area) -> tuple[int, int, int, int]:
    return round(area.lut), round(area.ff), round(area.dsp), round(area.bram18)
