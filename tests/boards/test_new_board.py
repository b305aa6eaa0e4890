"""`docs/new-board.md`, followed: its board loads, is built for, and its list of files is true."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from readme_quotes import ROOT, files
from semifreddo.boards import board_names, load_board
from semifreddo.cli.parse import board_override
from semifreddo.flow.config import load_config
from semifreddo.vivado.driver import Options, run_project
from semifreddo.vivado.picture import block_design_svg
from vivado.projects import fake_tools, plan

PAGE = "docs/new-board.md"
BOARDS = [name for name in board_names() if load_board(name).ps is not None]


@pytest.fixture
def moonboard(tmp_path: Path) -> Path:
    for name, text in files(PAGE).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "moonboard" / "board.toml"


def test_the_files_of_the_page_are_a_board(moonboard: Path) -> None:
    assert sorted(file.name for file in moonboard.parent.iterdir()) == [
        "block_design.tcl",
        "board.toml",
        "constraints.xdc",
    ]
    board = load_board(moonboard)
    assert (board.name, board.resources.lut) == ("moonboard", 17600)
    assert board.ps is not None
    assert "S_AXI_HP0" in block_design_svg(board, board.ps)


def test_a_design_names_it_by_path(moonboard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the command line the path is seen from where the command is typed."""
    monkeypatch.chdir(moonboard.parents[1])
    (command,) = re.findall(r"^semifreddo build (\S+) --board (\S+)", _text(), re.M)
    assert command[1] == "moonboard/board.toml"
    config = load_config(ROOT / command[0], board_override(command[1]))
    assert config.board == load_board(moonboard)


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")
def test_its_vivado_project_runs(
    moonboard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tools(monkeypatch)
    monkeypatch.setenv("FAKE_XILINX_VERSION", load_board(moonboard).tools["vivado"][-1])
    monkeypatch.setenv("FAKE_XILINX_RECORD", str(tmp_path / "record"))
    plan("rtl", str(moonboard)).write(tmp_path / "project")
    run_project(tmp_path / "project", Options(), lambda _: None)
    recorded = (tmp_path / "record" / "block_design.tcl").read_text()
    assert "PCW_APU_PERIPHERAL_FREQMHZ 650" in recorded
    assert (tmp_path / "record" / "bitstream.tcl").is_file()


@pytest.mark.parametrize("name", BOARDS)
def test_the_list_of_files_is_that_of_every_board(name: str) -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", _text(), re.M)
    assert len(listed) == 9
    for entry in listed:
        path = ROOT / entry.replace("NAME", name)
        assert path.is_file(), entry
        if "NAME" not in entry:
            assert f"{name}.md" in path.read_text(), entry
    folder = {f"boards/NAME/{file.name}" for file in (ROOT / "boards" / name).iterdir()}
    assert folder == {entry for entry in listed if entry.startswith("boards/")}


def _text() -> str:
    return (ROOT / PAGE).read_text(encoding="utf-8")
