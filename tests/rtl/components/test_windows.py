"""How the end of an image comes out of the window former: alone, or beside the next image."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nets import ACT, IMAGE, block, images, same_conv, wide
from rtl.conftest import Build
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Conv, Layer, Linear, Route, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.sim import reference


def almost_busy() -> StreamNet:
    """A window former that works in 16 of 18 cycles; the result's bus needs 18."""
    rng = np.random.default_rng(0)
    layers = (
        same_conv(Stream("conv", (4, 4, 1), ACT)),
        Linear(inputs=("conv",), output=Stream("linear", (1, 1, 18), ACT), weight="v", bias=None),
    )
    blocks = block(rng, "w", (3, 3, 1, 1), 1), block(rng, "v", (16, 18), 18)
    return StreamNet("busy", Stream("image", (4, 4, 1), IMAGE), layers, blocks)


def test_a_layer_with_little_time_waits_for_the_next_image(simulate: Build) -> None:
    net = almost_busy()
    design = make_design(net)
    assert (design.cycles_per_image, design.bottleneck) == (18, "output")
    assert design.layers.sized.pace.patience["conv"] == 3
    pictures = images(net, 40)
    with Simulation(simulate(design), design.bus) as simulation:
        found = simulation.exchange([design.bus.image_packet(pictures)], 40, 60)
        assert np.array_equal(found.results, reference.run(net, pictures))
        assert set(found.interval_cycles[10:-5]) == {18}
        assert found.latency_cycles == design.latency_cycles
        simulation.configure(Stalls(800, 0, 1, watchdog_cycles=5000))
        for _ in range(3):  # single images, and images that come late
            again = simulation.exchange([design.bus.image_packet(pictures[:3])], 3, 60)
            assert np.array_equal(again.results, reference.run(net, pictures[:3]))


@pytest.mark.parametrize(("width", "in_blocks"), [(70, True), (63, False)])
def test_rows_of_wide_images_lie_in_block_memories(
    simulate: Build, width: int, in_blocks: bool
) -> None:
    """So do the words of the FIFO in front."""
    net = wide(width)
    design = make_design(net)
    text = "".join(text for name, text in design.files.items() if name.startswith("wide"))
    window, _ = re.findall(r"sf_window #\((.*)\) former", text)
    (fifo,) = re.findall(r"sf_fifo #\((.*)\) in_fifo", text)
    assert f".DEPTH({width + 1})" in fifo
    assert [".BLOCK(1)" in found for found in (window, fifo)] == [in_blocks, in_blocks]
    pictures = images(net, 5)
    with Simulation(simulate(design), design.bus) as simulation:
        simulation.configure(Stalls(300, 300, 2, watchdog_cycles=50_000))
        task = Task.of(net, "wide", tuple("abcdefghij")).words
        packets = [design.bus.task_packet(task), design.bus.image_packet(pictures)]
        found = simulation.exchange(packets, 5, 60)
        assert np.array_equal(found.results, reference.run(net, pictures))


def test_images_of_one_column(simulate: Build) -> None:
    """Signals that stand upright: the rows above are one pixel, kept without an address."""
    rng = np.random.default_rng(1)
    layers = (
        Conv(
            inputs=("image",),
            output=Stream("conv", (6, 1, 3), ACT),
            weight="w",
            bias=None,
            kernel=(3, 1),
            stride=(1, 1),
            padding=(1, 0, 1, 0),
            depthwise=False,
        ),
    )
    net = StreamNet(
        "column", Stream("image", (6, 1, 2), IMAGE), layers, (block(rng, "w", (3, 1, 2, 3), 1),)
    )
    pictures = images(net, 20)
    pictures[::2] |= 128  # the highest bits of the oldest row count
    design = make_design(net)
    with Simulation(simulate(design), design.bus) as simulation:
        task = Task.of(net, "column", ("a", "b", "c")).words
        packets = [design.bus.task_packet(task), design.bus.image_packet(pictures)]
        found = simulation.exchange(packets, 20, 60)
        assert np.array_equal(found.results, reference.run(net, pictures))


SMALL = ((5, 5, (2, 2, 2, 2)), (7, 7, (3, 3, 3, 3)), (6, 3, (1, 0, 4, 2)), (6, 4, (4, 2, 1, 1)))
"""Kernels and paddings with which an image of 2x3 pixels stays as large as it is."""


def smaller_than_its_windows() -> StreamNet:
    """Most rows of most windows are outside: above the image, below it, or both."""
    rng = np.random.default_rng(3)
    kind = FixedType.exact(16, IMAGE.frac, signed=True)
    image = Stream("image", (2, 3, 1), IMAGE)
    layers: list[Layer] = []
    for index, (height, width, padding) in enumerate(SMALL):
        layers.append(
            Conv(
                inputs=("image",),
                output=Stream(f"conv{index}", (2, 3, 2), kind),
                weight=f"w{index}",
                bias=None,
                kernel=(height, width),
                stride=(1, 1),
                padding=padding,
                depthwise=False,
            )
        )
    names = tuple(layer.name for layer in layers)
    both = Stream("both", (2, 3, 2 * len(SMALL)), kind)
    layers.append(Route(inputs=names, output=both, indices=tuple(range(2 * len(SMALL)))))
    blocks = tuple(
        WeightBlock(
            f"w{index}",
            "weight",
            rng.integers(1, 8, (height, width, 1, 2)),
            4,
            True,
            (0, 0),
            (True, True),
        )
        for index, (height, width, _) in enumerate(SMALL)
    )
    return StreamNet("small", image, tuple(layers), blocks)


def test_an_image_that_is_smaller_than_its_windows(simulate: Build) -> None:
    net = smaller_than_its_windows()
    design = make_design(net)
    pictures = images(net, 4, seed=5)
    expected = reference.run(net, pictures)
    for stalls in (Stalls(), Stalls(300, 300)):
        with Simulation(simulate(design), design.bus) as simulation:
            simulation.configure(stalls)
            found = simulation.exchange([design.bus.image_packet(pictures)], 4, 60).results
        for index, kernel in enumerate(SMALL):
            place = slice(2 * index, 2 * index + 2)
            assert np.array_equal(found[..., place], expected[..., place]), kernel
