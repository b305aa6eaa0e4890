"""Every script runs in tclsh with the vendor's commands recorded; the record is a golden file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from golden_files import updating
from semifreddo.boards import board_names, load_board
from semifreddo.core.errors import ToolError
from semifreddo.vivado.driver import Options, run_project
from vivado.projects import FAKES, fake_tools, plan

GOLDEN = Path(__file__).parents[1] / "golden" / "vivado"

pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")

CASES = [
    (name, backend)
    for name in board_names()
    if load_board(name).ps is not None
    for backend in ("rtl", "vivado", "vitis")
    if backend == "rtl" or f"{backend}_hls" in load_board(name).tools
]


def record(root: Path) -> str:
    stages = ("hls", "cosim", "package", "block_design", "synth", "impl", "bitstream")
    files = [(root / "record" / f"{stage}.tcl") for stage in stages]
    return "".join(f"# {file.stem}\n{file.read_text()}\n" for file in files if file.is_file())


@pytest.mark.parametrize(("board", "backend"), CASES)
def test_the_recorded_commands(
    board: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``SEMIFREDDO_UPDATE_GOLDEN=1`` writes the golden files anew."""
    fake_tools(monkeypatch)
    release = load_board(board).tools["vivado"][-1]
    monkeypatch.setenv("FAKE_XILINX_VERSION", release)
    monkeypatch.setenv("FAKE_XILINX_RECORD", str(tmp_path / "record"))
    plan(backend, board).write(tmp_path / "project")
    options = Options(any_version=True, cosim=backend != "rtl")
    run_project(tmp_path / "project", options, lambda _: None)
    text = record(tmp_path)
    assert str(tmp_path) not in text
    path = GOLDEN / f"{board}-{backend}.tcl"
    if updating():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.is_file(), f"no golden file {path.name}; set SEMIFREDDO_UPDATE_GOLDEN=1"
    assert text == path.read_text()


def test_before_2020_addresses_are_mapped_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tools(monkeypatch)
    monkeypatch.setenv("FAKE_XILINX_VERSION", "2019.2")
    monkeypatch.setenv("FAKE_XILINX_RECORD", str(tmp_path / "record"))
    plan().write(tmp_path / "project")
    run_project(tmp_path / "project", Options(), lambda _: None)
    text = record(tmp_path)
    assert "assign_bd_address" not in text
    assert "create_bd_addr_seg -range 0x00010000 -offset 0x40400000 " in text


def test_the_fake_is_strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelled pin or command fails as in Vivado, else the golden files would prove little."""
    fake_tools(monkeypatch)
    for old, new, message in (
        ("$dma/axi_resetn", "$dma/axi_reset", "no pin axi_dma_0/axi_reset in the block design"),
        ("    $dma/axi_resetn \\\n", "", r"\[BD 41-758\] /axi_dma_0/axi_resetn is not connected"),
        ("validate_bd_design", "validate_design", 'invalid command name "validate_design"'),
    ):
        files = dict(plan().files)
        script = files["tcl/block_design.tcl"].decode()
        assert old in script
        files["tcl/block_design.tcl"] = script.replace(old, new).encode()
        root = tmp_path / "project"
        type(plan())(files).write(root)
        with pytest.raises(ToolError, match=message):
            run_project(root, Options(), lambda _: None)


def test_the_fakes_have_no_other_tool() -> None:
    names = {file.name for file in FAKES.iterdir()}
    assert {"vivado", "vivado_hls", "vitis_hls", "fake.tcl"} <= names
    assert re.fullmatch(r"#!/bin/sh", (FAKES / "vivado").read_text().splitlines()[0])
