"""TOML that is damaged or made to take long is refused, at once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.core.toml import MAX_DOTS, MAX_FILE_BYTES, parse_toml_value, read_toml

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="needs Python 3.11")
DEEP = "a." * MAX_DOTS + "b = 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DEEP, f"line 1 has a key of more than {MAX_DOTS} parts"),
        (f"x = 1\n[{DEEP[:-4]}]\n", "line 2 has a key of more than"),
        ("c = 2\n" + "'a' . " * MAX_DOTS + "b = 1", "line 2 has a key of more than"),
        ("a = " + "9" * 6000, "not a TOML file"),
        ("a = " + "[" * 3000, "not a TOML file"),
        ("x" * (MAX_FILE_BYTES + 1), "larger than"),
        ("a", "not a TOML file"),
    ],
)
def test_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "design.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_toml(path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["x" * 250_000, "." * 250_000, "1.5, " * 50_000])
def test_long_texts_take_no_time(text: str, tmp_path: Path) -> None:
    """In one pass: a pattern that looks back from every character took minutes."""
    path = tmp_path / "design.toml"
    path.write_text(f"# {text}\na = 1\n")
    assert read_toml(path) == {"a": 1}


def test_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "design.toml"
    path.write_text("a" + ".a" * (MAX_DOTS - 1) + " = 1\nb = [1.5, 2.5]\n")
    assert read_toml(path)["b"] == [1.5, 2.5]
    assert parse_toml_value("[1, 2]") == [1, 2]
    assert parse_toml_value("9" * 6000) == "9" * 6000
    assert parse_toml_value("pynq_z2") == "pynq_z2"
