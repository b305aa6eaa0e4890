"""The study of weights of few digits: every way runs, and the margin decides."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from semifreddo.studies import few_digits as study
from semifreddo.studies.few_digits import (
    BLOCKS,
    LARGE,
    MODEL,
    PRUNED,
    PRUNED_SHARE,
    SMALL,
    TERNARY,
    UNIFORM,
    WAYS,
    FewDigits,
    network_cell,
)
from semifreddo.studies.few_digits import (
    tested_accuracy as accuracy_of,
)
from semifreddo.studies.pool import Serial
from semifreddo.studies.runner import Runner, render
from semifreddo.studies.study import Measured
from semifreddo.train.options import TrainOptions
from studies.noise import noise

torch.set_num_threads(1)


@dataclasses.dataclass(frozen=True)
class Tiny(FewDigits):
    """On noise, so that what runs is seen and nothing else."""

    def load(self, directory):
        return noise(14)


STUDY = Tiny(options=TrainOptions(epochs=1, tune_epochs=1, batch=20, progress=False))


def test_every_way(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "BLOCKS", {LARGE: (2, 3)})
    runner = Runner(STUDY, (0,), tmp_path)
    runner.validate(Serial(), lambda line: None)
    runner.seal()
    runner.test(Serial(), lambda line: None)
    found = {item.cell.way: item for item in runner.results()}
    assert list(found) == list(WAYS)
    weights = 2 * 3 * 9  # of a second block; whole ones are pruned
    pruned = int(PRUNED_SHARE * weights) / weights
    assert found[PRUNED].validation["zeros"] >= pruned > found[UNIFORM].validation["zeros"]
    assert all((runner.folder / item.cell.key / MODEL).is_file() for item in found.values())
    page = " ".join(render(STUDY, runner.record()).split())
    assert "pruned by size" in page and "| 16→32 | ternary |" in page


def measured(way: str, block: str, accuracy: float) -> Measured:
    return Measured(network_cell(way, 0, block), {}, {"accuracy": accuracy}, 1.0)


@pytest.mark.parametrize(("ternary", "outcome"), [(0.79, "holds"), (0.785, "does not hold")])
def test_the_margin_is_of_the_wide_networks(ternary, outcome):
    results = [measured(way, LARGE, 0.8) for way in WAYS if way != TERNARY]
    results += [measured(TERNARY, LARGE, ternary), measured(UNIFORM, SMALL, 0.99)]
    verdict = STUDY.verdict(results)
    assert verdict.outcome == outcome
    assert f"ternary {80 - 100 * ternary:.2f}" in verdict.why
    assert accuracy_of(results, UNIFORM, SMALL) == 99


def test_blocks_have_the_widths_of_their_names():
    assert {name: f"{a}→{b}" for name, (a, b) in BLOCKS.items()} == {n: n for n in BLOCKS}
