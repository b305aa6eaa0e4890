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
from mutants.drawing import LIBRARY, TEMPLATES, Drawn
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
    for folder in (LIBRARY, TEMPLATES):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tests" / "core").mkdir(parents=True)
    (tmp_path / "tests" / "core" / "test_a.py").write_text(TESTS)
    return tmp_path


def test_a_line_of_a_function_or_of_the_module() -> None:
    assert [line for line in range(1, 15) if in_function(MODULE, line)] == [5, 6, 7, 8, 9, 10, 14]


def recorded(tree: Path, monkeypatch: pytest.MonkeyPatch, workers: list[str]) -> Covering:
    """What a run of the tree's tests, one of which fails, leaves."""
    monkeypatch.setenv("PYTHONPATH", f"{tree / 'toolkit'}{os.pathsep}{Path(__file__).parents[1]}")
    file = tree / "lines.json"
    command = [sys.executable, "-m", "pytest", "-q", *workers, "-p", "mutants.recording"]
    command += ["--record", str(file), "tests"]
    ran = subprocess.run(command, cwd=tree, capture_output=True, check=False)
    assert ran.returncode == 1, "a test fails"
    return Covering.read(file)


@pytest.mark.skipif(find_spec("coverage") is None, reason="needs coverage: tox -e mutants")
@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_a_record_of_a_run(tree: Path, monkeypatch: pytest.MonkeyPatch, workers: list[str]) -> None:
    covering = recorded(tree, monkeypatch, workers)

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
        "placed": {},
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
    few, others = program.asked(tree, drawn, known, 0.05)
    assert (few, others) == (([mirrored_first[0]], True), ([mirrored_first[1]], True))
    nowhere = Drawn("core", FILE, Mutant(MODULE.replace("-x", "+x"), 14, "number"))
    # No test executes the line, or one does in a process that it starts.
    assert [tests for tests, _ in program.asked(tree, nowhere, known, 60.0)] == wide


PLACING = """import os
import subprocess
import sys
import time
import pytest

@pytest.fixture(scope="module")
def built(tmp_path_factory):
    time.sleep(1)  # costs nothing
    work = "import time\\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-S", "-c", work], check=True)
    (tmp_path_factory.mktemp("a") / "sf_a.sv").write_text("built")

def test_reads():
    assert open("toolkit/semifreddo/rtl/library/sf_a.sv").read() == "a"

@pytest.mark.parametrize("case", [1, 2])
def test_first(built, case):
    pass

def test_moves(tmp_path):
    (tmp_path / "draft").write_text("b")
    os.replace(tmp_path / "draft", tmp_path / "sf_b.sv")

def test_fails(built):
    assert False
"""


@pytest.mark.skipif(find_spec("coverage") is None, reason="needs coverage: tox -e mutants")
@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_which_tests_hand_a_file_to_a_tool(
    tree: Path, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    library = tree / LIBRARY
    for name in "abc":
        (library / f"sf_{name}.sv").write_text(name)
    for folder in ("rtl", "cli"):
        (tree / "tests" / folder).mkdir()
        (tree / "tests" / folder / f"test_{folder}.py").write_text(PLACING)
    covering = recorded(tree, monkeypatch, workers)

    def found(name: str, seconds: float = 60.0) -> set[str]:
        return set(covering.tools_get(LIBRARY / name, ("tests/rtl/",), seconds))

    both = {f"tests/rtl/test_rtl.py::test_first[{case}]" for case in (1, 2)}
    assert found("sf_a.sv") == both, "also the test that finds it built"
    assert len(found("sf_a.sv", -1.0)) == 1, "one test at least"
    covering.placed[(LIBRARY / "sf_c.sv").as_posix()] = [
        ("tests/rtl/a.py::a[1]", 2.0),
        ("tests/rtl/a.py::a[2]", 1.0),
        ("tests/rtl/b.py::b", 3.0),
        ("tests/cli/c.py::c", 0.0),
    ]
    order = covering.tools_get(LIBRARY / "sf_c.sv", ("tests/rtl/",), 60.0)
    assert order == ["tests/rtl/a.py::a[2]", "tests/rtl/b.py::b", "tests/rtl/a.py::a[1]"]
    del covering.placed[(LIBRARY / "sf_c.sv").as_posix()]
    assert all(0.25 < s < 1.2 for _, s in covering.placed[(LIBRARY / "sf_a.sv").as_posix()])
    assert found("sf_b.sv") == {"tests/rtl/test_rtl.py::test_moves"}
    assert found("sf_c.sv") == set()
    drawn = Drawn("verilog", LIBRARY / "sf_b.sv", Mutant("x", 1, "number"))
    assert list(program.asked(tree, drawn, covering, 60.0)) == [
        (["tests/rtl/test_rtl.py::test_moves"], True),
        (["tests/rtl/library"], False),
    ]
    unknown = Drawn("verilog", LIBRARY / "sf_c.sv", Mutant("x", 1, "number"))
    assert ["tests/rtl"] in [tests for tests, _ in program.asked(tree, unknown, covering, 60.0)]
