"""One description: what a plan lists is what its text places, instance by instance."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from nets import blended
from rtl.random_nets import random_net
from semifreddo.ir.layers import Add, AvgPool, Blend, Cast, Conv, Linear, MaxPool, Route
from semifreddo.rtl.choices import RtlSchedule, is_wiring
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.timing.folding import Block
from semifreddo.rtl.units.pointwise import Pointwise
from semifreddo.rtl.units.pooling import Pool
from semifreddo.rtl.units.unit import Context
from semifreddo.rtl.units.weighted_plan import Weighted

INSTANCE = re.compile(r"^ *(sf_\w+) #\((.*)\) \w+ \($", re.MULTILINE)
PARAMETER = re.compile(r"\.(\w+)\(((?:[^()]|\([^()]*\))*)\)")


def placed(text: str) -> Counter[tuple[str, frozenset[tuple[str, str]]]]:
    """Modules and parameters of all instances of library modules; probes are for simulations."""
    plain = re.sub(r"`ifdef SF_PROBE.*?`endif", "", text, flags=re.DOTALL)
    return Counter(
        (module, frozenset((key, value.strip('"')) for key, value in PARAMETER.findall(given)))
        for module, given in INSTANCE.findall(plain)
    )


def listed(components: list[Component]) -> Counter[tuple[str, frozenset[tuple[str, str]]]]:
    """The same of a plan's components."""
    return Counter(
        (part.module, frozenset((key, str(value)) for key, value in part.parameters().items()))
        for part in components
    )


def components(
    design: RtlDesign, schedule: RtlSchedule, block: Block, name: str
) -> list[Component]:
    """What the plan of a layer lists."""
    layer = next(layer for layer in block.layers if layer.name == name)
    alone = Context.of(design.net)
    context = Context(alone.net, alone.map, {}, block.count, block.pass_blocks)
    choice = schedule[name]
    if isinstance(layer, Conv | Linear):
        return list(Weighted.alone(context, layer, choice).components())
    if isinstance(layer, MaxPool | AvgPool):
        return list(Pool(context, layer, choice).components())
    assert isinstance(layer, Add | Blend | Cast | Route)
    if is_wiring(layer, design.net):
        return []
    return list(Pointwise(context, layer, choice).components())


def compare(design: RtlDesign, schedule: RtlSchedule) -> set[str]:
    """Compare layer by layer; gives the modules that were seen."""
    seen: set[str] = set()
    for block in design.core.plan.blocks:
        for layer in block.layers:
            unit = next(unit for unit in design.core.units if unit.layer == layer.name)
            text = dict(unit.files)[unit.module]
            expected = listed(components(design, schedule, block, layer.name))
            assert placed(text) == expected, layer.name
            seen |= {module for module, _ in expected}
    return seen


@pytest.mark.parametrize("seed", [*range(24), 34, 64, 103, 106, 109])
def test_a_layer_places_what_its_plan_lists(seed: int) -> None:
    net, schedule = random_net(seed)
    compare(make_design(net, schedule), schedule)


def test_every_kind_of_component_is_compared() -> None:
    seen: set[str] = set()
    for seed in (*range(24), 42):
        net, schedule = random_net(seed)
        seen |= compare(make_design(net, schedule), schedule)
    seen |= compare(make_design(blended()), RtlSchedule())
    assert seen == {
        "sf_bank",
        "sf_blend",
        "sf_cast",
        "sf_collect",
        "sf_delay",
        "sf_fifo",
        "sf_issue",
        "sf_mac",
        "sf_max",
        "sf_pick",
        "sf_reduce",
        "sf_sum",
        "sf_swap",
        "sf_window",
    }
