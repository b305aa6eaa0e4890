"""No verdict of the default run comes from a clock: a busy machine must not turn it red."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CLOCKS = {"time", "monotonic", "perf_counter", "process_time", "thread_time"}
TESTS = Path(__file__).parent


def reads_a_clock(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression calls a clock, or uses a name that holds what one said."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in names:
            return True
        if not isinstance(part, ast.Call) or not isinstance(part.func, ast.Attribute):
            continue
        owner = part.func.value
        if part.func.attr in CLOCKS and isinstance(owner, ast.Name) and owner.id == "time":
            return True
    return False


def timed_asserts(text: str) -> Iterator[str]:
    """Functions without the marker ``clock`` that assert what a clock said."""
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        if any("clock" in ast.unparse(mark) for mark in function.decorator_list):
            continue
        names: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and reads_a_clock(node.value, names):
                names |= {name.id for name in node.targets if isinstance(name, ast.Name)}
        if any(
            reads_a_clock(n.test, names) for n in ast.walk(function) if isinstance(n, ast.Assert)
        ):
            yield function.name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "def test_a():\n t = time.monotonic()\n work()\n assert time.monotonic() - t < 1",
            ["test_a"],
        ),
        ("def test_a():\n t = time.monotonic()\n s = f() - t\n assert s < 1", ["test_a"]),
        ("@pytest.mark.clock\ndef test_a():\n t = time.time()\n assert t", []),
        ("def test_a():\n t = time.monotonic()\n assert f()", []),
    ],
)
def test_verdicts_of_clocks_are_seen(text: str, found: list[str]) -> None:
    assert list(timed_asserts(text)) == found


def test_no_verdict_comes_from_a_clock() -> None:
    files = sorted(TESTS.rglob("test_*.py"))
    assert len(files) > 100
    found = {f"{path.name}: {name}" for path in files for name in timed_asserts(path.read_text())}
    assert found == set()
