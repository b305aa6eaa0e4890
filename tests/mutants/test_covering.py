"""Which tests a mutant meets when it is known which test executes which line."""

from __future__ import annotations

import json
import os
import subprocess  # noqa: TID251 -- pytest, not a tool of the toolkit
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mutants import __main__ as program
from mutants.covering import Covering, digest, in_function
from mutants.drawing import Drawn
from mutants.operators import Mutant

MODULE = """LIMIT = 3


def f(x):
    if x < LIMIT:
        return x
    return sum(
        [x,
         1]
    )


def g(x):
    return -x
"""
TESTS = """import pytest
from semifreddo.core.a import f, g

@pytest.mark.parametrize("x", [1, 2])
def test_small(x):
    assert f(x) == x

def test_large():
    assert f(5) == 6

def test_g():
    assert g(1) == 1
"""
FILE = Path("toolkit/semifreddo/core/a.py")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / FILE).write_text(MODULE)
    for folder in (FILE.parent, FILE.parent.parent):
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "tests" / "core").mkdir(parents=True)
    (tmp_path / "tests" / "core" / "test_a.py").write_text(TESTS)
    return tmp_path


def test_a_line_of_a_function_or_of_the_module() -> None:
    assert [line for line in range(1, 15) if in_function(MODULE, line)] == [5, 6, 7, 8, 9, 10, 14]


@pytest.mark.skipif(find_spec("coverage") is None, reason="needs coverage: tox -e mutants")
def test_a_record_of_a_run(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{tree / 'toolkit'}{os.pathsep}{Path(__file__).parents[1]}")
    file = tree / "lines.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "mutants.recording", "--record"]
    ran = subprocess.run([*command, str(file), "tests"], cwd=tree, capture_output=True, check=False)
    assert ran.returncode == 1, "test_g fails"
    covering = Covering.read(file)

    def found(line: int, seconds: float = 60.0) -> list[str]:
        chosen = covering.selection(tree, FILE, MODULE, line, ["tests/core/test_a.py"], seconds)
        assert chosen is not None
        return [name.partition("::")[2] for name in chosen]

    assert found(6) == ["test_small"]
    assert found(9) == ["test_large"], "a statement of several lines"
    assert sorted(found(5)) == ["test_large", "test_small"]
    assert sorted(found(1)) == ["test_large", "test_small"], "what runs at import: the whole file"
    assert found(14) == [], "a test that fails without a mutant says nothing"
    assert len(found(5, -1.0)) == 1, "one test at least"
    (tree / FILE).write_text(MODULE + "\n")
    assert covering.selection(tree, FILE, MODULE, 6, [], 60.0) is None, "another text"


def test_what_a_line_asks(tree: Path) -> None:
    kept = {
        "tests": [["tests/core/test_a.py::test_small", 0.1], ["tests/b.py::test_b", 0.0]],
        "files": {FILE.as_posix(): {"digest": "", "lines": {"6": [0, 1], "14": []}}},
    }
    path = tree / "lines.json"
    path.write_text(json.dumps(kept))
    stale = Covering.read(path)
    drawn = Drawn("core", FILE, Mutant(MODULE.replace("return x\n", "return 0\n"), 6, "number"))
    wide = [["tests/core/test_a.py"], ["tests/core"]]
    assert [tests for tests, _ in program.asked(tree, drawn, None, 60.0)] == wide
    assert [tests for tests, _ in program.asked(tree, drawn, stale, 60.0)] == wide
    kept["files"][FILE.as_posix()]["digest"] = digest(tree / FILE)  # type: ignore[call-overload, index]
    path.write_text(json.dumps(kept))
    known = Covering.read(path)
    mirrored_first = ["tests/core/test_a.py::test_small", "tests/b.py::test_b"]
    assert list(program.asked(tree, drawn, known, 60.0)) == [(mirrored_first, True)]
    nowhere = Drawn("core", FILE, Mutant(MODULE.replace("-x", "+x"), 14, "number"))
    assert [tests for tests, _ in program.asked(tree, nowhere, known, 60.0)] == wide
