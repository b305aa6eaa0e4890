"""Layers without weights: all channels at once, or groups of them in the same lanes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from rtl.conftest import Build
from rtl.design.test_random import STALLS, packets
from rtl.random_nets import other_task
from semifreddo.boards.spec import Resources
from semifreddo.core.errors import ConfigError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.layers import (
    Add,
    AvgPool,
    Blend,
    Cast,
    MaxPool,
    Route,
    Stream,
    WeightBlock,
)
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, Override, RtlSchedule, is_wiring
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.scheduler.search import choose
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.units.kinds import HARDWARE
from semifreddo.rtl.units.unit import Context
from semifreddo.sim import reference

SIGNED = FixedType(4, 2, True, Rounding.HALF_EVEN, Overflow.SATURATE)
UNSIGNED = FixedType(5, 2, False, Rounding.HALF_UP, Overflow.SATURATE)
CHANNELS = 9


def _stream(name: str, kind: FixedType, side: int = 4, channels: int = CHANNELS) -> Stream:
    return Stream(name, (side, side, channels), kind)


def every_kind() -> StreamNet:
    """A chain and its branches: every kind of layer without weights, with nine channels."""
    rng = np.random.default_rng(0)
    image = _stream("image", SIGNED, 8, 2)
    first = Route(
        inputs=("image",),
        output=_stream("first", UNSIGNED, 8),
        indices=tuple(rng.integers(0, 2, CHANNELS).tolist()),
    )
    second = Route(
        inputs=("image",),
        output=_stream("second", SIGNED, 8),
        indices=tuple(rng.integers(0, 2, CHANNELS).tolist()),
    )
    blocks, layers = [], [first, second]
    source = "first"
    flags = {
        "loaded": [False] * CHANNELS,
        "partial": rng.integers(0, 2, CHANNELS) > 0,
        "frozen": [True] * CHANNELS,
    }
    for name, frozen in flags.items():
        raw = np.arange(CHANNELS) if name == "loaded" else rng.integers(0, 9, CHANNELS)
        blocks.append(_alpha(name, raw, frozen))
        layers.append(
            Blend(inputs=(source, "second"), output=_stream(name, UNSIGNED, 8), alpha=name)
        )
        source = name
    blocks.append(_alpha("same", np.full(CHANNELS, 5), [True] * CHANNELS))
    size = {"kernel": (2, 2), "stride": (2, 2)}
    slide = {"kernel": (3, 2), "stride": (1, 2)}
    layers += [
        Blend(inputs=("first", "frozen"), output=_stream("same", SIGNED, 8), alpha="same"),
        Add(inputs=("same", "partial"), output=_stream("sum", UNSIGNED, 8)),
        Cast(inputs=("sum",), output=_stream("cast", SIGNED, 8)),
        Route(inputs=("cast", "sum"), output=_stream("route", SIGNED, 8), indices=(*range(5, 14),)),
        MaxPool(inputs=("route",), output=_stream("max", SIGNED), padding=(0,) * 4, **size),
        AvgPool(inputs=("sum",), output=_stream("mean", UNSIGNED), **size),
        Add(inputs=("max", "mean"), output=_stream("pools", UNSIGNED)),
        MaxPool(
            inputs=("pools",),
            output=Stream("slide", (4, 2, CHANNELS), UNSIGNED),
            padding=(1, 0, 1, 0),
            **slide,
        ),
        AvgPool(
            inputs=("slide",),
            output=Stream("average", (3, 2, CHANNELS), UNSIGNED),
            kernel=(2, 1),
            stride=(1, 1),
        ),
        AvgPool(
            inputs=("average",),
            output=Stream("all", (1, 1, CHANNELS), UNSIGNED),
            kernel=(3, 2),
            stride=(1, 1),
        ),
    ]
    return StreamNet("lanes", image, tuple(layers), tuple(blocks))


def _alpha(name: str, raw: np.ndarray, frozen: Iterable[bool]) -> WeightBlock:
    flags = tuple(bool(found) for found in frozen)
    return WeightBlock(name, "alpha", raw, 4, False, (3,) * CHANNELS, flags)


def schedule(net: StreamNet, channels: int) -> RtlSchedule:
    """The same number of channels at a time everywhere."""
    layers = [layer.name for layer in net.layers if not is_wiring(layer, net)]
    return RtlSchedule({name: Choice(channels_per_cycle=channels) for name in layers})


@pytest.mark.parametrize("channels", [1, 4])
def test_every_kind_is_exact_and_in_time(channels: int, simulate: Build) -> None:
    net = every_kind()
    design = make_design(net, schedule(net, channels))
    executable = simulate(design)
    both = np.array(np.meshgrid(np.arange(-8, 8), np.arange(-8, 8))).reshape(2, -1)
    pairs = np.concatenate([both.T] * 2).reshape(8, 8, 8, 2)
    pictures = np.random.default_rng(1).permutation(pairs, axis=0)
    nets = [net, other_task(net, 3)]
    expected = np.concatenate([reference.run(found, pictures) for found in nets])
    for offered, taken in STALLS[:2]:
        with Simulation(executable, design.bus) as simulation:
            simulation.configure(Stalls(offered, taken, 1, watchdog_cycles=20_000))
            found = simulation.exchange(packets(design, nets, pictures), len(expected), 60)
            assert np.array_equal(found.results, expected)
            if not offered and not taken:
                simulation.idle(2 * design.cycles_per_image)
                packet = design.bus.image_packet(np.concatenate([pictures] * 4))
                many = simulation.exchange([packet], 32, 60)
                assert set(many.interval_cycles[15:-5]) == {design.cycles_per_image}
                assert many.latency_cycles == design.latency_cycles


def test_a_folded_layer_takes_a_cycle_per_group() -> None:
    net = every_kind()
    layers = {layer.name: layer for layer in net.layers}
    cycles = {
        name: HARDWARE(layers[name], Context.of(net)).plan(Choice(channels_per_cycle=4)).cycles
        for name in ("sum", "max", "slide")
    }
    assert cycles == {"sum": 64 * 3, "max": 64 * 3, "slide": 16 + 8 * 2}


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (3, 2), (8, 8)])
def test_a_single_window_overlaps_no_other(stride: tuple[int, int]) -> None:
    """A running value instead of a window, however the network says that there is one."""
    net = every_kind()
    layer = replace(net.layers[-1], stride=stride)
    plan = HARDWARE(layer, Context.of(net)).plan(Choice(channels_per_cycle=4))
    assert plan.cycles == 3 * 2 * 3
    assert {"sf_reduce"} == {part.module for part in plan.components()} & {"sf_reduce", "sf_window"}


@pytest.mark.parametrize(("channels", "depth"), [(0, 6), (5, 5), (3, 2), (1, 2)])
def test_words_of_slow_layers_need_no_memory(channels: int, depth: int) -> None:
    net = every_kind()
    layer = next(layer for layer in net.layers if layer.name == "sum")
    plan = HARDWARE(layer, Context.of(net)).plan(Choice(channels_per_cycle=channels))
    assert plan.figures.depth == depth


def test_the_scheduler_folds_what_has_time() -> None:
    net = every_kind()
    plenty = Resources(lut=10**6, ff=10**6, dsp=0, bram18=0)
    fast, slow = (choose(net, plenty, 100.0, rate) for rate in (None, 100_000.0))
    assert fast.schedule["sum"].channels_per_cycle == 0
    assert slow.schedule["sum"].channels_per_cycle == 1
    assert slow.estimate.cycles_per_image <= 1000
    large, small = (sum(layer.lut for layer in found.estimate.layers) for found in (fast, slow))
    assert small < 2 / 3 * large
    assert re.search(r"sum +1 channel at a time +576 ", str(slow.explanation))
    fixed = choose(net, plenty, 100.0, 100_000.0, fixed={"sum": Override(channels_per_cycle=5)})
    assert fixed.schedule["sum"].channels_per_cycle == 5
    assert re.search(r"sum +5 channels at a time +128 ", str(fixed.explanation))


@pytest.mark.parametrize(
    ("name", "choice", "message"),
    [
        ("sum", Choice(channels_per_cycle=10), "'sum': channels_per_cycle 10 is outside 0..9"),
        ("max", Choice(digit_bits=1), "'max' (MaxPool) has only channels_per_cycle to choose"),
        ("second", Choice(channels_per_cycle=1), "lanes has no layer 'second' with a choice"),
    ],
)
def test_choices_that_make_no_sense_are_refused(name: str, choice: Choice, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        RtlSchedule({name: choice}).check(every_kind())


@pytest.mark.parametrize(
    ("name", "fixed", "message"),
    [
        ("sum", Override(channels_per_cycle=10), "'sum' (Add): channels_per_cycle 10 is outside"),
        ("sum", Override(rows_per_cycle=1), "'sum' (Add) has only channels_per_cycle to choose"),
        ("second", Override(channels_per_cycle=1), "'second' (Route) has nothing to choose"),
    ],
)
def test_what_cannot_be_fixed_is_refused(name: str, fixed: Override, message: str) -> None:
    plenty = Resources(lut=10**6, ff=10**6, dsp=0, bram18=0)
    with pytest.raises(ConfigError, match=re.escape(message)):
        choose(every_kind(), plenty, 100.0, fixed={name: fixed})
