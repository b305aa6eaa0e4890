"""What a bitstream is made around: the HLS project or the Verilog of a network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from semifreddo.core import hls_registers
from semifreddo.core.errors import ProjectError
from semifreddo.ir.bus import ADDRESS_BITS, PORTS, BusPort

RTL_CONTROL_BYTES = 1 << ADDRESS_BITS


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
        top: Module with the ports of :data:`semifreddo.ir.bus.PORTS`.
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


def _declared(port: BusPort) -> str:
    bits = f"[{port.bits - 1:2}:0]" if port.bits > 1 else ""
    return f"    {port.direction:<6} wire {bits:6} {port.name}"


def wrapper_text(core: RtlCore) -> str:
    """A plain Verilog module around the core: Vivado's IP packager wants no SystemVerilog top."""
    ports = ",\n".join(map(_declared, PORTS))
    connections = ",\n".join(f"        .{port.name}({port.name})" for port in PORTS)
    return (
        "// The core as an IP: the same ports, in plain Verilog.\n"
        "`default_nettype none\n\n"
        f"module {core.wrapper} (\n{ports}\n);\n"
        f"    {core.top} core (\n{connections}\n    );\n"
        "endmodule\n\n`default_nettype wire\n"
    )
