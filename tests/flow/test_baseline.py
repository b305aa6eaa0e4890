"""Figures of now against figures of then."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from semifreddo.cli.check import _baseline_diff
from semifreddo.core.errors import DataError, LimitError
from semifreddo.flow.baseline import BANDED, FIGURES, Baseline, compare
from semifreddo.reports.report import BuildReport, figure_names


def report(**rtl: Any) -> BuildReport:
    figures = {"interval_cycles": 64, "latency_cycles": 300, "lut": 1000, "ff": 900, "dsp": 0}
    table = {
        "files": 1,
        "source_bytes": 1,
        "digest": "d",
        "seconds": 0.1,
        "bottleneck": "x",
        "frames_per_second": 1.0,
        "reason": "r",
        "bram18": 2,
    }
    found = BuildReport.from_json(
        BuildReport(
            design="d",
            finished="",
            versions={},
            target=_target(),
        ).to_json()
    )
    from semifreddo.reports.figures import RtlFigures

    return dataclasses.replace(found, rtl=RtlFigures(**(table | figures | rtl)))


def _target() -> Any:
    from semifreddo.reports.figures import TargetFigures

    return TargetFigures("pynq_z2", "xc7z020clg400-1", 100.0, 1, 1, 1, 1)


def test_the_figures_are_figures_of_a_report() -> None:
    assert set(FIGURES) <= set(figure_names())
    assert "rtl.lut" in BANDED and "rtl.interval_cycles" not in BANDED


def test_nothing_moved(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    Baseline.of(report()).save(path)
    baseline = Baseline.load(path)
    assert baseline == Baseline.of(report())
    assert baseline.figures["synthesis.lut"] is None
    assert '"rtl.interval_cycles": 64,' in path.read_text()
    diff = compare(baseline, report())
    diff.check()
    assert list(diff.lines()) == ["equal     6 of 28 figures", "not measured 22 of 28 figures"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"lut": 1050}, "in band   rtl.lut: was 1000, is 1050 (+5.0 %), allowed within 5 %"),
        ({"lut": 950}, "in band   rtl.lut: was 1000, is 950 (-5.0 %), allowed within 5 %"),
    ],
)
def test_resources_have_a_band(change: dict[str, int], line: str) -> None:
    diff = compare(Baseline.of(report()), report(**change))
    diff.check()
    assert next(diff.lines()) == line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lut": 1051}, "rtl.lut: was 1000, is 1051 (+5.1 %), allowed within 5 %"),
        ({"interval_cycles": 65}, "rtl.interval_cycles: was 64, is 65 (+1.6 %), allowed exactly"),
        ({"interval_cycles": 63}, "rtl.interval_cycles: was 64, is 63 (-1.6 %), allowed exactly"),
        ({"dsp": 1}, "rtl.dsp: was 0, is 1, allowed within 5 %"),
    ],
)
def test_what_moved_too_far_is_named(change: dict[str, int], message: str) -> None:
    diff = compare(Baseline.of(report()), report(**change))
    assert next(diff.lines()) == f"different {message}"
    with pytest.raises(LimitError, match=re.escape(f"b.json: {message}; if this is meant, write")):
        diff.check("b.json")


def test_absent_then_and_absent_now() -> None:
    """A tool that has run since makes a figure new; one that did not run here proves nothing."""
    then = Baseline.of(dataclasses.replace(report(), rtl=None))
    diff = compare(then, report())
    diff.check()
    assert "new       rtl.lut: 1000, not in the baseline yet" in list(diff.lines())
    diff = compare(Baseline.of(report()), dataclasses.replace(report(), rtl=None))
    diff.check()
    assert {change.status for change in diff.changes} == {"not measured"}


def test_writing_anew_keeps_what_no_tool_measured() -> None:
    then = dataclasses.replace(Baseline.of(report()), band=0.2)
    now = dataclasses.replace(report(lut=7), rtl=None)
    assert then.updated(now) == then
    assert then.updated(report(lut=7)).figures["rtl.lut"] == 7
    elsewhere = dataclasses.replace(now, target=dataclasses.replace(_target(), clock_mhz=50.0))
    assert then.updated(elsewhere).figures["rtl.lut"] is None


def test_another_board_is_not_compared() -> None:
    other = dataclasses.replace(_target(), clock_mhz=50.0)
    diff = compare(Baseline.of(report()), dataclasses.replace(report(), target=other))
    diff.check()
    assert list(diff.lines()) == [
        "the baseline is for pynq_z2 at 100 MHz, this build for pynq_z2 at 50 MHz: not compared"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as a baseline"),
        ("[]", "not a semifreddo-baseline/1 file"),
        ('{"format": "semifreddo-baseline/1"}', "key 'board' is missing"),
        (
            '{"format": "semifreddo-baseline/1", "board": "b", "clock_mhz": 1, "band": 0, '
            '"figures": {"rtl.mutt": 2, "rtl.lutt": 1}}',
            "'rtl.lutt' is none of a baseline's figures",
        ),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(DataError, match=re.escape(message)):
        Baseline.load(path)
    with pytest.raises(DataError, match="cannot be read"):
        Baseline.load(tmp_path / "none.json")


def checked(config: Any, *, write: bool) -> None:
    """What the verb does with the baseline of a design."""
    diff = _baseline_diff(config, write=write)
    if diff is not None:
        diff.check(str(config.root / "baseline.json"))


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``check`` writes a baseline when told, and compares from then on."""
    config: Any = SimpleNamespace(root=tmp_path, build_dir=tmp_path / "build")
    checked(config, write=False)
    assert capsys.readouterr() == ("", "")
    with pytest.raises(DataError, match="no such report"):
        checked(config, write=True)
    report().save(tmp_path / "build" / "report.json")
    checked(config, write=True)
    checked(config, write=False)
    assert "equal     6 of 28 figures" in capsys.readouterr().out
    report(lut=2000).save(tmp_path / "build" / "report.json")
    with pytest.raises(LimitError, match=r"baseline\.json: rtl\.lut: was 1000, is 2000"):
        checked(config, write=False)
    assert "different rtl.lut" in capsys.readouterr().out
    (tmp_path / "build" / "report.json").unlink()
    checked(config, write=False)
    assert "not compared, there is no build" in capsys.readouterr().err
