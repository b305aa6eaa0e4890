"""What came out of a build, on one screen: what is not known is left out."""

from __future__ import annotations

import dataclasses

from reports.hard_report import full_report
from semifreddo.cli.show import build_summary


def test_the_accuracy_of_a_task_is_told_if_it_is_known() -> None:
    report = full_report()
    assert report.task is not None
    for accuracy, told in ((0.98765, ", test accuracy 98.77%"), (None, "")):
        task = dataclasses.replace(report.task, name="a", payload_bytes=9, test_accuracy=accuracy)
        lines = build_summary(dataclasses.replace(report, task=task)).splitlines()
        assert f"task a: 9 bytes{told}" in lines
