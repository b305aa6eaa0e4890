"""Cycles without a simulation: the pace, the FIFOs that reach it, the first image's latency."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from nets import same_conv
from rtl.design.test_random import COUNT, FIRST
from rtl.random_nets import NetMaker, random_net
from rtl.simulation.test_transport import skipping
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Stream
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.timing.fifos import size_fifos
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.timing.latency import Replay
from semifreddo.rtl.timing.pace import Pace
from semifreddo.rtl.timing.ticks import Rhythm


def steady(design: RtlDesign, images: int = 40) -> set[int]:
    """Intervals between results, behind the first and before the last images."""
    results = Replay(design.layers.sized, images).results
    assert len(results) == images
    return set(np.diff(results)[15:-5].tolist())


@pytest.mark.parametrize("seed", range(FIRST, FIRST + (COUNT or 30)))
def test_the_fifos_reach_the_pace(seed: int) -> None:
    design = make_design(*random_net(seed))
    assert steady(design) == {design.cycles_per_image}


def test_bursts_need_fifos() -> None:
    """Readers that take their words in bursts, without joins that would hold any."""
    design = make_design(*random_net(20))
    assert design.layers.depths
    without = Replay(replace(design.layers.sized, depths={}), 40).results
    slower = np.diff(without)[15:-5]
    assert not len(slower) or min(slower) > design.cycles_per_image


def test_a_fifo_that_is_too_small_stops_the_network() -> None:
    design = skipping()
    assert len(Replay(design.layers.sized, 3).results) == 3
    assert len(Replay(replace(design.layers.sized, depths={("sum", 1): 1}), 3).results) == 0


def test_no_fifo_where_none_is_needed() -> None:
    """A chain of layers of one pace."""
    kind = FixedType.exact(4, 0, signed=False)
    maker = NetMaker(0)
    maker.input = Stream("image", (6, 6, 2), kind)
    stream = maker.input
    for _ in range(3):
        stream = maker.cast(stream, kind)
    net = StreamNet("chain", maker.input, tuple(maker.layers), ())
    assert make_design(net).layers.depths == {}


def large() -> RtlDesign:
    """Five joins in a row, 32 x 32 pixels."""
    maker = NetMaker(3)
    maker.input = Stream("image", (32, 32, 2), maker.format())
    stream = maker.input
    for _ in range(5):
        stream = maker.join(stream)
    net = StreamNet("large", maker.input, tuple(maker.layers), tuple(maker.blocks))
    return make_design(net)


def test_buffers_are_sized_alike_when_sized_again() -> None:
    layers = large().layers
    pace = layers.sized.pace
    sized = size_fifos(Pace(pace.plan, pace.figures, pace.bus))
    assert sized.depths == layers.depths


@pytest.mark.slow
@pytest.mark.clock
def test_a_large_network_takes_less_than_a_second() -> None:
    layers = large().layers
    before = time.process_time()
    pace = layers.sized.pace
    sized = size_fifos(Pace(pace.plan, pace.figures, pace.bus))
    assert len(Replay(sized, 4, 1).results) >= 1
    assert time.process_time() - before < 1.5  # 0.3 s on an idle machine


@pytest.mark.parametrize("together", [False, True])
def test_ticks_of_a_padded_window(together: bool) -> None:
    conv = same_conv(Stream("conv", (4, 4, 1), FixedType.exact(4, 0, signed=False)))
    geometry = Geometry.of(conv, Stream("image", (4, 4, 1), conv.output.type))
    figures = Figures(5, 1, geometry, 8)
    rhythm = Rhythm.of(figures, conv, together=together)
    assert rhythm is not None
    assert rhythm.ticks == (16 if together else 21)  # one row and one column more
    assert rhythm.busy == rhythm.ticks
    assert rhythm.words.tolist()[:5] == [5, 6, 7, 8, 9]
    assert int(rhythm.words[-1]) == 20
