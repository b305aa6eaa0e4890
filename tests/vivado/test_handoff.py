"""What a handoff tells, and what is None because the handoff does not tell it."""

from __future__ import annotations

import pytest

from semifreddo.vivado.handoff import Handoff, parse_handoff, registers_of

CLOCK_7 = "PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ"
CLOCK_PLUS = "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ"


def system(*inside: str, version: str = "2019.2") -> str:
    return f'<EDKSYSTEM VIVADOVERSION="{version}">{"".join(inside)}</EDKSYSTEM>'


def parameter(name: str, value: str) -> str:
    return f'<PARAMETER NAME="{name}" VALUE="{value}"/>'


def memory(channel: str, low: str, high: str) -> str:
    """What a channel of the DMA reaches."""
    return (
        f'<MEMRANGE MASTERBUSINTERFACE="M_AXI_{channel}" MEMTYPE="MEMORY" BASEVALUE="{low}" '
        f'HIGHVALUE="{high}"/>'
    )


def test_all_that_a_handoff_tells() -> None:
    text = system(
        parameter("PCW_FPGA0_PERIPHERAL_FREQMHZ", "50"),
        parameter(CLOCK_7, "99.5"),
        memory("MM2S", "0x0", "0x1FFFFFFF"),
        memory("S2MM", "0x00000000", "0x0FFFFFFF"),
    )
    assert parse_handoff(text) == Handoff("2019.2", 99.5, 0x1000_0000), "what both channels reach"


@pytest.mark.parametrize("name", [CLOCK_7, CLOCK_PLUS])
@pytest.mark.parametrize(("value", "clock"), [("99.99", 99.99), ("", None), ("fast", None)])
def test_the_clock_of_either_family(name: str, value: str, clock: float | None) -> None:
    found = parse_handoff(system(parameter("OTHER", "1"), parameter(name, value)))
    assert found.clock_mhz == clock


@pytest.mark.parametrize(
    "ranges",
    [
        (),
        (memory("MM2S", "0x0", "0xFFF"),),
        (memory("S2MM", "0x0", "0xFFF"),),
        (memory("MM2S", "0x0", "0xFFF"), memory("S2MM", "0x1000", "0x1FFF")),
        (memory("MM2S", "0x0", "all"), memory("S2MM", "0x0", "0xFFF")),
        (memory("MM2S", "", "0xFFF"), memory("S2MM", "0x0", "0xFFF")),
    ],
    ids=["none", "no S2MM", "no MM2S", "not from 0 on", "no end", "no begin"],
)
def test_a_reach_that_is_not_told_of_both_channels(ranges: tuple[str, ...]) -> None:
    assert parse_handoff(system(*ranges)).dma_bytes is None


def module(path: str, **offsets: str) -> str:
    registers = "".join(
        f'<REGISTER NAME="{name}"><PROPERTY NAME="DESCRIPTION" VALUE="0x99"/>'
        f'<PROPERTY NAME="ADDRESS_OFFSET" VALUE="{offset}"/>'
        '<PROPERTY NAME="ACCESS" VALUE="read-write"/></REGISTER>'
        for name, offset in offsets.items()
    )
    return f'<MODULE FULLNAME="{path}">{registers}</MODULE>'


def test_the_registers_of_an_instance() -> None:
    text = system(
        module("/axi_dma_0", MM2S_DMACR="0x00", S2MM_DMASR="52"),
        module("/hier_0/core_0", CTRL="0x0"),
        module("/bare_0"),
    )
    assert registers_of(text, "axi_dma_0") == {"MM2S_DMACR": 0, "S2MM_DMASR": 52}
    assert registers_of(text, "hier_0/core_0") == {"CTRL": 0}
    assert registers_of(text, "bare_0") == {}
    assert registers_of(text, "core_0") is None


@pytest.mark.parametrize("text", ["", "no handoff", "<EDKSYSTEM>"])
def test_a_text_that_is_no_handoff(text: str) -> None:
    assert parse_handoff(text) == Handoff(None, None, None)
    assert registers_of(text, "axi_dma_0") is None
