"""How the end of an image comes out of the window former: alone, or beside the next image."""

from __future__ import annotations

import numpy as np
import pytest

from nets import ACT, IMAGE, block, images
from rtl.conftest import Build
from semifreddo.ir.layers import Conv, Linear, Stream
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.cosim import Simulation, Stalls
from semifreddo.rtl.design import make_design
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
    assert design.core.sized.clockwork.patience["conv"] == 3
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


def wide(width: int, rows: int) -> StreamNet:
    """A convolution over an image that is wider than a LUT memory is deep."""
    rng = np.random.default_rng(1)
    conv = Conv(
        inputs=("image",),
        output=Stream("conv", (3, width, 1), ACT),
        weight="w",
        bias=None,
        kernel=(rows, 3),
        stride=(1, 1),
        padding=(rows // 2, 1, rows // 2, 1),
        depthwise=False,
    )
    image = Stream("image", (3, width, 2), IMAGE)
    return StreamNet("wide", image, (conv,), (block(rng, "w", (rows, 3, 2, 1), 1),))


@pytest.mark.parametrize(
    ("width", "rows", "in_blocks"), [(70, 3, True), (64, 3, False), (70, 1, False)]
)
def test_rows_of_wide_images_lie_in_block_memories(
    simulate: Build, width: int, rows: int, in_blocks: bool
) -> None:
    net = wide(width, rows)
    design = make_design(net)
    text = "".join(text for name, text in design.files.items() if name.startswith("wide"))
    assert (".BLOCK(1)" in text, ".BLOCK(0)" in text) == (in_blocks, not in_blocks)
    pictures = images(net, 5)
    with Simulation(simulate(design), design.bus) as simulation:
        simulation.configure(Stalls(300, 300, 2, watchdog_cycles=50_000))
        found = simulation.exchange([design.bus.image_packet(pictures)], 5, 60)
        assert np.array_equal(found.results, reference.run(net, pictures))
