"""The predicted latency of a layer that is faster than the bus which brings its images."""

from __future__ import annotations

import numpy as np
import pytest

from rtl.conftest import Build
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Conv, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation
from semifreddo.sim import reference


@pytest.mark.parametrize(("channels", "bits"), [(16, 8), (9, 5)])
def test_pixels_of_several_words(channels: int, bits: int, simulate: Build) -> None:
    """Each of them waits for its own bytes, not for those of the first."""
    random = np.random.default_rng(channels)
    raw = random.integers(-8, 8, (1, 1, channels, 2))
    weight = WeightBlock("w", "weight", raw, 4, True, (0, 0), (True, True))
    layer = Conv(
        inputs=("image",),
        output=Stream("conv", (5, 4, 2), FixedType.exact(20, 0, signed=True)),
        weight="w",
        bias=None,
        kernel=(1, 1),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        depthwise=False,
    )
    image = Stream("image", (5, 4, channels), FixedType.exact(bits, 0, signed=False))
    net = StreamNet("slow_bus", image, (layer,), (weight,))
    design = make_design(net)
    pictures = random.integers(0, 1 << bits, (3, *image.shape))
    with Simulation(simulate(design), design.bus) as simulation:
        found = simulation.exchange([design.bus.image_packet(pictures)], 3, 60)
    assert np.array_equal(found.results, reference.run(net, pictures))
    assert found.latency_cycles == design.latency_cycles > design.cycles_per_image
