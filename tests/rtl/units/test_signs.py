"""Weights of -1 and 1 without multipliers: exact, refused where they cannot be, and smaller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from rtl.conftest import Build
from rtl.random_nets import other_task
from rtl.tasks import exact_over_tasks
from rtl.units.padded import drawn_bias, hardware, padded, side_by_side
from semifreddo.core.errors import ConfigError, ToolError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.layers import Conv, Linear, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.scheduler.estimate import estimate
from semifreddo.rtl.synthesis.parts import design_parts, synthesize_parts

BIT = FixedType.exact(1, 0, signed=False)
ENDS = FixedType(1, 0, False, Rounding.HALF_DOWN, Overflow.SATURATE)
MIXED = (False, True, False, False, False, True, False, False)


@dataclass(frozen=True)
class Case:
    """A padded convolution of some frozen and some loadable channels, and the choice for it."""

    choice: Choice
    bias: str | None = "loadable"
    frozen: tuple[bool, ...] = MIXED
    fractions: bool = False
    signs: bool = True
    depthwise: bool = False


def net_of(cases: Mapping[str, Case], source: FixedType = BIT, inputs: int = 3) -> StreamNet:
    """All cases beside each other, and a classifier of bits behind them."""
    rng = np.random.default_rng(3)
    layers: list[Conv] = []
    blocks: list[WeightBlock] = []
    for name, case in cases.items():
        channels = len(case.frozen)
        shape = (3, 3, 1 if case.depthwise else inputs, channels)
        fracs = (0,) * channels
        if case.fractions:
            fracs = tuple(rng.integers(0, 4, channels).tolist())
        raw, weight = rng.choice([-1, 1], shape), f"{name}.weight"
        blocks.append(WeightBlock(weight, "weight", raw, 2, True, fracs, case.frozen, case.signs))
        bias = drawn_bias(rng, name, channels, case.bias)
        blocks += [bias] if bias else []
        layers.append(padded(name, channels, ENDS, bias, depthwise=case.depthwise))
    joined = side_by_side(layers, ENDS)
    exact = FixedType.exact(12, 0, signed=True)
    last = Linear(
        inputs=("joined",), output=Stream("linear", (1, 1, 9), exact), weight="last", bias=None
    )
    raw = rng.choice([-1, 1], (12 * joined.output.channels, 9))
    blocks.append(WeightBlock("last", "weight", raw, 2, True, (0,) * 9, (False,) * 9, True))
    image = Stream("image", (3, 4, inputs), source)
    return StreamNet("signs", image, (*layers, joined, last), tuple(blocks))


def schedule_of(cases: Mapping[str, Case]) -> RtlSchedule:
    last = {"linear": Choice(8, 2, multiplier="xnor")}
    return RtlSchedule({name: case.choice for name, case in cases.items()} | last)


ROM = Choice(frozen="rom", rom_rows_per_cycle=4, rom_channels_per_cycle=3, rom_multiplier="xnor")
CASES = {
    "one row, all channels": Case(Choice(1, 0, 0, "xnor")),
    "two rows, groups": Case(Choice(2, 2, 0, "xnor"), "frozen"),
    "a last group that is not full": Case(Choice(4, 4, 1, "xnor"), None),
    "all rows, one channel": Case(Choice(27, 1, 0, "xnor"), fractions=True),
    "all at once": Case(Choice(27, 0, 0, "xnor"), "frozen", fractions=True),
    "many lines": Case(Choice(1, 3, 2, "xnor"), "frozen", fractions=True),
    "all loadable": Case(Choice(7, 3, 0, "xnor"), frozen=(False,) * 5),
    "rows of several words": Case(Choice(2, 5, 0, "xnor"), frozen=(False,) * 37),
    "a ROM besides": Case(Choice(3, 2, 0, "xnor", "rom", 5, 0, "xnor")),
    "a ROM of groups": Case(ROM, frozen=(True,) * 7),
    "multipliers": Case(Choice(3, 2, multiplier="lut")),
    "slices": Case(Choice(3, 2, multiplier="packed")),
}
WIDER = {name: CASES[name] for name in ("two rows, groups", "all at once", "a ROM of groups")}


def named(cases: Mapping[str, Case]) -> dict[str, Case]:
    return {name.replace(",", "").replace(" ", "_"): case for name, case in cases.items()}


@pytest.mark.parametrize(
    ("source", "cases"),
    [
        (BIT, dict(list(CASES.items())[:6])),
        (BIT, dict(list(CASES.items())[6:])),
        (FixedType.exact(2, 0, signed=False), WIDER),
        (FixedType.exact(4, 2, signed=True), WIDER),
    ],
    ids=["bits", "bits in other ways", "two bits", "signed"],
)
def test_signs_are_exact_under_stalls_and_over_tasks(
    source: FixedType, cases: dict[str, Case], simulate: Build
) -> None:
    """All layers at once: what differs in any channel of any of them reaches the results."""
    found = named(cases)
    net = net_of(found, source)
    design = make_design(net, schedule_of(found))
    rng = np.random.default_rng(4)
    pictures = rng.integers(source.min_raw, source.max_raw + 1, (12, *net.input.shape))
    pictures[0], pictures[1] = source.min_raw, source.max_raw
    nets = [net, other_task(net, 5), other_task(net, 6)]
    expected = exact_over_tasks(design, nets, pictures, simulate)
    assert len({array.tobytes() for array in np.split(expected, 3)}) == 3


def test_the_memory_has_one_bit_per_weight() -> None:
    """Of 37 channels, in 3 words of a task: 16 signs in each of two memories, 5 in the third."""
    net = net_of({"conv": Case(Choice(), frozen=(False,) * 37)})
    plain, signs = (hardware(net).loadable(Choice(1, multiplier=each)) for each in ("lut", "xnor"))
    assert plain is not None and signs is not None
    assert AddressMap.of(net).region["conv.weight"].row_words == 3
    assert plain.weights_bank.memories == [32, 32, 10]
    assert signs.weights_bank.memories == [16, 16, 5]
    assert signs.mac.w_bits == 1 and signs.mac.product_bits == 3


@pytest.mark.parametrize(
    ("case", "inputs", "message"),
    [
        (Case(Choice(multiplier="xnor"), signs=False), 3, "is for weights that are only -1 and 1"),
        (
            Case(Choice(multiplier="xnor"), depthwise=True),
            8,
            "is for layers that are not depthwise",
        ),
    ],
)
def test_signs_that_cannot_be(case: Case, inputs: int, message: str) -> None:
    cases = {"conv": case}
    with pytest.raises(ConfigError, match=rf"rtl layer 'conv': multiplier \"xnor\" {message}.*use"):
        make_design(net_of(cases, inputs=inputs), schedule_of(cases))


def test_frozen_weights_that_are_no_signs_have_no_rom_of_signs() -> None:
    cases = {"conv": Case(ROM, signs=False)}
    net = net_of(cases)
    raw = net.blocks[0].raw.copy()
    raw[0, 0, 0, 1] = 0  # of a frozen channel
    changed = replace(net, blocks=(replace(net.blocks[0], raw=raw), *net.blocks[1:]))
    choice = replace(ROM, rom_channels_per_cycle=0)
    make_design(net, RtlSchedule({"conv": choice}))
    with pytest.raises(ConfigError, match="only -1 and 1, quantized to one bit"):
        make_design(changed, RtlSchedule({"conv": choice}))


def test_signs_are_smaller_than_multipliers(tmp_path: Path) -> None:
    """Of the same layer, synthesised, and about as large as predicted."""
    found, predicted = {}, {}
    for multiplier in ("xnor", "lut"):
        cases = {"conv": Case(Choice(9, 0, multiplier=multiplier), None, (False,) * 8)}
        net, schedule = net_of(cases), schedule_of(cases)
        part = next(
            part for part in design_parts(make_design(net, schedule)) if "conv" in part.name
        )
        try:
            (made,) = synthesize_parts(
                [part], family="xc7", cache=tmp_path / "cache", timeout_s=200, jobs=1
            )
        except ToolError as error:
            pytest.skip(f"no synthesis: {error}")
        found[multiplier] = made.cells
        predicted[multiplier] = estimate(net, schedule).layers[0]
    assert found["xnor"].lut < 0.7 * found["lut"].lut
    # In each of nine memories 8 bits, not 16, of which four LUTs make six.
    assert found["lut"].lut_as_ram - found["xnor"].lut_as_ram == 9 * 4
    assert found["xnor"].ff < found["lut"].ff
    for multiplier, cells in found.items():
        assert predicted[multiplier].lut == pytest.approx(cells.lut, rel=0.15)
        assert predicted[multiplier].ff == pytest.approx(cells.ff, rel=0.15)
