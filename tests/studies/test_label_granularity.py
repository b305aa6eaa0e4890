"""The study of label granularity, on digits: every way runs, and the margin decides."""

from __future__ import annotations

import pytest
import torch

from semifreddo.studies.label_granularity import LabelGranularity
from semifreddo.studies.pool import Serial
from semifreddo.studies.runner import Runner, draw, render
from semifreddo.studies.study import Cell, Measured
from semifreddo.train.options import TrainOptions

torch.set_num_threads(1)

SETS = {
    "digits": {
        "parity": {"even": (0, 2, 4, 6, 8), "odd": (1, 3, 5, 7, 9)},
        "size": {"small": (0, 1, 2, 3, 4), "large": (5, 6, 7, 8, 9)},
        "ends": {"ends": (0, 9), "middle": (1, 2, 3, 4, 5, 6, 7, 8)},
    }
}
STUDY = LabelGranularity(
    sets=SETS,
    options=TrainOptions(float_epochs=1, epochs=1, tune_epochs=1, batch=32, progress=False),
    widths=(4, 4),
    strides=(1, 1),
    images=(120, 100),
    test_images=200,
    few=("digits", "parity"),
    noisy=("digits", "size"),
)


def test_every_way_on_digits(tmp_path):
    runner = Runner(STUDY, (0,), tmp_path)
    runner.validate(Serial(), lambda line: None)
    untested = " ".join(render(STUDY, runner.record()).split())
    assert "No verdict yet" in untested and "| not measured | not measured |" in untested
    runner.seal()
    runner.test(Serial(), lambda line: None)
    found = runner.results()
    assert len(found) == 1 + 3 * 2 + 2
    assert len(STUDY.cells((0, 1, 2), [])) == 2 * 9 + 1 + 3 + 1
    fine = next(item for item in found if item.cell.way == "fine")
    assert set(fine.validation["ratio"]) == set(fine.test["accuracy"]) == set(SETS["digits"])
    for item in found:
        assert all(0 < value <= 1 for value in item.test["accuracy"].values())
    page = render(STUDY, runner.record())
    for name in SETS["digits"]:
        assert f"| digits | {name} |" in " ".join(page.split())
    assert f"]({STUDY.name}.svg)" in page and "parity" in draw(STUDY, runner.record())
    assert "| fine, noise | digits | size |" in " ".join(page.split())


def results(ratios, gains, few):
    """Three groupings with these ratios and gains in points; fine is at 90 %."""
    found = []
    for name, gain in zip(SETS["digits"], gains, strict=True):
        place = {"set": "digits", "grouping": name}
        for way in ("coarse", "coarse + layer"):
            test = {"accuracy": {name: 0.9 - gain / 100}}
            found.append(Measured(Cell(way, 0, place), {"train": 1, "val": {name: 1}}, test, 1))
    every = dict.fromkeys(SETS["digits"], 0.9)
    validation = {"train": 1, "val": every, "ratio": dict(zip(SETS["digits"], ratios, strict=True))}
    found.append(Measured(Cell("fine", 0, {"set": "digits"}), validation, {"accuracy": every}, 1))
    place = {"set": "digits", "grouping": "parity"}
    validation = {"train": 1, "val": {"parity": 1}, "ratio": {"parity": 1}}
    return [
        *found,
        Measured(Cell("fine, few", 0, place), validation, {"accuracy": {"parity": few}}, 1),
    ]


@pytest.mark.parametrize(
    ("ratios", "gains", "few", "outcome"),
    [
        ((0.1, 0.5, 1.2), (0, 1, 2), 0.9, "holds"),
        ((0.1, 0.5, 1.2), (0, 1, 2), 0.89, "undecided"),
        ((0.1, 0.5, 1.2), (2, 1, 0), 0.89, "undecided"),
        ((0.1, 0.5, 1.2), (2, 1, 0), 0.87, "does not hold"),
    ],
)
def test_the_margin_decides(ratios, gains, few, outcome):
    assert STUDY.verdict(results(ratios, gains, few)).outcome == outcome
