"""Loadable channels in groups: cycles, shared casts, biases of other fractions than the sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nets import same_conv
from rtl.conftest import Build
from rtl.random_nets import other_task
from rtl.tasks import exact_over_tasks
from semifreddo.core.errors import ConfigError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.layers import Conv, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation
from semifreddo.rtl.units.unit import Context
from semifreddo.rtl.units.weighted import weighted_hardware
from semifreddo.sim import reference


def conv(*, depthwise: bool, bias: str | None, rounding: Rounding) -> StreamNet:
    """Seven channels, two of them frozen; weights and biases have many fractions."""
    rng = np.random.default_rng(3)
    channels = 7
    source = FixedType.exact(3, 1, signed=True)
    frozen = (False, True, False, False, False, True, False)
    loadable = {None: (), "frozen": (True,) * channels, "loadable": (False,) * channels}[bias]
    shape = (2, 2, 1 if depthwise else 2, channels)
    blocks = [
        WeightBlock(
            "w", "weight", rng.integers(-8, 8, shape), 4, True, (2, 3, 2, 4, 1, 2, 3), frozen
        )
    ]
    if bias is not None:
        raw = rng.integers(-16, 16, channels)
        blocks.append(WeightBlock("b", "bias", raw, 5, True, (6, 4, 2, 3, 7, 5, 0), loadable))
    image = Stream("image", (3, 4, channels if depthwise else 2), source)
    output = Stream("conv", (2, 3, channels), FixedType(5, 2, True, rounding, Overflow.SATURATE))
    layer = Conv(
        inputs=("image",),
        output=output,
        weight="w",
        bias=None if bias is None else "b",
        kernel=(2, 2),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        depthwise=depthwise,
    )
    return StreamNet("grouped", image, (layer,), tuple(blocks))


CASES = [
    (False, "loadable", Rounding.HALF_EVEN, Choice(3, 2, 1)),
    (True, "loadable", Rounding.HALF_DOWN, Choice(4, 1, 0)),
    (True, "frozen", Rounding.HALF_AWAY, Choice(1, 4, 2, "dsp")),
    (False, "loadable", Rounding.HALF_DOWN, Choice(5, 2, 1, "packed")),
    (False, "frozen", Rounding.HALF_EVEN, Choice(1, 3, 0, "packed")),
    (False, None, Rounding.FLOOR, Choice(8, 0, 0, "packed")),
    # Another group in each cycle, and the constants that its sums begin with.
    (False, "frozen", Rounding.HALF_AWAY, Choice(8, 2, 0)),
]


@pytest.mark.parametrize(("depthwise", "bias", "rounding", "choice"), CASES)
def test_groups_share_accumulators_and_casts(
    depthwise: bool, bias: str | None, rounding: Rounding, choice: Choice, simulate: Build
) -> None:
    net = conv(depthwise=depthwise, bias=bias, rounding=rounding)
    exact(net, choice, simulate)


def exact(net: StreamNet, choice: Choice, simulate: Build) -> None:
    """Two tasks, and the first one again."""
    pictures = np.random.default_rng(4).integers(-4, 4, (10, *net.input.shape))
    design = make_design(net, RtlSchedule({"conv": choice}))
    exact_over_tasks(design, [net, other_task(net, 5), net], pictures, simulate)


def wide(channels: int, bits: int) -> StreamNet:
    """All channels loadable; rows of several words."""
    rng = np.random.default_rng(6)
    source = FixedType.exact(3, 1, signed=True)
    limit = 1 << (bits - 1)
    raw = rng.integers(-limit, limit, (2, 2, 2, channels))
    block = WeightBlock("w", "weight", raw, bits, True, (2,) * channels, (False,) * channels)
    layer = Conv(
        inputs=("image",),
        output=Stream("conv", (2, 3, channels), FixedType.exact(9, 2, signed=True)),
        weight="w",
        bias=None,
        kernel=(2, 2),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        depthwise=False,
    )
    return StreamNet("wide", Stream("image", (3, 4, 2), source), (layer,), (block,))


@pytest.mark.parametrize(
    ("channels", "bits", "choice", "units", "words"),
    [
        (20, 4, Choice(3, 2), 3, 1),  # ten groups, four in a word
        (40, 3, Choice(2, 4), 2, 3),  # ten groups, eight in three words
        (36, 4, Choice(1, 16), 3, 2),  # a group of two words, the last one not full
    ],
)
def test_a_row_is_read_in_units(
    channels: int, bits: int, choice: Choice, units: int, words: int, simulate: Build
) -> None:
    net = wide(channels, bits)
    layer = net.layers[0]
    assert isinstance(layer, Conv)
    engine = weighted_hardware(layer, Context.of(net)).loadable(choice)
    assert engine is not None
    assert (engine.mac.units, engine.weights_bank.unit_words) == (units, words)
    exact(net, choice, simulate)


def with_biases(channels: int, bits: int, fractions: tuple[int, ...]) -> StreamNet:
    """All channels and biases loadable; fractions of the biases go round."""
    net = wide(channels, 3)
    layer = net.layers[0]
    assert isinstance(layer, Conv)
    limit, rng = 1 << (bits - 1), np.random.default_rng(7)
    raw = rng.integers(-limit, limit, (channels,))
    fracs = tuple(fractions[index % len(fractions)] for index in range(channels))
    bias = WeightBlock("b", "bias", raw, bits, True, fracs, (False,) * channels)
    return replace(net, layers=(replace(layer, bias="b"),), blocks=(*net.blocks, bias))


@pytest.mark.parametrize(
    ("channels", "bits", "lanes", "fractions", "units", "words", "choices"),
    [
        (22, 8, 3, (3,), 2, 3, 4),  # four groups of 24 bits in three words, eight groups
        (10, 16, 1, (3, 4), 5, 1, 2),  # ten groups, two in a word, shifted differently
        (9, 16, 2, (3, 4, 5), 5, 1, 3),  # a word for each, shifted in three ways; the last not full
        (3, 8, 1, (3,), 1, 1, 3),  # three groups in less than a word: all at once
    ],
)
def test_biases_are_read_by_group(
    channels: int,
    bits: int,
    lanes: int,
    fractions: tuple[int, ...],
    units: int,
    words: int,
    choices: int,
    simulate: Build,
) -> None:
    net = with_biases(channels, bits, fractions)
    layer, choice = net.layers[0], Choice(4, lanes)
    assert isinstance(layer, Conv)
    engine = weighted_hardware(layer, Context.of(net)).loadable(choice)
    assert engine is not None and engine.biases is not None and engine.bias_bank is not None
    bank = engine.bias_bank
    assert (bank.units, bank.unit_words, engine.biases.choices) == (units, words, choices)
    exact(net, choice, simulate)


def test_biases_of_some_channels_are_read_at_once() -> None:
    """Two of seven channels are frozen, with a loadable bias: the memory has theirs, too."""
    net = conv(depthwise=False, bias="loadable", rounding=Rounding.FLOOR)
    layer = net.layers[0]
    assert isinstance(layer, Conv)
    engine = weighted_hardware(layer, Context.of(net)).loadable(Choice(4, 1))
    assert engine is not None and engine.bias_bank is not None
    assert (engine.mac.groups, engine.bias_bank.units, engine.bias_bank.read_bits) == (5, 1, 35)


def test_cycles_of_groups() -> None:
    net = conv(depthwise=False, bias=None, rounding=Rounding.FLOOR)
    layer = net.layers[0]
    assert isinstance(layer, Conv)
    hardware = weighted_hardware(layer, Context.of(net))
    cycles = {
        (rows, channels): hardware.make(Choice(rows, channels), solve=False).word_cycles
        for rows, channels in ((1, 0), (8, 0), (3, 0), (1, 1), (8, 1), (3, 2), (8, 5))
    }
    # Eight rows, five loadable channels: groups times lines.
    assert cycles == {
        (1, 0): 8,
        (8, 0): 1,
        (3, 0): 3,
        (1, 1): 40,
        (8, 1): 5,
        (3, 2): 9,
        (8, 5): 1,
    }
    engine = hardware.loadable(Choice(3, 2))
    assert engine is not None
    assert (engine.mac.per_cycle * engine.lanes, engine.mac.groups, engine.mac.lines) == (6, 3, 3)
    lanes = [[channel.index for channel in lane.channels] for lane in engine.accumulators]
    assert lanes == [[0, 3, 6], [2, 4, 4]]


def test_channels_of_a_lane_have_one_fraction() -> None:
    net = conv(depthwise=False, bias="frozen", rounding=Rounding.HALF_EVEN)
    layer = net.layers[0]
    assert isinstance(layer, Conv)
    engine = weighted_hardware(layer, Context.of(net)).loadable(Choice(1, 2))
    assert engine is not None
    for lane in engine.accumulators:
        channels = lane.channels
        assert len({channel.frac for channel in channels}) == 1
        for channel in channels:
            total = (channel.carried << channel.up) + channel.rest
            assert total == channel.bias + channel.half


@pytest.mark.parametrize("signed", [False, True])
def test_packed_products_of_eight_bits(signed: bool, simulate: Build) -> None:
    """Random and extreme values, weights loaded and in a ROM, chains that are not full."""
    rng = np.random.default_rng(8)
    kind = FixedType.exact(8, 0, signed=signed)
    edges = (-128, 127) if signed else (0, 255)
    raw = rng.integers(-128, 128, (3, 3, 3, 7))
    raw[rng.random(raw.shape) < 0.4] = -128
    raw[rng.random(raw.shape) < 0.2] = 127
    frozen = (True, True, True) + (False,) * 4
    block = WeightBlock("w", "weight", raw, 8, True, (0,) * 7, frozen)
    exact = FixedType.exact(22, 0, signed=True)
    layer = same_conv(Stream("conv", (3, 3, 7), exact))
    net = StreamNet("eight", Stream("image", (3, 3, 3), kind), (layer,), (block,))
    choice = Choice(5, 2, 0, "packed", "rom", 7, 3, "packed")
    design = make_design(net, RtlSchedule({"conv": choice}))
    pictures = rng.integers(edges[0], edges[1] + 1, (40, 3, 3, 3))
    pictures[:20] = rng.choice(edges, (20, 3, 3, 3))
    packets = [
        design.bus.task_packet(AddressMap.of(net).pack(net)),
        design.bus.image_packet(pictures),
    ]
    with Simulation(simulate(design), design.bus) as simulation:
        results = simulation.exchange(packets, len(pictures), 60).results
    assert np.array_equal(results, reference.run(net, pictures))


@pytest.mark.parametrize(
    ("depthwise", "choice", "message"),
    [
        (True, Choice(2, 2, multiplier="packed"), "in a depthwise layer each channel has its own"),
        (False, Choice(2, 1, multiplier="packed"), "no two products of 3-bit values and 4-bit"),
    ],
)
def test_products_that_cannot_share_slices(depthwise: bool, choice: Choice, message: str) -> None:
    net = conv(depthwise=depthwise, bias=None, rounding=Rounding.FLOOR)
    with pytest.raises(ConfigError, match=rf"rtl layer 'conv': .*{message}"):
        make_design(net, RtlSchedule({"conv": choice}))
