from __future__ import annotations

import pytest
import torch

from semifreddo.nn.config import SemifreddoConfig
from semifreddo.studies import vertical_freezing
from semifreddo.studies.pool import Serial
from semifreddo.studies.runner import Runner, render
from semifreddo.studies.study import Cell, Measured
from semifreddo.studies.vertical_freezing import CONFIG, WAYS, Bench, VerticalFreezing
from semifreddo.train.data import load_dataset
from semifreddo.train.options import TrainOptions

torch.set_num_threads(1)

OPTIONS = TrainOptions(epochs=1, tune_epochs=1, batch=32, progress=False)


class OnDigits(VerticalFreezing):
    data = "digits"


STUDY = OnDigits(SemifreddoConfig((1, 8, 8), 5, (4, 4, 4), (2, 1, 1)), OPTIONS, OPTIONS, 40, 40, 20)


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    runner = Runner(STUDY, (0,), tmp_path_factory.mktemp("study"))
    runner.validate(Serial(), lambda line: None)
    runner.seal()
    runner.test(Serial(), lambda line: None)
    return runner


def test_what_is_frozen(runner):
    found = {item.cell.way: item.validation for item in runner.results()}
    assert found["all trainable, from new"]["frozen"] == 0
    assert found["all trainable, from the core"]["frozen"] == 0
    assert 0.2 < found["semifreddo"]["frozen"] < 1 / 3
    assert found["core + head"]["frozen"] > 0.5
    assert len({found[way]["weights"] for way in list(WAYS)[:4]}) == 1
    assert sum(found["semifreddo"]["alphas"].values()) == 24


def test_the_test_split_is_measured_from_what_was_kept(runner):
    count = len(load_dataset("digits").subset(vertical_freezing.TARGET_CLASSES).test)
    for item in runner.results():
        assert 0 < item.test["accuracy"] <= 1
        assert item.test["accuracy"] * count == pytest.approx(round(item.test["accuracy"] * count))
    assert "| semifreddo |" in render(STUDY, runner.record())


def test_layers_nearest_to_a_third():
    assert vertical_freezing._layers(CONFIG) == 2
    assert vertical_freezing._layers(STUDY.config) == 1


def test_the_frozen_layers_come_from_the_source_network(monkeypatch):
    bench = Bench(STUDY, load_dataset("digits").development, 0)
    whole = bench.whole()
    monkeypatch.setattr(Bench, "whole", lambda bench: whole)
    trained = vertical_freezing._layer_wise(bench)
    for core in range(3):
        path = f"cores.{core}.0.conv"
        a, b = (model.get_submodule(path).quant_weight() for model in (trained.model, whole.model))
        assert torch.equal(a.value, b.value)
    assert len(trained.plan.tensors) == 6


def accuracies_of(**accuracies):
    ways = dict(zip(accuracies, WAYS, strict=True))
    return [
        Measured(Cell(ways[name], seed), {}, {"accuracy": value}, 1)
        for name, value in accuracies.items()
        for seed in (0, 1)
    ]


@pytest.mark.parametrize(
    ("ours", "layers", "outcome"),
    [
        (0.93, 0.925, "holds"),
        (0.924, 0.92, "does not hold"),
        (0.93, 0.93, "does not hold"),
    ],
)
def test_the_margin_decides(ours, layers, outcome):
    results = accuracies_of(new=0.94, core=0.94, semifreddo=ours, layers=layers, head=0.7)
    assert STUDY.verdict(results).outcome == outcome
