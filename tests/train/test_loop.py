import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from semifreddo.core.errors import CheckpointError, ConfigError, DataError
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.model import core_network
from semifreddo.train import loop, seen
from semifreddo.train.augment import augmented
from semifreddo.train.checkpoint import load_tensors, save_tensors
from semifreddo.train.curve import draw_curve
from semifreddo.train.data import load_dataset
from semifreddo.train.evaluation import evaluate
from semifreddo.train.freeze import FreezeGuard
from semifreddo.train.loop import EpochMetrics, Phase, fit
from semifreddo.train.objective import CrossEntropy
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
    best = max(metrics.val_score for metrics in history)
    assert evaluate(model, DATA.val, 3)[1] == best
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(8))
    assert history[-1].rate < 0.1 * history[0].rate


def test_the_rate_rises_and_falls():
    phase = Phase("toy", 5, 0.8, 3, warmup=1)
    rates = [phase.rate_at(step, 4) for step in range(21)]
    assert rates[:5] == [0, 0.2, 0.4, 0.6000000000000001, 0.8]
    assert rates[12] == pytest.approx(0.4) and rates[20] == 0
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert Phase("toy", 5, 0.8, 3).rate_at(0, 4) == 0.8


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


@pytest.mark.parametrize("key", ["best", "history", "finished"])
def test_a_damaged_state_of_this_training_is_refused(tmp_path, key):
    run(net(), folder=tmp_path)
    path = tmp_path / "state.safetensors"
    tensors, metadata = load_tensors(path)
    save_tensors(tensors, metadata | {key: "[" * 10}, path)
    with pytest.raises(CheckpointError, match=r"a damaged state of this training .* remove it"):
        run(net(), folder=tmp_path)


def test_early_stop():
    """Nothing learns at rate 0: the first epoch is the best, and ``patience`` more follow."""
    for patience in (1, 3):
        options = dataclasses.replace(OPTIONS, patience=patience)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))  # no statistics that move either
        history = run(model, options=options, phase=dataclasses.replace(PHASE, rate=0.0, epochs=50))
        assert len(history) == 1 + patience


def test_an_early_stop_is_the_end_of_a_training(tmp_path, monkeypatch):
    options = dataclasses.replace(OPTIONS, patience=1)
    still = dataclasses.replace(PHASE, rate=0.0, epochs=50)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    history = run(model, options=options, phase=still, folder=tmp_path)
    assert len(history) == 2
    monkeypatch.setattr(loop, "_train_epoch", None)
    model.load_state_dict(state)
    assert run(model, options=options, phase=still, folder=tmp_path) == history


def measured(epoch, accuracy, loss):
    return EpochMetrics("toy", epoch, 1e-3, 1.0, 0.5, loss, accuracy, 0.1)


@pytest.mark.parametrize(
    ("epochs", "best"),
    [
        ([(0.5, 1.0), (0.6, 2.0)], 1),  # accuracy counts first, however the loss is
        ([(0.6, 2.0), (0.5, 0.1)], 0),
        ([(0.5, 1.0), (0.5, 0.9)], 1),  # of equal accuracies the lower loss
        ([(0.5, 0.9), (0.5, 1.0)], 0),
        ([(0.5, 1.0), (0.5, 1.0)], 0),  # of equals the first
        ([(0.0, 9.0), (0.0, 8.0), (0.0, 8.5)], 1),
    ],
)
def test_which_epoch_is_the_best(epochs, best):
    model = nn.Linear(1, 1)
    state = loop._Run(model, PHASE, OPTIONS, FreezeGuard(model, FreezePlan()))
    for epoch, (accuracy, loss) in enumerate(epochs):
        with torch.no_grad():
            model.weight.fill_(epoch)
        state.finish_epoch(measured(epoch, accuracy, loss))
    assert state.best_epoch == best
    assert state.best["weight"].item() == best
    assert [metrics.epoch for metrics in state.history] == list(range(len(epochs)))


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [
        (17, 16, [16]),  # one image has no batch statistics
        (18, 16, [16, 2]),
        (32, 16, [16, 16]),
        (33, 16, [16, 16]),
        (15, 16, [15]),
        (1, 16, [1]),  # the only one there is
        (3, 1, [1, 1]),
    ],
)
def test_batches(count, size, sizes):
    batches = list(loop._batches(count, size, torch.Generator().manual_seed(3)))
    assert [len(batch) for batch in batches] == sizes
    order = torch.cat(batches)
    assert len(set(order.tolist())) == len(order) and set(order.tolist()) <= set(range(count))


def test_a_single_image_is_left_over():
    """17 images in batches of 16, with batch norm: torch refuses a batch of one."""
    history = fit(
        net(), DATA.limit(train=17, val=24, test=24).train, DATA.val, options=OPTIONS, phase=PHASE
    )
    assert len(history) == 4


def test_the_rate_falls_along_a_cosine():
    history = run(net())
    steps = 3  # 48 images in batches of 16
    expected = [
        PHASE.rate * 0.5 * (1 + np.cos(np.pi * (epoch * steps + 2) / (4 * steps)))
        for epoch in range(4)
    ]
    assert np.allclose([metrics.rate for metrics in history], expected, rtol=1e-12)


def test_weights_decay_and_nothing_else_does():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    model[0].bias.requires_grad_(False)
    optimizer = loop._optimizer([model], dataclasses.replace(OPTIONS, weight_decay=0.25), 0.5)
    decayed, others = optimizer.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.25, 0.0)
    assert {id(p) for p in decayed["params"]} == {id(model[0].weight), id(model[3].weight)}
    rest = (model[1].weight, model[1].bias, model[3].bias)
    assert {id(p) for p in others["params"]} == {id(p) for p in rest}


def test_evaluation_counts_every_image_once(monkeypatch):
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 5))
    model.train()
    whole = evaluate(model, DATA.val, 3)
    monkeypatch.setattr(seen, "_BATCH", 7)
    parts = evaluate(model, DATA.val, 3)
    assert model.training
    assert np.allclose(parts, whole, rtol=1e-6)
    with torch.no_grad():
        raw = torch.from_numpy(DATA.val.images.transpose(0, 3, 1, 2) / np.float32(256))
        logits = model.eval()(raw.float())[:, :3]
    labels = torch.from_numpy(DATA.val.labels)
    assert whole[1] == (logits.argmax(1) == labels).double().mean().item()
    assert np.isclose(whole[0], nn.functional.cross_entropy(logits, labels).item(), rtol=1e-5)


CHANGED = {
    "float_epochs": 7,
    "float_rate": 0.2,
    "warmup": 1,
    "crop": 6,
    "whole": 1,
    "bfloat16": True,
    "epochs": 7,
    "tune_epochs": 3,
    "batch": 17,
    "rate": 0.1,
    "tune_rate": 0.1,
    "weight_decay": 0.5,
    "optimizer": "sgd",
    "shift": 1,
    "flip": True,
    "smoothing": 0.1,
    "patience": 2,
    "seed": 1,
    "threads": 2,
    "progress": True,
}


ADDED = {"warmup": 1, "crop": 6, "cropped": 1, "bfloat16": True}


def test_what_a_saved_state_belongs_to():
    """Everything that changes what is trained; not how it is shown or on how many cores."""

    options = dataclasses.replace(OPTIONS, float_epochs=3)

    def identity(model=None, train=DATA.train, val=DATA.val, options=options, phase=PHASE):
        return loop._identity(net() if model is None else model, train, val, options, phase)

    same = identity()
    assert identity() == same
    distribution = {key for key in OPTIONS.to_dict() if key.startswith(("distribution_", "loss"))}
    assert set(CHANGED) == set(OPTIONS.to_dict()) - distribution
    for name, value in CHANGED.items():
        other = identity(options=dataclasses.replace(options, **{name: value}))
        assert (other == same) == (name in ("threads", "progress")), name
    for name, value in {"name": "b", "epochs": 5, "rate": 0.5, "outputs": 2, **ADDED}.items():
        assert identity(phase=dataclasses.replace(PHASE, **{name: value})) != same
    plain, smooth = (dataclasses.replace(PHASE, objective=CrossEntropy(s)) for s in (0.0, 0.2))
    assert identity(phase=plain) == same != identity(phase=smooth)
    assert identity(net(1)) != same
    one = DATA.train.images.copy()
    one[5, 3, 3] ^= 1
    assert identity(train=dataclasses.replace(DATA.train, images=one)) != same
    assert identity(train=dataclasses.replace(DATA.train, labels=1 - DATA.train.labels)) != same
    assert identity(val=dataclasses.replace(DATA.val, images=255 - DATA.val.images)) != same
    assert identity(val=dataclasses.replace(DATA.val, labels=1 - DATA.val.labels)) != same
    assert identity(train=DATA.val, val=DATA.train) != same


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
    moved = augmented(x, options, torch.Generator().manual_seed(0))
    places = {tuple(np.argwhere(image[0].numpy() == 1)[0]) for image in moved}
    assert places == {(r, c) for r in (1, 2, 3) for c in (1, 2, 3)}
    assert torch.equal(moved[:, 0], moved[:, 1]) and moved.sum() == x.sum()


def test_crops_show_every_part_of_an_image():
    x = torch.arange(30.0).reshape(1, 1, 5, 6).expand(256, 2, 5, 6)
    seen = augmented(x, dataclasses.replace(OPTIONS, shift=2), torch.Generator().manual_seed(0), 4)
    assert seen.shape == (256, 2, 4, 4) and torch.equal(seen[:, 0], seen[:, 1])
    corners = {int(image[0, 0, 0]) for image in seen}
    assert corners == {0, 1, 2, 6, 7, 8}
    assert torch.equal(seen[0, 0] - seen[0, 0, 0, 0], x[0, 0, :4, :4])


def test_the_first_epochs_see_crops(monkeypatch):
    sides = []
    seen = augmented
    monkeypatch.setattr(loop, "augmented", lambda *a: sides.append(a[3]) or seen(*a))
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1))
    run(model, phase=dataclasses.replace(PHASE, epochs=3, crop=6, cropped=2))
    assert sides == [6] * 6 + [None] * 3


def test_bfloat16_trains_almost_the_same_and_is_validated_exactly():
    one, two = net(), net()
    plain, fast = run(one), run(two, phase=dataclasses.replace(PHASE, bfloat16=True))
    assert not states_equal(one.state_dict(), two.state_dict())
    assert [m.loss for m in fast] == pytest.approx([m.loss for m in plain], rel=0.05)
    assert evaluate(two, DATA.val, 3)[1] == max(metrics.val_score for metrics in fast)
    assert "forward" not in vars(two)


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
    def drawn(*phases):
        history = [
            EpochMetrics(phase, epoch, 1e-3, 1.0 / (epoch + 1), 0.5, 1.1, 0.4, 0.1)
            for phase in phases
            for epoch in range(3)
        ]
        draw_curve(history, tmp_path / "curve.png", "toy")
        return (tmp_path / "curve.png").read_bytes()

    picture = drawn("one", "two")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
    assert drawn("two", "one") == picture != drawn("one", "one"), "a line where a phase begins"
