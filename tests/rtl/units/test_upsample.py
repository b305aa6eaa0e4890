"""Upsampling in RTL: equal to the integers under stalls, and in time."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from nets import images
from rtl.conftest import Build
from rtl.design.test_random import STALLS
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.layers import MaxPool, Stream, Upsample
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.units.kinds import HARDWARE
from semifreddo.rtl.units.unit import Context
from semifreddo.sim import reference

BYTE = FixedType.exact(8, 0, signed=False)
SMALL = FixedType(6, -1, False, Rounding.HALF_EVEN, Overflow.SATURATE)


def layer(
    name: str,
    source: Stream,
    factor: tuple[int, int],
    *,
    channels: int = 2,
    origin: tuple[int, int] = (0, 0),
    rest: tuple[int, int] = (0, 0),
    kind: FixedType = BYTE,
) -> Upsample:
    """Blocks with random channels; ``rest`` rows and columns at the end are left out."""
    count = factor[0] * factor[1] * channels
    indices = np.random.default_rng(count).integers(0, source.channels, count)
    size = (
        source.shape[0] * factor[0] - origin[0] - rest[0],
        source.shape[1] * factor[1] - origin[1] - rest[1],
    )
    return Upsample(
        inputs=(source.name,),
        output=Stream(name, (*size, channels), kind),
        factor=factor,
        origin=origin,
        size=size,
        indices=tuple(indices.tolist()),
    )


def chain() -> StreamNet:
    """A crop, blocks of a row, whole blocks of which a part is kept, and a pool."""
    image = Stream("image", (4, 5, 3), BYTE)
    crop = layer("crop", image, (1, 1), channels=3, origin=(1, 0), rest=(0, 1))
    row = layer("row", crop.output, (1, 3), channels=4, kind=SMALL)
    block = layer("block", row.output, (3, 2), origin=(1, 3), rest=(2, 0), kind=SMALL)
    height, width, channels = block.output.shape
    pool = MaxPool(
        inputs=("block",),
        output=Stream("pool", (height // 2, width // 3, channels), SMALL),
        kernel=(2, 3),
        stride=(2, 3),
        padding=(0,) * 4,
    )
    return StreamNet("blocks", image, (crop, row, block, pool), ())


@pytest.mark.parametrize("channels", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_it_is_exact_and_in_time(channels: int, simulate: Build) -> None:
    net = chain()
    names = ("crop", "row", "block", "pool") if channels else ()
    design = make_design(net, RtlSchedule({n: Choice(channels_per_cycle=channels) for n in names}))
    executable = simulate(design)
    pictures = images(net, 6)
    expected = reference.run(net, pictures)
    for offered, taken in STALLS:
        with Simulation(executable, design.bus) as simulation:
            simulation.configure(Stalls(offered, taken, 1, watchdog_cycles=20_000))
            found = simulation.exchange([design.bus.image_packet(pictures)], 6, 60)
            assert np.array_equal(found.results, expected)
            if not offered and not taken:
                simulation.idle(2 * design.cycles_per_image)
                packet = design.bus.image_packet(np.concatenate([pictures] * 4))
                many = simulation.exchange([packet], 24, 60)
                assert set(many.interval_cycles[10:-5]) == {design.cycles_per_image}
                assert many.latency_cycles == design.latency_cycles


@pytest.mark.slow
def test_a_single_pixel_and_a_wide_row(simulate: Build) -> None:
    """A row of one pixel comes back in the next cycle; a long row lies in block memories."""
    for shape, factor in (((1, 1, 2), (3, 1)), ((2, 70, 12), (3, 2))):
        image = Stream("image", shape, BYTE)
        up = layer("up", image, factor, channels=shape[2])
        net = StreamNet("one", image, (up,), ())
        design = make_design(net)
        text = "".join(text for name, text in design.files.items() if name.startswith("one"))
        (former,) = re.findall(r"sf_upsample #\((.*)\) blocks", text)
        assert (".BLOCK(1)" in former) == (shape[1] == 70)
        pictures = images(net, 3)
        with Simulation(simulate(design), design.bus) as simulation:
            simulation.configure(Stalls(300, 300, 2, watchdog_cycles=20_000))
            found = simulation.exchange([design.bus.image_packet(pictures)], 3, 60)
            assert np.array_equal(found.results, reference.run(net, pictures))


def test_only_what_later_rows_need_is_kept() -> None:
    net = chain()
    up = net.layers[2]
    plan = HARDWARE(up, Context.of(net)).plan(Choice())
    assert plan.cycles == 3 * 12 * 3 * 2
    assert plan.former.keep == 6 * len(plan.kept)
    alike = replace(up, factor=(1, 6))
    assert HARDWARE(alike, Context.of(net)).plan(Choice()).kept == []
