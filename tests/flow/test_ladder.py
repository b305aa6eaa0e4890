"""The file of a climb, and what a stage says of one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from nets import blended, images
from semifreddo.core.errors import LadderError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.ladder import climb_in_stage, load_ladder, save_ladder
from semifreddo.sim import reference
from semifreddo.sim.ladder import LadderReport, Rung, RungResult

RESULTS = (
    RungResult("torch", "explained", 9, 0, 1.5, "of 7", 7, 2),
    RungResult("board", "unavailable", 0, None, None, "no board"),
)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ladder.json"
    save_ladder(LadderReport(RESULTS, "9 vectors", own_answers=True), path)
    found = load_ladder(path)
    assert (found.results, found.compared, found.own_answers) == (RESULTS, "", False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, r" \(.*No such file.*\)"),
        ("{", r" \(.*\)"),
        ("{}", r" \('rungs'\)"),
        ('{"rungs": 3}', r" \(.*\)"),
        ('{"rungs": [{"name": "torch"}]}', ""),
    ],
)
def test_what_is_no_ladder_file(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "ladder.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LadderError, match=rf"^{path}: not a ladder file{reason}; build again$"):
        load_ladder(path)


def test_a_stage_says_how_each_rung_went(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", iter([0.0, 1.25, 2.0, 4.0]).__next__)
    net, said = blended(), []
    batch = images(net, 3)
    vectors = VectorSet(batch, reference.run(net, batch))
    rungs = [
        Rung("csim", lambda x: reference.run(net, x)),
        Rung("board", None, "no board"),
        Rung("rtl", lambda x: reference.run(net, x), note=lambda: "and a note"),
    ]
    found = climb_in_stage(
        SimpleNamespace(report=said.append),  # type: ignore[arg-type]
        net,
        vectors,
        rungs,
    )
    assert len(found.results) == 3
    assert said == [
        "      rung csim: equal on 3 images in 1.2 s",
        "      rung rtl: equal on 3 images in 2.0 s and a note",
    ]
