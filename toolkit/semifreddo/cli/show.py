"""Reports as text."""

from __future__ import annotations

from collections.abc import Sequence

from semifreddo.cli.console import table
from semifreddo.reports.report import BuildReport, RungFigures


def ladder_table(rungs: Sequence[RungFigures]) -> str:
    """Every rung: climbed and how it went, or why not."""
    rows: list[tuple[object, ...]] = []
    for rung in rungs:
        if rung.status == "unavailable":
            rows.append((rung.name, "not here", "", "", rung.detail))
            continue
        rate = f"{rung.images / rung.seconds:.0f}" if rung.seconds else ""
        status = "equal" if rung.status == "equal" else f"DIFFERENT on {rung.wrong_images}"
        rows.append((rung.name, status, rung.images, rate, rung.detail))
    return table(rows, ("rung", "integers", "images", "images/s", ""))


def build_summary(report: BuildReport) -> str:
    """What came out of a build, on one screen."""
    lines = []
    if report.net is not None:
        net = report.net
        total = net.frozen_values + net.configurable_values
        lines.append(
            f"{report.design}: {net.layers} layers, {total} weights, "
            f"{net.frozen_values} frozen ({net.frozen_values / total:.0%})"
        )
    if report.task is not None:
        accuracy = report.task.test_accuracy
        what = "" if accuracy is None else f", test accuracy {accuracy:.2%}"
        lines.append(f"task {report.task.name}: {report.task.payload_bytes} bytes{what}")
    if report.csim is not None:
        speed = report.csim.frames_per_second
        what = "" if speed is None else f", {speed:.0f} frames/s"
        lines.append(f"C simulation: compiled in {report.csim.compile_seconds:.1f} s{what}")
    if report.ladder:
        lines += ["", ladder_table(report.ladder)]
    return "\n".join(lines)
