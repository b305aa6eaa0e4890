"""What a core looks like from outside once an HLS tool has exported it: the fake tools make it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semifreddo.hls.lower import lower
from semifreddo.hls.schedule import ScheduledNet, default_schedule
from semifreddo.hls.top import Design, source
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.tools.runner import run
from semifreddo.vivado.ipxact import parse_registers
from semifreddo.vivado.tcl_words import set_dict

_FAKES = Path(__file__).parent / "fake_tools" / "xilinx"
_TCL = Path(__file__).parents[1] / "toolkit" / "semifreddo" / "vivado" / "tcl"


@dataclass(frozen=True)
class Exported:
    """Registers by name, as ``component.xml`` and as the driver header tell them, and the range."""

    registers: dict[str, int]
    header: dict[str, int]
    control_bytes: int


def top_function(net: StreamNet) -> str:
    """``firmware/<name>.cpp``, with calls that nobody compiles."""
    dataflow = lower(ScheduledNet(net, default_schedule(net)))
    design = Design(net.name, dataflow, AddressMap.of(net), net.device_digest)
    return source(design, {process.name: f"{process.name}();" for process in dataflow.processes})


def export(
    name: str, text: str, folder: Path, tool: Literal["vivado", "vitis"], version: str
) -> Exported:
    """Run our own script with the fake HLS tool of a version, and read what that leaves.

    Args:
        name: Of the top function.
        text: Its source.
        folder: A place for the project.
        tool: Which HLS.
        version: Its release.
    """
    settings: dict[str, str | int | float | tuple[str, ...]] = {
        "name": name,
        "hls_top": name,
        "hls_cflags": "-std=c++0x",
        "part": "xc7z020clg400-1",
        "clock_ns": 10,
        "hls_uncertainty": "12.5%",
        "hls_partition": 4096,
    }
    files = {path.name: path.read_text() for path in _TCL.glob("*.tcl")}
    files = {f"tcl/{file}": content for file, content in files.items()}
    files |= {"tcl/settings.tcl": set_dict("settings", settings)}
    files |= {f"hls/firmware/{name}.cpp": text, "work/.keep": ""}
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content)
    run(
        [_FAKES / f"{tool}_hls", "-f", "../tcl/hls.tcl"],
        cwd=folder / "work",
        timeout_s=60,
        log=folder / "hls.log",
        env={"FAKE_XILINX_VERSION": version, "FAKE_XILINX": ""},
    )
    text = (folder / "ip/core/component.xml").read_text()
    (header,) = (folder / "ip/core/drivers").rglob("x*_hw.h")
    defines = re.findall(r"#define X\w+_CONTROL_ADDR_(\w+) (0x\w+)", header.read_text())
    (size,) = re.findall(r'<spirit:range spirit:format="long">(\d+)<', text)
    return Exported(
        parse_registers(text), {name: int(value, 16) for name, value in defines}, int(size)
    )
