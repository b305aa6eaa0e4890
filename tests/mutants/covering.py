"""Which tests execute a line: read from what ``mutants.recording`` wrote."""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


def digest(path: Path) -> str:
    """Of a file's content: a record of another text says nothing about its lines."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def in_function(text: str, line: int) -> bool:
    """Whether a line runs when a function is called, and not when the module is imported."""
    return any(
        node.body[0].lineno <= line <= (node.end_lineno or 0)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )


@dataclass(frozen=True)
class Covering:
    """Test functions with their seconds, and which of them execute which line of which file.

    Attributes:
        tests: Functions with the seconds of all their cases.
        files: Python files, each with its digest and the numbers of the tests of its lines.
        placed: Files of Verilog and C++, each with the tests that hand it to a tool, with seconds.
    """

    tests: list[tuple[str, float]]
    files: dict[str, dict[str, object]]
    placed: dict[str, list[tuple[str, float]]]

    @classmethod
    def read(cls, path: Path) -> Covering:
        kept = json.loads(path.read_text(encoding="utf-8"))
        placed = {
            name: [(case, seconds) for case, seconds in cases]
            for name, cases in kept["placed"].items()
        }
        return cls([(name, seconds) for name, seconds in kept["tests"]], kept["files"], placed)

    def tests_of(self, root: Path, path: Path, text: str, line: int) -> list[int] | None:
        """Numbers of the tests that execute a line; for one that runs at import, those of its file.

        None if the record is of another text than the file has now.
        """
        record = self.files.get(path.as_posix())
        if record is None or record["digest"] != digest(root / path):
            return None
        lines = record["lines"]
        assert isinstance(lines, dict)
        if in_function(text, line):
            # A statement of several lines is recorded by its first or by any other.
            statement = _statement(text, line)
            found = [lines.get(str(each), []) for each in statement]
        else:
            found = list(lines.values())
        return sorted({number for numbers in found for number in numbers})

    def selection(
        self, root: Path, path: Path, text: str, line: int, mirrors: list[str], seconds: float
    ) -> list[str] | None:
        """Test functions that execute a line, mirroring ones first, then quick ones, up to a time.

        None if nothing is known; an empty list if no test executes the line.
        """
        numbers = self.tests_of(root, path, text, line)
        if numbers is None:
            return None
        chosen, total = [], 0.0

        def order(number: int) -> tuple[bool, float]:
            name, duration = self.tests[number]
            return name.partition("::")[0] not in mirrors, duration

        for number in sorted(numbers, key=order):
            name, duration = self.tests[number]
            if chosen and total + duration > seconds:
                continue
            chosen.append(name)
            total += duration
        return chosen

    def tools_get(self, path: Path, folders: tuple[str, ...], seconds: float) -> list[str]:
        """Tests in some folders that hand a file to a tool, up to a time.

        The quickest case of each test function comes first, then the second of each.
        """
        cases = sorted(self.placed.get(path.as_posix(), []), key=lambda each: each[1])
        ranked, rank = [], Counter[str]()
        for case, duration in cases:
            if case.startswith(folders):
                function = case.partition("[")[0]
                ranked.append((rank[function], duration, case))
                rank[function] += 1
        chosen, total = [], 0.0
        for _, duration, case in sorted(ranked):
            if chosen and total + duration > seconds:
                break
            chosen.append(case)
            total += duration
        return chosen


def _statement(text: str, line: int) -> range:
    """Lines of the innermost simple statement, or of a compound one's head, around a line."""
    best = range(line, line + 1)
    size = None
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            first = getattr(node, "lineno", None) or node.pattern.lineno  # type: ignore[union-attr]
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and hasattr(body[0], "lineno"):
                last = max(first, body[0].lineno - 1)
            else:
                last = getattr(node, "end_lineno", first)
            if first <= line <= last and (size is None or last - first < size):
                best, size = range(first, last + 1), last - first
    return best
