"""One option for each layer, so that together they take the fewest LUTs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

from semifreddo.rtl.units.plan import Option


def allocate(
    options: Mapping[str, Sequence[Option]],
    limits: Mapping[str, int],
    dsp: int,
    price: float = 0.0,
) -> dict[str, Option]:
    """Choose an option for each layer.

    Args:
        options: Of each layer, by rising cycles.
        limits: Cycles per image that each layer may take; a layer that cannot be as fast is as
            fast as it can.
        dsp: DSP slices for all layers together; more are taken where there is no other way.
        price: LUTs as which a block memory of 18 Kbit counts.

    Returns:
        The fewest LUTs that are possible, and of such choices the one with the fewest DSP slices.
        The same for the same arguments.
    """
    fronts = {name: _front(found, limits[name], price) for name, found in options.items()}
    least = sum(int(front[0].area.dsp) for front in fronts.values())
    most = sum(int(front[-1].area.dsp) for front in fronts.values())
    left = max(min(dsp, most), least)
    # best[k]: LUTs of the layers so far if they take k DSP slices or fewer.
    best = np.zeros(left + 1)
    picks = {}
    for name, front in fronts.items():
        table = np.full((len(front), left + 1), np.inf)
        for row, option in enumerate(front):
            used = int(option.area.dsp)
            if used <= left:
                table[row, used:] = best[: left + 1 - used] + _cost(option, price)
        picks[name] = table.argmin(axis=0)
        best = table.min(axis=0)
    # Layers whose options tie in LUTs may differ in slices: give away no more than the sum needs.
    left = int(best.argmin())
    chosen = {}
    for name, front in reversed(fronts.items()):
        chosen[name] = front[int(picks[name][left])]
        left -= int(chosen[name].area.dsp)
    return {name: chosen[name] for name in fronts}


def fast_enough(options: Sequence[Option], cycles: int) -> Sequence[Option]:
    """Options that take at most some cycles per image; the fastest if there is none.

    Args:
        options: By rising cycles.
        cycles: Cycles per image.
    """
    return options[: max(1, bisect_right(options, cycles, key=lambda option: option.cycles))]


def _cost(option: Option, price: float) -> float:
    return option.area.lut + price * option.area.bram18


def _front(options: Sequence[Option], cycles: int, price: float) -> list[Option]:
    """Options that are fast enough and that no other beats in LUTs and DSPs, by rising DSPs."""
    front: list[Option] = []
    fast = fast_enough(options, cycles)
    for option in sorted(fast, key=lambda each: (each.area.dsp, _cost(each, price), -each.cycles)):
        if not front or _cost(option, price) < _cost(front[-1], price):
            front.append(option)
    return front
