"""The study of learned terms: every way runs, and the margin decides."""

from __future__ import annotations

import pytest
import torch

from semifreddo.studies.learned_terms import ONE, PENALTIES, TWO, WAYS, LearnedTerms
from semifreddo.studies.pool import Serial
from semifreddo.studies.runner import Runner, draw, render
from semifreddo.studies.study import Cell, Measured
from semifreddo.train.options import TrainOptions

torch.set_num_threads(1)

STUDY = LearnedTerms(options=TrainOptions(epochs=1, tune_epochs=1, batch=128, progress=False))


def test_every_way_on_digits(tmp_path):
    runner = Runner(STUDY, (0,), tmp_path)
    runner.validate(Serial(), lambda line: None)
    runner.seal()
    runner.test(Serial(), lambda line: None)
    found = {item.cell.way: item for item in runner.results()}
    assert list(found) == list(WAYS)
    assert found[ONE].validation["filters"] == [0, 14, 0]
    assert found[TWO].validation["terms"] == 2
    # One digit for each of 6 x 9 and 8 x 6 x 9 weights at most.
    assert 0 < found[ONE].validation["digits"] <= 54 + 432 < found[TWO].validation["digits"]
    uniform = found["uniform, 4 bits"].validation
    assert uniform["terms"] is None and uniform["digits"] > 0
    page = " ".join(render(STUDY, runner.record()).split())
    assert "| one term | 1.00 ± 0.00 | 0, 14, 0 |" in page
    assert "uniform" not in draw(STUDY, runner.record())


def measured_as(accuracies, terms):
    """One network of each way; accuracies of one term, two, and the learned ones."""
    ways = [ONE, TWO, *[way for way in WAYS if way.startswith("learned")]]
    assert len(ways) == 2 + len(PENALTIES)
    return [
        Measured(Cell(way, 0), {"terms": mean}, {"accuracy": accuracy}, 1)
        for way, accuracy, mean in zip(ways, accuracies, (1, 2, *terms), strict=True)
    ]


@pytest.mark.parametrize(
    ("accuracies", "terms", "outcome"),
    [
        # The line is at 0.84, 0.85, 0.88.
        ((0.80, 0.90, 0.84, 0.899, 0.88), (1.4, 1.5, 1.8), "holds"),
        ((0.80, 0.90, 0.838, 0.898, 0.878), (1.4, 1.5, 1.8), "holds"),
        ((0.80, 0.90, 0.836, 0.899, 0.88), (1.4, 1.5, 1.8), "does not hold"),
        ((0.80, 0.90, 0.84, 0.896, 0.88), (1.4, 1.5, 1.8), "does not hold"),
        ((0.80, 0.90, 0.90, 0.90, 0.90), (1.7, 1.7, 1.8), "does not hold"),
        ((0.80, 0.805, 0.90, 0.90, 0.90), (1.1, 1.2, 1.3), "undecided"),
    ],
)
def test_the_margin_decides(accuracies, terms, outcome):
    verdict = STUDY.verdict(measured_as(accuracies, terms))
    assert verdict.outcome == outcome and verdict.why
