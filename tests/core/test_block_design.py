"""The address map that the bitstream and the runtime share, number by number."""

from __future__ import annotations

import itertools

import pytest

from semifreddo.core.block_design import (
    CORE,
    DMA,
    INTERRUPT_CONTROLLER,
    ZYNQ7,
    ZYNQ_ULTRA,
    address_map,
    core_range,
    vlnv,
)


@pytest.mark.parametrize(
    ("ps", "bases"),
    [
        (ZYNQ7, (0x4040_0000, 0x4180_0000, 0x43C0_0000)),
        (ZYNQ_ULTRA, (0xA000_0000, 0xA001_0000, 0xA040_0000)),
    ],
)
def test_addresses(ps: str, bases: tuple[int, int, int]) -> None:
    segments = address_map(ps, 0x2_0001)
    assert [(s.instance, s.base, s.size) for s in segments] == [
        (DMA, bases[0], 0x1_0000),
        (INTERRUPT_CONTROLLER, bases[1], 0x1_0000),
        (CORE, bases[2], 0x4_0000),
    ]
    for segment in segments:
        assert segment.base % segment.size == 0, "a decoder compares the upper bits"
    ends = sorted((s.base, s.base + s.size) for s in address_map(ps, 0x40_0000))
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))


def test_an_unknown_processing_system() -> None:
    with pytest.raises(KeyError):
        address_map("microblaze")


@pytest.mark.parametrize(
    ("needed", "reserved"),
    [
        (1, 0x1_0000),
        (0x1_0000, 0x1_0000),
        (0x1_0001, 0x2_0000),
        (0x20_0000, 0x20_0000),
        (0x20_0001, 0x40_0000),
        (0x40_0000, 0x40_0000),
    ],
)
def test_the_range_of_a_core_is_the_next_power_of_two(needed: int, reserved: int) -> None:
    assert core_range(needed) == reserved


def test_a_core_with_more_registers_than_there_is_place_for() -> None:
    with pytest.raises(ValueError, match="4194305 bytes of control registers, at most 4194304"):
        core_range(0x40_0001)


def test_identity_of_a_core() -> None:
    assert vlnv("digits") == "semifreddo:semifreddo:digits:1.0"
