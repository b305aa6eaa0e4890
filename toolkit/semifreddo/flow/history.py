"""What earlier builds of a design gave, so that a report can say what has changed.

The build folder keeps the last value of every compared figure. A build that stopped early, or whose
tools were missing, leaves the values of what it did not measure as they are.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.core.tables import read_table
from semifreddo.flow import baseline
from semifreddo.reports.figures import ChangeFigures, LastFigures
from semifreddo.reports.report import BuildReport

FILE_NAME = "history.json"

COMPARED = (
    "task.test_accuracy",
    *baseline.FIGURES,
    "bitstream.fmax_mhz",
    "project.source_bytes",
    "rtl.source_bytes",
    "csim.executable_bytes",
    "archive.size_bytes",
    "bitstream.size_bytes",
    "bundle.size_bytes",
)
"""Accuracy, cycles, resources and sizes; nothing that depends on how busy the machine is."""


@dataclass(frozen=True)
class History:
    """The last value of each compared figure.

    Attributes:
        finished: When the build ended that brought the last change.
        command: What made it.
        figures: By dotted name.
        last: How that change looked.
    """

    finished: str
    command: str
    board: str
    clock_mhz: float
    figures: Mapping[str, float]
    last: LastFigures | None = None

    @classmethod
    def load(cls, folder: Path) -> History | None:
        """Read a build folder's history; a missing or damaged one is none."""
        try:
            data = parse_json((folder / FILE_NAME).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return read_table(cls, data, FILE_NAME, [])

    def save(self, folder: Path) -> None:
        """Write it into a build folder."""
        write_atomic(folder / FILE_NAME, json.dumps(dataclasses.asdict(self), indent=1) + "\n")


def advance(before: History | None, report: BuildReport) -> History:
    """What a build folder remembers after a build; the same object if nothing is new."""
    found = {name: report.figure(name) for name in COMPARED}
    measured = {name: value for name, value in found.items() if value is not None}
    board, clock_mhz = report.target.board, report.target.clock_mhz
    made = History(report.finished, report.command, board, clock_mhz, measured)
    if before is None:
        return made
    known = before.figures
    changes = tuple(
        ChangeFigures(name, known[name], value)
        for name, value in measured.items()
        if name in known and known[name] != value
    )
    moved = (before.board, before.clock_mhz) != (board, clock_mhz)
    if not changes and not moved:
        if measured.keys() <= known.keys():
            return before
        return dataclasses.replace(before, figures={**known, **measured})
    last = LastFigures(before.finished, before.command, before.board, before.clock_mhz, changes)
    return dataclasses.replace(made, figures={**known, **measured}, last=last)


def remembered(folder: Path, report: BuildReport) -> BuildReport:
    """A report with what has changed since the last build; the build folder remembers its own."""
    before = History.load(folder)
    after = advance(before, report)
    if after is not before:
        after.save(folder)
    return dataclasses.replace(report, last=after.last)
