"""The drawer of mutants: seeded, one token, never the tree itself, goes on where it stopped."""

from __future__ import annotations

import ast
import difflib
import json
import random
from importlib.util import find_spec
from pathlib import Path

import pytest

from mutants import __main__ as program
from mutants import running
from mutants.drawing import Drawn, files, sample, selections
from mutants.operators import Mutant, executed, mutate_python, token_changes

ROOT = Path(__file__).parents[2]
TOKENS = ("verilog", "cpp")


def test_verilog_and_cpp_are_changed_in_code_only() -> None:
    text = (
        "// a < b\n/* 1 + 2 */\n`ifdef SF_PROBE\nx < 3;\n`endif\n"
        'a <= b < c && !d ? e : f + $signed(g) + 8\'d7; // 5 < 6\n$display("1 < 2");\n'
    )
    changes = token_changes(text, "verilog")
    line = text.splitlines()[5]
    assert set(changes) == {"comparison", "logic", "branches", "negation", "arithmetic", "sign"}
    for kind in changes.values():
        for start, end, new in kind:
            changed = text[:start] + new + text[end:]
            assert changed != text
            assert text[:start].count("\n") == 5 and "//" not in text[start:end], (line, new)
    assert [text[start:end] for start, end, _ in changes["comparison"]] == ["<", "<"]
    code = "#include <a>\n#pragma HLS PIPELINE II=1\nx = a <= 7 ? true : b;\nvector<int> v;\n"
    changes = token_changes(code, "cpp")
    assert {new for *_, new in changes["comparison"]} == {">", "<"}
    assert {new for *_, new in changes["number"]} == {"8", "6"}
    assert [new for *_, new in changes["branches"]] == [" ? b : true"]
    assert [new for *_, new in changes["constant"]] == ["false"]


def test_what_is_not_executed_is_no_mutant() -> None:
    assert executed("def f(x: int | None) -> int:\n    return x\n") == executed(
        "def f(x: int & None) -> str:\n    return x\n"
    )
    assert executed("x = a | b") != executed("x = a & b")
    one, other = (f"@dataclass(frozen={flag})\nclass A: pass" for flag in (True, False))
    assert executed(one) == executed(other)
    assert executed("zip(a, b, strict=True)") == executed("zip(a, b, strict=False)")
    assert executed("assert a is not None and b") == executed("assert a is not None or b")
    imports = [f"if {test}TYPE_CHECKING:\n    import a\n" for test in ("", "not ")]
    assert executed(imports[0]) == executed(imports[1])
    assert executed("if a:\n    b()\n") != executed("if not a:\n    b()\n")
    markers = [f"def f(a, {marker}, b=1): return a\n" for marker in "*/"]
    assert executed(markers[0]) == executed(markers[1])
    assert executed(markers[0]) != executed("def f(a, *, b=2): return a\n")


@pytest.mark.skipif(find_spec("cosmic_ray") is None, reason="needs cosmic-ray: tox -e mutants")
def test_what_cannot_be_parsed_is_no_mutant() -> None:
    text = "def f(a, *, b=1):\n    return a\n"
    for seed in range(30):
        mutant = mutate_python(text, random.Random(seed))  # noqa: S311
        assert mutant is None or ast.parse(mutant.text)


@pytest.mark.skipif(find_spec("cosmic_ray") is None, reason="needs cosmic-ray: tox -e mutants")
def test_python_is_changed_by_cosmic_ray() -> None:
    text = "def f(a, b):\n    if a < b and not b:\n        return a + 1\n    return True\n"
    seen = set()
    for seed in range(40):
        mutant = mutate_python(text, random.Random(seed))  # noqa: S311
        assert mutant is not None and executed(mutant.text) != executed(text)
        compile(mutant.text, "mutant", "exec")
        lines = difflib.ndiff(text.splitlines(), mutant.text.splitlines())
        assert len([line for line in lines if line.startswith("+ ")]) == 1
        seen.add(mutant.operator)
    assert len(seen) > 6


@pytest.mark.parametrize("language", TOKENS)
def test_the_same_seed_draws_the_same(language: str) -> None:
    def drawn(seed: int, count: int = 6) -> list[Drawn]:
        return list(sample(ROOT, seed, count, (language,)))

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1, 3) == drawn(1)[:3], "a longer sample begins alike"
    for found in drawn(1):
        before = (ROOT / found.path).read_text().splitlines()
        assert found.mutant.text.splitlines() != before
    many = [(found.path, found.mutant.text) for found in drawn(3, 25)]
    assert len(set(many)) == len(many) == 25


def test_every_package_takes_its_turn() -> None:
    groups = files(ROOT, ("python", *TOKENS), None)
    packages = {path.name for path in (ROOT / "toolkit/semifreddo").iterdir() if path.is_dir()}
    assert set(groups) >= packages - {"__pycache__"} | {"verilog", "cpp", "adders"}
    assert list(files(ROOT, ("python", *TOKENS), "rtl")) == ["rtl"]
    for name, paths in groups.items():
        found = Drawn(name, paths[0], Mutant("", 1, ""))
        chosen = list(selections(ROOT, found))
        assert chosen and all(tests for tests in chosen), name
        for tests in chosen:
            assert all((ROOT / path).exists() for path in tests if path.startswith("tests/"))


def small_tree(folder: Path) -> Path:
    """A module, and a test that notices only one of its functions."""
    root = folder / "tree"
    package = root / "toolkit" / "semifreddo" / "core"
    package.mkdir(parents=True)
    (package / "a.py").write_text("def f(x):\n    return x + 1\n")
    (root / "tests" / "core").mkdir(parents=True)
    return root


def copy_files(source: Path, place: Path) -> None:
    for path in source.rglob("*.py"):
        target = place / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())


def test_a_run_is_in_a_copy_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small_tree(tmp_path)
    file = Path("toolkit/semifreddo/core/a.py")
    text = (root / file).read_text()
    changes = [text.replace("+ 1", new) for new in ("- 1", "+ 2", "+ 1 + 0")]
    found = [Drawn("core", file, Mutant(new, 2, "number")) for new in changes]
    monkeypatch.setattr(program, "sample", lambda root, seed, count, *_: iter(found[:count]))
    monkeypatch.setattr(program, "copy_tree", copy_files)

    seen: list[str] = []

    def run_tests(place: Path, tests: list[str], timeout_s: float) -> str:
        seen.append((place / file).read_text())
        assert (root / file).read_text() == text, "the tree itself is never changed"
        scope: dict[str, object] = {}
        exec((place / file).read_text(), scope)  # noqa: S102 -- three lines of this test
        return program.SURVIVED if scope["f"](1) == 2 else program.KILLED  # type: ignore[operator]

    monkeypatch.setattr(program, "run_tests", run_tests)
    results = tmp_path / "results.json"
    arguments = ["--results", str(results)]
    assert program.main([*arguments, "--count", "2"], root) == 0
    assert seen == [changes[0], text, changes[1]], "the tests pass without a mutant, told once"
    capsys.readouterr()
    assert program.main([*arguments, "--count", "3"], root) == 1
    assert seen[3:] and set(seen[3:]) == {changes[2]}, "two were judged before"
    out = capsys.readouterr().out
    assert "survived: toolkit/semifreddo/core/a.py:2 (number)" in out
    assert "+    return x + 1 + 0" in out
    assert "core         2 of   3 killed" in out and "2 of   3 killed, 67 %" in out
    assert {each["result"] for each in json.loads(results.read_text()).values()} == {
        program.KILLED,
        program.SURVIVED,
    }


def test_tests_that_fail_anyway_tell_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small_tree(tmp_path)
    found = Drawn("core", Path("toolkit/semifreddo/core/a.py"), Mutant("x = 1\n", 1, "number"))
    monkeypatch.setattr(program, "sample", lambda *_: iter([found]))
    monkeypatch.setattr(program, "copy_tree", copy_files)
    monkeypatch.setattr(program, "run_tests", lambda *_: program.KILLED)
    results = tmp_path / "results.json"
    assert program.main(["--results", str(results)], root) == 2
    assert "fails or hangs without any mutant: pytest tests/core" in capsys.readouterr().err
    assert not results.exists()


def test_tests_that_pass_fail_or_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they start sooner
    monkeypatch.setattr(running, "LOADED", ())
    (tmp_path / "toolkit").mkdir()
    (tmp_path / "test_good.py").write_text("def test_it():\n    assert True\n")
    (tmp_path / "test_bad.py").write_text("def test_it():\n    assert False\n")
    (tmp_path / "test_slow.py").write_text("import time\ndef test_it():\n    time.sleep(60)\n")
    found = {
        name: running.run_tests(tmp_path, [f"test_{name}.py"], 2.0 if name == "slow" else 60.0)
        for name in ("good", "bad", "slow")
    }
    assert found == {
        "good": program.SURVIVED,
        "bad": program.KILLED,
        "slow": running.HUNG,
    }


def test_pynq_tests_need_the_interpreter_of_their_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they mirror the module, beside others: here they would be skipped."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >>asked\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setenv("SEMIFREDDO_PYNQ_PYTHON", str(python))
    board = ["tests/pynq_board/test_a.py", "tests/pynq_board"]
    monkeypatch.setattr(running, "_run_forked", lambda place, tests, timeout_s: running.SURVIVED)
    assert running.run_tests(tmp_path, ["tests/x.py", *board], 20) == running.KILLED
    assert (tmp_path / "asked").read_text().splitlines()[-2:] == board
    monkeypatch.setattr(running, "_run_forked", lambda place, tests, timeout_s: running.HUNG)
    assert running.run_tests(tmp_path, ["tests/x.py", *board], 20) == running.HUNG
