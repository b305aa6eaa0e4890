"""The first run on a board: PYNQ's own code on a simulated one."""

from __future__ import annotations

from pathlib import Path

import pytest

from semifreddo.cli.main import main
from semifreddo.core.first_light import QUESTIONS, read_archive

BUNDLE = Path(__file__).parents[1] / "golden" / "digits.sfb"


def test_a_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "first.tar.gz"
    assert main(["first-light", str(BUNDLE), "--simulated-board", "-o", str(output)]) == 0
    data = read_archive(output)
    facts = {fact["name"]: fact for fact in data["facts"]}
    assert list(facts) == [question.name for question in QUESTIONS]
    assert facts["answers"]["state"] == "as expected"
    assert facts["answers"]["found"].startswith("digits: 100 of 100 images equal; ")
    assert facts["speed"]["state"] == "measured"
    assert "frames/s in batches of 1024" in facts["speed"]["found"]
    assert {fact["state"] for fact in data["facts"][:8]} == {"not seen"}
    assert data["machine"]["pynq"] is not None
    assert data["title"].endswith("on a simulated board")
    assert "answers" in capsys.readouterr().out


def test_without_a_board(tmp_path: Path) -> None:
    output = tmp_path / "first.tar.gz"
    assert main(["first-light", str(BUNDLE), "--transport", "pynq", "-o", str(output)]) == 1
    (answers,) = (f for f in read_archive(output)["facts"] if f["name"] == "answers")
    assert answers["state"] == "different" and "no transport 'pynq'" in answers["found"]
