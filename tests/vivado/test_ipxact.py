"""Registers of an exported core: real files, what the fake HLS writes, what the driver refuses."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

import pytest

from board_nets import frozen, loadable, resnet
from hls.builders import demo
from hls_interface import export, top_function
from semifreddo.core.errors import ToolError
from semifreddo.core.hls_registers import control_bytes, registers
from semifreddo.core.project import ProjectPlan
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.vivado.driver import Options, run_project
from semifreddo.vivado.ipxact import parse_registers
from vivado.projects import fake_tools, plan

DATA = Path(os.environ.get("SEMIFREDDO_DATA", Path(__file__).parents[3] / "shared" / "data"))
REAL = DATA / "tool_reports" / "vitis_hls" / "component.xml"

needs_tclsh = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")

TOOLS = [("vivado", "2019.2"), ("vivado", "2020.1"), ("vitis", "2021.1"), ("vitis", "2024.1")]


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_file(), reason="real files are not here (SEMIFREDDO_DATA)")
def test_a_file_that_vitis_hls_wrote() -> None:
    found = parse_registers(REAL.read_text())
    assert list(found.items())[:8] == [
        ("CTRL", 0),
        ("GIER", 4),
        ("IP_IER", 8),
        ("IP_ISR", 12),
        ("a_r_1", 0x10),
        ("a_r_2", 0x14),
        ("b_r_1", 0x1C),
        ("b_r_2", 0x20),
    ]


def test_what_is_no_description() -> None:
    assert parse_registers("") == parse_registers("<component/>") == {}


def test_a_register_without_a_number_hides_no_other() -> None:
    space = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
    offsets = {"CTRL": "0x0", "odd": "AT_END", "bare": "", "GIE": "0x04"}
    text = "".join(
        f"<s:register><s:name>{name}</s:name><s:addressOffset>{offset}</s:addressOffset></s:register>"
        for name, offset in offsets.items()
    )
    found = parse_registers(f'<s:component xmlns:s="{space}">{text}</s:component>')
    assert found == {"CTRL": 0, "GIE": 4}


@needs_tclsh
@pytest.mark.parametrize(("tool", "version"), TOOLS, ids=[f"{t}-{v}" for t, v in TOOLS])
@pytest.mark.parametrize(
    ("net", "words"),
    [(frozen(), 0), (demo(), 990), (loadable("clothes"), 6272), (resnet(), 9344)],
    ids=["frozen", "digits", "clothes", "resnet"],
)
def test_registers_lie_where_the_runtime_expects_them(
    net: StreamNet, words: int, tool: Literal["vivado", "vitis"], version: str, tmp_path: Path
) -> None:
    assert AddressMap.of(net).words == words
    found = export(net.name, top_function(net), tmp_path, tool, version)
    expected = registers(words)
    assert found.registers == expected
    assert found.control_bytes == control_bytes(words)
    assert found.header["AP_CTRL"] == 0
    assert found.header["FRAMES_DATA"] == expected["frames"]
    if words:
        assert found.header["LOAD_TASK_DATA"] == expected["load_task"]
        assert found.header["TASK_MEMORY_BASE"] == expected["Memory_task_memory"]


@needs_tclsh
@pytest.mark.parametrize(("tool", "suffix"), [("vivado", "_V"), ("vitis", "")])
def test_types_of_the_tool_change_names(
    tool: Literal["vivado", "vitis"], suffix: str, tmp_path: Path
) -> None:
    """Finding 3: why our arguments have plain types."""
    text = top_function(demo())
    old = "bool load_task,\n    const unsigned task_memory"
    assert old in text
    text = text.replace(old, "ap_uint<1> load_task,\n    const ap_uint<32> task_memory")
    found = export("demo", text, tmp_path, tool, "2020.1")
    names = ["CTRL", "frames", f"load_task{suffix}", f"Memory_task_memory{suffix}"]
    assert list(found.registers) == names


@needs_tclsh
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (  # finding 3b: a scalar behind the memory is out of reach
            "    bool load_task,\n    const unsigned task_memory[300]\n",
            "    const unsigned task_memory[30000],\n    bool load_task\n",
            r"register load_task ends at 0x40004, the block design maps 0x10000 bytes, so the run",
        ),
        (
            "    #pragma HLS INTERFACE s_axilite port=frames bundle=control\n",
            "",
            r"the core that HLS made has no register frames, only CTRL, load_task, Memory_task_mem",
        ),
        ("port=frames", "port=frame", r"\[HLS 200-70\] no argument frame for an interface"),
        ("unsigned frames,", "ap_fixed<8, 4> frames,", r"knows no argument of type ap_fixed<8, 4>"),
        ("port=return bundle=control", "port=return bundle=other", r"wants one AXI4-Lite port"),
    ],
)
def test_what_the_runtime_could_not_drive_ends_the_stage(
    old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tools(monkeypatch)
    files = dict(plan("vivado").files)
    text = files["hls/firmware/tiny.cpp"].decode()
    assert old in text
    files["hls/firmware/tiny.cpp"] = text.replace(old, new).encode()
    ProjectPlan(files).write(tmp_path)
    with pytest.raises(ToolError, match=message):
        run_project(tmp_path, Options(until="hls"), lambda _: None)
