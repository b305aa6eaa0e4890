"""Windows that stay in a memory: read tap by tap, equal to registers in results and times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nets import ACT, IMAGE, block, images, same_conv
from rtl.conftest import Build
from rtl.random_nets import other_task
from semifreddo.core.errors import ConfigError
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.layers import Conv, Linear, Stream
from semifreddo.ir.net import StreamNet
from semifreddo.ir.validate import window_shape
from semifreddo.rtl.choices import Choice, Override, RtlSchedule
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.windows import Taps, Window
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.timing.folding import make_plan
from semifreddo.rtl.units.kinds import hardware_of
from semifreddo.rtl.units.unit import Context
from semifreddo.rtl.units.weighted import WeightedPlan, weighted_hardware
from semifreddo.sim import reference

STALLS = ((0, 0), (300, 400), (0, 700), (800, 0))


def chain(seed: int, size: tuple[int, int], channels: int = 4, layers: int = 3) -> StreamNet:
    """Convolutions with kernels, strides and paddings of all kinds, then a classifier.

    Each is all loadable or all frozen; the classifier's window is a whole map.
    """
    rng = np.random.default_rng(seed)
    source = Stream("image", (*size, channels), IMAGE)
    made: list[Conv | Linear] = []
    blocks = []
    for index in range(layers):
        name, (height, width, depth) = f"conv{index}", source.shape
        kernel = tuple(int(rng.integers(1, min(5, side) + 1)) for side in (height, width))
        stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        top, left = (int(rng.integers(0, side)) for side in kernel)
        padding = (top, left, int(rng.integers(0, kernel[0])), int(rng.integers(0, kernel[1])))
        shape = window_shape((height, width), kernel, stride, padding)
        outputs = int(rng.choice([2, 4, 8]))
        layer = Conv(
            inputs=(source.name,),
            output=Stream(name, (*shape, outputs), ACT),
            weight=f"{name}.weight",
            bias=None,
            kernel=kernel,
            stride=stride,
            padding=padding,
            depthwise=False,
        )
        made.append(layer)
        frozen = outputs * int(rng.integers(0, 2))
        blocks.append(block(rng, f"{name}.weight", (*kernel, depth, outputs), frozen))
        source = layer.output
    output = Stream("scores", (1, 1, 3), ACT)
    made.append(Linear(inputs=(source.name,), output=output, weight="w", bias=None))
    blocks.append(block(rng, "w", (int(np.prod(source.shape)), 3), 0))
    image = Stream("image", (*size, channels), IMAGE)
    return StreamNet("chain", image, tuple(made), tuple(blocks))


def stored(net: StreamNet, seed: int) -> RtlSchedule:
    """Every window in memory, parts of pixels of any size, groups of channels of any size."""
    rng = np.random.default_rng([seed, 1])
    found = {}
    for layer in net.layers:
        assert isinstance(layer, Conv | Linear)
        depth = net.streams[layer.inputs[0]].channels
        outputs = net.block[layer.weight].raw.shape[-1]
        frozen = net.block[layer.weight].residency == "frozen"
        rows = depth >> int(rng.integers(0, depth.bit_length() - (depth & (depth - 1) == 0)))
        rows = rows if depth % rows == 0 else depth
        lanes = int(rng.integers(1, max(2, outputs)))
        choice = Choice(
            rows_per_cycle=1 if frozen else rows,
            channels_per_cycle=0 if frozen else lanes,
            frozen="rom" if frozen else "adders",
            rom_rows_per_cycle=rows if frozen else 1,
            rom_channels_per_cycle=lanes if frozen else 0,
        )
        memory = replace(choice, window="memory")
        hardware = weighted_hardware(layer, Context.of(net))
        found[layer.name] = memory if _possible(hardware, memory) else choice
    return RtlSchedule(found)


def _possible(hardware: object, choice: Choice) -> bool:
    try:
        hardware.make(choice, solve=False)  # type: ignore[attr-defined]
    except ConfigError:
        return False
    return True


def registers(schedule: RtlSchedule) -> RtlSchedule:
    """The same schedule, its windows in registers."""
    layers = {name: replace(each, window="registers") for name, each in schedule.layers.items()}
    return replace(schedule, layers=layers)


@pytest.mark.parametrize(
    ("seed", "size"),
    [
        (0, (6, 5)),
        (1, (3, 7)),
        *(pytest.param(n, (5, 6), marks=pytest.mark.slow) for n in range(2, 9)),
    ],
)
def test_windows_in_memory_equal_the_integers(
    seed: int, size: tuple[int, int], simulate: Build
) -> None:
    net = chain(seed, size)
    schedule = stored(net, seed)
    design = make_design(net, schedule)
    taps = [plan.window for plan in design.layers.plans.values() if isinstance(plan, WeightedPlan)]
    assert sum(isinstance(window, Taps) for window in taps) >= 2
    pictures, executable = images(net, 6, seed), simulate(design)
    nets = [net, other_task(net, seed), net]
    expected = np.concatenate([reference.run(found, pictures) for found in nets])
    for offered, taken in STALLS:
        with Simulation(executable, design.bus) as simulation:
            simulation.configure(Stalls(offered, taken, seed, watchdog_cycles=50_000))
            sent = []
            for found in nets:
                sent.append(design.bus.task_packet(AddressMap.of(found).pack(found)))
                sent.append(design.bus.image_packet(pictures))
            results = simulation.exchange(sent, len(expected), 60)
            assert np.array_equal(results.results, expected)
            if (offered, taken) == (0, 0):
                simulation.idle(2 * design.cycles_per_image)
                many = simulation.exchange([design.bus.image_packet(images(net, 30, seed))], 30, 60)
                assert set(many.interval_cycles[15:-5]) == {design.cycles_per_image}
                assert many.latency_cycles == design.latency_cycles


def test_a_memory_takes_the_same_time_as_registers() -> None:
    """But for a ROM whose words had needed no register: its results come a cycle later."""
    for seed in range(6):
        net = chain(seed, (5, 6))
        schedule = stored(net, seed)
        memory, plain = (make_design(net, each) for each in (schedule, registers(schedule)))
        assert memory.cycles_per_image == plain.cycles_per_image
        roms = sum(
            isinstance(plan, WeightedPlan)
            and bool(plan.of.frozen)
            and isinstance(plan.window, Taps)
            for plan in memory.layers.plans.values()
        )
        assert 0 <= memory.latency_cycles - plain.latency_cycles <= 2 * roms


def wide(width: int, *, frozen: int) -> StreamNet:
    """A convolution of an image so wide that its windows fill block memories."""
    rng = np.random.default_rng(width)
    image = Stream("image", (4, width, 4), IMAGE)
    layer = same_conv(Stream("conv", (4, width, 4), ACT))
    return StreamNet("wide", image, (layer,), (block(rng, "w", (3, 3, 4, 4), frozen),))


@pytest.mark.parametrize("frozen", [0, 4])
def test_windows_of_wide_images_are_in_block_memories(frozen: int, simulate: Build) -> None:
    net = wide(200, frozen=frozen)
    choice = Choice(2, 0 if frozen else 2, window="memory")
    if frozen:
        choice = Choice(
            frozen="rom", rom_rows_per_cycle=2, rom_channels_per_cycle=2, window="memory"
        )
    design = make_design(net, RtlSchedule({"conv": choice}))
    (plan,) = design.layers.plans.values()
    assert isinstance(plan, WeightedPlan)
    assert isinstance(plan.window, Taps)
    assert (plan.window.in_blocks, plan.window.words, plan.window.parts) == (True, 512, 2)
    pictures = images(net, 3)
    expected = reference.run(net, pictures)
    with Simulation(simulate(design), design.bus) as simulation:
        simulation.configure(Stalls(200, 300, 1, watchdog_cycles=50_000))
        sent = [design.bus.image_packet(pictures)]
        if not frozen:
            sent.insert(0, design.bus.task_packet(AddressMap.of(net).pack(net)))
        assert np.array_equal(simulation.exchange(sent, 3, 60).results, expected)


@pytest.mark.parametrize(
    ("size", "kernel", "words"),
    [((3, 4), (2, 3), 8), ((3, 5), (2, 3), 8), ((3, 6), (2, 3), 16), ((4, 1), (2, 1), 2)],
)
def test_a_memory_is_as_deep_as_the_oldest_pixel_is_old(
    size: tuple[int, int], kernel: tuple[int, int], words: int
) -> None:
    """A row of ticks for each row above the newest, and the columns of one more, rounded up."""
    rows, columns = (side - taps + 1 for side, taps in zip(size, kernel, strict=True))
    geometry = Geometry(*size, kernel, (1, 1), 0, 0, (rows, columns))
    taps = Taps(geometry, 12, 2)
    assert (geometry.span, taps.words, taps.part_bits) == (size[1], words, 6)


def refused(net: StreamNet, choice: Choice) -> None:
    message = (
        r"rtl layer 'conv': window = \"memory\" is for windows of several pixels whose channels "
        r"are all loadable, or all in a ROM, with rows_per_cycle \(rom_rows_per_cycle\) the 4 "
        r"channels of a pixel divided by 1, 2, 4 or another power of two; use \"registers\""
    )
    with pytest.raises(ConfigError, match=f"^{message}$"):
        make_design(net, RtlSchedule({"conv": choice}))


def test_windows_that_cannot_be_in_a_memory_are_refused() -> None:
    memory = Choice(4, 2, window="memory")
    refused(wide(5, frozen=0), replace(memory, rows_per_cycle=3))
    refused(wide(5, frozen=2), replace(memory, channels_per_cycle=1))  # adders read all of it
    refused(wide(5, frozen=4), replace(memory, rows_per_cycle=1, channels_per_cycle=0))
    one = wide(5, frozen=0)
    point = replace(one.layers[0], kernel=(1, 1), padding=(0, 0, 0, 0))  # type: ignore[call-arg]
    blocks = (replace(one.blocks[0], raw=one.blocks[0].raw[:1, :1]),)
    refused(replace(one, layers=(point,), blocks=blocks), memory)


def test_the_smaller_kind_of_window_is_offered() -> None:
    """Where the user fixes nothing; what is fixed stays, or is refused."""
    net = wide(8, frozen=0)
    (hardware,) = hardware_of(make_plan(net), Context.of(net)).values()
    for option in hardware.options():
        plan = hardware.plan(option.choice)
        assert isinstance(plan, WeightedPlan)
        assert isinstance(plan.window, Taps if option.choice.window == "memory" else Window)
        if option.choice.window == "memory":
            other = hardware.plan(replace(option.choice, window="registers")).area
            assert option.area.lut + option.area.ff <= other.lut + other.ff
    kinds = {option.choice.window for option in hardware.options()}
    assert kinds == {"memory", "registers"}
    for kind in ("registers", "memory"):
        fixed = hardware.options(Override(window=kind))  # type: ignore[arg-type]
        assert {option.choice.window for option in fixed} == {kind}
    half = wide(8, frozen=2)
    (hardware,) = hardware_of(make_plan(half), Context.of(half)).values()
    assert {option.choice.window for option in hardware.options()} == {"registers"}
    with pytest.raises(ConfigError, match=r"window = .memory. is for windows"):
        hardware.options(Override(window="memory"))
