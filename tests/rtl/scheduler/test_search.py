"""The scheduler: valid, within the budget, never slower with more of it, and it says why."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nets import blended, same_conv
from rtl.random_nets import random_net
from semifreddo.boards.spec import Resources
from semifreddo.core.errors import ConfigError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.allowed import sums_of_powers
from semifreddo.ir.layers import Conv, Layer, Linear, Stream, WeightBlock
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.rtl.choices import Choice, Override, RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.scheduler.estimate import Estimate, estimate
from semifreddo.rtl.scheduler.explanation import RESOURCES
from semifreddo.rtl.scheduler.search import Search, choose

PLENTY = Resources(lut=10**7, ff=10**8, dsp=10**4, bram18=10**4)
SEEDS = st.integers(0, 40)


@lru_cache(maxsize=64)
def net_of(seed: int) -> StreamNet:
    return random_net(seed)[0]


@lru_cache(maxsize=64)
def least(seed: int) -> int:
    """LUTs that are enough, if only just, at some rate."""
    slowest = choose(net_of(seed), budget(10**7, 0), 100.0, 1e-3)
    return int(slowest.estimate.total.lut)


def budget(lut: int, dsp: int) -> Resources:
    return Resources(lut=lut, ff=10**8, dsp=dsp, bram18=10**4)


def without_streams(found: Estimate) -> float:
    """LUTs that are chosen: FIFOs between layers follow from the choices."""
    return found.total.lut - found.streams.lut


@settings(max_examples=25, deadline=None, derandomize=True)
@given(SEEDS, st.floats(1.0, 3.0), st.integers(0, 60), st.floats(1.0, 2.0), st.integers(0, 60))
def test_fits_and_more_budget_is_never_slower(
    seed: int, share: float, dsp: int, more: float, more_dsp: int
) -> None:
    net, lut = net_of(seed), int(least(seed) * share) + 200
    small = choose(net, budget(lut, dsp), 100.0)
    large = choose(net, budget(int(lut * more), dsp + more_dsp), 100.0)
    assert small.estimate.total.lut <= lut
    assert small.estimate.total.dsp <= dsp
    assert large.estimate.cycles_per_image <= small.estimate.cycles_per_image
    small.schedule.check(net)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(SEEDS, st.floats(0.05, 1.0), st.floats(0.05, 1.0), st.integers(0, 60))
def test_a_lower_rate_never_takes_more(seed: int, one: float, other: float, dsp: int) -> None:
    net = net_of(seed)
    limit = budget(10**7, dsp)
    fastest = choose(net, limit, 100.0).estimate.frames_per_second(100.0)
    low, high = sorted((one * fastest, other * fastest))
    slow, fast = (choose(net, limit, 100.0, rate).estimate for rate in (low, high))
    assert without_streams(slow) <= without_streams(fast)
    assert slow.frames_per_second(100.0) >= low
    assert fast.frames_per_second(100.0) >= high


@pytest.mark.parametrize("seed", [1, 5, 6, 11])
def test_the_design_keeps_the_promise(seed: int) -> None:
    net = net_of(seed)
    found = choose(net, PLENTY, 100.0)
    design = make_design(net, found.schedule)
    # Of a folded repeat the latency of adders is predicted, and counts in every pass.
    slack = 4 * sum(len(repeat.passes) for repeat in net.repeats)
    assert abs(design.cycles_per_image - found.estimate.cycles_per_image) <= slack
    assert estimate(net, found.schedule) == found.estimate


@pytest.mark.parametrize("dsp", [0, 8])
def test_a_rate_between_two_numbers_of_cycles_is_reached(dsp: int) -> None:
    """Where a clock divided by a rate is no whole number, the cycle less is needed.

    At every number of cycles where some layer could do with less hardware: a rate that it just
    makes, and one that it just does not.
    """
    net = blended(channels=4)
    search = Search(net, budget(10**7, dsp), 100.0, {}, frozenset())
    steps = [cycles for cycles in search.steps if cycles > search.floor]
    assert len(steps) > 8
    for cycles in steps:
        for wanted in (cycles - 0.5, cycles - 0.01, cycles + 0.01):
            rate = 100e6 / wanted
            found = search.result(search.meet(rate), rate).estimate
            assert found.frames_per_second(100.0) >= rate
            assert found.cycles_per_image <= int(wanted)
        most = search.result(search.meet(100e6 / (cycles + 0.01)), 1.0).estimate
        less = search.result(search.meet(100e6 / (cycles - 0.5)), 1.0).estimate
        assert without_streams(most) <= without_streams(less)
    with pytest.raises(ConfigError, match=r"in any hardware"):
        search.meet(100e6 / (search.floor - 0.01))
    assert search.meet(100e6 / (search.floor + 0.01)) == search.floor


def test_nothing_is_faster_than_needed() -> None:
    net = blended(channels=8)
    fast, slow = (choose(net, PLENTY, 100.0, rate) for rate in (None, 1000.0))
    assert slow.estimate.total.lut < fast.estimate.total.lut
    assert slow.estimate.cycles_per_image <= 100_000


def test_same_answer_for_the_same_question() -> None:
    net = net_of(7)
    one, other = (choose(net, budget(least(7) + 500, 20), 100.0) for _ in range(2))
    assert one == other
    assert str(one.explanation) == str(other.explanation)


def test_dsp_slices_go_where_they_save_luts() -> None:
    net = blended(channels=8)
    without = choose(net, budget(10**6, 0), 100.0, 100_000.0)
    some = choose(net, budget(10**6, 4), 100.0, 100_000.0)
    many = choose(net, budget(10**6, 500), 100.0, 100_000.0)
    assert without.estimate.total.dsp == 0
    assert some.estimate.total.dsp <= 4
    assert many.estimate.total.lut <= some.estimate.total.lut <= without.estimate.total.lut
    assert many.estimate.total.lut < without.estimate.total.lut
    assert "dsp" in str(many.explanation) and "dsp" not in str(without.explanation)


def test_what_the_user_fixes_stays() -> None:
    net, name = _weighted()
    fixed = {name: Override(rows_per_cycle=2, multiplier="dsp")}
    chosen = choose(net, PLENTY, 100.0, fixed=fixed).schedule[name]
    assert (chosen.rows_per_cycle, chosen.multiplier) == (2, "dsp")


def _frozen_layer(kernel: int = 3, channels: int = 8, loadable: int = 0) -> StreamNet:
    """A convolution whose first channels are frozen."""
    rng, kind = np.random.default_rng(0), FixedType.exact(4, 3, signed=False)
    raw = rng.integers(-8, 8, (kernel, kernel, channels, channels))
    flags = (True,) * (channels - loadable) + (False,) * loadable
    layer = Conv(
        inputs=("image",),
        output=Stream("conv", (6, 6, channels), kind),
        weight="w",
        bias=None,
        kernel=(kernel, kernel),
        stride=(1, 1),
        padding=((kernel - 1) // 2,) * 4,
        depthwise=False,
    )
    block = WeightBlock("w", "weight", raw, 4, True, (3,) * channels, flags)
    return StreamNet("frozen", Stream("image", (6, 6, channels), kind), (layer,), (block,))


@pytest.mark.parametrize("loadable", [0, 3])
def test_frozen_weights_go_into_a_rom_where_that_is_smaller(loadable: int) -> None:
    net = _frozen_layer(loadable=loadable)
    fast, slow = (choose(net, PLENTY, 100.0, rate) for rate in (None, 5_000.0))
    assert fast.schedule["conv"].frozen == "adders"
    assert slow.schedule["conv"].frozen == "rom"
    assert "ROM, " in str(slow.explanation) and "ROM, " not in str(fast.explanation)
    adders, rom = (
        choose(net, PLENTY, 100.0, 5_000.0, fixed={"conv": Override(frozen=kind)})
        for kind in ("adders", "rom")
    )
    assert rom == slow
    assert adders.schedule["conv"].frozen == "adders"
    assert slow.estimate.total.lut < adders.estimate.total.lut
    design = make_design(net, slow.schedule)
    assert design.cycles_per_image == slow.estimate.cycles_per_image
    assert ("conv" in slow.estimate.bottleneck) == (design.bottleneck == "conv")


def test_what_is_fixed_of_one_kind_of_frozen_channels_rules_out_the_other() -> None:
    net = _frozen_layer()
    for fixed, kind in (
        (Override(digit_bits=1), "adders"),
        (Override(rom_rows_per_cycle=4), "rom"),
        (Override(rom_multiplier="dsp"), "rom"),
        (Override(rom_channels_per_cycle=0, digit_bits=1, frozen="rom"), "rom"),
        (Override(rom_rows_per_cycle=72), "rom"),
    ):
        chosen = choose(net, PLENTY, 100.0, 5_000.0, fixed={"conv": fixed}).schedule["conv"]
        assert chosen.frozen == kind, fixed
        if kind == "rom":
            assert fixed.applied(chosen).rom_rows_per_cycle == chosen.rom_rows_per_cycle
            assert fixed.applied(chosen).rom_multiplier == chosen.rom_multiplier


def test_where_block_memories_are_short_luts_are_taken() -> None:
    """As few as possible: fewer block memories never take fewer LUTs, down to none at all."""
    rng = np.random.default_rng(0)
    source = Stream("image", (4, 4, 16), FixedType.exact(4, 0, signed=False))
    kind = FixedType.exact(8, 0, signed=True)
    raw = rng.integers(-128, 128, (3, 3, 16, 32))
    weight = WeightBlock("w", "weight", raw, 8, True, (0,) * 32, (False,) * 32)
    layer = same_conv(Stream("conv", (4, 4, 32), kind))
    net = StreamNet("deep", source, (layer,), (weight,))
    plenty = choose(net, PLENTY, 100.0, 2_000.0).estimate.total
    assert plenty.bram18 >= 4
    before = plenty
    for blocks in range(int(plenty.bram18) - 1, -1, -1):
        scarce = replace(PLENTY, bram18=blocks)
        found = choose(net, scarce, 100.0, 2_000.0).estimate.total
        assert found.bram18 <= blocks
        assert found.lut >= before.lut
        before = found
    # What comes closest to the budget is told of: a few block memories rather than all these LUTs.
    least = choose(net, PLENTY, 100.0, 0.1).estimate.total
    almost = replace(PLENTY, lut=int(least.lut), bram18=int(least.bram18) - 1)
    message = rf"needs {least.bram18:.0f} BRAM18, 1 more than the budget of {almost.bram18};"
    with pytest.raises(ConfigError, match=message):
        choose(net, almost, 100.0)


def _weighted() -> tuple[StreamNet, str]:
    net = blended(channels=8)
    name = next(
        layer.name
        for layer in net.layers
        if any(b in {c.name for c in net.configurable_blocks} for b in layer.block_names)
        and layer.kind in ("Conv", "Linear")
    )
    return net, name


def test_explanation_says_everything_twice() -> None:
    net, name = _weighted()
    found = choose(net, PLENTY, 100.0, 10_000.0)
    data = found.explanation.to_json()
    assert [row["name"] for row in data["layers"]] == [
        *(layer.name for layer in net.layers),
        "streams",
        "buses",
    ]
    for resource in RESOURCES:
        rows = sum(row[resource] for row in data["layers"])
        assert rows == data["total"][resource] == getattr(found.estimate.total, resource)
    busiest = max(data["layers"], key=lambda row: row["busy"])
    assert busiest["name"] == data["bottleneck"] == found.estimate.bottleneck
    assert busiest["busy"] == 1.0
    text = str(found.explanation)
    assert text.startswith("blended: ")
    assert f"bottleneck: {data['bottleneck']}; " in text
    assert name in text
    reasons = [row["note"] for row in data["layers"] if row["note"]]
    assert reasons and all(reason in text for reason in reasons)
    narrow = found.explanation.text(70)
    table = narrow.partition("\n\n")[2].splitlines()
    assert max(map(len, table)) <= 70 and "why" not in table[0]
    assert name in "".join(table)


def test_bottleneck_explains_what_is_missing() -> None:
    net, _ = _weighted()
    lut = int(choose(net, budget(10**7, 0), 100.0, 1.0).estimate.total.lut)
    reason = choose(net, budget(lut + 50, 0), 100.0).explanation.reason
    assert re.match(r"[\d,]+ cycles would need [\d,]+ LUT, [\d,]+ more than the budget of", reason)


def test_too_large_says_by_how_much_and_which_knob() -> None:
    net, _ = _weighted()
    message = (
        r"^blended does not fit: the least hardware needs ([\d,]+) LUT, ([\d,]+) more than the "
        r"budget of 100; layer '[\w.]+' takes most \([\d,]+ LUT\): .*, or use a larger board$"
    )
    with pytest.raises(ConfigError, match=message) as caught:
        choose(net, Resources(lut=100, ff=10**6, dsp=0, bram18=0), 100.0)
    found = re.match(message, str(caught.value))
    assert found
    needed, missing = (int(text.replace(",", "")) for text in found.groups())
    assert needed - missing == 100


def test_too_slow_says_what_fits() -> None:
    net, _ = _weighted()
    lut = int(choose(net, budget(10**7, 0), 100.0, 1.0).estimate.total.lut) + 50
    fits = choose(net, budget(lut, 0), 100.0).estimate
    with pytest.raises(ConfigError, match="the fastest that fits is") as caught:
        choose(net, budget(lut, 0), 100.0, fits.frames_per_second(100.0) * 1.5)
    told = re.search(r"fits is ([0-9,]+) frames", str(caught.value))
    assert told
    rate = float(told[1].replace(",", ""))
    assert choose(net, budget(lut, 0), 100.0, rate).estimate.frames_per_second(100.0) >= rate


def test_impossible_rate_names_what_cannot_be_faster() -> None:
    net, _ = _weighted()
    with pytest.raises(ConfigError, match=r"in any hardware \(.*\); .* raise the clock"):
        choose(net, PLENTY, 100.0, 1e9)


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"con": Override()}, "rtl layer 'con': blended has no such layer"),
        (
            {"pool": Override(digit_bits=1)},
            "rtl layer 'pool' (AvgPool) has only channels_per_cycle to choose",
        ),
    ],
)
def test_wrong_overrides_are_refused(fixed: dict[str, Override], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        choose(blended(), PLENTY, 100.0, fixed=fixed)


def test_fixing_a_later_pass_is_refused() -> None:
    message = "the choice of 'conv3_0' counts for all passes"
    with pytest.raises(ConfigError, match=message):
        choose(repeated(), PLENTY, 100.0, fixed={"conv3_1": Override(digit_bits=1)})


def test_too_few_slices_for_what_is_fixed() -> None:
    net, name = _weighted()
    fixed = {name: Override(multiplier="dsp")}
    with pytest.raises(ConfigError, match=r"needs \d+ DSP, .* multiplier = \"lut\""):
        choose(net, budget(10**6, 0), 100.0, fixed=fixed)


def test_rates_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="target_fps 0 is not a rate"):
        choose(blended(), PLENTY, 100.0, 0.0)


@pytest.mark.slow
@pytest.mark.clock
def test_it_is_quick() -> None:
    start = time.perf_counter()
    choose(blended(channels=16), PLENTY, 100.0)
    assert time.perf_counter() - start < 1.0


def test_a_schedule_of_its_own_is_estimated_alike() -> None:
    net, name = _weighted()
    one = estimate(net, RtlSchedule({name: Choice(2)}))
    assert one == estimate(net, RtlSchedule({name: Choice(2)}))


def repeated(side: int = 6, channels: int = 4, frozen: int = 2) -> StreamNet:
    """A stem, and a block of two convolutions that runs three times with other weights."""
    rng, kind = np.random.default_rng(0), FixedType.exact(4, 3, signed=False)
    layers: list[Layer] = []
    blocks: list[WeightBlock] = []
    shared = {k: rng.integers(-8, 8, (k, k, channels, channels)) for k in (3, 1)}

    def conv(name: str, source: str, kernel: int, raw: np.ndarray, logic: int) -> str:
        pad = (kernel - 1) // 2
        flags = (True,) * logic + (False,) * (channels - logic)
        blocks.append(WeightBlock(f"{name}.w", "weight", raw, 4, True, (3,) * channels, flags))
        layers.append(
            Conv(
                inputs=(source,),
                output=Stream(name, (side, side, channels), kind),
                weight=f"{name}.w",
                bias=None,
                kernel=(kernel, kernel),
                stride=(1, 1),
                padding=(pad,) * 4,
                depthwise=False,
            )
        )
        return name

    last = conv("stem", "image", 3, rng.integers(-8, 8, (3, 3, 1, channels)), channels)
    passes = []
    for number in range(3):
        names = []
        for kernel, raw in shared.items():
            own = raw.copy()
            own[..., frozen:] = rng.integers(-8, 8, own[..., frozen:].shape)
            last = conv(f"conv{kernel}_{number}", last, kernel, own, frozen)
            names.append(last)
        passes.append(tuple(names))
    image = Stream("image", (side, side, 1), kind)
    repeats = (Repeat("block", tuple(passes)),)
    return StreamNet("repeated", image, tuple(layers), tuple(blocks), repeats)


@pytest.mark.parametrize("lut", [2000, 3000, 10**6])
def test_a_folded_repeat_keeps_the_pace(lut: int) -> None:
    net = repeated()
    found = choose(net, budget(lut, 10), 100.0)
    design = make_design(net, found.schedule)
    assert found.estimate.total.lut <= lut
    assert design.cycles_per_image <= found.estimate.cycles_per_image
    assert design.cycles_per_image >= 0.95 * found.estimate.cycles_per_image
    assert set(found.schedule.layers) == {"stem", "conv3_0", "conv1_0"}


def test_unrolled_repeats_are_larger() -> None:
    net, unrolled = repeated(), frozenset({"block"})
    folded, whole = (
        choose(net, PLENTY, 100.0, unrolled=names) for names in (frozenset(), unrolled)
    )
    assert folded.estimate.total.lut < whole.estimate.total.lut
    with pytest.raises(ConfigError, match="fold the repeat 'block'"):
        choose(net, Resources(lut=2000, ff=10**6, dsp=0, bram18=9), 100.0, unrolled=unrolled)


def test_a_repeat_at_a_wanted_rate_is_in_time() -> None:
    found = choose(repeated(), PLENTY, 100.0, 50_000.0).estimate
    assert found.repeats[0].cycles <= 2000
    assert found.frames_per_second(100.0) >= 50_000


def mobile() -> StreamNet:
    """16 layers and 88,416 weights, half of them frozen: depthwise and pointwise in turns."""
    rng, kind = np.random.default_rng(0), FixedType.exact(4, 3, signed=False)
    image = Stream("image", (32, 32, 3), kind)
    layers: list[Layer] = []
    blocks: list[WeightBlock] = []

    def conv(channels: int, kernel: int, stride: int, *, depthwise: bool = False) -> None:
        source = layers[-1].output if layers else image
        name, pad = f"conv{len(layers)}", (kernel - 1) // 2
        side = (source.shape[0] + 2 * pad - kernel) // stride + 1
        inputs = 1 if depthwise else source.channels
        flags = tuple(index % 2 == 0 for index in range(channels))
        raw = rng.integers(-8, 8, (kernel, kernel, inputs, channels))
        blocks.append(WeightBlock(name, "weight", raw, 4, True, (3,) * channels, flags))
        layers.append(
            Conv(
                inputs=(source.name,),
                output=Stream(name, (side, side, channels), kind),
                weight=name,
                bias=None,
                kernel=(kernel, kernel),
                stride=(stride, stride),
                padding=(pad,) * 4,
                depthwise=depthwise,
            )
        )

    conv(16, 3, 1)
    for channels, stride in [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2)]:
        conv(layers[-1].output.channels, 3, stride, depthwise=True)
        conv(channels, 1, 1)
    conv(10, 1, 1)
    return StreamNet("mobile", image, tuple(layers), tuple(blocks))


@pytest.mark.slow
@pytest.mark.clock
def test_a_large_network_takes_seconds() -> None:
    net = mobile()
    start = time.process_time()
    estimate(net)
    middle = time.process_time()
    choose(net, Resources(lut=230_400, ff=460_800, dsp=1728, bram18=624), 100.0)
    assert middle - start < 0.5
    assert time.process_time() - middle < 5


def test_only_offered_multipliers_are_chosen() -> None:
    """Products share slices only if that is wanted: of a few slices more is made then."""
    net, limit = blended(), budget(10**7, 8)
    rate = choose(net, limit, 100.0).estimate.frames_per_second(100.0) / 4
    plain, packed, luts = (
        choose(net, limit, 100.0, rate, multipliers=offered)
        for offered in (("lut", "dsp"), ("lut", "dsp", "packed"), ("lut",))
    )
    assert plain.schedule == choose(net, limit, 100.0, rate).schedule
    kinds = [
        {choice.multiplier for choice in found.schedule.layers.values()}
        for found in (plain, packed, luts)
    ]
    assert "packed" in kinds[1] and "packed" not in kinds[0] and kinds[2] == {"lut"}
    assert packed.estimate.total.lut < plain.estimate.total.lut < luts.estimate.total.lut
    assert "in a DSP slice" in str(packed.explanation)
    assert luts.estimate.total.dsp == 0


def latency(net: StreamNet, schedule: RtlSchedule) -> int:
    return make_design(net, schedule).latency_cycles


def test_an_image_is_done_in_time() -> None:
    net, limit = blended(), budget(10**7, 0)
    rate = choose(net, limit, 100.0).estimate.frames_per_second(100.0) / 8
    slow = choose(net, limit, 100.0, rate)
    before = latency(net, slow.schedule)
    wanted = before * 0.8 / 100.0
    soon = choose(net, limit, 100.0, rate, target_latency_us=wanted)
    assert latency(net, soon.schedule) <= 0.8 * before
    assert soon.estimate.cycles_per_image <= slow.estimate.cycles_per_image
    assert soon.estimate.total.lut > slow.estimate.total.lut
    assert "for the latency, faster than that" in soon.explanation.reason
    easy = choose(net, limit, 100.0, rate, target_latency_us=before / 100.0)
    assert easy.schedule == slow.schedule


def test_a_latency_that_does_not_fit() -> None:
    net, limit = blended(), budget(10**7, 0)
    rate = choose(net, limit, 100.0).estimate.frames_per_second(100.0) / 8
    with pytest.raises(
        ConfigError, match=r"a latency of 0\.1 us .* us is the least that was found"
    ):
        choose(net, limit, 100.0, rate, target_latency_us=0.1)
    with pytest.raises(ConfigError, match="needs target_fps"):
        choose(net, limit, 100.0, target_latency_us=0.1)


def conv_and_classifier(
    name: str, image: Stream, kinds: tuple[FixedType, FixedType], blocks: tuple[WeightBlock, ...]
) -> StreamNet:
    """A 3x3 convolution with the weights ``w`` behind the image, and a classifier with ``v``."""
    kind, wide = kinds
    layers = (
        Conv(
            inputs=("image",),
            output=Stream("conv", (8, 8, 12), kind),
            weight="w",
            bias=None,
            kernel=(3, 3),
            stride=(1, 1),
            padding=(1,) * 4,
            depthwise=False,
        ),
        Linear(inputs=("conv",), output=Stream("last", (1, 1, 12), wide), weight="v", bias=None),
    )
    return StreamNet(name, image, layers, blocks)


def signs_and_numbers() -> StreamNet:
    """A convolution of bits with weights of -1 and 1, and a classifier with numbers."""
    rng, bit = np.random.default_rng(0), FixedType.exact(1, 0, signed=False)
    flags, wide = (False,) * 12, FixedType.exact(14, 3, signed=True)
    turns = rng.choice([-1, 1], (3, 3, 8, 12))
    blocks = (
        WeightBlock("w", "weight", turns, 2, True, (0,) * 12, flags, signs=True),
        WeightBlock("v", "weight", rng.integers(-2, 2, (768, 12)), 2, True, (3,) * 12, flags),
    )
    kind = FixedType(1, 0, False, Rounding.FLOOR, Overflow.SATURATE)
    return conv_and_classifier("bits", Stream("image", (8, 8, 8), bit), (kind, wide), blocks)


@pytest.mark.parametrize("cycles", [128, 700, 6400])
def test_signs_are_chosen_for_weights_that_are_signs(cycles: int) -> None:
    """By default, and only there; the network is smaller than with multipliers at the same rate."""
    net, limit, rate = signs_and_numbers(), budget(10**7, 0), 100e6 / cycles
    signs = choose(net, limit, 100.0, rate)
    plain = choose(net, limit, 100.0, rate, multipliers=("lut", "dsp"))
    found = {name: choice.multiplier for name, choice in signs.schedule.layers.items()}
    assert found == {"conv": "xnor", "last": "lut"}
    assert signs.estimate.total.lut < plain.estimate.total.lut
    assert "multipliers by -1 or 1" in str(signs.explanation)
    fixed = {"last": Override(multiplier="xnor")}
    with pytest.raises(ConfigError, match=r"layer 'last': multiplier \"xnor\" is for weights"):
        choose(net, limit, 100.0, rate, fixed=fixed)


def powers_and_numbers(terms: int) -> StreamNet:
    """A convolution with sums of powers of two, and a classifier with numbers."""
    rng, byte = np.random.default_rng(0), FixedType.exact(8, 0, signed=False)
    flags, wide = (False,) * 12, FixedType.exact(20, 3, signed=True)
    drawn = rng.choice(sums_of_powers(8, terms), (3, 3, 8, 12))
    blocks = (
        WeightBlock("w", "weight", drawn, 8, True, (0,) * 12, flags, terms=terms),
        WeightBlock("v", "weight", rng.integers(-9, 9, (768, 12)), 8, True, (3,) * 12, flags),
    )
    kind = FixedType(8, -8, False, Rounding.FLOOR, Overflow.SATURATE)
    return conv_and_classifier("powers", Stream("image", (8, 8, 8), byte), (kind, wide), blocks)


@pytest.mark.parametrize("cycles", [128, 700, 6400])
def test_shifts_are_chosen_for_weights_that_are_powers(cycles: int) -> None:
    """By default, and only there; the network is smaller than with multipliers at the same rate."""
    net, limit, rate = powers_and_numbers(1), budget(10**7, 0), 100e6 / cycles
    shifts = choose(net, limit, 100.0, rate)
    plain = choose(net, limit, 100.0, rate, multipliers=("lut", "dsp"))
    found = {name: choice.multiplier for name, choice in shifts.schedule.layers.items()}
    assert found == {"conv": "shift", "last": "lut"}
    assert shifts.estimate.total.lut < plain.estimate.total.lut
    assert "shifters by powers of two" in str(shifts.explanation)
    fixed = {"last": Override(multiplier="shift")}
    with pytest.raises(ConfigError, match=r"layer 'last': multiplier \"shift\" is for weights"):
        choose(net, limit, 100.0, rate, fixed=fixed)


def test_two_shifts_are_larger_than_a_multiplier() -> None:
    """So sums of two powers are multiplied, unless shifts are asked for."""
    net, limit = powers_and_numbers(2), budget(10**7, 0)
    plain = choose(net, limit, 100.0, 50_000)
    asked = choose(net, limit, 100.0, 50_000, fixed={"conv": Override(multiplier="shift")})
    assert plain.schedule["conv"].multiplier == "lut"
    assert asked.schedule["conv"].multiplier == "shift"
    assert plain.estimate.total.lut < asked.estimate.total.lut
