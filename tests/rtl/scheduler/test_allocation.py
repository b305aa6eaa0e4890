"""The allocation of DSP slices against trying everything."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo.rtl.choices import Choice
from semifreddo.rtl.components.costs import Area
from semifreddo.rtl.scheduler.allocation import allocate
from semifreddo.rtl.units.plan import Option

Figures = tuple[int, int, int]


def options(figures: list[Figures]) -> list[Option]:
    """Options of (cycles, LUTs, DSP slices), by rising cycles."""
    return [
        Option(Choice(place), cycles, Area(lut=lut, dsp=dsp))
        for place, (cycles, lut, dsp) in enumerate(sorted(figures), 1)
    ]


def best(layers: dict[str, list[Option]], limits: dict[str, int], dsp: int) -> tuple[int, int]:
    """Fewest LUTs within the slices, then fewest slices; by trying all combinations."""
    allowed = []
    for name, found in layers.items():
        fast = [option for option in found if option.cycles <= limits[name]]
        first = found[0].cycles
        allowed.append(fast or [option for option in found if option.cycles == first][:1])
    sums = [
        (int(sum(o.area.lut for o in chosen)), int(sum(o.area.dsp for o in chosen)))
        for chosen in itertools.product(*allowed)
    ]
    least = min(slices for _, slices in sums)
    return min((luts, slices) for luts, slices in sums if slices <= max(dsp, least))


def test_block_memories_count_as_luts() -> None:
    small, blocks = (
        Option(Choice(n), 1, area)
        for n, area in enumerate((Area(lut=90, bram18=1), Area(lut=40, bram18=3)), 1)
    )
    for price, wanted in ((0, blocks), (24, blocks), (26, small)):
        assert allocate({"layer": [small, blocks]}, {"layer": 1}, 0, price) == {"layer": wanted}


figures = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=5
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(figures, st.integers(0, 5)), min_size=1, max_size=4), st.integers(0, 12))
def test_no_combination_is_better(drawn: list[tuple[list[Figures], int]], dsp: int) -> None:
    layers = {f"layer{place}": options(found) for place, (found, _) in enumerate(drawn)}
    limits = {f"layer{place}": limit for place, (_, limit) in enumerate(drawn)}
    chosen = allocate(layers, limits, dsp)
    assert list(chosen) == list(layers)
    for name, option in chosen.items():
        assert option in layers[name]
        assert option.cycles <= max(limits[name], layers[name][0].cycles)
    luts, slices = (int(sum(getattr(o.area, r) for o in chosen.values())) for r in ("lut", "dsp"))
    assert (luts, slices) == best(layers, limits, dsp)


def test_layers_that_tie_take_no_slice_too_many() -> None:
    """The third layer's LUT may be saved by three slices or the fourth's by one."""
    saving = [(1, 1, 3), (1, 2, 0)], [(1, 3, 1), (1, 4, 0)]
    layers = {f"layer{place}": options(found) for place, found in enumerate(saving)}
    limits = dict.fromkeys(layers, 1)
    for dsp in range(6):
        chosen = allocate(layers, limits, dsp)
        luts, slices = (
            int(sum(getattr(option.area, name) for option in chosen.values()))
            for name in ("lut", "dsp")
        )
        assert (luts, slices) == best(layers, limits, dsp)


@pytest.mark.parametrize(
    ("dsp", "expected"), [(0, (30, 0)), (1, (25, 1)), (2, (19, 2)), (3, (14, 3)), (9, (14, 3))]
)
def test_by_hand(dsp: int, expected: tuple[int, int]) -> None:
    """One slice saves 5 LUTs here, two save 11 there."""
    layers = {"a": options([(1, 10, 0), (1, 5, 1)]), "b": options([(1, 20, 0), (1, 9, 2)])}
    chosen = allocate(layers, {"a": 1, "b": 1}, dsp)
    assert expected == tuple(
        int(sum(getattr(option.area, name) for option in chosen.values()))
        for name in ("lut", "dsp")
    )
