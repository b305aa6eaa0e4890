"""TOML that is damaged or made to take long is refused, at once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.core.toml import (
    MAX_DOTS,
    MAX_FILE_BYTES,
    parse_toml_key,
    parse_toml_value,
    read_toml,
)

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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("limits.max", ("limits", "max")),
        ('limits."task.payload".max', ("limits", "task.payload", "max")),
        ("a", ("a",)),
        ("a b", ()),
        ("a.", ()),
        ("", ()),
        ("a = 1\nb", ()),
        ("a = {b", ()),
        (".".join("a" * MAX_DOTS), tuple("a" * MAX_DOTS)),
        (".".join("a" * (MAX_DOTS + 1)), ()),
    ],
)
def test_keys(text: str, parts: tuple[str, ...]) -> None:
    assert parse_toml_key(text) == parts


def test_a_key_of_too_many_parts_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"b = 1\n\n{'.'.join('a' * MAX_DOTS)} = 2\n")
    assert read_toml(path)["b"] == 1
    path.write_text(f"b = 1\n\n{'.'.join('a' * (MAX_DOTS + 1))} = 2\n")
    with pytest.raises(ConfigError) as error:
        read_toml(path)
    assert str(error.value) == f"{path}: line 3 has a key of more than {MAX_DOTS} parts"


def test_the_largest_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("#" * MAX_FILE_BYTES)
    assert read_toml(path) == {}
    path.write_text("#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError) as error:
        read_toml(path)
    assert str(error.value) == (
        f"{path}: larger than {MAX_FILE_BYTES // 1024} KiB, so not a settings file"
    )


@pytest.mark.parametrize("folder", [False, True])
def test_a_file_that_cannot_be_read(
    folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.toml"
    if folder:
        with pytest.raises(ConfigError, match=rf"^{tmp_path}: no such file$"):
            read_toml(tmp_path)
        return
    path.write_text("")

    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(ConfigError, match=rf"^{path}: cannot be read \(Permission denied\)$"):
        read_toml(path)


def test_a_python_without_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only runs bundles needs none."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 14))
    for what, read in (
        (str(tmp_path / "a.toml"), lambda: read_toml(tmp_path / "a.toml")),
        ("'a.b'", lambda: parse_toml_key("a.b")),
        ("'7'", lambda: parse_toml_value("7")),
    ):
        with pytest.raises(ConfigError) as error:
            read()
        assert str(error.value) == f"{what}: reading TOML needs Python 3.11 or newer"
