"""One description: what plans list is what the text places, instance by instance, nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from itertools import islice
from pathlib import Path
from pkgutil import iter_modules

import pytest

from nets import blended
from rtl.random_nets import random_net, with_roms
from semifreddo.rtl import adders, components
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.timing.folding import make_plan
from semifreddo.rtl.units.kinds import hardware_of
from semifreddo.rtl.units.unit import Context
from semifreddo.studies.hardware.sample_curves import curve_samples
from semifreddo.studies.hardware.sample_layers import (
    folded_samples,
    packed_samples,
    rom_samples,
    samples,
    stored_samples,
)

INSTANCE = re.compile(r"^ *(sf_\w+)(?: #\((.*)\))? \w+ \($|^ *\w+_(graph|rom) \3 \($", re.MULTILINE)
PARAMETER = re.compile(r"\.(\w+)\(((?:[^()]|\([^()]*\))*)\)")

LIBRARY = Path(components.__file__ or "").parents[1] / "library"

Instances = Counter[tuple[str, frozenset[tuple[str, str]]]]

FOLDED = (34, 64, 103, 106, 109)
"""Random networks with folded repeats: weights shared by passes or not, forks at their exits."""


def placed(*texts: str) -> Instances:
    """Modules and parameters of all instances of components; probes are for simulations."""
    plain = (re.sub(r"`ifdef SF_PROBE.*?`endif", "", text, flags=re.DOTALL) for text in texts)
    return Counter(
        (
            module or made,
            frozenset((key, value.strip('"')) for key, value in PARAMETER.findall(given)),
        )
        for text in plain
        for module, given, made in INSTANCE.findall(text)
    )


def listed(parts: Iterable[Component]) -> Instances:
    """The same of components."""
    return Counter(
        (part.module, frozenset((key, str(value)) for key, value in part.parameters().items()))
        for part in parts
    )


def compare(design: RtlDesign) -> Instances:
    """Compare layer by layer, then the streams, then the buses; gives all instances."""
    layers, found = design.layers, Counter()
    for unit, plan in zip(layers.units, layers.plans.values(), strict=True):
        found += (instances := placed(*dict(unit.files).values()))
        assert instances == listed(plan.components()), unit.layer
    found += (streams := placed(layers.text))
    assert streams == listed(layers.streams.components())
    found += (buses := placed(design.files[f"{design.top}.sv"]))
    assert buses == listed(design.buses.components())
    assert found == listed(design.components())
    return found


@pytest.mark.parametrize("seed", [*range(24), *FOLDED])
def test_a_design_places_what_its_plans_list(seed: int) -> None:
    compare(make_design(*random_net(seed)))


@pytest.mark.parametrize("seed", [*range(16), *FOLDED])
def test_a_design_of_roms_places_what_its_plans_list(seed: int) -> None:
    net, schedule = random_net(seed)
    found = compare(make_design(net, with_roms(net, schedule, seed)))
    assert "graph" not in {module for module, _ in found}


def test_sample_layers_place_what_their_plans_list() -> None:
    chosen = [*islice(samples(0), 32), *islice(folded_samples(0), 16), *islice(rom_samples(0), 16)]
    chosen += [*islice(packed_samples(0), 12), *islice(curve_samples(0), 16)]
    chosen += islice(stored_samples(0), 12)
    for sample in chosen:
        design = make_design(sample.net, RtlSchedule({sample.layer.name: sample.choice}))
        compare(design)
        assert len(design.layers.units) == 1


def test_every_module_of_the_library_is_compared() -> None:
    """All but those that only other modules of the library place."""
    found: Instances = Counter()
    for seed in (*range(24), *FOLDED, 44, 73):
        found += compare(make_design(*random_net(seed)))
    found += compare(make_design(blended()))
    net, schedule = random_net(7)
    found += compare(make_design(net, with_roms(net, schedule, 7)))
    sample = next(stored_samples(0))
    found += compare(make_design(sample.net, RtlSchedule({sample.layer.name: sample.choice})))
    assert {module for module, _ in found} == {
        "graph",
        "rom",
        "sf_bank",
        "sf_blend",
        "sf_cast",
        "sf_collect",
        "sf_count",
        "sf_delay",
        "sf_egress",
        "sf_fifo",
        "sf_fork",
        "sf_ingress",
        "sf_issue",
        "sf_lookup",
        "sf_mac",
        "sf_max",
        "sf_pick",
        "sf_reduce",
        "sf_registers",
        "sf_repeat_in",
        "sf_repeat_out",
        "sf_sum",
        "sf_swap",
        "sf_taps",
        "sf_upsample",
        "sf_window",
    }


LATE = ("CYCLES", "DEPTH", "CREDITED", "BLOCK", "NEGATE")
"""Parameters that may follow from the latency of an adder graph, or from its signs."""


@pytest.mark.parametrize("seed", [*range(12), *FOLDED])
def test_a_predicted_plan_differs_by_its_graph_only(seed: int) -> None:
    """What the estimate counts and what is generated are the same components."""

    def known(parts: Iterable[Component]) -> Instances:
        return Counter(
            (part.module, frozenset((k, v) for k, v in part.parameters().items() if k not in LATE))
            for part in parts
            if part.module not in ("sf_count", "sf_cast")
        )

    net, schedule = random_net(seed)
    hardware = hardware_of(make_plan(net, schedule.unrolled), Context.of(net))
    for name, solved in make_design(net, schedule).layers.plans.items():
        plan = hardware[name].plan(schedule[name])
        assert plan.cycles == solved.cycles
        assert known(plan.components()) == known(solved.components()), name
        casts = [
            sum(part.module == "sf_cast" for part in each.components()) for each in (plan, solved)
        ]
        assert casts[0] == casts[1], name


def test_every_module_of_the_library_has_a_class() -> None:
    """But for modules that only other modules of the library place."""
    texts = {path.stem: path.read_text() for path in LIBRARY.glob("*.sv")}
    inside = {
        name
        for text in texts.values()
        for name in re.findall(r"^ +(sf_\w+) #\(", text, re.MULTILINE)
    }
    parts = [
        import_module(f"{package.__name__}.{found.name}")
        for package in (components, adders)
        for found in iter_modules(package.__path__)
    ]
    classes = {
        kind.module
        for module in parts
        for kind in vars(module).values()
        if isinstance(kind, type) and isinstance(getattr(kind, "module", None), str)
    }
    placed_inside = {
        *("sf_multiply", "sf_packed", "sf_signs", "sf_shift", "sf_terms"),
        *("sf_pass", "sf_slide", "sf_uart_rx", "sf_uart_tx"),
    }
    assert set(texts) - classes == placed_inside <= inside
