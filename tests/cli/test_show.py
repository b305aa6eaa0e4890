"""What came out of a build, on one screen: what is not known is left out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

from reports.hard_report import full_report
from semifreddo.cli.show import build_summary, demo_table, ladder_table
from semifreddo.core.vectors import describe
from semifreddo.flow.demo import DemoResult, TaskOutcome
from semifreddo.reports.figures import RungFigures


def test_the_accuracy_of_a_task_is_told_if_it_is_known() -> None:
    report = full_report()
    assert report.task is not None
    for accuracy, told in ((0.98765, ", test accuracy 98.77%"), (None, "")):
        task = dataclasses.replace(report.task, name="a", payload_bytes=9, test_accuracy=accuracy)
        lines = build_summary(dataclasses.replace(report, task=task)).splitlines()
        assert f"task a: 9 bytes{told}" in lines


SUMMARY = """\
a_design: 5 layers, 8888888 weights, 1234567 frozen (14%)
task a_task: 1234567 bytes, test accuracy 75.12%
C simulation: compiled in 123.4 s, 1234 frames/s
RTL: a frame every 1234567 cycles, 270 frames/s at 333.333 MHz, set by a_layer; predicted \
1111000 LUT, 2222000 FF, 9100 DSP, 4000 BRAM18
RTL simulation: a frame every 1234568 cycles, latency 2345679 (predicted 1234567 and 2345678); \
0 frames/s on one core
Yosys 0.70.0.0.post1259 for xcup: 1111000 LUT (55 with LUT6_2 pairs as one), 2222000 FF, \
9100 DSP, 4000 BRAM18
bitstream a.bit (Vivado v2023.2 (64-bit)): 12345678 bytes, 345.7 MHz
not run: vendor (--until STAGE runs one, or says what it needs)
compared on 60 vectors"""


def test_all_that_a_build_made() -> None:
    report = full_report()
    assert report.task and report.rtl and report.synthesis and report.bitstream
    report = dataclasses.replace(
        report,
        design="a_design",
        task=dataclasses.replace(report.task, name="a_task"),
        rtl=dataclasses.replace(report.rtl, bottleneck="a_layer"),
        synthesis=dataclasses.replace(report.synthesis, lut_pairs=55),
        bitstream=dataclasses.replace(report.bitstream, file="a.bit"),
    )
    assert report.vectors is not None
    said = describe(report.vectors.images, random=report.vectors.random)
    above, _, ladder = build_summary(report).partition("\n\n")
    assert above == SUMMARY.replace("60 vectors", said)
    assert ladder == ladder_table(report.ladder)


def test_what_is_not_known_is_left_out() -> None:
    """Of a report with stages that made little, and of one with none."""
    report = full_report()
    assert report.csim and report.cosim and report.rtl and report.synthesis and report.bitstream
    bare = dataclasses.replace(
        report,
        csim=dataclasses.replace(report.csim, frames_per_second=None),
        rtl=dataclasses.replace(report.rtl, latency_cycles=None),
        synthesis=dataclasses.replace(report.synthesis, lut_pairs=None),
        bitstream=dataclasses.replace(report.bitstream, fmax_mhz=None),
        stages=(),
        ladder=(),
    )
    text = build_summary(bare)
    assert "C simulation: compiled in 123.4 s\n" in text
    assert "latency 2345679; 0 frames/s" in text
    assert "LUT6_2" not in text and "not run" not in text and "MHz" not in text.splitlines()[-2]
    nothing = dict.fromkeys(
        ("net", "task", "csim", "rtl", "cosim", "synthesis", "bitstream", "vectors")
    )
    assert build_summary(dataclasses.replace(bare, **nothing)) == ""


def test_how_every_rung_went() -> None:
    rungs = (
        RungFigures("streamnet", "equal", 450, 0, 1.5, "fine"),
        RungFigures("torch", "explained", 450, 0, 0.0, "", 900, 12),
        RungFigures("csim", "different", 450, 449, 3.0, "image 3"),
        RungFigures("board", "unavailable", 0, None, None, "no board"),
    )
    assert ladder_table(rungs).splitlines() == [
        "rung       integers          images  images/s",
        "---------  ----------------  ------  --------  --------",
        "streamnet  equal                450       300  fine",
        "torch      12 by round-off      450",
        "csim       DIFFERENT on 449     450       150  image 3",
        "board      not here                            no board",
    ]


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
    text = demo_table(
        DemoResult((built, taught), 7, "d" * 64, {"train": 3.2, "export": 1.4}, Path("x"))
    )
    head, _, first, second = text.splitlines()[:4]
    assert head.split()[4:7] == ["torch", "csim", "runtime"]
    assert first.split()[4:7] == ["equal", "equal", "equal"]
    assert second.split()[4:7] == ["equal", "different", "equal"]
    assert text.splitlines()[4:] == [
        "",
        "All rungs were compared as integers on the whole test split, 9 images.",
        "Both tasks ran on the same hardware: 7 generated C++ and Verilog files, sha256 "
        f"{'d' * 16}, byte-identical before and after.",
        "Seconds: train 3, export 1; together 5.",
        "Rungs this machine does not have:",
        "  board: needs more",
    ]
    assert first.split()[:4] == ["a", "3", "50.00%", "40"]
    assert first.split()[7:] == ["10"] and head.split()[-3:] == ["runtime", "csim", "frames/s"]
