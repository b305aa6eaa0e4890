"""Reports as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from semifreddo.cli.console import table
from semifreddo.core.vectors import describe
from semifreddo.reports.figures import RungFigures
from semifreddo.reports.report import BuildReport

if TYPE_CHECKING:
    from semifreddo.flow.demo import DemoResult


def ladder_table(rungs: Sequence[RungFigures]) -> str:
    """Every rung: climbed and how it went, or why not."""
    rows: list[tuple[object, ...]] = []
    for rung in rungs:
        if rung.status == "unavailable":
            rows.append((rung.name, "not here", "", "", rung.detail))
            continue
        rate = f"{rung.images / rung.seconds:.0f}" if rung.seconds else ""
        status = "equal" if rung.status == "equal" else f"DIFFERENT on {rung.wrong_images}"
        if rung.status == "explained":
            status = f"{rung.differing} by round-off"
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
    lines += _hardware(report)
    if report.vectors is not None:
        found = report.vectors
        lines.append(f"compared on {describe(found.images, random=found.random)}")
    if report.ladder:
        lines += ["", ladder_table(report.ladder)]
    return "\n".join(lines)


def _predicted(report: BuildReport) -> str:
    rtl = report.rtl
    if rtl is None or rtl.latency_cycles is None:
        return ""
    return f" (predicted {rtl.interval_cycles} and {rtl.latency_cycles})"


def _hardware(report: BuildReport) -> list[str]:
    """What the open RTL backend made, predicted and measured."""
    lines = []
    if report.rtl is not None:
        rtl = report.rtl
        lines.append(
            f"RTL: a frame every {rtl.interval_cycles} cycles, {rtl.frames_per_second:.0f} "
            f"frames/s at {report.target.clock_mhz:g} MHz, set by {rtl.bottleneck}; predicted "
            f"{rtl.lut} LUT, {rtl.ff} FF, {rtl.dsp} DSP, {rtl.bram18} BRAM18"
        )
    if report.cosim is not None:
        cosim = report.cosim
        lines.append(
            f"RTL simulation: a frame every {cosim.interval_cycles} cycles, latency "
            f"{cosim.latency_cycles}{_predicted(report)}; {cosim.frames_per_second:.0f} frames/s "
            "on one core"
        )
    if report.synthesis is not None:
        cells = report.synthesis
        pairs = "" if cells.lut_pairs is None else f" ({cells.lut_pairs} with LUT6_2 pairs as one)"
        lines.append(
            f"{cells.tool}: {cells.lut} LUT{pairs}, {cells.ff} FF, {cells.dsp} DSP, "
            f"{cells.bram18} BRAM18"
        )
    if report.bitstream is not None:
        made = report.bitstream
        speed = "" if made.fmax_mhz is None else f", {made.fmax_mhz:.1f} MHz"
        lines.append(f"bitstream {made.file} ({made.tool}): {made.size_bytes} bytes{speed}")
    if waiting := [stage.name for stage in report.stages if stage.waits]:
        names = ", ".join(waiting)
        lines.append(f"not run: {names} (--until STAGE runs one, or says what it needs)")
    return lines


def demo_table(result: DemoResult) -> str:
    """Both tasks side by side, the rungs, and what it took."""
    rungs = [rung.name for rung in result.tasks[0].rungs if rung.status != "unavailable"]
    rows = []
    for task in result.tasks:
        status = {rung.name: rung.status for rung in task.rungs}
        rows.append(
            (
                task.name,
                task.classes,
                f"{task.accuracy:.2%}",
                task.payload_bytes,
                *(status.get(name, "") for name in rungs),
                "equal" if task.stream_equal else "DIFFERENT",
                *(f"{speed:.0f}" for speed in task.frames_per_second.values()),
            )
        )
    speeds = [f"{name} frames/s" for name in result.tasks[0].frames_per_second]
    header = ("task", "classes", "accuracy", "bytes", *rungs, "runtime", *speeds)
    absent = [
        f"  {rung.name}: {rung.detail}"
        for rung in result.tasks[0].rungs
        if rung.status == "unavailable"
    ]
    steps = ", ".join(f"{name} {seconds:.0f}" for name, seconds in result.seconds.items())
    return "\n".join(
        [
            table(rows, header),
            "",
            f"All rungs were compared as integers on the whole test split, "
            f"{result.tasks[0].images} images.",
            f"Both tasks ran on the same hardware: {result.sources} generated C++ and Verilog "
            f"files, sha256 {result.sources_digest[:16]}, byte-identical before and after.",
            f"Seconds: {steps}; together {sum(result.seconds.values()):.0f}.",
            "Rungs this machine does not have:",
            *absent,
        ]
    )
