"""Choosing a schedule: every layer as small as the frame rate allows, and no faster than needed.

For a given number of cycles per image each layer takes, on its own, the cheapest choice that is
fast enough; only the DSP slices must be shared out, and they go where they save the most LUTs
(exactly, by dynamic programming over their number). Where block memories are short, each counts as
some LUTs, and as more until they suffice. So the question is only how few cycles per image fit the
budget: a search over the numbers of cycles at which some layer can do with less.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from semifreddo.boards.spec import Resources
from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import nearest
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import OFFERED, Multiplier, Override, RtlSchedule
from semifreddo.rtl.components.costs import Area
from semifreddo.rtl.scheduler.allocation import allocate
from semifreddo.rtl.scheduler.estimate import Estimate, buses, estimate_plan, sized_plan
from semifreddo.rtl.scheduler.explanation import (
    RESOURCES,
    Explanation,
    Shortage,
    rows_of,
    shortages,
)
from semifreddo.rtl.scheduler.haste import hasten
from semifreddo.rtl.timing.folding import make_plan
from semifreddo.rtl.timing.latency import latency_of
from semifreddo.rtl.units.kinds import hardware_of
from semifreddo.rtl.units.plan import Option
from semifreddo.rtl.units.unit import Context

_PRICES = (0, 25, 50, 100, 200, 400, 1_600, 100_000)
"""LUTs as which a block memory counts, in turn, until there are enough: a device has about 190 LUTs
for each of them."""

_ATTEMPTS = 10
"""Rounds in which the layers of a folded repeat get fewer cycles, before they get the fewest."""


@dataclass(frozen=True)
class Scheduled:
    """A schedule, what it will cost, and why it is so.

    Attributes:
        schedule: The choices of all layers that are more than wires.
        estimate: Predicted figures.
        explanation: The reasons, layer by layer.
    """

    schedule: RtlSchedule
    estimate: Estimate
    explanation: Explanation


def choose(
    net: StreamNet,
    budget: Resources,
    clock_mhz: float,
    target_fps: float | None = None,
    *,
    target_latency_us: float | None = None,
    fixed: Mapping[str, Override] | None = None,
    unrolled: frozenset[str] = frozenset(),
    multipliers: Collection[Multiplier] = OFFERED,
    pairs: bool = False,
) -> Scheduled:
    """Choose the hardware of a network.

    Args:
        net: The network.
        budget: What the network may use, bus front end included.
        clock_mhz: Clock of the logic.
        target_fps: Images per second that are wanted; as many as fit if left out.
        target_latency_us: Microseconds from an image's first word to its last result that are
            wanted besides a rate.
        fixed: By layer name, what the user has chosen already.
        unrolled: Repeats that are built once per pass.
        multipliers: What may multiply, where ``fixed`` does not say it.
        pairs: Whether two LUTs that fit into one LUT6_2 are one LUT of the budget.

    Returns:
        The same for the same arguments. More budget is never slower; a lower target never takes
        more LUTs, those of FIFOs between layers left out.

    Raises:
        ConfigError: The network does not fit with the least hardware, or not at the wanted rate,
            or ``fixed`` does not fit it; says by how much, because of what, and what helps.
    """
    own = dict(fixed or {})
    search = Search(net, budget, clock_mhz, own, unrolled, multipliers=multipliers, pairs=pairs)
    cycles = search.fastest() if target_fps is None else search.meet(target_fps)
    if target_latency_us is None:
        return search.result(cycles, target_fps)
    if target_fps is None:
        raise ConfigError("rtl: target_latency_us needs target_fps, the rate that goes with it")
    caps = hasten(search, cycles, int(target_latency_us * clock_mhz))
    return search.result(cycles, target_fps, caps)


Solution: TypeAlias = tuple[dict[str, Option], Estimate]
"""An option for each layer, and what all together are."""

_NONE: Mapping[str, int] = {}


class Search:
    """The options of all layers, and what can be done with them."""

    def __init__(
        self,
        net: StreamNet,
        budget: Resources,
        clock_mhz: float,
        fixed: Mapping[str, Override],
        unrolled: frozenset[str],
        *,
        multipliers: Collection[Multiplier] = OFFERED,
        pairs: bool = False,
    ) -> None:
        self.pairs = pairs
        self.net, self.budget, self.clock_mhz, self.unrolled = net, budget, clock_mhz, unrolled
        self.plan = make_plan(net, unrolled)
        self.hardware = hardware_of(self.plan, Context.of(net))
        for name in fixed:
            self._check_name(name)
        self.options = {
            name: found.options(fixed.get(name), multipliers)
            for name, found in self.hardware.items()
        }
        self.buses = buses(net).area
        self.floor = self.estimate(
            {n: found[0] for n, found in self.options.items()}
        ).cycles_per_image
        self._solved: dict[tuple[int, frozenset[tuple[str, int]]], Solution] = {}

    def _check_name(self, name: str) -> None:
        """Refuse to fix a choice that nothing would follow."""
        if name in self.hardware:
            return
        for block in self.plan.blocks:
            for names in block.passes[1:]:
                if name in names:
                    first = block.passes[0][names.index(name)]
                    raise ConfigError(
                        f"rtl layer {name!r}: is a later pass of the folded repeat {block.name!r}; "
                        f"the choice of {first!r} counts for all passes"
                    )
        raise ConfigError(
            f"rtl layer {name!r}: {self.net.name} has no such layer{nearest(name, self.hardware)}"
        )

    @cached_property
    def steps(self) -> list[int]:
        """Cycles per image at which some layer can do with less."""
        found = {option.cycles for options in self.options.values() for option in options}
        return sorted({self.floor, *(cycles for cycles in found if cycles > self.floor)})

    def schedule(self, chosen: Mapping[str, Option]) -> RtlSchedule:
        """A solution as a schedule."""
        layers = {
            name: option.choice for name, option in chosen.items() if not self.hardware[name].wiring
        }
        return RtlSchedule(layers, self.unrolled)

    def estimate(self, chosen: Mapping[str, Option]) -> Estimate:
        """Figures of a solution."""
        return estimate_plan(self.plan, self.hardware, self.schedule(chosen))

    def solve(self, cycles: int, caps: Mapping[str, int] = _NONE) -> Solution:
        """The fewest LUTs for a number of cycles per image, within the DSP slices of the budget.

        Args:
            cycles: Cycles per image.
            caps: By name of a layer that must be faster, the most cycles that it may take.
        """
        key = cycles, frozenset(caps.items())
        if key not in self._solved:
            self._solved[key] = self._solve_in_blocks(cycles, caps)
        return self._solved[key]

    def _solve_in_blocks(self, cycles: int, caps: Mapping[str, int]) -> Solution:
        """The fewest LUTs with enough block memories; if that does not fit, what comes closest."""
        tried = []
        for price in _PRICES:
            tried.append(self._solve(cycles, caps, price))
            if not self.short(tried[-1][1].total):
                return tried[-1]
            if tried[-1][1].total.bram18 <= self.budget.bram18:
                break
        return min(tried, key=lambda found: self.short(found[1].total)[0].share)

    def latency(self, cycles: int, caps: Mapping[str, int] = _NONE) -> int:
        """Cycles that an image takes with a solution."""
        schedule = self.schedule(self.solve(cycles, caps)[0])
        return latency_of(sized_plan(self.plan, self.hardware, schedule))

    def _solve(self, cycles: int, caps: Mapping[str, int], price: float) -> Solution:
        """The passes of a folded repeat must be done in time: its layers must be faster."""
        limits = {name: min(cycles, caps.get(name, cycles)) for name in self.options}
        for attempt in range(_ATTEMPTS):
            chosen = allocate(self.options, limits, self.budget.dsp, price)
            found = self.estimate(chosen)
            late = {each.name: each.cycles for each in found.repeats if each.cycles > cycles}
            if not late:
                break
            last = attempt >= _ATTEMPTS - 2
            for block in self.plan.blocks:
                if block.name in late:
                    for layer in block.layers:
                        limit = limits[layer.name] * cycles // late[block.name]
                        limits[layer.name] = 0 if last else limit
        return chosen, found

    def shortages(self, cycles: int) -> list[Shortage]:
        """What is missing for a number of cycles per image."""
        return self.short(self.solve(cycles)[1].total)

    def short(self, total: Area) -> list[Shortage]:
        """What the budget lacks of some resources, LUTs as it counts them."""
        return shortages(replace(total, lut=total.lut_pairs) if self.pairs else total, self.budget)

    def _surely_short(self, cycles: int) -> bool:
        """Whether the layers alone take too much, FIFOs and the haste of repeats left out."""
        fewest_luts, fewest_blocks = (
            self._without_fifos(cycles, price) for price in (_PRICES[0], _PRICES[-1])
        )
        return bool(self.short(replace(fewest_luts, bram18=fewest_blocks.bram18)))

    def _without_fifos(self, cycles: int, price: float) -> Area:
        """Layers and buses for a number of cycles."""
        limits = dict.fromkeys(self.options, cycles)
        chosen = allocate(self.options, limits, self.budget.dsp, price)
        return sum((option.area for option in chosen.values()), self.buses)

    def fastest(self) -> int:
        """The fewest cycles per image that fit.

        Raises:
            ConfigError: Not even the least hardware fits.
        """
        start = bisect_left(self.steps, True, key=lambda cycles: not self._surely_short(cycles))
        for cycles in self.steps[start:]:
            if not self.shortages(cycles):
                return cycles
        raise ConfigError(self._too_large())

    def meet(self, target_fps: float) -> int:
        """The most cycles per image at a wanted rate.

        Raises:
            ConfigError: It does not fit; tells the fastest that does.
        """
        if not target_fps > 0:
            raise ConfigError(
                f"rtl: target_fps {target_fps:g} is not a rate; use a positive number"
            )
        cycles = int(self.clock_mhz * 1e6 / target_fps)
        if cycles >= self.floor and not self.shortages(cycles):
            return cycles
        raise ConfigError(self._too_slow(target_fps, cycles))

    def result(
        self, cycles: int, target_fps: float | None, caps: Mapping[str, int] = _NONE
    ) -> Scheduled:
        """Everything about the solution for a number of cycles."""
        chosen, found = self.solve(cycles, caps)
        reason = self._reason(found.cycles_per_image, found.bottleneck, target_fps)
        if caps:
            reason += f"; for the latency, faster than that: {', '.join(sorted(caps))}"
        explanation = Explanation(
            net=self.net.name,
            clock_mhz=self.clock_mhz,
            target_fps=target_fps,
            frames_per_second=found.frames_per_second(self.clock_mhz),
            cycles_per_image=found.cycles_per_image,
            bottleneck=found.bottleneck,
            reason=reason,
            layers=rows_of(self.hardware, chosen, self.options, found, self.budget.dsp),
            total={name: int(getattr(found.total, name)) for name in RESOURCES},
            budget={name: getattr(self.budget, name) for name in RESOURCES},
            lut_pairs=int(found.total.lut_pairs) if self.pairs else None,
        )
        return Scheduled(self.schedule(chosen), found, explanation)

    def _reason(self, cycles: int, bottleneck: str, target_fps: float | None) -> str:
        """Why it is no faster."""
        if cycles <= self.floor:
            return self._floor_reason(bottleneck)
        faster = self.steps[bisect_left(self.steps, cycles) - 1]
        missing = self.shortages(faster)
        if target_fps is not None and not missing:
            return "nothing is faster than the wanted rate needs"
        return f"{faster:,} cycles would need {missing[0]}"

    def _floor_reason(self, bottleneck: str) -> str:
        if bottleneck not in self.options and bottleneck != "buses":
            return "its passes come one after the other"
        if bottleneck == "buses":
            return "the input or output stream carries no more"
        return self.hardware[bottleneck].plan(self.options[bottleneck][0].choice).limit

    def _too_large(self) -> str:
        chosen, found = self.solve(self.steps[-1])
        missing = self.short(found.total)[0]
        text = f"{self.net.name} does not fit: the least hardware needs {missing}"
        return f"{text}; {self._help(chosen, missing)}"

    def _help(self, chosen: Mapping[str, Option], missing: Shortage) -> str:
        """Which layer takes most of what is missing, and what can be done."""
        name = max(chosen, key=lambda found: getattr(chosen[found].area, missing.resource))
        amount = getattr(chosen[name].area, missing.resource)
        title = RESOURCES[missing.resource]
        advice = [
            f"layer {name!r} takes most ({amount:,.0f} {title}): "
            f"{self.hardware[name].plan(chosen[name].choice).advice(missing.resource)}"
        ]
        if self.unrolled:
            advice.append(f"fold the repeat {sorted(self.unrolled)[0]!r}")
        return ", ".join([*advice, "or use a larger board"])

    def _too_slow(self, target_fps: float, cycles: int) -> str:
        fits = self.result(self.fastest(), None)
        reached = fits.estimate.frames_per_second(self.clock_mhz)
        text = (
            f"{self.net.name}: {target_fps:,g} frames/s at {self.clock_mhz:g} MHz leave "
            f"{cycles:,} cycles per image"
        )
        best = f"the fastest that fits is {_down(reached)} frames/s"
        if cycles < self.floor:
            name = self._slowest()
            return (
                f"{text}, but {name} needs {self.floor:,} in any hardware "
                f"({self._floor_reason(name)}); {best}: lower the rate or raise the clock"
            )
        chosen, found = self.solve(cycles)
        missing = self.short(found.total)[0]
        return (
            f"{text}, which needs {missing}; {best}, limited by {fits.estimate.bottleneck!r}; "
            f"{self._help(chosen, missing)}"
        )

    def _slowest(self) -> str:
        """What sets the fewest cycles there are."""
        return self.estimate({n: found[0] for n, found in self.options.items()}).bottleneck


def _down(rate: float) -> str:
    """A rate, rounded down so that asking for it succeeds."""
    return f"{int(rate):,}" if rate >= 100 else f"{int(rate * 100) / 100:g}"
