"""Climbing, and the file that says how it went."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from semifreddo.core.errors import LadderError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.core.tables import read_table
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.stage import Workspace
from semifreddo.ir.net import StreamNet
from semifreddo.reports.figures import RungFigures
from semifreddo.sim.ladder import LadderReport, Rung, RungResult, climb


def save_ladder(report: LadderReport, path: Path) -> None:
    """Write a climb as JSON."""
    rungs = [dataclasses.asdict(result) for result in report.results]
    write_atomic(path, json.dumps({"rungs": rungs}, indent=1) + "\n")


def climb_in_stage(
    work: Workspace, net: StreamNet, vectors: VectorSet, rungs: Sequence[Rung]
) -> LadderReport:
    """Climb and say how each rung went."""

    def progress(result: RungResult) -> None:
        if result.status != "unavailable":
            work.report(
                f"      rung {result.name}: {result.status} on {result.images} images"
                f" in {result.seconds:.1f} s {result.detail}".rstrip()
            )

    return climb(net, vectors, rungs, progress=progress)


def figures_of(report: LadderReport) -> tuple[RungFigures, ...]:
    """A climb as part of a build report."""
    return tuple(RungFigures(**dataclasses.asdict(result)) for result in report.results)


def load_ladder(path: Path) -> LadderReport:
    """Inverse of :func:`save_ladder`.

    Raises:
        LadderError: Missing or damaged.
    """
    try:
        entries = parse_json(path.read_text(encoding="utf-8"))["rungs"]
        results = [read_table(RungResult, entry, str(path), []) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LadderError(f"{path}: not a ladder file ({error}); build again") from error
    if None in results:
        raise LadderError(f"{path}: not a ladder file; build again")
    rungs = tuple(result for result in results if result is not None)
    return LadderReport(rungs, compared="", own_answers=False)
