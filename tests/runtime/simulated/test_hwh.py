"""The stand-in handoff holds our block design; PYNQ's parser reads it in tests/pynq_board."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from fakes import bundle_of
from nets import blended
from semifreddo.core import block_design as design
from semifreddo.core import hls_registers
from semifreddo.runtime.device_files import DeviceFiles
from semifreddo.runtime.simulated.hwh import (
    handoff,
    simulated_files,
    with_simulated_bitstream,
)

BOTH = (design.ZYNQ7, design.ZYNQ_ULTRA)


@pytest.mark.parametrize("interrupts", [False, True])
@pytest.mark.parametrize("ps", BOTH)
def test_cells_and_addresses(ps: str, interrupts: bool) -> None:
    root = ElementTree.fromstring(handoff(ps, "digits", interrupts=interrupts))  # noqa: S314
    cells = {module.get("INSTANCE"): module.get("VLNV") for module in root.iter("MODULE")}
    assert cells[design.CORE] == design.vlnv("digits")
    wiring = {design.INTERRUPT_CONTROLLER, design.INTERRUPT_CONCAT}
    assert wiring & set(cells) == (wiring if interrupts else set())
    found = {
        place.get("INSTANCE"): (int(place.get("BASEVALUE"), 16), int(place.get("HIGHVALUE"), 16))
        for place in root.iter("MEMRANGE")
    }
    expected = {
        segment.instance: (segment.base, segment.base + segment.size - 1)
        for segment in design.address_map(ps)
        if interrupts or segment.instance != design.INTERRUPT_CONTROLLER
    }
    assert found == expected


@pytest.mark.parametrize("ps", BOTH)
def test_every_connection_has_two_ends(ps: str) -> None:
    root = ElementTree.fromstring(handoff(ps, "digits"))  # noqa: S314
    links = {
        (module.get("INSTANCE"), port.get("NAME"), end.get("INSTANCE"), end.get("PORT"))
        for module in root.iter("MODULE")
        for port in module.iter("PORT")
        for end in port.iter("CONNECTION")
    }
    inputs = {link for link in links if link[0] != design.DMA}
    assert {(end, port, cell, pin) for cell, pin, end, port in links} == links
    assert len(inputs) == 6


def test_names_are_quoted() -> None:
    ElementTree.fromstring(handoff(design.ZYNQ7, 'a"<&b'))  # noqa: S314


def test_unknown_processing_system() -> None:
    with pytest.raises(KeyError, match="versal"):
        handoff("versal", "digits")


def test_the_first_transport_of_a_bundle() -> None:
    bundle = with_simulated_bitstream(bundle_of(blended()), design.ZYNQ7)
    files = bundle.transports["pynq"]
    assert isinstance(files, DeviceFiles)
    assert files.content == simulated_files(blended(), design.ZYNQ7)
    assert list(files.content) == ["blended.bit", "blended.hwh"]


def test_registers_of_a_core_made_by_hls() -> None:
    places = hls_registers.registers(20_000)
    text = handoff(
        design.ZYNQ7,
        "digits",
        registers=places,
        control_bytes=hls_registers.control_bytes(20_000),
    )
    root = ElementTree.fromstring(text)  # noqa: S314
    found = {
        register.get("NAME"): int(register.find("PROPERTY").get("VALUE"), 16)
        for register in root.iter("REGISTER")
    }
    assert found == places
    (core,) = (r for r in root.iter("MEMRANGE") if r.get("INSTANCE") == design.CORE)
    size = int(core.get("HIGHVALUE"), 16) + 1 - int(core.get("BASEVALUE"), 16)
    assert size == 0x40000
