import numpy as np
import pytest
import torch

from semifreddo.nn.config import SemifreddoConfig
from semifreddo.train import experiment
from semifreddo.train.data import Dataset, load_dataset
from semifreddo.train.experiment import Bench, Setting, report, run, table
from semifreddo.train.options import TrainOptions

torch.set_num_threads(1)

OPTIONS = TrainOptions(epochs=1, tune_epochs=1, batch=32, progress=False)
SETTING = Setting(
    SemifreddoConfig((1, 8, 8), 5, (4, 4, 4), (2, 1, 1)), OPTIONS, OPTIONS, 40, 40, 20
)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def measured(data, tmp_path_factory):
    results = tmp_path_factory.mktemp("experiment") / "results.json"
    return run(SETTING, data, [0], results, test=False), results


def test_what_is_frozen(measured):
    ways, _ = measured
    assert ways["all trainable, from new"][0]["frozen"] == 0
    assert ways["all trainable, from the core"][0]["frozen"] == 0
    assert 0.2 < ways["semifreddo"][0]["frozen"] < 1 / 3
    assert ways["core + head"][0]["frozen"] > 0.5
    assert len({ways[way][0]["weights"] for way in list(ways)[:4]}) == 1
    assert sum(ways["semifreddo"][0]["alphas"].values()) == 24


def test_results_are_kept_and_test_waits_until_it_is_asked_for(data, measured, monkeypatch):
    ways, results = measured
    assert all(entry["test"] is None for entries in ways.values() for entry in entries)
    monkeypatch.setattr(experiment, "measure", None)
    assert run(SETTING, data, [0], results, test=False) == ways


def test_layers_nearest_to_a_third():
    assert experiment._layers(experiment.CONFIG) == 2
    assert experiment._layers(SETTING.config) == 1


def test_the_frozen_layers_come_from_the_source_network(data):
    bench = Bench(SETTING, data, 0)
    trained = experiment._layer_wise(bench)
    ours, whole = trained.model, bench.whole().model
    for core in range(3):
        path = f"cores.{core}.0.conv"
        a, b = ours.get_submodule(path).quant_weight(), whole.get_submodule(path).quant_weight()
        assert torch.equal(a.value, b.value)
    assert len(trained.plan.tensors) == 6


def test_report(measured):
    ways, _ = measured
    text = report(SETTING, ways, [0])
    assert table(ways) in text and "| semifreddo |" in text and "not measured" in text
    counts = ways["semifreddo"][0]["alphas"].values()
    assert f"| {' | '.join(map(str, counts))} |" in text


def test_a_missing_directory_is_one_line(tmp_path, capsys):
    assert experiment.main(["--data", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("error: ") and not np.any(list(tmp_path.iterdir()))
