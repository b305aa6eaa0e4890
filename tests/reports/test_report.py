from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from semifreddo.core.errors import DataError, LimitError
from semifreddo.reports.figures import (
    RungFigures,
    StageFigures,
    SynthesisFigures,
    TargetFigures,
    TaskFigures,
)
from semifreddo.reports.report import BuildReport, Limit, figure_names

REPORT = BuildReport(
    design="digits",
    finished="2026-01-01T00:00:00+00:00",
    versions={"semifreddo": "0.1.0"},
    target=TargetFigures("pynq_z2", "xc7z020clg400-1", 100.0, 53200, 106400, 220, 280),
    stages=(StageFigures("lower", 0.5, False),),
    task=TaskFigures("digits", ("0", "1"), 2048, 0.98, {"test_accuracy": 0.98}),
    ladder=(
        RungFigures("streamnet", "equal", 10, 0, 0.1, ""),
        RungFigures("board", "unavailable", 0, None, None, "no board"),
    ),
)


def test_round_trip(tmp_path: Path) -> None:
    REPORT.save(tmp_path / "report.json")
    assert BuildReport.load(tmp_path / "report.json") == REPORT


def test_absent_is_null_and_none() -> None:
    data = json.loads(REPORT.to_json())
    assert data["synthesis"] is None
    assert data["csim"] is None
    assert REPORT.figure("synthesis.lut") is None
    assert REPORT.figure("csim.compile_seconds") is None
    assert REPORT.figure("task.payload_bytes") == 2048


def test_every_figure_can_be_asked_for() -> None:
    names = figure_names()
    assert {"target.lut", "synthesis.lut", "task.test_accuracy", "bundle.size_bytes"} <= set(names)
    assert "task.metrics" not in names
    for name in names:
        REPORT.figure(name)
    with pytest.raises(KeyError):
        REPORT.figure("task.name")


def test_limits() -> None:
    good = {"task.test_accuracy": Limit(min=0.97), "task.payload_bytes": Limit(max=2048)}
    assert all(result.passed for result in REPORT.check_limits(good))
    with pytest.raises(LimitError) as caught:
        REPORT.check_limits(
            {
                "task.test_accuracy": Limit(min=0.99),
                "synthesis.lut": Limit(max=53200),
                "task.payload_bytes": Limit(min=1, max=2047),
            }
        )
    assert str(caught.value) == (
        "digits: task.test_accuracy is 0.98, allowed is at least 0.99; "
        "synthesis.lut was not measured, allowed is at most 53200; "
        "task.payload_bytes is 2048, allowed is at least 1 and at most 2047"
    )
    zero = dataclasses.replace(REPORT, synthesis=SynthesisFigures("yosys", 1, 1, 0, 0, 0.1))
    assert zero.check_limits({"synthesis.dsp": Limit(max=0)})[0].passed
    with pytest.raises(ValueError, match="needs min or max"):
        Limit()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a semifreddo-report/1 file"),
        ("[]", "not a semifreddo-report/1 file"),
        ("[" * 100_000, "not a semifreddo-report/1 file"),
        ('{"format": "semifreddo-report/2"}', "not a semifreddo-report/1 file"),
        ('{"format": "semifreddo-report/1"}', "key 'design' is missing"),
        (REPORT.to_json().replace('"layers"', '"x"').replace("0.5", '"0.5"'), "'0.5' is not a fin"),
        (REPORT.to_json().replace('"equal"', '"eqal"'), "did you mean 'equal'?"),
    ],
)
def test_wrong_reports(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(DataError, match=re.escape(message)):
        BuildReport.load(path)


def test_files_that_are_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.json"

    def refusal() -> str:
        with pytest.raises(DataError) as error:
            BuildReport.load(file)
        return str(error.value).removeprefix(f"{file}: ")

    assert refusal() == "no such report; `semifreddo build` writes it"
    file.write_bytes(b"\xff\xfe")
    assert refusal() == "not a semifreddo-report/1 file (not text)"
    monkeypatch.setattr("semifreddo.reports.report.MAX_FILE_BYTES", 1 << 20)
    text = REPORT.to_json()
    file.write_text(text.ljust(1 << 20))
    assert BuildReport.load(file) == REPORT
    file.write_text(text.ljust((1 << 20) + 1))
    assert refusal() == "larger than 1 MiB, so not a report"
