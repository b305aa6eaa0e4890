"""The plain loop does the work that a phase of training does, and the tables have its figures."""

from __future__ import annotations

import copy
import dataclasses
from types import SimpleNamespace

import pytest
import torch

from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.model import core_network
from semifreddo.studies import training_speed
from semifreddo.studies.training_speed import TrainingSpeed, plain_fit, plain_retarget
from semifreddo.train.data import load_dataset
from semifreddo.train.freeze import verify
from semifreddo.train.loop import Phase, fit
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import accuracy, retarget, train_core, train_task

torch.set_num_threads(1)

DATA = load_dataset("digits").limit(train=96, val=40, test=24).development
CONFIG = SemifreddoConfig((1, 8, 8), 10, (4, 4), (2, 1))
OPTIONS = TrainOptions(epochs=2, tune_epochs=1, batch=32, shift=1, progress=False)


def test_the_plain_loop_learns_what_a_phase_learns():
    """A step of the optimizer rounds differently, so numbers are nearly the same."""
    torch.manual_seed(0)
    model = core_network(CONFIG)
    ours = copy.deepcopy(model)
    before = copy.deepcopy(model.state_dict())
    phase = Phase("toy", 1, 1e-2, 10)
    plain_fit(model, DATA, OPTIONS, phase, FreezePlan())
    fit(ours, DATA.train, DATA.val, options=OPTIONS, phase=phase)
    assert not model.training
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(ours.state_dict()[name], value, rtol=1e-2, atol=1e-3), name
    moved = [name for name, value in model.state_dict().items() if not value.equal(before[name])]
    assert "head.linear.weight" in moved and "cores.0.0.bn.weight" in moved


def test_the_plain_retargeting_is_one():
    core = train_core(CONFIG, DATA.subset(range(5)), OPTIONS)
    task = train_task(CONFIG, core, DATA, OPTIONS)
    state = copy.deepcopy(task.model.state_dict())
    data = DATA.subset([3, 7])
    plain, ours = (run(task, data, OPTIONS) for run in (plain_retarget, retarget))
    assert all(value.equal(state[name]) for name, value in task.model.state_dict().items())
    assert plain.labels == ours.labels == ("3", "7")
    verify(plain.model, task.plan)
    assert plain.info["val_accuracy"] == accuracy(plain.model, data.val, 2)
    assert plain.info["val_accuracy"] == pytest.approx(ours.info["val_accuracy"], abs=0.25)


def test_the_tables(monkeypatch):
    """Twice as many images per second, and the same task in half the time."""
    seconds = iter([4.0, 2.0] * 9)
    monkeypatch.setattr(
        training_speed, "_seconds", lambda run, *_: (next(seconds), SimpleNamespace(model=run))
    )
    monkeypatch.setattr(training_speed, "accuracy", lambda run, *_: 0.5 + 0.25 * (run is retarget))
    said = []
    measurement = dataclasses.replace(TrainingSpeed(), images=64, epochs=2, rounds=1, seeds=2)
    text = measurement.run(None, 1, said.append)
    rows = [line for line in text.splitlines() if "2.00" in line]
    assert len(rows) == 3 + 3 and len(said) == 3 + 2
    assert all("| 32 | 64 | 2.00 |" in row for row in rows[:3])
    assert rows[-1] == "| mean | 4.00 s | 2.00 s | 2.00 | 50.00% | 75.00% |"
