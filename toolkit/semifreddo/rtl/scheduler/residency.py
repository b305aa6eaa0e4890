"""Which weights are cheaper as logic, and which as loadable values on multipliers, at a rate.

A network is compared with itself: everything frozen, as adders (weights that are multiplied anyway
may as well be loadable: a ROM saves little, and is taken only if nothing fits without), everything
loadable. Each group of layers
whose residency is decided together (a weighted layer and the scalers that follow it) takes the
fewest LUTs of the two at a number of cycles per image, with the DSP slices shared out among all of
them. Where that takes more block memories or flip-flops than there are, both get a price in LUTs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from semifreddo.boards.spec import Resources
from semifreddo.ir.layers import Weighted
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import DEFAULT, OFFERED, Multiplier, Override
from semifreddo.rtl.components.costs import Area
from semifreddo.rtl.scheduler.allocation import allocate, fast_enough
from semifreddo.rtl.scheduler.explanation import RESOURCES
from semifreddo.rtl.scheduler.search import Search
from semifreddo.rtl.timing.folding import make_plan
from semifreddo.rtl.units.plan import Option

_PRICES = tuple(product((0.0, 0.2, 0.5, 1.0), (0.0, 20.0, 100.0, 500.0, 2500.0)))
"""LUTs that a flip-flop and a block memory count as, tried in turn."""


def cheapest_frozen(
    frozen: StreamNet,
    loadable: StreamNet,
    groups: Mapping[str, Sequence[str]],
    budget: Resources,
    clock_mhz: float,
    *,
    target_fps: float | None = None,
    fixed: Mapping[str, Override] | None = None,
    multipliers: Collection[Multiplier] = OFFERED,
) -> frozenset[str]:
    """Choose what to freeze.

    Args:
        frozen: The network with all weights frozen.
        loadable: The same network with all weights loadable.
        groups: By name of a group, the layers that are frozen or loadable together.
        budget: What the network may use.
        clock_mhz: Clock of the logic.
        target_fps: Images per second that are wanted; as many as fit if left out.
        fixed: By layer name, what the user has chosen already.
        multipliers: What may multiply, where ``fixed`` does not say it.

    Returns:
        Names of the groups to freeze. If nothing fits the budget, what comes closest to it.

    Raises:
        ConfigError: ``fixed`` does not fit the network.
    """
    own = dict(fixed or {})
    memories = Search(loadable, budget, clock_mhz, own, frozenset(), multipliers=multipliers)
    adders = Search(
        frozen, budget, clock_mhz, _as_adders(frozen, own), frozenset(), multipliers=multipliers
    )
    chosen, fits = _Nets(adders, memories, groups).best_at(target_fps)
    if not fits:
        roms = Search(frozen, budget, clock_mhz, own, frozenset(), multipliers=multipliers)
        chosen, _ = _Nets(roms, memories, groups).best_at(target_fps)
    return chosen


def _as_adders(net: StreamNet, fixed: Mapping[str, Override]) -> dict[str, Override]:
    """What is fixed, and no ROMs but those that the user wants."""
    found = dict(fixed)
    for layer in make_plan(net).built:
        own = found.get(layer.name, Override())
        if isinstance(layer, Weighted) and own.may_be("adders"):
            found[layer.name] = replace(own, frozen="adders")
    return found


@dataclass(frozen=True)
class _Nets:
    """Both networks with the options of all their layers."""

    frozen: Search
    loadable: Search
    groups: Mapping[str, Sequence[str]]

    def best_at(self, target_fps: float | None) -> tuple[frozenset[str], bool]:
        """As :meth:`best`, at a rate, or at the highest one that fits."""
        if target_fps is not None:
            return self.best(int(self.loadable.clock_mhz * 1e6 / target_fps))
        steps = sorted({*self.frozen.steps, *self.loadable.steps})
        place = bisect_left(steps, True, key=lambda cycles: self.best(cycles)[1])
        return self.best(steps[min(place, len(steps) - 1)])

    def best(self, cycles: int) -> tuple[frozenset[str], bool]:
        """Groups to freeze for a number of cycles per image, and whether everything fits."""
        fronts = {
            name: (_sums(self.frozen, layers, cycles), _sums(self.loadable, layers, cycles))
            for name, layers in self.groups.items()
        }
        grouped = {layer for layers in self.groups.values() for layer in layers}
        rest = {
            name: fast_enough(options, cycles)
            for name, options in self.loadable.options.items()
            if name not in grouped
        }
        least = None
        for ff, bram18 in _PRICES:
            chosen, total = self._allocated(fronts, rest, cycles, ff, bram18)
            over = _excess(total + self._between(cycles), self.loadable.budget)
            if not over:
                return chosen, True
            if least is None or over < least[0]:
                least = over, chosen
        assert least is not None
        return least[1], False

    def _allocated(
        self,
        fronts: Mapping[str, tuple[list[Option], list[Option]]],
        rest: Mapping[str, Sequence[Option]],
        cycles: int,
        ff: float,
        bram18: float,
    ) -> tuple[frozenset[str], Area]:
        """Groups to freeze, and the area of all layers, with prices of flip-flops and memories."""
        real: dict[str, dict[Option, tuple[Option, bool]]] = {name: {} for name in fronts}
        for name, sides in fronts.items():
            for options, is_frozen in zip(sides, (True, False), strict=True):
                for option in options:
                    area = option.area
                    price = area.lut + ff * area.ff + bram18 * area.bram18
                    priced = replace(option, cycles=cycles, area=replace(area, lut=price))
                    real[name].setdefault(priced, (option, is_frozen))
        offered: dict[str, Sequence[Option]] = {name: list(found) for name, found in real.items()}
        offered.update(rest)
        limits = dict.fromkeys(offered, cycles)
        chosen = allocate(offered, limits, self.loadable.budget.dsp)
        total = sum((chosen[name].area for name in rest), Area())
        frozen = set()
        for name, found in real.items():
            option, is_frozen = found[chosen[name]]
            total += option.area
            if is_frozen:
                frozen.add(name)
        return frozenset(frozen), total

    def _between(self, cycles: int) -> Area:
        """Streams and buses, as the loadable network has them."""
        chosen, found = self.loadable.solve(cycles)
        layers = sum((option.area for option in chosen.values()), Area())
        return found.total + layers * -1.0


def _excess(used: Area, budget: Resources) -> float:
    """How much more is needed than there is, as shares of what there is, summed up."""
    shares = [getattr(used, name) / max(1, getattr(budget, name)) for name in RESOURCES]
    return float(sum(max(0.0, share - 1.0) for share in shares))


def _sums(search: Search, layers: Sequence[str], cycles: int) -> list[Option]:
    """What some layers cost together, for every sensible number of DSP slices."""
    found = [Option(DEFAULT, cycles, Area())]
    for name in layers:
        if name in search.options:
            sums = [
                replace(one, area=one.area + other.area)
                for one in found
                for other in fast_enough(search.options[name], cycles)
            ]
            found = _undominated(sums)
    return found


def _undominated(options: Sequence[Option]) -> list[Option]:
    """Those that no other beats in LUTs, DSP slices and block memories."""
    kept: list[Option] = []
    for option in sorted(options, key=lambda each: (each.area.dsp, each.area.lut)):
        area = option.area
        if not any(
            better.area.lut <= area.lut and better.area.bram18 <= area.bram18 for better in kept
        ):
            kept.append(option)
    return kept
