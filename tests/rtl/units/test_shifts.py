"""Weights that are sums of powers of two without multipliers: exact, refused if they cannot be."""

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
from semifreddo.core.fixed import FixedType
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.allowed import sums_of_powers
from semifreddo.ir.layers import Conv, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.scheduler.estimate import estimate
from semifreddo.rtl.synthesis.parts import design_parts, synthesize_parts

BYTE = FixedType.exact(8, 0, signed=False)
WIDE = FixedType.exact(31, 5, signed=True)
MIXED = (False, True, False, False, False, True, False, False)


@dataclass(frozen=True)
class Case:
    """A padded convolution of some frozen and some loadable channels, and the choice for it."""

    choice: Choice
    bits: int = 8
    terms: int = 1
    bias: str | None = "loadable"
    frozen: tuple[bool, ...] = MIXED
    fractions: bool = False
    depthwise: bool = False


def net_of(cases: Mapping[str, Case], source: FixedType = BYTE, inputs: int = 2) -> StreamNet:
    """All cases beside each other; every sum is a result."""
    rng = np.random.default_rng(3)
    layers: list[Conv] = []
    blocks: list[WeightBlock] = []
    for name, case in cases.items():
        channels = inputs if case.depthwise else len(case.frozen)
        frozen = case.frozen[:channels]
        shape = (3, 3, 1 if case.depthwise else inputs, channels)
        fracs = tuple(rng.integers(0, 4, channels).tolist()) if case.fractions else (0,) * channels
        raw, weight = rng.choice(powers(case), shape), f"{name}.weight"
        raw[0, 0, 0], raw[2, 2, 0] = 0, powers(case)[-1]
        blocks.append(
            WeightBlock(weight, "weight", raw, case.bits, True, fracs, frozen, terms=case.terms)
        )
        bias = drawn_bias(rng, name, channels, case.bias)
        blocks += [bias] if bias else []
        layers.append(padded(name, channels, WIDE, bias, depthwise=case.depthwise))
    joined = side_by_side(layers, WIDE)
    image = Stream("image", (3, 4, inputs), source)
    return StreamNet("shifts", image, (*layers, joined), tuple(blocks))


def powers(case: Case) -> tuple[int, ...]:
    """The values of its weights; of any integers where nothing is promised."""
    return sums_of_powers(case.bits, case.terms) if case.terms else (-11, 11)


def schedule_of(cases: Mapping[str, Case]) -> RtlSchedule:
    return RtlSchedule({name: case.choice for name, case in cases.items()})


ROM = Choice(frozen="rom", rom_rows_per_cycle=4, rom_channels_per_cycle=3, rom_multiplier="shift")
CASES = {
    "one row, all channels": Case(Choice(1, 0, 0, "shift")),
    "two rows, groups": Case(Choice(2, 2, 0, "shift"), 4, bias="frozen"),
    "a last group that is not full": Case(Choice(5, 4, 1, "shift"), 2, bias=None),
    "all rows, one channel": Case(Choice(18, 1, 0, "shift"), fractions=True),
    "all at once": Case(
        Choice(18, 0, 0, "shift"), 4, 2, "frozen", (True, False, False), fractions=True
    ),
    "many lines": Case(Choice(1, 3, 2, "shift"), bias="frozen", fractions=True),
    "all loadable": Case(Choice(7, 3, 0, "shift"), terms=2, frozen=(False,) * 5),
    "rows of several words": Case(Choice(2, 3, 0, "shift"), frozen=(False,) * 11),
    "two terms in several words": Case(Choice(3, 4, 0, "shift"), 8, 2, frozen=(False,) * 9),
    "a ROM besides": Case(Choice(3, 2, 0, "shift", "rom", 5, 0, "shift")),
    "a ROM of groups": Case(ROM, 8, 2, frozen=(True,) * 7),
    "three bits": Case(Choice(4, 3, 0, "shift"), 3),
    "five bits": Case(Choice(6, 0, 0, "shift"), 5, fractions=True),
    "six bits of two terms": Case(Choice(2, 3, 0, "shift"), 6, 2),
    "seven bits": Case(Choice(1, 2, 0, "shift"), 7),
    "depthwise": Case(Choice(5, 2, 0, "shift"), depthwise=True, frozen=(False,) * 2),
    "depthwise of two terms": Case(Choice(4, 0, 0, "shift"), 6, 2, depthwise=True),
    "multipliers": Case(Choice(3, 2, multiplier="lut")),
    "slices": Case(Choice(3, 2, multiplier="packed"), 4),
}
SOME = ("two rows, groups", "all at once", "a ROM of groups", "five bits", "depthwise")


def named(cases: Mapping[str, Case]) -> dict[str, Case]:
    return {name.replace(",", "").replace(" ", "_"): case for name, case in cases.items()}


@pytest.mark.parametrize(
    ("source", "cases"),
    [
        (BYTE, dict(list(CASES.items())[:9])),
        (BYTE, dict(list(CASES.items())[9:])),
        (FixedType.exact(1, 0, signed=False), {name: CASES[name] for name in SOME}),
        (FixedType.exact(5, 2, signed=True), {name: CASES[name] for name in SOME}),
    ],
    ids=["bytes", "bytes in other ways", "bits", "signed"],
)
def test_shifts_are_exact_under_stalls_and_over_tasks(
    source: FixedType, cases: dict[str, Case], simulate: Build
) -> None:
    """All layers at once, every sum a result; each task has other values."""
    found = named(cases)
    net = net_of(found, source)
    design = make_design(net, schedule_of(found))
    rng = np.random.default_rng(4)
    pictures = rng.integers(source.min_raw, source.max_raw + 1, (12, *net.input.shape))
    pictures[0], pictures[1] = source.min_raw, source.max_raw
    nets = [net, other_task(net, 5), other_task(net, 6)]
    expected = exact_over_tasks(design, nets, pictures, simulate)
    assert len({array.tobytes() for array in np.split(expected, 3)}) == 3


@pytest.mark.parametrize(
    ("bits", "terms", "kept"),
    [(8, 1, 16), (8, 2, 32), (4, 1, 24), (4, 2, 48), (2, 1, 32), (5, 1, 32), (7, 2, 32)],
)
def test_the_memory_has_codes(bits: int, terms: int, kept: int) -> None:
    """A term of an 8-bit weight has 4 bits; where values cross words, integers are kept."""
    case = Case(Choice(), bits, terms, frozen=(False,) * 7)
    net = net_of({"conv": case})
    plain, shifts = (
        hardware(net).loadable(Choice(1, multiplier=each)) for each in ("lut", "shift")
    )
    assert plain is not None and shifts is not None
    assert AddressMap.of(net).region["conv.weight"].row_bits == plain.weights_bank.row_bits
    assert shifts.weights_bank.kept == kept
    own = kept * bits // 32 if 32 % bits == 0 else bits
    assert shifts.mac.w_bits == own and sum(shifts.weights_bank.memories) == 7 * own


def test_shifts_that_cannot_be() -> None:
    cases = {"conv": Case(Choice(multiplier="shift"), terms=0)}
    with pytest.raises(ConfigError, match=r"rtl layer 'conv': .*\"shift\" is for weights that are"):
        make_design(net_of(cases), schedule_of(cases))


def test_frozen_weights_are_looked_at() -> None:
    """Powers of two in a ROM need no promise; 11 is no sum of two."""
    cases = {"conv": Case(replace(ROM, rom_channels_per_cycle=2))}
    net = net_of(cases)
    (weight, *rest) = net.blocks
    plain = replace(net, blocks=(replace(weight, terms=0), *rest))
    engine = hardware(plain).frozen(cases["conv"].choice)
    assert engine is not None and "shifters by powers of two" in engine.words
    raw = weight.raw.copy()
    raw[0, 0, 0, 1] = 11  # of a frozen channel
    other = replace(net, blocks=(replace(weight, terms=0, raw=raw), *rest))
    with pytest.raises(ConfigError, match="sums of at most 2 powers of two"):
        make_design(other, schedule_of(cases))


def test_shifts_are_smaller_than_multipliers(tmp_path: Path) -> None:
    """Of the same layer, synthesised, and about as large as predicted."""
    found, predicted = {}, {}
    for multiplier in ("shift", "lut"):
        choice = Choice(4, 0, multiplier=multiplier)
        cases = {"conv": Case(choice, bias=None, frozen=(False,) * 4)}
        net, schedule = net_of(cases, inputs=1), schedule_of(cases)
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
    assert found["shift"].lut < 0.75 * found["lut"].lut
    assert found["shift"].lut_as_ram < found["lut"].lut_as_ram
    for multiplier, cells in found.items():
        assert predicted[multiplier].lut == pytest.approx(cells.lut, rel=0.15)
        assert predicted[multiplier].ff == pytest.approx(cells.ff, rel=0.15)
