"""The estimator: exact in cycles, sensible and fast in resources."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nets import blended, same_conv
from rtl.random_nets import random_net
from semifreddo.core.errors import ConfigError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Cast, Route, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.components.costs import in_blocks
from semifreddo.rtl.components.memories import Bank
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.scheduler.estimate import estimate
from semifreddo.rtl.units.plan import counted


def slack(net: StreamNet) -> int:
    """Cycles by which the prediction of a folded repeat may be off: its adders' latency."""
    return 12 * sum(len(repeat.passes) for repeat in net.repeats)


@pytest.mark.parametrize("seed", range(16))
def test_cycles_are_those_of_the_design(seed: int) -> None:
    net, schedule = random_net(seed)
    design, found = make_design(net, schedule), estimate(net, schedule)
    assert abs(found.cycles_per_image - design.cycles_per_image) <= slack(net)
    assert [layer.name for layer in found.layers] == [unit.layer for unit in design.layers.units]
    assert [layer.cycles for layer in found.layers] == [unit.cycles for unit in design.layers.units]


def conv(digit_bits: int = 0, frozen: int = 8, bits: int = 4) -> tuple[StreamNet, RtlSchedule]:
    kind = FixedType.exact(4, 3, signed=False)
    raw = np.random.default_rng(0).integers(-(1 << (bits - 1)), 1 << (bits - 1), (3, 3, 4, 8))
    flags = (True,) * frozen + (False,) * (8 - frozen)
    layer = same_conv(Stream("conv", (8, 8, 8), kind))
    block = WeightBlock("w", "weight", raw, bits, True, (3,) * 8, flags)
    net = StreamNet("net", Stream("image", (8, 8, 4), kind), (layer,), (block,))
    return net, RtlSchedule({"conv": Choice(digit_bits=digit_bits)})


def test_digits_are_smaller_and_slower() -> None:
    whole, serial = (estimate(*conv(digits)) for digits in (0, 1))
    assert serial.total.lut < 0.6 * whole.total.lut
    assert serial.cycles_per_image > whole.cycles_per_image


def test_more_weight_bits_need_more() -> None:
    sizes = [estimate(*conv(bits=bits)).total.lut for bits in (2, 4, 6, 8)]
    assert sizes == sorted(sizes)


def test_dsp_slices_are_counted() -> None:
    net, _ = conv(frozen=0, bits=8)
    found = estimate(net, RtlSchedule({"conv": Choice(4, 2, multiplier="dsp")}))
    assert found.total.dsp == 8
    assert found.layers[0].cycles == 64 * 9 * 4


def test_narrow_products_are_logic_whatever_is_chosen() -> None:
    net, _ = conv(frozen=0, bits=4)
    found = estimate(net, RtlSchedule({"conv": Choice(4, 2, multiplier="dsp")}))
    assert found.total.dsp == 0


def test_totals_are_sums_of_whole_numbers() -> None:
    found = estimate(blended())
    for resource in ("lut", "ff", "dsp", "bram18"):
        areas = [layer.area for layer in found.layers] + [found.streams, found.buses.area]
        assert getattr(found.total, resource) == sum(getattr(area, resource) for area in areas)


def test_frames_per_second_and_bottleneck() -> None:
    net, schedule = conv(1)
    found = estimate(net, schedule)
    assert found.bottleneck == "conv"
    assert found.frames_per_second(100.0) == 100e6 / found.cycles_per_image


def test_a_schedule_that_does_not_fit_is_refused() -> None:
    net, _ = conv()
    with pytest.raises(ConfigError, match="rows_per_cycle 99 is outside"):
        estimate(net, RtlSchedule({"conv": Choice(99)}))


@pytest.mark.slow
@pytest.mark.clock
def test_it_takes_milliseconds() -> None:
    net, schedule = random_net(3)
    estimate(net, schedule)
    start = time.perf_counter()
    for _ in range(5):
        estimate(net, schedule)
    assert (time.perf_counter() - start) / 5 < 0.1


def test_memories_are_blocks_where_yosys_makes_blocks_of_them() -> None:
    # By synthesis of memories with a registered output: the widest that is still distributed.
    widest = {64: 32, 128: 16, 256: 8, 512: 4, 1024: 2}
    for words, bits in widest.items():
        assert not in_blocks(words, bits)
    for words, bits in ((128, 24), (256, 12), (512, 8), (1024, 4), (2048, 1), (4096, 32)):
        assert in_blocks(words, bits)


def test_a_bank_is_as_narrow_as_its_reader_allows() -> None:
    # 144 rows of 32 weights of 4 bits; a word has the weights of eight channels.
    whole = Bank(144, 128, 1, 4, (0,), registered=True)
    assert (whole.words, whole.memories, whole.register_bits) == (512, [32] * 4, 0)
    unit = Bank(144, 128, 1, 1, (0,), registered=True)
    assert (unit.words, unit.memories) == (2048, [32])
    for bank in (whole, unit):
        counts = bank.counts().counts
        assert counts["bram18"] == 4
        assert "ram_lut" not in counts


def test_a_stream_with_one_reader_needs_no_fork() -> None:
    net, schedule = conv()
    parts = counted(make_design(net, schedule).layers.streams.components())
    assert not [kind for kind in parts.counts if "fork" in kind]


@pytest.mark.parametrize("readers", [2, 3])
def test_a_fork_costs_per_reader(readers: int) -> None:
    """Casts that read the image, and a route that joins them: one fork and no more."""
    kind = FixedType.exact(4, 3, signed=False)
    names = tuple(f"cast{number}" for number in range(readers))
    shape = (4, 4, 1)
    casts = tuple(Cast(inputs=("image",), output=Stream(name, shape, kind)) for name in names)
    both = Stream("both", (4, 4, readers), kind)
    join = Route(inputs=names, output=both, indices=tuple(range(readers)))
    net = StreamNet("forked", Stream("image", shape, kind), (*casts, join), ())
    parts = counted(make_design(net).layers.streams.components())
    assert parts.counts["fork_reader"] == readers
