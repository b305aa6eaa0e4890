"""What CI ran, what it skipped, and why: one table at the end.

Usage: ``table.py RESULTS TOX_JSON NAME...``: the folder of JUnit files that the environments wrote,
what ``tox --result-json`` wrote, and the environments that were asked for. Needs the standard
library only.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HEAD = ("environment", "outcome", "Python", "passed", "failed", "skipped", "seconds")
WITHOUT_TESTS = {"built"}
REST = """\
Not part of this run (CONTRIBUTING.md says when they run): slow tests (`tox -e slow`), claims
about time (`tox -e clock`), `tox -e axi`, `tox -e mutants`. No Vivado, no Vitis HLS, no board.
"""


class Environment:
    """One environment of tox: what its commands and its tests gave."""

    def __init__(self, name: str, told: dict[str, Any], junit: Path) -> None:
        self.name = name
        steps = told.get("test", [])
        self.seconds = sum(float(step.get("elapsed", 0)) for step in steps)
        self.python = told.get("python", {}).get("version", "-").split()[0]
        self.ran = bool(steps)
        self.ok = bool(told.get("result", {}).get("success"))
        self.passed = self.failed = 0
        self.reasons: Counter[str] = Counter()
        self.tested = junit.is_file()
        if self.tested:
            self._count(ET.parse(junit))  # noqa: S314 - pytest wrote it a moment ago

    def _count(self, tree: Any) -> None:
        for case in tree.iter("testcase"):
            skipped = case.find("skipped")
            if skipped is not None:
                self.reasons[skipped.get("message", "no reason given")] += 1
            elif case.find("failure") is not None or case.find("error") is not None:
                self.failed += 1
            else:
                self.passed += 1

    @property
    def line(self) -> tuple[str, ...]:
        """Its line of the table."""
        if not self.ran:
            return (self.name, "NOT RUN", *["-"] * 5)
        outcome = "passed" if self.ok and not self.failed else "FAILED"
        counts = (self.passed, self.failed, self.reasons.total()) if self.tested else ("-",) * 3
        return (self.name, outcome, self.python, *map(str, counts), f"{self.seconds:.0f}")

    @property
    def silent(self) -> bool:
        """Whether it ended well although none of its tests passed."""
        return self.ran and self.name not in WITHOUT_TESTS and not self.passed


def lines(environments: list[Environment]) -> Iterator[str]:
    """The table, then every reason for which something was skipped."""
    table = [HEAD, *(environment.line for environment in environments)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    yield "What ran"
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join(cells).rstrip()
    yield "Skipped, and why"
    for environment in environments:
        if not environment.ran:
            yield f"  {environment.name}: all of it: no interpreter for it on this machine"
        for reason, count in environment.reasons.most_common():
            yield f"  {environment.name}: {count} x {reason}"


def main(results: Path, tox: Path, names: Sequence[str]) -> int:
    """Write the table; 1 if nothing ran, or an environment's tests compared nothing."""
    told = json.loads(tox.read_text())["testenvs"] if tox.is_file() else {}
    found = [Environment(name, told.get(name, {}), results / f"{name}.xml") for name in names]
    silent = [f"{one.name}: none of its tests passed" for one in found if one.silent]
    if not any(environment.ran for environment in found):
        silent = ["no environment ran"]
    sys.stdout.write("\n".join(["", *lines(found), REST, *silent]) + "\n")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
