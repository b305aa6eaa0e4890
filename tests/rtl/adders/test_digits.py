"""Adder graphs a few bits at a time: what the adders add, when, and in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.conftest import Build
from semifreddo import adders
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.layers import Conv, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.adders.clusters import Cluster, Cover, Operand, cover
from semifreddo.rtl.adders.digits import DigitAdders
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.units.unit import Context
from semifreddo.rtl.units.weighted import weighted_hardware
from semifreddo.sim import reference

NIBBLE = FixedType.exact(4, 0, signed=True)


def evaluate(found: Cover, graph: adders.AdderGraph, data: np.ndarray) -> np.ndarray:
    """What the clusters compute."""
    values = dict(enumerate(data.T))

    def total(cluster: Cluster) -> np.ndarray:
        terms = [
            (values[part.value] << part.shift) * (-1 if part.negative else 1)
            for part in cluster.operands
        ]
        return np.sum(terms, axis=0) + cluster.constant

    for value, cluster in found.values.items():
        values[value] = total(cluster)
    columns = [
        np.zeros(len(data), int)
        if root is None
        else values[root]
        if isinstance(root, int)
        else total(root)
        for root in found.outputs
    ]
    return np.stack(columns, axis=1)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 12),
    st.integers(1, 6),
    st.sampled_from([2, 3, 4]),
    st.integers(0, 2**32 - 1),
)
def test_clusters_compute_the_matrix(rows: int, columns: int, terms: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-8, 8, (rows, columns)) * (rng.random((rows, columns)) < 0.8)
    graph = adders.solve_digits(matrix, NIBBLE)
    # Outputs must not be shifted: a column is divided by the power of two in all its values.
    if any(tap.shift for tap in graph.outputs):
        return
    constants = [
        int(c) if tap.value >= 0 else 0
        for c, tap in zip(rng.integers(-50, 50, columns), graph.outputs, strict=True)
    ]
    found = cover(graph, constants, terms)
    data = rng.integers(-8, 8, (20, rows))
    assert np.array_equal(evaluate(found, graph, data), data @ matrix + constants)
    for cluster in [*found.values.values(), *found.outputs]:
        if isinstance(cluster, Cluster):
            assert cluster.terms <= max(terms, 2) and cluster.negatives <= 3
    assert found == cover(graph, constants, terms)


def test_additions_that_nobody_else_reads_are_done_together() -> None:
    graph = adders.solve_digits(np.ones((4, 1), int), NIBBLE)
    found = cover(graph, [0], 4)
    assert len(graph.adders) == 3
    assert list(found.values.values()) == [
        Cluster(tuple(Operand(value, 0, False) for value in range(4)))
    ]


def test_carries() -> None:
    def cluster(signs: str, constant: int = 0) -> Cluster:
        return Cluster(tuple(Operand(k, 0, sign == "-") for k, sign in enumerate(signs)), constant)

    assert cluster("+-").carry_bits == 1
    assert cluster("--").carry_bits == 2  # starts with two
    assert cluster("++", 5).terms == 3 and cluster("++", 5).carry_bits == 2
    assert cluster("+---").possible and not cluster("----").possible
    costs = [cluster(signs).cost for signs in ("+-", "--", "+++", "++++")]
    assert costs == [1.3, 1.95, 1.95, 3.0]


def frozen_net(signed: bool, seed: int = 0) -> StreamNet:
    """Frozen channels of all kinds: powers of two, zeros, negative ones, shifted constants."""
    rng = np.random.default_rng(seed)
    source = FixedType.exact(4, 2, signed=signed)
    columns = [
        rng.integers(-8, 8, (3, 2)),
        np.zeros((3, 2), int),
        np.array([[-4, 0], [0, 0], [0, 0]]),  # one negative power of two
        np.full((3, 2), -3),
        np.array([[4, 0], [0, -8], [0, 4]]),  # zero bits at the end
        np.array([[1, 0], [0, 0], [0, 0]]),
    ]
    raw = np.stack(columns, axis=-1).reshape(3, 1, 2, len(columns))
    count = len(columns)
    target = FixedType(6, 3, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    weight = WeightBlock("w", "weight", raw, 4, True, (2, 2, 3, 2, 2, 4), (True,) * count)
    bias = WeightBlock(
        "b",
        "bias",
        np.array([3, -5, 7, 0, -1, 6]),
        5,
        True,
        (5, 3, 4, 4, 2, 6),
        (True, True, True, False, True, True),
    )
    layer = Conv(
        inputs=("image",),
        output=Stream("conv", (4, 5, count), target),
        weight="w",
        bias="b",
        kernel=(3, 1),
        stride=(1, 1),
        padding=(1, 0, 1, 0),
        depthwise=False,
    )
    return StreamNet("serial", Stream("image", (4, 5, 2), source), (layer,), (weight, bias))


@pytest.mark.parametrize(
    ("signed", "digit"),
    [
        pytest.param(True, 0, marks=pytest.mark.slow),
        (False, 1),
        pytest.param(True, 1, marks=pytest.mark.slow),
        (True, 2),
        pytest.param(False, 3, marks=pytest.mark.slow),
    ],
)
def test_frozen_channels_in_simulation(signed: bool, digit: int, simulate: Build) -> None:
    net = frozen_net(signed)
    design = make_design(net, RtlSchedule({"conv": Choice(digit_bits=digit)}))
    rng = np.random.default_rng(1)
    source = net.input.type
    pictures = rng.integers(source.min_raw, source.max_raw + 1, (12, *net.input.shape))
    expected = reference.run(
        net.with_values({"b": np.zeros((1, 1), int)}), pictures
    )  # no task: loadable values are zero
    task = design.bus.task_packet(np.zeros(1, np.uint32))
    for stalls in ((0, 0), (300, 600)):
        with Simulation(simulate(design), design.bus) as simulation:
            simulation.configure(Stalls(*stalls, 5, watchdog_cycles=20_000))
            found = simulation.exchange([task, design.bus.image_packet(pictures)], 12, 60)
            assert np.array_equal(found.results, expected)


def test_a_sum_of_two_negative_terms_begins_with_a_carry_of_two(simulate: Build) -> None:
    weights = np.array([-4, -5, 0, -4, 0, -2])
    kind = FixedType.exact(8, 0, signed=True)
    layer = Conv(
        inputs=("image",),
        output=Stream("conv", (4, 4, 1), kind),
        weight="w",
        bias=None,
        kernel=(1, 1),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        depthwise=False,
    )
    block = WeightBlock("w", "weight", weights.reshape(1, 1, 6, 1), 4, True, (0,), (True,))
    net = StreamNet("negative", Stream("image", (4, 4, 6), NIBBLE), (layer,), (block,))
    for digit in (2, 3):
        plan = weighted_hardware(layer, Context.of(net)).make(Choice(digit_bits=digit), solve=True)
        assert plan.frozen and isinstance(plan.frozen.adders, DigitAdders)
        found = plan.frozen.adders.cover
        last = found.outputs[0]
        assert isinstance(last, Cluster) and last.negatives == 2 == last.carry_bits
    design = make_design(net, RtlSchedule({"conv": Choice(digit_bits=2)}))
    pictures = np.random.default_rng(1).integers(-8, 8, (6, 4, 4, 6))
    with Simulation(simulate(design), design.bus) as simulation:
        found = simulation.exchange([design.bus.image_packet(pictures)], 6, 60)
    assert np.array_equal(found.results, reference.run(net, pictures))


def test_what_leaves_the_adders_with_the_wrong_sign(simulate: Build) -> None:
    """Negative weights: the cast behind the adders turns the sums of their channels round."""
    weights = np.array([[-1, -3, -5, -4], [0, -3, -7, 5], [0, -6, 0, -2]]).reshape(1, 1, 3, 4)
    kind = FixedType(5, 1, True, Rounding.HALF_EVEN, Overflow.SATURATE)
    layer = Conv(
        inputs=("image",),
        output=Stream("conv", (4, 4, 4), kind),
        weight="w",
        bias="b",
        kernel=(1, 1),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        depthwise=False,
    )
    blocks = (
        WeightBlock("w", "weight", weights, 4, True, (0,) * 4, (True,) * 4),
        WeightBlock("b", "bias", np.array([3, 0, -5, 7]), 5, True, (0,) * 4, (True,) * 4),
    )
    source = FixedType.exact(4, 3, signed=True)
    net = StreamNet("negative", Stream("image", (4, 4, 3), source), (layer,), blocks)
    design = make_design(net, RtlSchedule({"conv": Choice()}))
    text = "".join(design.files.values())
    assert text.count(".NEGATE(1)") == 2
    pictures = np.random.default_rng(1).integers(-8, 8, (6, 4, 4, 3))
    with Simulation(simulate(design), design.bus) as simulation:
        found = simulation.exchange([design.bus.image_packet(pictures)], 6, 60)
    expected = reference.run(net, pictures)
    assert np.array_equal(found.results, expected) and len(np.unique(expected)) > 20


def test_cycles_need_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    net = frozen_net(True)
    layer = net.layers[0]
    assert isinstance(layer, Conv)

    hardware = weighted_hardware(layer, Context.of(net))
    solved = {digit: hardware.make(Choice(digit_bits=digit), solve=True) for digit in range(1, 9)}
    monkeypatch.setattr(adders, "solve", None)
    for digit, plan in solved.items():
        assert plan.frozen and isinstance(plan.frozen.adders, DigitAdders)
        predicted = hardware.make(Choice(digit_bits=digit), solve=False)
        assert predicted.word_cycles == plan.word_cycles == plan.frozen.adders.cycles
    assert hardware.make(Choice(), solve=False).word_cycles == 1
