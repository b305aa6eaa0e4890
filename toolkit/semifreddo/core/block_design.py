"""The block design around a core: names and addresses that the bitstream and the runtime share.

::

    PS HP0 <== smartconnect_mem <== axi_dma_0 (MM2S, S2MM) <==> semifreddo_0 (32-bit AXI4-Stream)
    PS GP0 ==> smartconnect_ctrl ==> axi_dma_0, axi_intc_0, semifreddo_0 (AXI4-Lite)
    PS irq <-- axi_intc_0 <-- xlconcat_0 <-- mm2s_introut, s2mm_introut [, semifreddo_0/interrupt]
    PS fabric clock 0 --> everything; proc_sys_reset_0 --> resets
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ZYNQ7, ZYNQ_ULTRA = "processing_system7", "zynq_ultra_ps_e"
"""Kinds of processing systems, by the name of their Xilinx IP."""

PS_INSTANCE: Mapping[str, str] = MappingProxyType(
    {kind: f"{kind}_0" for kind in (ZYNQ7, ZYNQ_ULTRA)}
)
DMA = "axi_dma_0"
INTERRUPT_CONTROLLER = "axi_intc_0"
INTERRUPT_CONCAT = "xlconcat_0"
CORE = "semifreddo_0"
RESET = "proc_sys_reset_0"
CONTROL_INTERCONNECT = "smartconnect_ctrl"
MEMORY_INTERCONNECT = "smartconnect_mem"
BLOCK_DESIGN = "system"
"""Name of the block design; the .hwh is made from it."""

DMA_LENGTH_BITS = 26
"""Width of the DMA's length registers: a transfer has at most 2**26 - 1 bytes.

``c_sg_length_width`` is at most 26 (AXI DMA product guide PG021; not verified on a board).
"""

DMA_STREAM_BITS = 32
DMA_ADDRESS_BITS = 32
"""Buffers have to lie below 4 GiB (below 2 GiB on Zynq UltraScale+, whose low DDR ends there)."""

INTERRUPTS = (f"{DMA}/mm2s_introut", f"{DMA}/s2mm_introut", f"{CORE}/interrupt")
"""Inputs 0, 1, 2 of the interrupt controller; the last one only if the core has the pin (HLS)."""

_CORE_BASE = {ZYNQ7: 0x43C0_0000, ZYNQ_ULTRA: 0xA040_0000}
_LEAST_RANGE = 0x1_0000
_MOST_RANGE = 0x40_0000


@dataclass(frozen=True)
class Segment:
    """An AXI4-Lite slave in the processor's address map.

    Attributes:
        instance: Cell of the block design.
        base: First byte address.
        size: Bytes, a power of two.
    """

    instance: str
    base: int
    size: int


def vlnv(design: str) -> str:
    """Identity of a design's core: vendor, library, name, version."""
    return f"semifreddo:semifreddo:{design}:1.0"


def core_range(control_bytes: int) -> int:
    """Bytes reserved for a core's AXI4-Lite slave.

    Args:
        control_bytes: Bytes its registers and memories need.

    Raises:
        ValueError: More than the 4 MiB there is place for.
    """
    size = max(_LEAST_RANGE, 1 << (control_bytes - 1).bit_length())
    if size > _MOST_RANGE:
        raise ValueError(f"{control_bytes} bytes of control registers, at most {_MOST_RANGE}")
    return size


def address_map(ps: str, control_bytes: int = _LEAST_RANGE) -> tuple[Segment, ...]:
    """Where the processor sees the DMA, the interrupt controller and the core.

    Args:
        ps: Kind of processing system.
        control_bytes: Bytes of the core's AXI4-Lite slave.

    Raises:
        KeyError: There is no such processing system.
        ValueError: The core needs more than there is place for.
    """
    dma, controller = {
        ZYNQ7: (0x4040_0000, 0x4180_0000),
        ZYNQ_ULTRA: (0xA000_0000, 0xA001_0000),
    }[ps]
    return (
        Segment(DMA, dma, 0x1_0000),
        Segment(INTERRUPT_CONTROLLER, controller, 0x1_0000),
        Segment(CORE, _CORE_BASE[ps], core_range(control_bytes)),
    )
