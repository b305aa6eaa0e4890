"""The study of learned terms: every way runs and is synthesised, and the margin decides."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from semifreddo.studies import learned_terms as study
from semifreddo.studies.learned_terms import (
    FAST,
    FROZEN,
    HARDWARE,
    LOADABLE,
    ONE,
    PENALTIES,
    SERIAL,
    TWO,
    WAYS,
    LearnedTerms,
)
from semifreddo.studies.pool import Serial
from semifreddo.studies.runner import Runner, draw, render
from semifreddo.studies.study import Cell, Measured
from semifreddo.train.options import TrainOptions
from studies.noise import noise

torch.set_num_threads(1)


@dataclasses.dataclass(frozen=True)
class Tiny(LearnedTerms):
    """On noise, so that what runs is seen and nothing else."""

    def load(self, directory):
        return noise(14)


OPTIONS = TrainOptions(epochs=1, tune_epochs=0, batch=20, progress=False)
STUDY = Tiny(options=OPTIONS, lut_seeds=1)


def test_every_way(tmp_path, monkeypatch):
    small = {
        way: dataclasses.replace(config, widths=(2,), strides=(4,)) for way, config in WAYS.items()
    }
    ways = (ONE, TWO, f"learned, {PENALTIES[0]}", "uniform, 4 bits")
    monkeypatch.setattr(study, "PENALTIES", PENALTIES[:1])
    monkeypatch.setattr(study, "WAYS", {way: small[way] for way in ways})
    runner = Runner(STUDY, (0,), tmp_path)
    runner.validate(Serial(), lambda line: None)
    runner.seal()
    runner.test(Serial(), lambda line: None)
    results = runner.results()
    nets = {item.cell.way: item.validation for item in results if not item.cell.point}
    assert tuple(nets) == ways
    assert nets[ONE]["filters"] == [0, 2, 0] and nets[TWO]["terms"] == 2
    # One digit for each of 2 x 9 weights at most.
    assert 0 < nets[ONE]["digits"] <= 18 < nets[TWO]["digits"]
    assert nets["uniform, 4 bits"]["terms"] is None and nets["uniform, 4 bits"]["digits"] > 0
    hardware = {(r.cell.way, r.cell.point["hardware"]): r for r in results if r.cell.point}
    assert set(hardware) == {(way, name) for way in ways for name in HARDWARE}
    for way in ways:
        fast, slow = (hardware[way, name].validation for name in (FAST, SERIAL))
        assert slow["lut"] > 0 and fast["cycles"] < slow["cycles"]
    luts = [hardware[way, FAST].validation["lut"] for way in (ONE, TWO)]
    assert luts[0] < luts[1]
    kinds = [hardware[way, LOADABLE].validation["multipliers"] for way in (ONE, "uniform, 4 bits")]
    assert kinds[0] != ["dsp"] != kinds[1] == ["lut"]
    page = " ".join(render(STUDY, runner.record()).split())
    assert "| one term | 2 | 1.00 ± 0.00 | 0, 2, 0 |" in page and f"| {luts[1]:,} |" in page
    assert "uniform" in draw(STUDY, runner.record())


def measured_as(accuracies, terms, luts):
    """One network of each way; accuracies of one term, two, and the learned ones."""
    ways = [ONE, TWO, *[way for way in WAYS if way.startswith("learned")]]
    assert len(ways) == 2 + len(PENALTIES)
    found = []
    for way, accuracy, mean, lut in zip(ways, accuracies, (1, 2, *terms), luts, strict=True):
        found.append(Measured(Cell(way, 0), {"terms": mean}, {"accuracy": accuracy}, 1))
        found += [
            Measured(Cell(way, 0, {"hardware": name}), {"lut": lut, "cycles": 1}, {}, 1)
            for name in FROZEN
        ]
    return found


LUTS = (100, 200, 140, 150, 180)


@pytest.mark.parametrize(
    ("accuracies", "terms", "luts", "outcome"),
    [
        # The line is at 0.84, 0.85, 0.88.
        ((0.80, 0.90, 0.84, 0.899, 0.88), (1.4, 1.5, 1.8), LUTS, "holds"),
        ((0.80, 0.90, 0.838, 0.898, 0.878), (1.4, 1.5, 1.8), LUTS, "holds"),
        ((0.80, 0.90, 0.836, 0.899, 0.88), (1.4, 1.5, 1.8), LUTS, "does not hold"),
        ((0.80, 0.90, 0.84, 0.896, 0.88), (1.4, 1.5, 1.8), LUTS, "does not hold"),
        ((0.80, 0.90, 0.90, 0.90, 0.90), (1.7, 1.7, 1.8), LUTS, "does not hold"),
        ((0.80, 0.805, 0.90, 0.90, 0.90), (1.1, 1.2, 1.3), LUTS, "undecided"),
        # More LUTs than terms: below the line in LUTs only.
        (
            (0.80, 0.90, 0.84, 0.899, 0.88),
            (1.4, 1.5, 1.8),
            (100, 200, 144, 150, 180),
            "does not hold",
        ),
    ],
)
def test_the_margin_decides(accuracies, terms, luts, outcome):
    verdict = STUDY.verdict(measured_as(accuracies, terms, luts))
    assert verdict.outcome == outcome and verdict.why
