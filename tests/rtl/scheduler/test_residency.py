"""Frozen or loadable, whatever is cheaper: never worse than all of one kind."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from nets import blended, same_conv
from semifreddo.boards.spec import Resources
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Stream, WeightBlock, Weighted
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Override
from semifreddo.rtl.scheduler import residency
from semifreddo.rtl.scheduler.residency import cheapest_frozen
from semifreddo.rtl.scheduler.search import choose

PLENTY = Resources(lut=10**7, ff=10**8, dsp=0, bram18=10**4)


def resident(net: StreamNet, names: frozenset[str]) -> StreamNet:
    """The network with the blocks of some layers frozen, the others loadable."""
    logic = {b for layer in net.layers if layer.name in names for b in layer.block_names}
    blocks = [replace(block, frozen=(block.name in logic,) * block.outputs) for block in net.blocks]
    return replace(net, blocks=tuple(blocks))


def layer_luts(net: StreamNet, fps: float) -> float:
    """LUTs of the weighted layers at a rate, frozen weights as adders."""
    names = {layer.name for layer in net.layers if isinstance(layer, Weighted)}
    fixed = dict.fromkeys(names, Override(frozen="adders"))
    found = choose(net, PLENTY, 100.0, fps, fixed=fixed).estimate
    return sum(layer.lut for layer in found.layers if layer.name in names)


@pytest.mark.parametrize("least", [0, 7, 19])
def test_what_does_not_fit_exceeds_the_board_by_as_little_as_possible(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the choices at all prices; ties go to the first."""
    excesses = [1.0 + abs(index - least) for index in range(len(residency._PRICES))]
    tried = iter(range(len(excesses)))
    monkeypatch.setattr(residency, "_excess", lambda used, budget: excesses[used])
    search = SimpleNamespace(options={}, budget=None)
    nets = SimpleNamespace(
        frozen=search,
        loadable=search,
        groups={},
        _allocated=lambda *_: (frozenset({str(index := next(tried))}), index),
        _between=lambda cycles: 0,
    )
    assert residency._Nets.best(nets, 10) == (frozenset({str(least)}), False)


@pytest.mark.parametrize("fps", [100.0, 20_000.0, 200_000.0, 1_000_000.0])
def test_neither_all_nor_none_takes_fewer_luts(fps: float) -> None:
    net = blended(channels=8)
    weighted = [layer for layer in net.layers if isinstance(layer, Weighted)]
    # Layers of the same tensors are decided together.
    groups = {
        layer.weight: [o.name for o in weighted if o.weight == layer.weight] for layer in weighted
    }
    everything = frozenset(name for layers in groups.values() for name in layers)
    logic, loadable = resident(net, everything), resident(net, frozenset())
    chosen = cheapest_frozen(logic, loadable, groups, PLENTY, 100.0, target_fps=fps)
    mixed = resident(net, frozenset(n for group in chosen for n in groups[group]))
    assert layer_luts(mixed, fps) <= min(layer_luts(logic, fps), layer_luts(loadable, fps))
    fewer = [
        layer_luts(resident(net, frozenset(n for g in chosen ^ {one} for n in groups[g])), fps)
        for one in groups
    ]
    assert layer_luts(mixed, fps) <= min(fewer)


def deep() -> tuple[StreamNet, dict[str, list[str]]]:
    """A small map of many channels: cheap on multipliers, and its weights fill block memories.

    In memories of LUTs they take more than adders do, since most of them are zero.
    """
    kind = FixedType.exact(8, 0, signed=False)
    raw = np.random.default_rng(1).choice([-64, 0, 0, 16], (3, 3, 32, 32))
    weight = WeightBlock("w", "weight", raw, 8, True, (0,) * 32, (False,) * 32)
    conv = same_conv(Stream("conv", (4, 4, 32), kind), source="x")
    net = StreamNet("net1", Stream("x", (4, 4, 32), kind), (conv,), (weight,))
    return net, {"w": ["conv"]}


def test_scarce_block_memories_make_it_freeze() -> None:
    net, groups = deep()
    logic = resident(net, frozenset({"conv"}))
    assert choose(net, PLENTY, 100.0, 100.0).estimate.total.bram18
    assert not cheapest_frozen(logic, net, groups, PLENTY, 100.0, target_fps=100.0)
    none = replace(PLENTY, bram18=1)
    assert cheapest_frozen(logic, net, groups, none, 100.0, target_fps=100.0) == {"w"}


def test_without_a_rate_it_is_as_fast_as_fits() -> None:
    net, groups = deep()
    logic = resident(net, frozenset({"conv"}))
    assert cheapest_frozen(logic, net, groups, PLENTY, 100.0) == {"w"}
    least = choose(net, PLENTY, 100.0, 1.0).estimate.total
    small = replace(PLENTY, lut=int(least.lut * 1.1))
    assert cheapest_frozen(logic, net, groups, small, 100.0) == set()


@pytest.mark.parametrize("rate", [100.0, 5_000.0])
def test_a_rom_is_smaller_than_a_memory_that_is_written_and_no_reason_to_freeze(
    rate: float,
) -> None:
    net, groups = deep()
    logic = resident(net, frozenset({"conv"}))
    rom, loadable = (choose(each, PLENTY, 100.0, rate) for each in (logic, net))
    assert rom.schedule["conv"].frozen == "rom"
    assert rom.estimate.total.lut < loadable.estimate.total.lut
    assert rom.estimate.total.bram18 <= loadable.estimate.total.bram18
    assert not cheapest_frozen(logic, net, groups, PLENTY, 100.0, target_fps=rate)
    wanted = {"conv": Override(frozen="rom")}
    found = cheapest_frozen(logic, net, groups, PLENTY, 100.0, target_fps=rate, fixed=wanted)
    assert found == {"w"}


def test_a_rom_is_a_reason_to_freeze_if_nothing_else_fits() -> None:
    """A ROM holds the weights once, memories that are written hold them for two tasks."""
    net, groups = deep()
    logic = resident(net, frozenset({"conv"}))
    rom, loadable = (choose(each, PLENTY, 100.0, 100.0).estimate.total for each in (logic, net))
    assert rom.bram18 < loadable.bram18
    small = replace(PLENTY, lut=int(rom.lut * 1.1), bram18=int(rom.bram18))
    assert cheapest_frozen(logic, net, groups, small, 100.0, target_fps=100.0) == {"w"}
    assert choose(logic, small, 100.0, 100.0).schedule["conv"].frozen == "rom"
