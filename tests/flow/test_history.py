from __future__ import annotations

import dataclasses
from pathlib import Path

from reports.hard_report import full_report
from semifreddo.flow.history import COMPARED, FILE_NAME, History, advance, remembered
from semifreddo.reports.figures import ChangeFigures, LastFigures
from semifreddo.reports.report import BuildReport, figure_names

FIRST = dataclasses.replace(full_report(), last=None)


def at(report: BuildReport, finished: str, **parts: object) -> BuildReport:
    return dataclasses.replace(report, finished=finished, **parts)  # type: ignore[arg-type]


def test_every_compared_figure_exists() -> None:
    assert set(COMPARED) <= set(figure_names())
    assert len(set(COMPARED)) == len(COMPARED)


def test_a_report_says_what_changed_since_the_last_build(tmp_path: Path) -> None:
    assert remembered(tmp_path, FIRST).last is None
    assert FIRST.task is not None
    better = dataclasses.replace(FIRST.task, test_accuracy=0.8)
    second = remembered(tmp_path, at(FIRST, "later", task=better))
    assert second.last == LastFigures(
        FIRST.finished,
        FIRST.command,
        "zcu104",
        333.333,
        (ChangeFigures("task.test_accuracy", 0.7512, 0.8),),
    )
    # Nothing new: the last change is still told, and nothing is written.
    path = tmp_path / FILE_NAME
    before = path.stat().st_mtime_ns
    assert remembered(tmp_path, at(second, "even later")).last == second.last
    assert path.stat().st_mtime_ns == before


def test_a_build_that_stopped_early_forgets_nothing(tmp_path: Path) -> None:
    remembered(tmp_path, FIRST)
    partial = at(FIRST, "partial", cosim=None, synthesis=None, bundle=None)
    assert remembered(tmp_path, partial).last is None
    assert FIRST.cosim is not None
    faster = dataclasses.replace(FIRST.cosim, interval_cycles=7)
    last = remembered(tmp_path, at(FIRST, "whole", cosim=faster)).last
    assert last is not None and last.finished == FIRST.finished
    assert last.changes == (ChangeFigures("cosim.interval_cycles", 1_234_568, 7),)


def test_another_board_is_a_change_even_if_no_figure_is() -> None:
    target = dataclasses.replace(FIRST.target, board="kv260")
    last = advance(advance(None, FIRST), at(FIRST, "later", target=target)).last
    assert last is not None and (last.board, last.changes) == ("zcu104", ())


def test_a_damaged_history_is_none(tmp_path: Path) -> None:
    for text in ("", "[]", "[" * 100_000, '{"finished": 1}'):
        (tmp_path / FILE_NAME).write_text(text)
        assert History.load(tmp_path) is None
        assert remembered(tmp_path, FIRST).last is None
