"""How the end of an image comes out of the window former: alone, or beside the next image."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nets import ACT, IMAGE, block, images, wide
from rtl.conftest import Build
from semifreddo.ir.layers import Conv, Linear, Stream
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.sim import reference


def almost_busy() -> StreamNet:
    """A window former that works in 16 of 18 cycles; the result's bus needs 18."""
    rng = np.random.default_rng(0)
    layers = (
        Conv(
            inputs=("image",),
            output=Stream("conv", (4, 4, 1), ACT),
            weight="w",
            bias=None,
            kernel=(3, 3),
            stride=(1, 1),
            padding=(1, 1, 1, 1),
            depthwise=False,
        ),
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
