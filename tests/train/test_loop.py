import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from semifreddo.core.errors import ConfigError, DataError
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.model import core_network
from semifreddo.train import loop
from semifreddo.train.curve import draw_curve
from semifreddo.train.data import load_dataset
from semifreddo.train.loop import EpochMetrics, Phase, evaluate, fit
from semifreddo.train.options import TrainOptions

torch.set_num_threads(1)

DATA = load_dataset("digits").subset([0, 1, 2]).limit(train=48, val=24, test=24)
CONFIG = SemifreddoConfig((1, 8, 8), 3, (4, 4), (2, 1))
OPTIONS = TrainOptions(batch=16, progress=False)
PHASE = Phase("toy", 4, 1e-2, 3)


def net(seed=0):
    torch.manual_seed(seed)
    return core_network(CONFIG)


def run(model, **options):
    chosen = {"options": OPTIONS, "phase": PHASE, **options}
    return fit(model, DATA.train, DATA.val, **chosen)


def states_equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.values(), b.values(), strict=True))


def test_training_learns_and_keeps_the_best_epoch(tmp_path):
    model = net()
    history = run(model, folder=tmp_path, phase=Phase("toy", 8, 5e-2, 3))
    assert history[-1].loss < 0.8 * history[0].loss
    assert not model.training
    best = max(metrics.val_accuracy for metrics in history)
    assert evaluate(model, DATA.val, 3)[1] == best
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(8))
    assert history[-1].rate < 0.1 * history[0].rate


def test_the_same_seed_gives_the_same_model():
    one, two, other = net(), net(), net()
    run(one)
    run(two)
    run(other, options=dataclasses.replace(OPTIONS, seed=1))
    assert states_equal(one.state_dict(), two.state_dict())
    assert not states_equal(one.state_dict(), other.state_dict())


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_an_interrupted_training_continues_as_if_nothing_happened(tmp_path, monkeypatch, optimizer):
    options = dataclasses.replace(OPTIONS, optimizer=optimizer, shift=1, flip=True)
    whole, broken = net(), net()
    expected = run(whole, options=options)

    epoch = loop._train_epoch
    calls = []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return epoch(*args)

    monkeypatch.setattr(loop, "_train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(broken, options=options, folder=tmp_path)
    monkeypatch.setattr(loop, "_train_epoch", epoch)
    resumed = net()
    history = run(resumed, options=options, folder=tmp_path)
    assert [m.loss for m in history] == [m.loss for m in expected]
    assert states_equal(resumed.state_dict(), whole.state_dict())

    monkeypatch.setattr(loop, "_train_epoch", None)  # finished: nothing is trained again
    again = net()
    assert run(again, options=options, folder=tmp_path) == history
    assert states_equal(again.state_dict(), whole.state_dict())


def test_a_state_of_something_else_is_not_continued(tmp_path):
    run(net(), folder=tmp_path)
    history = run(net(1), folder=tmp_path)
    assert len(history) == 4
    fresh = net(1)
    assert [m.loss for m in run(fresh)] == [m.loss for m in history]
    (tmp_path / "state.safetensors").write_bytes(b"damaged")
    assert len(run(net(1), folder=tmp_path)) == 4


def test_early_stop():
    """Nothing learns at rate 0: the first epoch is the best, and ``patience`` more follow."""
    for patience in (1, 3):
        options = dataclasses.replace(OPTIONS, patience=patience)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))  # no statistics that move either
        history = run(model, options=options, phase=dataclasses.replace(PHASE, rate=0.0, epochs=50))
        assert len(history) == 1 + patience


def test_only_the_first_outputs_are_trained():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    before = model[1].weight.detach().clone()
    run(model, options=dataclasses.replace(OPTIONS, weight_decay=0.0))
    assert torch.equal(model[1].weight[3:], before[3:])
    assert not torch.equal(model[1].weight[:3], before[:3])


def test_shift_moves_each_image_by_itself():
    options = dataclasses.replace(OPTIONS, shift=1)
    x = torch.zeros(64, 2, 5, 5)
    x[:, :, 2, 2] = 1.0
    moved = loop._augment(x, options, torch.Generator().manual_seed(0))
    places = {tuple(np.argwhere(image[0].numpy() == 1)[0]) for image in moved}
    assert places == {(r, c) for r in (1, 2, 3) for c in (1, 2, 3)}
    assert torch.equal(moved[:, 0], moved[:, 1]) and moved.sum() == x.sum()


def test_mistakes():
    with pytest.raises(DataError, match="training labels go up to 2, but 2 outputs are trained"):
        run(net(), phase=dataclasses.replace(PHASE, outputs=2))
    model = net()
    with torch.no_grad():
        model.head.linear.bias.fill_(float("nan"))
    with pytest.raises(
        ConfigError, match="toy: the loss is nan in epoch 1; lower the learning rate"
    ):
        run(model)
    with pytest.raises(ConfigError, match="nothing to do"):
        TrainOptions(epochs=0, tune_epochs=0)
    with pytest.raises(ConfigError, match="training: unknown key 'epoch'; did you mean 'epochs'"):
        TrainOptions.from_dict({"epoch": 3})
    assert TrainOptions.from_dict(OPTIONS.to_dict()) == OPTIONS


def test_curve(tmp_path):
    history = [
        EpochMetrics(phase, epoch, 1e-3, 1.0 / (epoch + 1), 0.5, 1.1, 0.4, 0.1)
        for phase in ("one", "two")
        for epoch in range(3)
    ]
    draw_curve(history, tmp_path / "curve.png", "toy")
    assert (tmp_path / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
