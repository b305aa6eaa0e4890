"""What a bitstream is made around: the HLS project or the Verilog of a network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from semifreddo.core import hls_registers
from semifreddo.core.errors import ProjectError

RTL_CONTROL_BYTES = 256
"""The registers of ``runtime/packets.py`` have 8 address bits."""


@dataclass(frozen=True)
class HlsCore:
    """An HLS project, as ``hls.plan.plan_project`` makes it.

    Attributes:
        top: Name of the top function.
        tool: Which HLS tool the project is for.
        files: Its files by relative path.
        task_words: 32-bit words of the task memory.
    """

    top: str
    tool: Literal["vivado", "vitis"]
    files: Mapping[str, bytes]
    task_words: int

    @property
    def control_bytes(self) -> int:
        """Bytes of the AXI4-Lite slave."""
        return hls_registers.control_bytes(self.task_words)

    @property
    def register_bytes(self) -> dict[str, int]:
        """Bytes of each register that the runtime needs, by name."""
        return hls_registers.register_bytes(self.task_words)

    def setting(self, name: str) -> str:
        """A value of the project's own ``project.tcl``.

        Raises:
            ProjectError: It is not there.
        """
        text = self.files.get("project.tcl", b"").decode(errors="replace")
        found = re.search(rf"^set {re.escape(name)} (\S+)\s*$", text, re.MULTILINE)
        if found is None:
            raise ProjectError(f"{self.top}: the HLS project's project.tcl does not set {name}")
        return found[1].strip('"')


@dataclass(frozen=True)
class RtlCore:
    """Verilog files, as ``rtl.design.make_design`` makes them.

    Attributes:
        top: Module with the ports of ``rtl/design.py``: s_axis, m_axis, s_axi, aclk, aresetn.
        files: Text by file name.
    """

    top: str
    files: Mapping[str, str]

    @property
    def control_bytes(self) -> int:
        """Bytes of the AXI4-Lite slave."""
        return RTL_CONTROL_BYTES

    @property
    def wrapper(self) -> str:
        """Name of the module that becomes the IP; no other module has it."""
        name = f"{self.top}_ip"
        while any(file.partition(".")[0] == name for file in self.files):
            name += "_"
        return name


Core = HlsCore | RtlCore

_PORTS = """\
    input  wire        aclk,
    input  wire        aresetn,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,
    input  wire [31:0] s_axis_tdata,
    input  wire        s_axis_tlast,
    output wire        m_axis_tvalid,
    input  wire        m_axis_tready,
    output wire [31:0] m_axis_tdata,
    output wire        m_axis_tlast,
    input  wire        s_axi_awvalid,
    output wire        s_axi_awready,
    input  wire [ 7:0] s_axi_awaddr,
    input  wire        s_axi_wvalid,
    output wire        s_axi_wready,
    input  wire [31:0] s_axi_wdata,
    input  wire [ 3:0] s_axi_wstrb,
    output wire        s_axi_bvalid,
    input  wire        s_axi_bready,
    output wire [ 1:0] s_axi_bresp,
    input  wire        s_axi_arvalid,
    output wire        s_axi_arready,
    input  wire [ 7:0] s_axi_araddr,
    output wire        s_axi_rvalid,
    input  wire        s_axi_rready,
    output wire [31:0] s_axi_rdata,
    output wire [ 1:0] s_axi_rresp"""

_PORT_NAME = re.compile(r"(\w+),?$", re.MULTILINE)


def wrapper_text(core: RtlCore) -> str:
    """A plain Verilog module around the core: Vivado's IP packager wants no SystemVerilog top."""
    connections = ",\n".join(f"        .{name}({name})" for name in _PORT_NAME.findall(_PORTS))
    return (
        "// The core as an IP: the same ports, in plain Verilog.\n"
        "`default_nettype none\n\n"
        f"module {core.wrapper} (\n{_PORTS}\n);\n"
        f"    {core.top} core (\n{connections}\n    );\n"
        "endmodule\n\n`default_nettype wire\n"
    )
