"""The demo's verb: what it says and how it ends; tests/flow has the story."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from semifreddo.cli import show
from semifreddo.cli.main import main
from semifreddo.flow import demo, demo_design


def test_a_told_story_is_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[object] = []

    def run_demo(config: object, **rest: object) -> SimpleNamespace:
        told.append((config, rest["seed"]))
        return SimpleNamespace(folder=tmp_path)

    monkeypatch.setattr(demo_design, "prepare", lambda out: ("config", out))
    monkeypatch.setattr(demo, "run_demo", run_demo)
    monkeypatch.setattr(show, "demo_table", lambda result: "both tasks")
    assert main(["demo", "--out", str(tmp_path), "--seed", "3"]) == 0
    assert told == [(("config", tmp_path), 3)]
    out, err = capsys.readouterr()
    assert out == "both tasks\n"
    assert f"report: {tmp_path / 'build' / 'report.html'}" in err
