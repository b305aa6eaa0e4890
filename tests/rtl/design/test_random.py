"""Random networks in RTL: equal to the integers under stalls, through task swaps, in time."""

from __future__ import annotations

import os

import numpy as np
import pytest

from nets import images
from rtl.conftest import Build
from rtl.random_nets import (
    other_task,
    random_net,
    with_packed,
    with_powers,
    with_roms,
    with_signs,
)
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.units.folded import FoldedEngine
from semifreddo.rtl.units.weighted import WeightedPlan
from semifreddo.sim import reference
from semifreddo.sim.ladder import first_divergence

COUNT = int(os.environ.get("SEMIFREDDO_RTL_NETS", "0"))
FIRST = int(os.environ.get("SEMIFREDDO_RTL_SEED", "0"))
SLOW = [pytest.param(seed, marks=pytest.mark.slow) for seed in (14, 25, 38, 52)]
SEEDS = list(range(FIRST, FIRST + COUNT)) or [7, *SLOW]
"""More: ``SEMIFREDDO_RTL_NETS=200 SEMIFREDDO_RTL_SEED=0 pytest tests/rtl/design/test_random.py``.

Every layer kind with every property is in ``tests/matrix``; here they are mixed, and in time. 7 has
a repeat, which is folded.
"""

STALLS = ((0, 0), (300, 400), (0, 700), (800, 0))


def packets(design: RtlDesign, nets: list[StreamNet], pictures: np.ndarray) -> list[np.ndarray]:
    """For each network its task and the pictures, all in one stream."""
    found = []
    for net in nets:
        if net.configurable_blocks:
            found.append(design.bus.task_packet(AddressMap.of(net).pack(net)))
        found.append(design.bus.image_packet(pictures))
    return found


def explain(seed: int, design: RtlDesign, executable, pictures: np.ndarray) -> str:
    simulation = Simulation(executable, design.bus, probe=True)
    simulation.exchange(packets(design, [design.net], pictures), len(pictures), 60)
    place = first_divergence(design.net, pictures, lambda _: simulation.trace(design.net))
    return f"seed {seed}: {place or 'the first task is right, so the swap is wrong'}"


@pytest.mark.parametrize("seed", SEEDS)
def test_rtl_equals_the_integers(seed: int, simulate: Build) -> None:
    check(seed, make_design(*random_net(seed)), simulate)


@pytest.mark.parametrize("seed", [44, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 25))])
def test_roms_equal_the_integers(seed: int, simulate: Build) -> None:
    """Layers with frozen channels only, and with loadable ones besides."""
    net, schedule = random_net(seed)
    design = make_design(net, with_roms(net, schedule, seed))
    assert any(name.endswith("_rom.sv") for name in design.files)
    check(seed, design, simulate)


@pytest.mark.parametrize("seed", [15, *(pytest.param(s, marks=pytest.mark.slow) for s in (0, 36))])
def test_packed_multipliers_equal_the_integers(seed: int, simulate: Build) -> None:
    """Weights that are loaded, and weights of a ROM."""
    net, schedule = random_net(seed)
    design = make_design(net, with_packed(net, with_roms(net, schedule, seed)))
    kinds = {
        (engine.constant, engine.packing is not None)
        for plan in design.layers.plans.values()
        if isinstance(plan, WeightedPlan)
        for engine in plan.engines
        if isinstance(engine, FoldedEngine)
    }
    assert (False, True) in kinds or (True, True) in kinds
    check(seed, design, simulate)


@pytest.mark.parametrize(
    ("seed", "roms"),
    [
        (13, True),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in ((52, False), (19, True))),
    ],
)
def test_signs_equal_the_integers(seed: int, roms: bool, simulate: Build) -> None:
    """Also in a folded repeat, whose passes have signs of their own."""
    net, schedule = random_net(seed)
    schedule = with_roms(net, schedule, seed) if roms else schedule
    design = make_design(*with_signs(net, schedule))
    kinds = {
        (engine.constant, engine.context.passes)
        for plan in design.layers.plans.values()
        if isinstance(plan, WeightedPlan)
        for engine in plan.engines
        if isinstance(engine, FoldedEngine) and engine.signs
    }
    assert (False, 2) in kinds
    check(seed, design, simulate)


@pytest.mark.parametrize(
    ("seed", "roms"),
    [
        (13, True),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in ((52, False), (28, True), (112, True))
        ),
    ],
)
def test_shifts_equal_the_integers(seed: int, roms: bool, simulate: Build) -> None:
    """Sums of one power and of two, also in a folded repeat and in ROMs."""
    net, schedule = random_net(seed)
    schedule = with_roms(net, schedule, seed) if roms else schedule
    design = make_design(*with_powers(net, schedule))
    kinds = {
        (engine.constant, engine.context.passes, engine.shifts.codes.terms)
        for plan in design.layers.plans.values()
        if isinstance(plan, WeightedPlan)
        for engine in plan.engines
        if isinstance(engine, FoldedEngine) and engine.shifts
    }
    assert {terms for *_, terms in kinds} == {1, 2}
    assert (False, 2) in {(constant, passes) for constant, passes, _ in kinds}
    check(seed, design, simulate)


def check(seed: int, design: RtlDesign, simulate: Build) -> None:
    """Under stalls, through task swaps, with the predicted interval and latency."""
    net = design.net
    executable = simulate(design)
    pictures = images(net, 7, seed)
    nets = [net, other_task(net, seed), net]
    expected = np.concatenate([reference.run(found, pictures) for found in nets])
    for offered, taken in STALLS:
        with Simulation(executable, design.bus) as simulation:
            simulation.configure(Stalls(offered, taken, seed, watchdog_cycles=20_000))
            found = simulation.exchange(packets(design, nets, pictures), len(expected), 60)
            if not np.array_equal(found.results, expected):
                pytest.fail(explain(seed, design, executable, pictures))
            simulation.check_errors()
            if not offered and not taken:
                simulation.idle(2 * design.cycles_per_image)  # what drains would be in the way
                many = simulation.exchange([design.bus.image_packet(images(net, 40, seed))], 40, 60)
                # The last images drain faster: no image follows them.
                steady = set(many.interval_cycles[15:-5])
                assert steady == {design.cycles_per_image}, f"seed {seed}"
                late = many.latency_cycles - design.latency_cycles
                assert 50 * abs(late) <= design.latency_cycles, f"seed {seed}: {late} cycles"
