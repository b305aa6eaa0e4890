"""The study of the distribution loss, on digits: every way runs, and the margin decides."""

from __future__ import annotations

import pytest
import torch

from semifreddo.studies.distribution_loss import FORMS, PLAIN, SETTINGS, DistributionLossStudy
from semifreddo.studies.pool import Serial
from semifreddo.studies.runner import Runner, draw, render
from semifreddo.studies.study import Cell, Measured
from semifreddo.train.checkpoint import load_checkpoint
from semifreddo.train.options import TrainOptions

torch.set_num_threads(1)

STUDY = DistributionLossStudy(
    optimisers=SETTINGS[1:],
    options=TrainOptions(epochs=2, tune_epochs=0, batch=50, progress=False),
    off=1,
    dataset="digits",
    widths=(4, 4),
    strides=(1, 1),
    images=(100, 60),
    test_images=60,
)


def test_every_way_on_digits(tmp_path):
    runner = Runner(STUDY, (0,), tmp_path)
    runner.validate(Serial(), lambda line: None)
    untested = render(STUDY, runner.record())
    assert "No verdict yet" in untested and "not measured" in untested
    runner.seal()
    runner.test(Serial(), lambda line: None)
    found = runner.results()
    assert len(found) == len(STUDY.optimisers) * (1 + len(FORMS))
    for item in found:
        assert 0 < item.test["accuracy"] <= 1
        trained = load_checkpoint(runner.folder / item.cell.key / "model.safetensors")
        told = trained.info["options"]
        assert told["rate"] == item.cell.point["rate"] and told["seed"] == 0
        assert (told["loss"] == "distribution") == (item.cell.way != PLAIN)
        if item.cell.way != PLAIN:
            assert (told["distribution_form"], told["distribution_off"]) == (item.cell.way, 1)
    page = " ".join(render(STUDY, runner.record()).split())
    assert "| adam, 0.01 | cross entropy |" in page and "| sgd, 0.1 | published |" in page
    assert "not measured" not in page and f"]({STUDY.name}.svg)" in page
    assert "sgd, 0.1" in draw(STUDY, runner.record())


def measured_as(released, published, noise=0.0):
    """Gains of both forms under settings whose cross entropy reaches 50, 60 and 70 %.

    Args:
        released: In points, of each setting.
        published: In points, of each setting.
        noise: Points by which the gains of two seeds are apart.
    """
    gains = {PLAIN: (0, 0, 0), "released": released, "published": published}
    return [
        Measured(
            Cell(way, seed, {"optimizer": optimizer, "rate": rate}),
            {"train": 1, "val": 1},
            {"accuracy": (base + gain + noise * (seed - 0.5) * (way != PLAIN)) / 100},
            1,
        )
        for (optimizer, rate), base, index in zip(SETTINGS, (50, 60, 70), range(3), strict=True)
        for way, own in gains.items()
        for seed, gain in ((0, own[index]), (1, own[index]))
    ]


NEARER, FARTHER, WORSE = (6, 2, 1), (1, 2, 3), (1, -2, -3)


def test_a_page_of_some_cells_has_no_gains():
    """The second seed has two settings of three; what the first had is shown."""
    results = [item for item in measured_as(NEARER, NEARER) if item.cell.seed == 0]
    assert "| +3.00 ± 0.00 |" in " ".join(DistributionLossStudy().body(results).split())
    more = [item for item in measured_as(NEARER, NEARER) if item.cell.seed == 1][:-3]
    assert "+3.00" not in DistributionLossStudy().body([*results, *more])


@pytest.mark.parametrize(
    ("released", "published", "noise", "outcome"),
    [
        (NEARER, NEARER, 0, "holds"),
        (NEARER, NEARER, 5, "holds"),
        (NEARER, NEARER, 7, "does not hold"),  # 3 points, with a standard error of 3.5
        (NEARER, FARTHER, 0, "undecided"),
        (WORSE, NEARER, 0, "undecided"),
        (WORSE, FARTHER, 0, "does not hold"),
    ],
)
def test_the_margin_decides(released, published, noise, outcome):
    results = measured_as(released, published, noise)
    verdict = DistributionLossStudy().verdict(results)
    assert verdict.outcome == outcome
    assert "cross entropy alone is 10.00 points" in verdict.why
