"""What came out of a build, on one screen: what is not known is left out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

from reports.hard_report import full_report
from semifreddo.cli.show import build_summary, demo_table
from semifreddo.flow.demo import DemoResult, TaskOutcome


def test_the_accuracy_of_a_task_is_told_if_it_is_known() -> None:
    report = full_report()
    assert report.task is not None
    for accuracy, told in ((0.98765, ", test accuracy 98.77%"), (None, "")):
        task = dataclasses.replace(report.task, name="a", payload_bytes=9, test_accuracy=accuracy)
        lines = build_summary(dataclasses.replace(report, task=task)).splitlines()
        assert f"task a: 9 bytes{told}" in lines


def test_the_demo_shows_the_rungs_of_the_built_task() -> None:
    """Those of the second task are beside them where they have the same name."""

    def task(name: str, **rungs: str) -> TaskOutcome:
        found = tuple(
            SimpleNamespace(name=rung, status=status, detail="needs more")
            for rung, status in rungs.items()
        )
        return TaskOutcome(name, 3, 9, 0.5, 40, found, True, {"csim": 10.0})  # type: ignore[arg-type]

    built = task("a", torch="equal", csim="equal", board="unavailable")
    taught = task("b", torch="equal", csim="different", rtl="equal")
    text = demo_table(DemoResult((built, taught), 7, "d" * 64, {"train": 3.2}, Path("x")))
    head, _, first, second = text.splitlines()[:4]
    assert head.split()[4:7] == ["torch", "csim", "runtime"]
    assert first.split()[4:7] == ["equal", "equal", "equal"]
    assert second.split()[4:7] == ["equal", "different", "equal"]
    assert "board: needs more" in text
