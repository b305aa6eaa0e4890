"""The table at the end of CI tells what ran, and turns red when an environment tested nothing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / ".ci").is_dir(), reason="needs a clone")

JUNIT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"/>
<testcase name="c"><failure message="no"/></testcase>
<testcase name="d"><skipped message="needs pynq"/></testcase>
<testcase name="e"><skipped message="needs pynq"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_table", ROOT / ".ci" / "table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told(ok: bool = True) -> dict[str, Any]:
    """What tox writes of an environment that ran."""
    return {
        "test": [{"elapsed": 1.5}, {"elapsed": 2.0}],
        "result": {"success": ok, "exit_code": 0 if ok else 1},
        "python": {"version": "3.11.7 (main)"},
    }


def test_every_environment_has_its_line(
    table: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test.xml").write_text(JUNIT)
    tox = tmp_path / "tox.json"
    tox.write_text(json.dumps({"testenvs": {"test": told(), "built": told(), "other": told()}}))
    assert table.main(tmp_path, tox, ["test", "built", "pynq4"]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["test", "FAILED", "3.11.7", "2", "1", "2", "4"] in lines
    assert ["built", "passed", "3.11.7", "-", "-", "-", "4"] in lines
    assert ["pynq4", "NOT", "RUN", "-", "-", "-", "-", "-"] in lines
    assert ["test:", "2", "x", "needs", "pynq"] in lines
    assert "\n  pynq4: all of it: no interpreter for it on this machine\n" in out
    assert not any(line[:1] == ["other"] for line in lines)


@pytest.mark.parametrize(
    ("junit", "text"),
    [
        (None, "test: none of its tests passed"),
        ('<a><testcase name="a"><skipped message="x"/></testcase></a>', "test: none of its tests"),
    ],
)
def test_an_environment_that_tested_nothing_is_red(
    table: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    junit: str | None,
    text: str,
) -> None:
    if junit is not None:
        (tmp_path / "test.xml").write_text(junit)
    (tmp_path / "tox.json").write_text(json.dumps({"testenvs": {"test": told()}}))
    assert table.main(tmp_path, tmp_path / "tox.json", ["test"]) == 1
    assert text in capsys.readouterr().out


def test_nothing_ran_is_red(
    table: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table.main(tmp_path, tmp_path / "tox.json", ["test"]) == 1
    assert "no environment ran" in capsys.readouterr().out
