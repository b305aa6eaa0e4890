from __future__ import annotations

import re
from pathlib import Path

import pytest

from semifreddo.boards import board_names, load_board
from semifreddo.core.errors import ConfigError

GOOD = Path(__file__).parents[2] / "boards" / "pynq_z2" / "board.toml"


def test_pynq_z2() -> None:
    board = load_board("pynq_z2")
    assert board.part == "xc7z020clg400-1"
    assert board.clock_ns == 10.0
    assert (board.resources.lut, board.resources.ff) == (53200, 106400)
    assert (board.resources.dsp, board.resources.bram18) == (220, 280)
    assert load_board("pynq-z2") == load_board(GOOD) == board


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
        ("lut = 53200", "luts = 53200", "key 'lut' is missing (six-input look-up tables)"),
        ("lut = 53200", 'lut = "many"', "lut: 'many' is not a whole number"),
        ("lut = 53200", "lut = true", "lut: True is not a whole number"),
        ("clock_mhz = 100", "clock_mhz = nan", "clock_mhz: nan is not a finite number"),
        ("clock_mhz = 100", "clock_mhz = 0", "clock_mhz: 0.0, expected 1 or more"),
        ('"xc7z020clg400-1"', '"xc7 z020"', "part: 'xc7 z020' does not match [a-z0-9-]+"),
        ("[resources]", "[resource]", "unknown key 'resource'; did you mean 'resources'?"),
        ('"resources.dsp" =', '"resources.dps" =', "sources: the entry 'resources.dps' names no"),
        ('pynq = "PYNQ', 'x = "PYNQ', "sources: the entry 'pynq' is missing"),
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
