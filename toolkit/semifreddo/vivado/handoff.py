"""What a handoff (``.hwh``) tells of the hardware: clock, reach of the DMA, registers.

Runs on the machine with Vivado too, with Python 3.8 or newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

_CLOCKS = (
    "PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ",
    "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ",
)
_MASTERS = ("M_AXI_MM2S", "M_AXI_S2MM")


@dataclass(frozen=True)
class Handoff:
    """Figures of a handoff; what it does not tell is None.

    Attributes:
        version: Of Vivado, e.g. ``2019.2``.
        clock_mhz: Of fabric clock 0, as the processor's dividers make it.
        dma_bytes: Of memory from address 0 on, that both channels of the DMA reach.
    """

    version: str | None = None
    clock_mhz: float | None = None
    dma_bytes: int | None = None


def parse_handoff(text: str) -> Handoff:
    """The figures of a handoff; none at all of a text that is no handoff."""
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 -- Vivado wrote it, on this machine
    except ElementTree.ParseError:
        return Handoff()
    values = {
        found.get("NAME"): found.get("VALUE", "")
        for found in root.iter("PARAMETER")
        if found.get("NAME") in _CLOCKS
    }
    clock = next((_number(values[name]) for name in _CLOCKS if name in values), None)
    reached = [_reached(root, master) for master in _MASTERS]
    return Handoff(
        version=root.get("VIVADOVERSION"),
        clock_mhz=clock,
        dma_bytes=None if None in reached else min(size for size in reached if size is not None),
    )


def registers_of(text: str, instance: str) -> dict[str, int] | None:
    """Byte offsets of an instance's registers by name; None if the text has no such instance.

    Args:
        text: The handoff.
        instance: Its path, such as ``hier_0/axi_dma_0``.
    """
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 -- Vivado wrote it, on this machine
    except ElementTree.ParseError:
        return None
    modules = root.iter("MODULE")
    module = next((m for m in modules if m.get("FULLNAME", "").strip("/") == instance), None)
    if module is None:
        return None
    found = {}
    for register in module.iter("REGISTER"):
        for fact in register.findall("PROPERTY"):
            if fact.get("NAME") == "ADDRESS_OFFSET":
                found[register.get("NAME", "")] = int(fact.get("VALUE", ""), 0)
    return found


def _reached(root: ElementTree.Element, master: str) -> int | None:
    for found in root.iter("MEMRANGE"):
        if found.get("MASTERBUSINTERFACE") == master and found.get("MEMTYPE") == "MEMORY":
            try:
                low, high = (int(found.get(end, ""), 0) for end in ("BASEVALUE", "HIGHVALUE"))
            except ValueError:
                return None
            return high + 1 if low == 0 else None
    return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
