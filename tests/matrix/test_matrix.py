"""Every layer kind on every backend, with every property that can matter.

The table of what is covered: ``pytest -s tests/matrix -k table``. Each backend computes the network
of :mod:`matrix.cases` with two tasks, and every stream is compared: the integer reference with
plain Python integers, the generated C++ and the verilated RTL with the reference.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

import plain
from matrix.cases import LISTED, SLOW, hls_choices, images, matrix_net, rtl_choices, task_of
from rtl.conftest import Build, simulate  # noqa: F401 -- a fixture
from semifreddo.core.fixed import Overflow, Rounding
from semifreddo.hls.schedule import HlsSchedule, ScheduledNet, default_schedule
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.exact import exact_result, product_bounds
from semifreddo.ir.layers import (
    LAYER_KINDS,
    AvgPool,
    Blend,
    Conv,
    Curve,
    Layer,
    Linear,
    MaxPool,
    Upsample,
    WeightBlock,
)
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.sim import reference

NET = matrix_net(whole=True)
SEEDS = (1, 2)
TASKS = [task_of(NET, seed) for seed in SEEDS]
IMAGES = images()
PARTS = [False, pytest.param(True, marks=pytest.mark.slow)]
"""Compiled: what the default run has time for, or all cases."""

SIDES = ("top", "left", "bottom", "right")
PADDING = {"none", *SIDES, "all around"}
SOURCES = {"unsigned", "signed, with negatives"}
CHANNELS = {"one", "many"}
WINDOWS = {"overlap", "touch", "leave gaps"}
RESIDENCY = {"all frozen", "all loadable", "one loadable", "one frozen"}
SUMS = {"a float holds", "over a float", "over a double", "to 62 bits"}
WIDE = {"up to 32 bits", "up to 62 bits"}
PAIRS = {"both signed", "both unsigned", "mixed"}
FRACTIONS = {"alike", "different"}

REQUIRED: dict[str, dict[str, set[str]]] = {
    "Conv": {
        "source": SOURCES,
        "channels": CHANNELS,
        "windows": WINDOWS | {"of one pixel"},
        "padding": PADDING,
        "groups": {"one", "depthwise"},
        "values": {"numbers", "signs", "powers", "sums of two powers"},
        "weights": RESIDENCY,
        "bias": RESIDENCY | {"none"},
        "sums": SUMS,
        "sums, of one pixel": {"over a float", "over a double"},
        "sums, depthwise": {"over a float", "over a double"},
    },
    "Linear": {
        "source": SOURCES,
        "channels": CHANNELS,
        "weights": RESIDENCY,
        "bias": RESIDENCY | {"none"},
        "values": {"numbers", "signs", "powers", "sums of two powers"},
        "sums": SUMS,
    },
    "MaxPool": {
        "source": SOURCES,
        "channels": CHANNELS,
        "windows": WINDOWS,
        "padding": PADDING,
        "result": WIDE,
    },
    "AvgPool": {
        "source": SOURCES,
        "channels": CHANNELS,
        "windows": WINDOWS,
        "result": WIDE,
        "area": {"a power of two, touching", "another, touching", "another, overlapping"},
    },
    "Add": {"sources": PAIRS, "channels": CHANNELS, "fractions": FRACTIONS, "result": WIDE},
    "Blend": {
        "sources": PAIRS,
        "channels": CHANNELS,
        "fractions": FRACTIONS,
        "result": WIDE,
        "factors": RESIDENCY,
    },
    "Route": {
        "sources": {"unsigned", "mixed", "both signed"},
        "channels": CHANNELS,
        "fractions": FRACTIONS,
        "result": WIDE,
    },
    "Upsample": {
        "source": SOURCES,
        "channels": CHANNELS,
        "result": WIDE,
        "blocks": {"a row", "a column", "a pixel", "alike", "of several channels"},
        "rectangle": {"whole", *SIDES},
    },
    "Curve": {
        "source": SOURCES,
        "channels": CHANNELS,
        "steps": {"one", "few", "many"},
        "steps, searched": {"one", "few", "many"},
        "columns": {"shared", "own", "own starts"},
        "columns, searched": {"shared", "own", "own starts"},
    },
    "Cast": {
        "source": SOURCES,
        "channels": CHANNELS,
        "result": WIDE,
        "rounding": {mode.name for mode in Rounding},
        "overflow": {mode.name for mode in Overflow},
        "fraction bits": {"appends", "drops", "drops more than there are"},
    },
}
"""What must occur, by kind and property."""


def residency(block: WeightBlock) -> Iterator[str]:
    loadable = len(block.configurable_channels)
    if loadable == 0:
        yield "all frozen"
    if loadable == block.outputs:
        yield "all loadable"
    if block.outputs > 1:
        if loadable == 1:
            yield "one loadable"
        if loadable == block.outputs - 1:
            yield "one frozen"


def sums(net: StreamNet, layer: Conv | Linear) -> str:
    """Where the limit of the products' sums lies; and that values come beyond the switch."""
    weight, _ = net.weights_of(layer)
    low, high = product_bounds(net.input_streams(layer)[0].type, weight)
    limit = max(-int(low.min()), int(high.max()))
    if exact_result(layer, net.input_streams(layer), net.block.__getitem__).type.width >= 61:
        return "to 62 bits"
    for bits, name in ((24, "a float holds"), (53, "over a float"), (62, "over a double")):
        if limit < 1 << bits:
            return name
    raise AssertionError(limit)


def properties(
    net: StreamNet, layer: Layer, data: dict[str, np.ndarray]
) -> Iterator[tuple[str, str]]:
    """What a layer has, measured on the network and on what flows through it."""
    streams = net.input_streams(layer)
    signs = {stream.type.signed for stream in streams}
    for stream in streams:
        if stream.type.signed:
            assert data[stream.name].min() < 0 < data[stream.name].max(), stream.name
    word = {frozenset({True}): "both signed", frozenset({False}): "both unsigned"}
    yield "sources", word.get(frozenset(signs), "mixed")
    if len(streams) == 1:
        found = "signed, with negatives" if signs == {True} else "unsigned"
        yield "source", found
        yield "sources", found
    yield "channels", "one" if streams[0].channels == 1 else "many"
    yield "fractions", "alike" if len({s.type.frac for s in streams}) == 1 else "different"
    exact = exact_result(layer, streams, net.block.__getitem__)
    yield "result", "up to 32 bits" if exact.type.width <= 32 else "up to 62 bits"
    target = layer.output.type
    yield "rounding", target.rounding.name
    yield "overflow", target.overflow.name
    drop = exact.frac - target.frac
    if drop:
        yield "fraction bits", "drops" if drop > 0 else "appends"
    if drop > exact.type.width:
        yield "fraction bits", "drops more than there are"
    if isinstance(layer, Conv | MaxPool | AvgPool):
        single = layer.kernel == (1, 1)
        for size, step in zip(layer.kernel, layer.stride, strict=True):
            if step > size:
                yield "windows", "leave gaps"
            elif step < size:
                yield "windows", "overlap"
        if layer.kernel == layer.stride and not single:
            yield "windows", "touch"
        if single:
            yield "windows", "of one pixel"
    if isinstance(layer, AvgPool):
        area = layer.kernel[0] * layer.kernel[1]
        what = "another" if area & (area - 1) else "a power of two"
        yield "area", f"{what}, {'touching' if layer.kernel == layer.stride else 'overlapping'}"
    if isinstance(layer, Conv | MaxPool):
        padded = [side for side, count in zip(SIDES, layer.padding, strict=True) if count]
        if len(padded) in (0, 4):
            yield "padding", "all around" if padded else "none"
        elif len(padded) == 1:
            yield "padding", padded[0]
    if isinstance(layer, Conv | Linear):
        weight, bias = net.weights_of(layer)
        yield from (("weights", found) for found in residency(weight))
        yield from (("bias", found) for found in (residency(bias) if bias else ["none"]))
        yield "sums", sums(net, layer)
        sorts = ("numbers", "powers", "sums of two powers")
        yield "values", "signs" if weight.signs else sorts[weight.terms]
        if isinstance(layer, Conv):
            yield "groups", "depthwise" if layer.depthwise else "one"
            if layer.depthwise:
                yield "sums, depthwise", sums(net, layer)
            if layer.kernel == (1, 1):
                yield "sums, of one pixel", sums(net, layer)
    if isinstance(layer, Upsample):
        rows, columns = layer.factor
        names = {(True, True): "a pixel", (True, False): "a row", (False, True): "a column"}
        if (rows == 1, columns == 1) in names:
            yield "blocks", names[rows == 1, columns == 1]
        else:
            places = np.reshape(layer.indices, (rows * columns, -1))
            yield "blocks", "alike" if (places == places[0]).all() else "of several channels"
        ends = [first + size for first, size in zip(layer.origin, layer.size, strict=True)]
        rest = [
            step * size - end
            for step, size, end in zip(layer.factor, streams[0].shape, ends, strict=False)
        ]
        cut = [side for side, count in zip(SIDES, (*layer.origin, *rest), strict=True) if count]
        yield from (("rectangle", side) for side in cut or ["whole"])
    if isinstance(layer, Curve):
        starts, levels = (net.block[name] for name in layer.block_names)
        own = {(1, 1): "shared", (2, 1): "own starts", (1, 2): "own levels"}
        columns = own.get((min(starts.outputs, 2), min(levels.outputs, 2)), "own")
        steps = "one" if starts.rows == 1 else "many" if starts.rows > 15 else "few"
        reached = np.unique(data[layer.inputs[0]][..., None] >= starts.raw.T)
        assert len(reached) == 2, "steps lie among the values"
        for suffix in ("", ", searched") if streams[0].type.width > 10 else ("",):
            yield f"steps{suffix}", steps
            yield f"columns{suffix}", columns
    if isinstance(layer, Blend):
        yield from (("factors", found) for found in residency(net.block[layer.alpha]))


def covered() -> dict[str, dict[str, dict[str, list[str]]]]:
    """Layers by kind, property and its value."""
    data = {"image": IMAGES, **reference.trace(TASKS[0], IMAGES)}
    found: dict[str, dict[str, dict[str, list[str]]]] = {
        kind: defaultdict(lambda: defaultdict(list)) for kind in LAYER_KINDS
    }
    listed = {case.name for case in LISTED}
    for layer in NET.layers:
        if layer.name in listed:
            for name, value in properties(NET, layer, data):
                found[layer.kind][name][value].append(layer.name)
    return found


def test_the_table_of_what_is_covered() -> None:
    found = covered()
    lines = ["on the integer reference, the generated C++ and the RTL; *: on those if -m slow"]
    missing = []
    for kind, needed in REQUIRED.items():
        for name, values in needed.items():
            for value in sorted(values):
                layers = list(dict.fromkeys(found[kind][name][value]))
                marked = " ".join(layer + "*" * (layer in SLOW) for layer in layers)
                lines.append(f"{kind:8} {name:20} {value:26} {marked}")
                compiled = set(layers) - SLOW
                if not layers or not (compiled or name.startswith("sums")):
                    missing.append((kind, name, value))
    print("\n" + "\n".join(lines))  # noqa: T201 -- what the test is for
    assert not missing
    assert set(REQUIRED) == set(LAYER_KINDS), "a new kind needs a row"
    assert set(plain.PLAIN) == set(LAYER_KINDS)


def test_sums_lie_beyond_the_switches() -> None:
    """Not only their limits: what comes is an odd number that a float or a double has not."""
    for bits, kind in ((24, np.float32), (53, np.float64)):
        for name in ("wide", "wide_point", "wide_depth", "wide_linear"):
            layer = next(layer for layer in NET.layers if layer.name == f"{name}_{bits}")
            exact = exact_result(layer, NET.input_streams(layer), NET.block.__getitem__)
            assert layer.output.type == exact.type
            raw = np.concatenate([reference.trace(t, IMAGES)[layer.name].ravel() for t in TASKS])
            rounded = [int(kind(int(value))) != int(value) for value in raw]
            assert any(rounded), layer.name


def test_all_operands_occur() -> None:
    """All pairs of four bits in front of the blends, all values of eight in front of the casts."""
    data = reference.trace(TASKS[0], IMAGES)
    pairs = {*zip(data["s4x9"][..., 0].ravel(), data["t4x9"][..., 0].ravel(), strict=True)}
    assert len(pairs) == 256
    for name in ("s8_4x1", "u8_4x1"):
        assert len(np.unique(data[name])) == 256
    assert NET.block["blend.a"].raw.tolist() == list(range(9))


def differing(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> list[str]:
    """Names of the streams that are not equal; all must be there."""
    assert set(found) == set(expected)
    return [
        name
        for name, values in expected.items()
        if not np.array_equal(found[name].reshape(values.shape), values)
    ]


@pytest.mark.parametrize("task", range(len(TASKS)))
def test_the_reference_is_plain_arithmetic(task: int) -> None:
    some = IMAGES[[0, 1, -2, -1]]
    assert not differing(reference.trace(TASKS[task], some), plain.streams(TASKS[task], some))


def scheduled(net: StreamNet) -> ScheduledNet:
    default = default_schedule(net)
    layers = dict(default.layers)
    for name, choice in hls_choices().items():
        layers[name] = dataclasses.replace(choice, fifo_depth=layers[name].fifo_depth)
    return ScheduledNet(net, HlsSchedule(layers, default.input_fifo_depth))


UNOPTIMIZED = """#!/bin/sh
# The program runs for a second, and is compiled for a minute otherwise.
exec g++ "$@" -O0
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("whole", PARTS)
def test_the_generated_cpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    """The default run with integers as they are simulated, all of it as synthesis sees them."""
    pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)
    from semifreddo.hls import plan_project
    from semifreddo.hls.transport import open_project

    compiler = tmp_path / "compiler"
    compiler.write_text(UNOPTIMIZED)
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    net = matrix_net(whole=whole)
    tool = "vitis" if whole else "vivado"
    plan = plan_project(scheduled(net), tool=tool, part="xc7z020clg400-1", clock_ns=10.0)
    plan.write(tmp_path / "p")
    with open_project(tmp_path / "p", trace=True, exact=whole) as device:
        for task in (task_of(net, seed) for seed in SEEDS):
            device.load(AddressMap.of(task).pack(task), 60)
            assert not differing(device.trace(IMAGES, 60), reference.trace(task, IMAGES))
            assert np.array_equal(device.run(IMAGES, 60), reference.run(task, IMAGES))


def together(traces: Iterable[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The streams of several tasks, one behind the other."""
    parts = list(traces)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("whole", PARTS)
def test_the_rtl(simulate: Build, whole: bool) -> None:  # noqa: F811 -- the fixture
    """With both tasks in one stream, while words stall on both buses."""
    net = matrix_net(whole=whole)
    tasks = [task_of(net, seed) for seed in SEEDS]
    layers = {layer.name for layer in net.layers}
    choices = {name: choice for name, choice in rtl_choices().items() if name in layers}
    design = make_design(net, RtlSchedule(choices))
    packets = []
    for task in tasks:
        packets.append(design.bus.task_packet(AddressMap.of(task).pack(task)))
        packets.append(design.bus.image_packet(IMAGES))
    with Simulation(simulate(design), design.bus, probe=True) as simulation:
        simulation.configure(Stalls(200, 300, 1, watchdog_cycles=20_000))
        found = simulation.exchange(packets, len(tasks) * len(IMAGES), 120)
        expected = np.concatenate([reference.run(task, IMAGES) for task in tasks])
        traced = simulation.trace(net)
    assert not differing(traced, together(reference.trace(task, IMAGES) for task in tasks))
    assert np.array_equal(found.results, expected)
    assert net.output.type.width > 32, "results of two words"
