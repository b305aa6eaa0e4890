"""The study of Renofeation, on digits: every way is taught and attacked, and the margin decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from semifreddo.methods.transfer_attack import Attack
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.studies.pool import Serial
from semifreddo.studies.renofeation import (
    _DEVICE,
    CORE_HEAD,
    FINE_TUNED,
    ROBUST,
    TEACHERS,
    Renofeation,
    _file,
)
from semifreddo.studies.runner import Runner, draw, render
from semifreddo.studies.study import Cell, Measured
from semifreddo.train.checkpoint import load_checkpoint
from semifreddo.train.data import load_dataset
from semifreddo.train.options import TrainOptions

torch.set_num_threads(1)

OPTIONS = TrainOptions(epochs=1, tune_epochs=1, batch=32, progress=False)


class OnDigits(Renofeation):
    data = "digits"

    def images(self, directory):
        return load_dataset("digits", directory)


STUDY = OnDigits(
    config=SemifreddoConfig((1, 8, 8), 5, (4, 4), (2, 1)),
    source=OPTIONS,
    target=OPTIONS,
    attack=Attack(strength=32, steps=4),
    source_classes=(0, 1, 2, 3, 4),
    target_classes=(5, 6, 7),
    source_images=100,
    target_images=60,
    val_images=20,
    attacked_images=20,
)


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    runner = Runner(STUDY, (0,), tmp_path_factory.mktemp("study"))
    runner.validate(Serial(), lambda line: None)
    runner.seal()
    runner.test(Serial(), lambda line: None)
    return runner


def test_every_way_on_digits(runner):
    (found,) = runner.results()
    assert set(found.test["ways"]) == set(found.validation["ways"]) == set(TEACHERS)
    assert found.validation["frozen"][CORE_HEAD] == 1
    assert all(0 <= share <= 1 for share in found.validation["frozen"].values())
    assert found.validation["frozen"][ROBUST] < found.validation["frozen"][FINE_TUNED]
    for way in found.test["ways"].values():
        assert 0 < way["clean"] <= 1
        assert 0 <= way["attack"] <= 1 and 0 <= way["noise"] <= 1
    assert found.test["moved"] > found.test["noise_moved"] > 0
    page = render(STUDY, runner.record())
    for way in TEACHERS:
        assert f"| {way} |" in page and way in draw(STUDY, runner.record())
    assert "The frozen path itself stays attackable" in page


@pytest.mark.parametrize("way", [way for way in TEACHERS if way != CORE_HEAD])
def test_what_is_shared_with_the_device(runner, way):
    folder = runner.folder / STUDY.cells((0,), [])[0].key
    device, trained = (load_checkpoint(folder / name) for name in (_DEVICE, _file(way)))
    assert trained.info["epochs"] == OPTIONS.epochs + OPTIONS.tune_epochs
    same = [
        np.array_equal(*(integer_tensor(one.model, name).raw for one in (trained, device)))
        for name in quantized_tensor_names(trained.model)
        if name.startswith("cores.0.") and name.endswith("weight")
    ]
    assert all(same) if way != "own core" else not any(same)


def shares(clean, attack, noise):
    return {"clean": clean, "attack": attack, "noise": noise}


@pytest.mark.parametrize(
    ("tuned", "robust", "outcome"),
    [
        (shares(0.90, 0.30, 0.05), shares(0.89, 0.14, 0.05), "holds"),
        (shares(0.90, 0.30, 0.05), shares(0.89, 0.16, 0.05), "does not hold"),
        (shares(0.90, 0.30, 0.05), shares(0.87, 0.14, 0.05), "does not hold"),
        (shares(0.90, 0.30, 0.26), shares(0.89, 0.14, 0.05), "undecided"),
    ],
)
def test_the_margin_decides(tuned, robust, outcome):
    ways = {way: shares(0.9, 0.1, 0.05) for way in TEACHERS} | {FINE_TUNED: tuned, ROBUST: robust}
    results = [Measured(Cell("every way", seed), {}, {"ways": ways}, 1) for seed in (0, 1)]
    assert STUDY.verdict(results).outcome == outcome
