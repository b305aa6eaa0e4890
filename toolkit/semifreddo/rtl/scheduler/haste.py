"""Layers that are faster than the rate needs, so that a single image is done sooner.

An image's latency is the time in which it enters, and what the layers need after that: a late layer
of a few slow pixels adds much, one that has long been done adds nothing. So one layer after the
other is made faster, each time the one that takes the fewest LUTs for a cycle that it saves. Where
branches wait for each other, none saves anything alone: all layers together are a step, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from semifreddo.core.errors import ConfigError
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.components.costs import Area
from semifreddo.rtl.scheduler.estimate import Estimate
from semifreddo.rtl.scheduler.explanation import Shortage
from semifreddo.rtl.units.plan import Option

_FASTER = 0.8
"""Cycles of a faster choice that is tried, as a share of those there are, or fewer."""


_ALL = ""
"""In the place of a layer's name: all layers."""


class Options(Protocol):
    """What is asked of a search."""

    net: StreamNet
    clock_mhz: float
    options: dict[str, tuple[Option, ...]]

    def solve(self, cycles: int, caps: Mapping[str, int]) -> tuple[dict[str, Option], Estimate]:
        """An option for each layer, with some that are faster, and what all are together."""

    def latency(self, cycles: int, caps: Mapping[str, int]) -> int:
        """Cycles that an image takes then."""

    def short(self, total: Area) -> list[Shortage]:
        """What the budget lacks."""


@dataclass(frozen=True)
class _Tried:
    """A layer made faster.

    Attributes:
        caps: Most cycles of the layers that are faster than the rate needs.
        latency: Cycles of an image then.
        price: LUTs for a cycle that is saved.
    """

    caps: Mapping[str, int]
    latency: int
    price: float


def hasten(search: Options, cycles: int, most: int) -> Mapping[str, int]:
    """Find layers to make faster until an image is done in time.

    Args:
        search: The options of all layers.
        cycles: Cycles between images that the rate leaves.
        most: Cycles that an image may take.

    Returns:
        By name of a layer that must be faster than ``cycles``, the cycles that it may take.

    Raises:
        ConfigError: Nothing within the budget is fast enough; tells how far it came.
    """
    caps: Mapping[str, int] = {}
    latency = search.latency(cycles, caps)
    known: dict[str, _Tried] = {}
    while latency > most:
        best = _best(search, cycles, caps, latency, known)
        if best is None:
            least = latency / search.clock_mhz
            raise ConfigError(
                f"{search.net.name}: a latency of {most / search.clock_mhz:g} us at "
                f"{search.clock_mhz:g} MHz does not fit; {least:.1f} us is the least that was "
                f"found for images every {cycles:,} cycles: raise target_latency_us, target_fps "
                "or the clock, or use a larger board"
            )
        caps, latency = best.caps, best.latency
    return caps


def _best(
    search: Options,
    cycles: int,
    caps: Mapping[str, int],
    latency: int,
    known: dict[str, _Tried],
) -> _Tried | None:
    """The cheapest step, by what is known of all of them; only the best ones are tried again."""
    chosen, _ = search.solve(cycles, caps)
    fresh: dict[str, _Tried] = {}
    for name in (*chosen, _ALL):
        if name not in known:
            known[name] = fresh[name] = _try(search, cycles, caps, latency, name)
    while True:
        name = min(known, key=lambda each: known[each].price)
        if known[name].price == float("inf"):
            return None
        if name in fresh:
            return known.pop(name)
        known[name] = fresh[name] = _try(search, cycles, caps, latency, name)


def _try(search: Options, cycles: int, caps: Mapping[str, int], latency: int, name: str) -> _Tried:
    """Make a layer, or all of them, faster by one step."""
    chosen, before = search.solve(cycles, caps)
    names = chosen if name == _ALL else [name]
    steps = {each: _next(search.options[each], chosen[each].cycles) for each in names}
    more = {**caps, **{each: cap for each, cap in steps.items() if cap is not None}}
    if more == caps:
        return _Tried(caps, latency, float("inf"))
    _, after = search.solve(cycles, more)
    if search.short(after.total):
        return _Tried(caps, latency, float("inf"))
    found = search.latency(cycles, more)
    saved = latency - found
    luts = max(1.0, after.total.lut - before.total.lut)
    return _Tried(more, found, luts / saved if saved > 0 else float("inf"))


def _next(options: tuple[Option, ...], cycles: int) -> int | None:
    """Cycles of the slowest choice that is notably faster; None if there is none."""
    faster = [option.cycles for option in options if option.cycles <= _FASTER * cycles]
    return max(faster, default=None)
