"""Hardware handoffs (``.hwh``) of simulated boards: what Vivado would write for our block design.

Holds what PYNQ reads: cells, address map, parameters, interrupt wiring and clocks of
:mod:`semifreddo.core.block_design`. The handoff of a real bitstream comes from Vivado.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from semifreddo.core import block_design as design
from semifreddo.ir.net import StreamNet
from semifreddo.runtime.bundle import Bundle
from semifreddo.runtime.device_files import DeviceFiles

_AXI, _AXIS = "xilinx.com:interface:aximm:1.0", "xilinx.com:interface:axis:1.0"
_PS_VLNV = {
    design.ZYNQ7: "xilinx.com:ip:processing_system7:5.5",
    design.ZYNQ_ULTRA: "xilinx.com:ip:zynq_ultra_ps_e:3.3",
}
_PS_MASTER = {design.ZYNQ7: "M_AXI_GP0", design.ZYNQ_ULTRA: "M_AXI_HPM0_FPD"}
_PS_IRQ = {design.ZYNQ7: "IRQ_F2P", design.ZYNQ_ULTRA: "pl_ps_irq0"}
_SLAVE = {design.DMA: "S_AXI_LITE", design.INTERRUPT_CONTROLLER: "s_axi", design.CORE: "S_AXI"}
_ADDRESS_BLOCKS = {design.DMA: "Reg", design.INTERRUPT_CONTROLLER: "Reg", design.CORE: "reg0"}

PORTS = ("mm2s_introut", "s2mm_introut")


def _tag(name: str, attributes: Mapping[str, object], inside: Iterable[str] = ()) -> str:
    head = " ".join(
        [name, *(f"{key}={quoteattr(str(value))}" for key, value in attributes.items())]
    )
    body = "".join(inside)
    return f"<{head}>\n{body}</{name}>\n" if body else f"<{head}/>\n"


def _port(name: str, direction: str, *ends: tuple[str, str]) -> str:
    links = [_tag("CONNECTION", {"INSTANCE": cell, "PORT": port}) for cell, port in ends]
    inside = [_tag("CONNECTIONS", {}, links)] if links else []
    return _tag("PORT", {"DIR": direction, "NAME": name}, inside)


def _bus(name: str, kind: str, vlnv: str) -> str:
    return _tag("BUSINTERFACE", {"NAME": name, "TYPE": kind, "VLNV": vlnv})


def _module(  # noqa: PLR0917 -- one argument per element of a cell
    path: str,
    vlnv: str,
    parameters: Mapping[str, object],
    ports: Sequence[str],
    buses: Sequence[str],
    memory: Sequence[str] = (),
    registers: Mapping[str, int] | None = None,
) -> str:
    attributes = {
        "FULLNAME": f"/{path}",
        "INSTANCE": path.replace("/", "_"),
        "MODTYPE": vlnv.split(":")[2],
        "VLNV": vlnv,
    }
    values = [_tag("PARAMETER", {"NAME": k, "VALUE": v}) for k, v in parameters.items()]
    inside = [
        _tag("PARAMETERS", {}, values),
        _tag("PORTS", {}, ports),
        _tag("BUSINTERFACES", {}, buses),
        _tag("MEMORYMAP", {}, memory),
    ]
    if registers:
        inside.append(_address_block(registers))
    return _tag("MODULE", attributes, inside)


def _address_block(registers: Mapping[str, int]) -> str:
    """Registers of the core's slave, as HLS describes them."""
    found = [
        _tag(
            "REGISTER",
            {"NAME": name},
            [_tag("PROPERTY", {"NAME": "ADDRESS_OFFSET", "VALUE": f"0x{offset:x}"})],
        )
        for name, offset in registers.items()
    ]
    block = {"INTERFACE": _SLAVE[design.CORE], "NAME": "Reg", "USAGE": "register"}
    return _tag("ADDRESSBLOCKS", {}, [_tag("ADDRESSBLOCK", block, [_tag("REGISTERS", {}, found)])])


def _clocks(ps: str, clock_mhz: float) -> dict[str, object]:
    """Four fabric clocks, the first one on: 1000 MHz (1500 MHz) divided down."""
    found: dict[str, object] = {}
    for index in range(4):
        if ps == design.ZYNQ7:
            found |= {
                f"PCW_FPGA_FCLK{index}_ENABLE": int(index == 0),
                f"PCW_FCLK{index}_PERIPHERAL_DIVISOR0": round(1000 / clock_mhz),
                f"PCW_FCLK{index}_PERIPHERAL_DIVISOR1": 1,
                f"PCW_FCLK{index}_PERIPHERAL_CLKSRC": "IO PLL",
            }
        else:
            clock = f"PSU__CRL_APB__PL{index}_REF_CTRL__"
            found |= {
                f"PSU__FPGA_PL{index}_ENABLE": int(index == 0),
                f"{clock}DIVISOR0": round(1500 / clock_mhz),
                f"{clock}DIVISOR1": 1,
                f"{clock}SRCSEL": "IOPLL",
                f"{clock}ACT_FREQMHZ": clock_mhz,
            }
    return found


def _dma(path: str, concat: str, interrupts: bool) -> str:
    parameters: dict[str, object] = {
        "c_include_sg": 0,
        "c_micro_dma": 0,
        "c_sg_length_width": design.DMA_LENGTH_BITS,
        "c_addr_width": design.DMA_ADDRESS_BITS,
    }
    for name in ("mm2s", "s2mm"):
        parameters |= {
            f"c_include_{name}": 1,
            f"c_include_{name}_dre": 0,
            f"c_m_axi_{name}_data_width": design.DMA_STREAM_BITS,
        }
    ports = [
        _port(name, "O", *([(concat, f"In{index}")] if interrupts else []))
        for index, name in enumerate(PORTS)
    ]
    buses = [
        _bus(_SLAVE[design.DMA], "SLAVE", _AXI),
        _bus("M_AXIS_MM2S", "INITIATOR", _AXIS),
        _bus("S_AXIS_S2MM", "TARGET", _AXIS),
    ]
    return _module(path, "xilinx.com:ip:axi_dma:7.1", parameters, ports, buses)


def handoff(
    ps: str,
    core: str,
    *,
    interrupts: bool = True,
    clock_mhz: float = 100.0,
    hierarchy: str = "",
    registers: Mapping[str, int] | None = None,
    control_bytes: int = 256,
) -> str:
    """The text of a handoff.

    Args:
        ps: Kind of processing system: ``processing_system7`` or ``zynq_ultra_ps_e``.
        core: Name of the design, which becomes the core's VLNV.
        interrupts: Whether the DMA's interrupts are wired.
        clock_mhz: Of fabric clock 0.
        hierarchy: Puts the DMA inside a level of hierarchy of that name, as other toolkits do.
        registers: Byte offsets of the core's registers by name, which a core made by HLS has in
            its handoff (:mod:`semifreddo.core.hls_registers`).
        control_bytes: Bytes of the core's AXI4-Lite port.

    Raises:
        KeyError: There is no such processing system.
    """
    dma = f"{hierarchy}/{design.DMA}" if hierarchy else design.DMA
    place = {design.DMA: dma.replace("/", "_")}
    ps_cell, concat = design.PS_INSTANCE[ps], design.INTERRUPT_CONCAT
    controller = design.INTERRUPT_CONTROLLER
    memory = [
        _tag(
            "MEMRANGE",
            {
                "ADDRESSBLOCK": _ADDRESS_BLOCKS[segment.instance],
                "BASEVALUE": f"0x{segment.base:08X}",
                "HIGHVALUE": f"0x{segment.base + segment.size - 1:08X}",
                "INSTANCE": place.get(segment.instance, segment.instance),
                "MASTERBUSINTERFACE": _PS_MASTER[ps],
                "MEMTYPE": "REGISTER",
                "SLAVEBUSINTERFACE": _SLAVE[segment.instance],
            },
        )
        for segment in design.address_map(ps, control_bytes)
        if interrupts or segment.instance != controller
    ]
    irq = [_port(_PS_IRQ[ps], "I", *([(controller, "irq")] if interrupts else []))]
    modules = [
        _module(
            ps_cell,
            _PS_VLNV[ps],
            _clocks(ps, clock_mhz),
            irq,
            [_bus(_PS_MASTER[ps], "MASTER", _AXI)],
            memory,
        ),
        _dma(dma, concat, interrupts),
        _module(
            design.CORE,
            design.vlnv(core),
            {},
            [],
            [
                _bus(_SLAVE[design.CORE], "SLAVE", _AXI),
                _bus("s_axis", "TARGET", _AXIS),
                _bus("m_axis", "INITIATOR", _AXIS),
            ],
            registers=registers,
        ),
    ]
    if interrupts:
        ends = [(place[design.DMA], name) for name in PORTS]
        inputs = [_port(f"In{index}", "I", end) for index, end in enumerate(ends)]
        modules += [
            _module(
                controller,
                "xilinx.com:ip:axi_intc:4.1",
                {},
                [_port("intr", "I", (concat, "dout")), _port("irq", "O", (ps_cell, _PS_IRQ[ps]))],
                [_bus(_SLAVE[controller], "SLAVE", _AXI)],
            ),
            _module(
                concat,
                "xilinx.com:ip:xlconcat:2.1",
                {},
                [*inputs, _port("dout", "O", (controller, "intr"))],
                [],
            ),
        ]
    system = _tag("SYSTEMINFO", {"NAME": design.BLOCK_DESIGN})
    parts = [system, "<EXTERNALPORTS/>\n<EXTERNALINTERFACES/>\n", _tag("MODULES", {}, modules)]
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _tag("EDKSYSTEM", {}, parts)


def simulated_files(
    net: StreamNet, ps: str = design.ZYNQ_ULTRA, **options: Any
) -> dict[str, bytes]:
    """Stand-ins for the bitstream and handoff of a network's device.

    Args:
        net: The network.
        ps: Kind of processing system.
        options: Of :func:`handoff`.
    """
    bitstream = f"simulated bitstream of {net.name} {net.device_digest}\n".encode()
    return {
        f"{net.name}.bit": bitstream,
        f"{net.name}.hwh": handoff(ps, net.name, **options).encode(),
    }


def with_simulated_bitstream(bundle: Bundle, ps: str = design.ZYNQ_ULTRA, **options: Any) -> Bundle:
    """The same bundle with stand-ins for a bitstream, as its first transport.

    Args:
        bundle: Any bundle.
        ps: Kind of processing system.
        options: Of :func:`handoff`.
    """
    files = DeviceFiles(simulated_files(bundle.net, ps, **options))
    return dataclasses.replace(bundle, transports={"pynq": files} | dict(bundle.transports))
