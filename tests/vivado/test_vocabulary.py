"""The vendor's vocabulary: what the real tools would refuse, the fake ones refuse.

Every case puts a fault into a script of ours; the stage that runs it has to fail with the vendor's
kind of message. Some are faults that were in these scripts.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from semifreddo.core.errors import ToolError
from semifreddo.core.project import ProjectPlan
from semifreddo.vivado.driver import Options, run_project
from vivado.projects import FAKES, fake_tools, plan

pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")

DESIGN, PS, PACKAGE = "tcl/block_design.tcl", "tcl/ps.tcl", "tcl/package.tcl"
FAULTS = [
    (DESIGN, "c_include_sg 0", "c_include_sgs 0", "no property CONFIG.c_include_sgs of axi_dma"),
    (
        DESIGN,
        "c_include_sg 0",
        "c_include_sg 0 c_sg_include_stscntrl_strm 0",
        "disabled parameter 'c_sg_include_stscntrl_strm'",
    ),
    (DESIGN, "c_mm2s_burst_size 16", "c_mm2s_burst_size 17", "'17' is out of the range"),
    (DESIGN, "NUM_SI 2 NUM_MI 1", "NUM_SI 17 NUM_MI 1", "'17' is out of the range"),
    (DESIGN, "xilinx.com:ip:axi_intc", "xilinx.com:ip:axi_into", "IP definition not found"),
    (DESIGN, "-range $size -target", "-rang $size -target", "Unknown option '-rang'"),
    (DESIGN, "$dma/$space $ps/", "$dma/Data $ps/", "no address space axi_dma_0/Data"),
    (DESIGN, "$cell/*/* $base", "$cell/*/* 0x40408000", "cannot be mapped at"),
    (DESIGN, "$cell/*/* $base", "$cell/*/* 0x40400000", "overlaps"),
    (DESIGN, "[setting ddr_bytes]", "0x80000000", "is larger than"),
    (DESIGN, "create_bd_design [", "create_bd_desing [", "invalid command name"),
    (PS, "PCW_IRQ_F2P_INTR 1", "PCW_IRQ_F2P_INTR 2", "'2' is out of the range"),
    (PS, "PCW_USE_FABRIC_INTERRUPT 1", "PCW_USE_FABRIC_INTERRUPT 0", "disabled parameter"),
    (PS, "_DDR_LOWOCM", "_DDR_LOW", "expected one address segment"),
    (PACKAGE, "-clock aclk", "-clk aclk", "Unknown option '-clk'"),
    (PACKAGE, "property range [setting core_range]", "property range 16", "out of the range"),
    (PACKAGE, "set_property version", "set_property versions", "no property versions"),
    ("tcl/impl.tcl", "Implementation Defaults", "Implementation Default", "out of the range"),
    ("tcl/impl.tcl", "-to_step route_design", "-to_step route", "Invalid option value 'route'"),
    ("tcl/impl.tcl", "    reset_run impl_1\n", "", None),
    (
        "tcl/bitstream.tcl",
        "write_bitstream -force ../out/[setting name].bit",
        "finish_run impl_1 -to_step route_design",
        "already been launched and is complete",
    ),
]


def with_fault(made: ProjectPlan, script: str, old: str, new: str) -> ProjectPlan:
    text = made.files[script].decode()
    assert old in text
    return ProjectPlan({**made.files, script: text.replace(old, new).encode()})


@pytest.mark.parametrize(("script", "old", "new", "message"), FAULTS)
def test_a_fault_in_a_script_is_refused(
    script: str,
    old: str,
    new: str,
    message: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_tools(monkeypatch)
    stage = "block_design" if script == PS else Path(script).stem
    with_fault(plan(), script, old, new).write(tmp_path)
    if message is None:  # right at first, refused when it is repeated
        run_project(tmp_path, Options(until=stage), lambda _: None)
        message = "already been launched and is complete"
    with pytest.raises(ToolError, match=f"(?s)stage {stage}: .*{message}"):
        run_project(tmp_path, Options(until=stage, first=stage), lambda _: None)


def test_segments_that_a_dma_could_reach_are_excluded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tools(monkeypatch)
    call = "    exclude_others $dma/$space $ps/[dict get $pins ddr]\n"
    made = plan("rtl", "zcu104")
    made.write(tmp_path / "whole")
    run_project(tmp_path / "whole", Options(until="block_design"), lambda _: None)
    with_fault(made, DESIGN, call, "").write(tmp_path / "open")
    with pytest.raises(ToolError, match=r"BD 41-1356.*HP0_LPS_OCM is neither mapped"):
        run_project(tmp_path / "open", Options(until="block_design"), lambda _: None)


def test_an_empty_set_of_properties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    check = "    if {[llength $properties]} {"
    with_fault(plan("rtl", "zcu104"), PS, check, "    if {1} {").write(tmp_path)
    with pytest.raises(ToolError, match="Missing value for option '-dict'"):
        run_project(tmp_path, Options(until="block_design"), lambda _: None)


def test_a_vivado_without_xlconcat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    plan().write(tmp_path)
    monkeypatch.setenv("FAKE_XILINX_VERSION", "2026.1")
    with pytest.raises(ToolError, match=r"Vivado 2026\.1 has no xlconcat.*up to 2025\.2"):
        run_project(tmp_path, Options(any_version=True), lambda _: None)
    monkeypatch.setenv("FAKE_XILINX_VERSION", "2025.2")
    run_project(tmp_path, Options(any_version=True, until="block_design"), lambda _: None)


def test_the_tables_are_whole() -> None:
    columns = {"properties": 7, "segments": 3, "commands": 5}
    for name, count in columns.items():
        lines = (FAKES / "vocabulary" / f"{name}.txt").read_text().splitlines()
        facts = [line for line in lines if line and not line.startswith("#")]
        assert facts and all(len(line.split("|")) == count for line in facts)
        keys = [line.split("|")[:2] for line in facts]
        doubled = [key for key in keys if keys.count(key) > 1]
        assert name == "segments" or {key[1] for key in doubled} <= {"config_array_partition"}
