import contextlib
import dataclasses
import json

import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from torch import nn

from semifreddo.core.errors import CheckpointError, ConfigError, DataError
from semifreddo.nn import lean, recall
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig, SemifreddoConfig
from semifreddo.nn.fold import batch_norms
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names, raw_outputs
from semifreddo.nn.pin import pinned, quantizers, scale_of
from semifreddo.nn.quant import activation_quant, bias_quant, constant_quant, weight_quant
from semifreddo.train import loop
from semifreddo.train.checkpoint import load_checkpoint, save_checkpoint
from semifreddo.train.data import Split, load_dataset
from semifreddo.train.freeze import freeze, verify
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import (
    accuracy,
    alpha_histogram,
    freeze_core,
    retarget,
    train_core,
    train_model,
    train_task,
)
from semifreddo.train.seen import Seen

torch.set_num_threads(1)

DIGITS = load_dataset("digits").limit(train=120, val=40, test=40)
CONFIG = SemifreddoConfig((1, 8, 8), 10, (4, 4), (2, 1), shuffle=True, repeats=2, per_channel=True)
OPTIONS = TrainOptions(epochs=2, tune_epochs=1, batch=40, progress=False)


@pytest.fixture(scope="module")
def core():
    return train_core(CONFIG, DIGITS.subset(range(5)), OPTIONS)


@pytest.fixture(scope="module")
def task(core, tmp_path_factory):
    return train_task(CONFIG, core, DIGITS, OPTIONS, tmp_path_factory.mktemp("task"))


def plainly(run, train, val, _options):
    """Of the modules as they are, all of them, every time."""
    return contextlib.nullcontext((Seen(run.model, train), Seen(run.model, val)))


def tensors(model):
    return {name: integer_tensor(model, name) for name in quantized_tensor_names(model)}


def test_the_core_is_folded_pinned_and_frozen(core):
    assert core.config.classes == 5 and core.labels == ("0", "1", "2", "3", "4")
    assert not batch_norms(core.model) and pinned(core.model)
    assert {tensor.name for tensor in core.plan.tensors} == {
        f"cores.0.{block}.conv.{kind}" for block in (0, 1) for kind in ("weight", "bias")
    }


def test_the_task_keeps_the_core_to_the_last_bit(core, task):
    ours, theirs = tensors(task.model), tensors(core.model)
    for frozen in task.plan.tensors:
        assert np.array_equal(ours[frozen.name].raw, theirs[frozen.name].raw)
        assert ours[frozen.name].frac == theirs[frozen.name].frac
    assert task.plan == core.plan
    assert not batch_norms(task.model) and pinned(task.model)
    assert task.info["val_accuracy"] == accuracy(task.model, DIGITS.val, 10)
    assert sum(alpha_histogram(task.model).values()) == 2 * 2 * 4


def test_the_accuracy_is_the_share_of_right_answers_of_the_integers(task):
    images = DIGITS.val.images[:40]
    answers = raw_outputs(task.model, images)[:, :10].argmax(1)
    for wrong in (0, 1, 13, 40):
        labels = (answers + (np.arange(40) < wrong) * (1 + np.arange(40) % 9)) % 10
        assert accuracy(task.model, Split(images, labels), 10) == 1 - wrong / 40


def test_what_is_written(core, tmp_path):
    trained = train_task(CONFIG, core, DIGITS, OPTIONS, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "metrics.jsonl", "curve.png", "task", "task-tune"
    }  # fmt: skip
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
    again = train_task(CONFIG, core, DIGITS, OPTIONS, tmp_path)
    assert again.info["epochs"] == 3
    raw, other = (raw_outputs(t.model, DIGITS.test.images) for t in (trained, again))
    assert np.array_equal(raw, other)


def test_retargeting_changes_loadable_values_only(task, tmp_path):
    save_checkpoint(task, tmp_path / "a.safetensors")
    data = DIGITS.relabel({"even": [0, 2, 4, 6, 8], "odd": [1, 3, 5, 7, 9]})
    before = tensors(task.model)
    other = retarget(load_checkpoint(tmp_path / "a.safetensors"), data, OPTIONS)
    assert other.labels == ("even", "odd") and other.plan == task.plan
    verify(other.model, task.plan)
    after = tensors(other.model)
    assert {n: t.frac for n, t in after.items()} == {n: t.frac for n, t in before.items()}
    moved = {n for n, t in after.items() if not np.array_equal(t.raw, before[n].raw)}
    assert moved and not any(name.startswith("cores.0") for name in moved)
    formats = [
        {name: scale_of(proxy).frac.tolist() for name, proxy in quantizers(model)}
        for model in (task.model, other.model)
    ]
    assert formats[0] == formats[1]
    assert all(np.array_equal(before[n].raw, t.raw) for n, t in tensors(task.model).items())


def test_the_rate_of_a_new_task_falls(task, tmp_path):
    options = dataclasses.replace(OPTIONS, epochs=3)
    retarget(task, DIGITS, options, tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    rates = [json.loads(line)["rate"] for line in lines]
    assert len(rates) == 3 and options.rate >= rates[0] > rates[1] > rates[2] >= 0


def test_retargeting_begins_with_a_new_head(task):
    """Seen at a rate of zero: of all weights only the classifier's are new, within 1 / sqrt(n)."""
    still = dataclasses.replace(OPTIONS, epochs=1, rate=0.0, weight_decay=0.0)
    new = retarget(task, DIGITS, still).model
    old = task.model
    changed = {
        name
        for name, parameter in new.named_parameters()
        if not torch.equal(parameter, old.get_parameter(name))
    }
    assert changed == {"head.linear.weight", "head.linear.bias"}
    linear = new.head.linear
    bound = linear.in_features**-0.5
    weights = linear.weight.detach()
    for extreme in (float(weights.max()), -float(weights.min())):
        assert 0.5 * bound < extreme <= bound, "both signs"
    assert not bool(linear.bias.any())


def test_a_core_of_another_configuration_is_refused(core, task):
    for change, message in [
        ({"widths": (4, 4, 4), "strides": (2, 1, 1)}, "trained with widths"),
        ({"core_weight_bits": 8}, "trained with core_weight_bits = 4, the network has 8"),
        ({"repeats": 3}, "trained with repeats = 2, the network has 3"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            freeze_core(dataclasses.replace(CONFIG, **change), core)
    with pytest.raises(CheckpointError, match="the core is not a core network"):
        freeze_core(CONFIG, task)
    freeze_core(dataclasses.replace(CONFIG, trainable_weight_bits=8, shuffle=False), core)


def test_data_that_do_not_fit(core, task):
    small = dataclasses.replace(CONFIG, classes=5)
    with pytest.raises(ConfigError, match="digits has 10 classes, the network has 5 outputs"):
        train_task(small, core, DIGITS, OPTIONS)
    colour = dataclasses.replace(CONFIG, input_shape=(3, 8, 8))
    with pytest.raises(DataError, match=r"images are \(1, 8, 8\) .* the network takes \(3, 8, 8\)"):
        train_core(colour, DIGITS, OPTIONS)


def own_model():
    torch.manual_seed(0)
    return nn.Sequential(
        QuantIdentity(act_quant=constant_quant(8, 8)),
        QuantConv2d(1, 6, 3, stride=2, weight_quant=weight_quant(4), bias_quant=bias_quant()),
        nn.BatchNorm2d(6),
        QuantReLU(act_quant=activation_quant(6)),
        nn.Flatten(),
        QuantLinear(54, 10, bias=True, weight_quant=weight_quant(8), bias_quant=bias_quant()),
    )


def test_a_model_of_ones_own(tmp_path):
    first = train_model(own_model(), DIGITS, OPTIONS)
    assert not batch_norms(first.model) and pinned(first.model) and first.config is None
    plan = freeze(first.model, ["1"], fraction=0.5)
    device = train_model(first.model, DIGITS, OPTIONS, plan)
    save_checkpoint(device, tmp_path / "own.safetensors")
    frozen = integer_tensor(device.model, "1.weight").raw[:3].copy()
    other = retarget(device, DIGITS.subset([7, 8, 9]), dataclasses.replace(OPTIONS, epochs=4))
    assert np.array_equal(integer_tensor(other.model, "1.weight").raw[:3], frozen)
    assert other.labels == ("7", "8", "9")
    with pytest.raises(ConfigError, match="no device has been built"):
        retarget(dataclasses.replace(device, model=own_model()), DIGITS, OPTIONS)


def test_epochs_without_quantizers_come_first(task, core, tmp_path):
    """They are part of the same training, are resumed, and are not for frozen parts."""
    config = BackboneConfig((1, 8, 8), 10, (4, 6), (2, 1))
    options = dataclasses.replace(
        OPTIONS,
        float_epochs=3,
        float_rate=0.1,
        warmup=1,
        epochs=1,
        optimizer="sgd",
        crop=6,
        whole=1,
        bfloat16=True,
    )

    def trained():
        torch.manual_seed(0)
        model = Backbone(config)
        return train_model(model, DIGITS, options, folder=tmp_path, network=config)

    one = trained()
    phases = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["phase"] for entry in phases] == ["float"] * 3 + ["train", "tune"]
    assert phases[0]["rate"] == pytest.approx(0.1 * 2 / 3) and phases[0]["rate"] > phases[2]["rate"]
    assert one.info["float_type"] in ("float32", "bfloat16")
    assert one.info["float_val_score"] == max(entry["val_score"] for entry in phases[:3])
    assert pinned(one.model) and not batch_norms(one.model)
    again = trained()
    raw, other = (raw_outputs(made.model, DIGITS.test.images) for made in (one, again))
    assert np.array_equal(raw, other)
    for refused in (
        lambda: train_task(CONFIG, core, DIGITS, options),
        lambda: train_model(task.model, DIGITS, options, task.plan),
    ):
        with pytest.raises(ConfigError, match="float_epochs = 3, but parts of this network"):
            refused()
    with pytest.raises(ConfigError, match="float_epochs need epochs >= 1"):
        TrainOptions(float_epochs=1, epochs=0)
    with pytest.raises(ConfigError, match="whole = 4 are more than float_epochs = 3"):
        TrainOptions(float_epochs=3, whole=4)
    with pytest.raises(ConfigError, match="crop = 8 is no part of 8x8 images"):
        train_model(Backbone(config), DIGITS, dataclasses.replace(options, crop=8))
    with pytest.raises(ConfigError, match="warmup = 2 leaves none of float_epochs = 2"):
        TrainOptions(float_epochs=2, warmup=2)


def test_a_frozen_layer_with_a_batch_norm_is_refused_before_training():
    model = own_model()
    plan = freeze(model, ["1"], example=torch.rand(4, 1, 8, 8))
    with pytest.raises(ConfigError, match="batch norm '2' follows a frozen layer, and folding"):
        train_model(model, DIGITS, OPTIONS, plan)


class TwoResults(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = own_model()

    def forward(self, x):
        return self.net(x), x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: own_model()[:3].append(nn.ReLU()), r"answers an image with shape \(6, 3, 3\)"),
        (lambda: own_model().half(), r"1\.weight is torch\.float16; train in float32"),
        (lambda: own_model().double(), r"torch\.float64; train in float32: model\.float\(\)"),
        (lambda: own_model().requires_grad_(False), "every parameter is frozen"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "has no Brevitas quantizer"),
        (TwoResults, "the model gives a tuple, expected one tensor"),
    ],
)
def test_what_a_model_of_ones_own_cannot_learn_is_one_line(make, message):
    with pytest.raises(ConfigError, match=message):
        train_model(make(), DIGITS, OPTIONS)


def test_data_that_a_model_of_ones_own_does_not_take():
    def widened(split):
        return dataclasses.replace(split, images=np.repeat(split.images, 3, 3))

    splits = {part: widened(split) for part, split in DIGITS.splits.items()}
    coloured = dataclasses.replace(DIGITS, **splits)
    with pytest.raises(ConfigError, match=r"images of digits, \(3, 8, 8\) \(channels") as refused:
        train_model(own_model(), coloured, OPTIONS)
    assert "\n" not in str(refused.value)
    model = own_model()
    model[5] = QuantLinear(54, 5, bias=False, weight_quant=weight_quant(8))
    with pytest.raises(ConfigError, match="digits has 10 classes, the model has 5 outputs"):
        train_model(model, DIGITS, OPTIONS)


def test_a_task_must_be_trained(task):
    with pytest.raises(ConfigError, match="a task must be trained"):
        retarget(task, DIGITS, dataclasses.replace(OPTIONS, epochs=0))


@pytest.mark.slow
def test_digits_reach_their_accuracy():
    digits = load_dataset("digits")
    config = SemifreddoConfig((1, 8, 8), 10, (8, 16, 16), (1, 2, 1))
    options = TrainOptions(progress=False)
    core = train_core(config, digits.subset(range(5)), options)
    task = train_task(config, core, digits, options)
    assert accuracy(task.model, digits.test, 10) >= 0.97
    groups = digits.relabel({"even": [0, 2, 4, 6, 8], "odd": [1, 3, 5, 7, 9]})
    assert accuracy(retarget(task, groups, options).model, groups.test, 2) >= 0.95


@pytest.mark.parametrize("shift", [0, 1])
def test_a_training_that_wastes_nothing_gives_the_same_numbers(core, monkeypatch, shift):
    """Neither lean layers nor recalled outputs of the frozen core change a bit."""
    options = dataclasses.replace(OPTIONS, shift=shift)

    def trained():
        task = train_task(CONFIG, core, DIGITS, options)
        return task, retarget(task, DIGITS.subset([7, 8, 9]), options)

    with monkeypatch.context() as limited:
        quick = trained()
        limited.setattr(recall, "LIMIT", 0)
        for one, other in zip(quick, trained(), strict=True):
            state = other.model.state_dict()
            assert all(torch.equal(v, state[k]) for k, v in one.model.state_dict().items())
    monkeypatch.setattr(lean, "side_by_side", lambda _: False)
    fast = trained()
    monkeypatch.setattr(recall, "LIMIT", 0)
    without = trained()
    monkeypatch.setattr(loop, "_fast", plainly)
    for found, computed, plain in zip(fast, without, trained(), strict=True):
        state = plain.model.state_dict()
        assert all(torch.equal(found.model.state_dict()[name], state[name]) for name in state)
        assert all(torch.equal(computed.model.state_dict()[name], state[name]) for name in state)
        assert found.info["val_accuracy"] == plain.info["val_accuracy"]


def test_a_retargeting_computes_the_frozen_core_once_per_image(task, monkeypatch):
    """Of all its epochs together, and the last block in each of its two passes."""
    frozen = [block.conv.quant_weight().value for block in task.model.cores[0]]
    rows, convolve = [0, 0], torch.conv2d

    def counted(x, weight, *others):
        for block, value in enumerate(frozen):
            rows[block] += len(x) * torch.equal(weight, value)
        return convolve(x, weight, *others)

    monkeypatch.setattr(torch, "conv2d", counted)
    data = DIGITS.subset([0, 1, 2])
    retarget(task, data, dataclasses.replace(OPTIONS, epochs=3))
    images = len(data.train) + len(data.val)
    assert rows == [images, 2 * images]
    retarget(task, data, dataclasses.replace(OPTIONS, epochs=3, flip=True))
    images = len(data.val) + images + 3 * len(data.train)
    assert rows == [images, 2 * images]
