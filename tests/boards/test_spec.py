from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from semifreddo.boards import BLOCK_DESIGN_FILE, BoardSpec, board_names, load_board, read_board_file
from semifreddo.core.errors import ConfigError

GOOD = Path(__file__).parents[2] / "boards" / "pynq_z2" / "board.toml"


def test_pynq_z2() -> None:
    board = load_board("pynq_z2")
    assert board.part == "xc7z020clg400-1"
    assert board.clock_ns == 10.0
    assert (board.resources.lut, board.resources.ff) == (53200, 106400)
    assert (board.resources.dsp, board.resources.bram18) == (220, 280)
    assert load_board("pynq-z2") == load_board(GOOD) == board


def test_where_its_file_lies_makes_no_other_board(tmp_path: Path) -> None:
    board = load_board("pynq_z2")
    assert dataclasses.replace(board, folder=tmp_path) == board
    assert dataclasses.replace(board, name="other") != board


def test_the_processing_system() -> None:
    board = load_board("pynq_z2")
    assert board.ps is not None and board.clock is not None
    assert (board.ps.memory_port, board.ps.memory_port_bits) == ("S_AXI_HP0", 64)
    assert "create_ps" in read_board_file(board, BLOCK_DESIGN_FILE)
    with pytest.raises(ConfigError, match=r"cannot read .*pins\.xdc.*needs a pins\.xdc"):
        read_board_file(board, "pins.xdc")
    with pytest.raises(ConfigError, match="clock_mhz 300: board pynq_z2 has 1 to 250 MHz; change"):
        board.check_clock(300)
    for edge in (board.clock.low_mhz, board.clock.high_mhz):
        board.check_clock(edge)
        with pytest.raises(ConfigError, match="MHz; change"):
            board.check_clock(edge + (0.1 if edge > 100 else -0.1))


def test_a_board_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding a board is adding a folder: nothing else knows its name."""
    shutil.copytree(GOOD.parent, tmp_path / "moon_1")
    file = tmp_path / "moon_1" / "board.toml"
    text = file.read_text().replace('name = "pynq_z2"', 'name = "moon_1"')
    file.write_text(text.replace('"pynq-z2", "Pynq-Z2"', '"Moon"'))
    monkeypatch.setattr("semifreddo.boards.spec._FOLDERS", (tmp_path,))
    assert board_names() == ["moon_1"]
    board = load_board("Moon")
    assert board == load_board("moon_1") == load_board(file)
    assert "create_ps" in read_board_file(board, BLOCK_DESIGN_FILE)


def test_a_board_without_a_processor(tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    file.write_text(
        'name = "bare"\ntitle = "Bare"\npart = "LFE5U-85F-6BG381C"\nclock_mhz = 25\n'
        "[resources]\nlut = 83640\nff = 83640\ndsp = 156\nbram18 = 208\n[tools]\n"
        '[sources]\npart = "x"\nclock_mhz = "x"\nresources = "x"\n'
    )
    board = load_board(file)
    assert board.ps is None and board.images == ()


@pytest.mark.parametrize("name", board_names() or [pytest.param("", marks=pytest.mark.xfail)])
def test_every_board_loads_under_its_own_name(name: str) -> None:
    assert load_board(name).name == name


def test_unknown_board() -> None:
    with pytest.raises(ConfigError, match="there is no board 'pynq_z3'; did you mean 'pynq_z2'"):
        load_board("pynq_z3")
    with pytest.raises(ConfigError, match=r"none/board\.toml: no such file"):
        load_board("none/board.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lut = 53200", "luts = 53200", "unknown key 'luts'; did you mean 'lut'?"),
        ("lut = 53200", "luts = 53200", "key 'lut' is missing (look-up tables)"),
        ("lut = 53200", 'lut = "many"', "lut: 'many' is not a whole number"),
        ("lut = 53200", "lut = true", "lut: True is not a whole number"),
        ("clock_mhz = 100", "clock_mhz = nan", "clock_mhz: nan is not a finite number"),
        ("clock_mhz = 100", "clock_mhz = 0", "clock_mhz: 0.0, expected 1 or more"),
        ('"xc7z020clg400-1"', '"xc7 z020"', "part: 'xc7 z020' does not match [A-Za-z0-9-]+"),
        ("[resources]", "[resource]", "unknown key 'resource'; did you mean 'resources'?"),
        ('"resources.dsp" =', '"resources.dps" =', "sources: the entry 'resources.dps' names no"),
        ('pynq = "PyPI', 'x = "PyPI', "sources: the entry 'pynq' is missing"),
        ('package = "clg400"', 'package = "clg484"', "does not contain 'clg484'"),
        ("high_mhz = 250", "high_mhz = 90", "clock_mhz 100 is outside 1 to 90"),
        ('"processing_system7"', '"processing_system8"', "did you mean 'processing_system7'?"),
        ('"vivado 2019.2" =', '"vivado 2019.3" =', "traps: 'vivado 2019.3' is no tool and version"),
        ('"M_AXI_GP0"', '"M_AXI_GP1"', "control_port 'M_AXI_GP1', the address map is M_AXI_GP0's"),
        ('"S_AXI_HP0"', '"S_AXI_ACP"', "memory_port 'S_AXI_ACP' does not match S_AXI_HP[0-3]"),
        ('pynq = "3.1.2"', 'pynq = "3.1.1"', "images: a PYNQ version that is not in pynq"),
        ('title = "TUL', 'folder = "x"\ntitle = "TUL', "unknown key 'folder'"),
        ("[tools]", "[tools", "not a TOML file"),
    ],
)
def test_wrong_board_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = GOOD.read_text()
    assert old in text
    path = tmp_path / "board.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load_board(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "family"),
    [
        ("xc7z020clg400-1", "xc7"),
        ("xczu3eg-sbva484-1-e", "xcup"),
        ("xck26-sfvc784-2LV-c", "xcup"),
        ("LFE5U-85F-6BG381C", "ecp5"),
        ("ice40", None),
    ],
)
def test_the_family_follows_from_the_part(part: str, family: str | None) -> None:
    assert BoardSpec.family.fget(SimpleNamespace(part=part)) == family
