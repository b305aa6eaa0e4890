"""Renofeation on digits: what it starts from, what it minimises, and that integers stay equal."""

from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from semifreddo.core.errors import ConfigError
from semifreddo.flow.training import make_task, net_of
from semifreddo.methods.forgetting import forget, from_scratch
from semifreddo.methods.renofeation import (
    Mean,
    Noise,
    NoisyDistillation,
    robust_retarget,
)
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.inputs import as_input
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names, raw_outputs
from semifreddo.sim import reference
from semifreddo.train.freeze import freeze, verify
from semifreddo.train.loop import METRICS_FILE
from semifreddo.train.objective import CrossEntropy
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import retarget, train_model
from semifreddo.train.seen import raw_images

torch.set_num_threads(1)

OPTIONS = TrainOptions(epochs=2, tune_epochs=1, batch=32, progress=False)


@pytest.fixture(scope="module")
def second(digits):
    return digits.subset([5, 6, 7])


def values(trained):
    return {
        name: integer_tensor(trained.model, name).raw
        for name in quantized_tensor_names(trained.model)
    }


def test_a_robust_task_is_one_of_the_same_device(device, second, tmp_path):
    before = values(device)
    new = robust_retarget(device, second, OPTIONS, tmp_path)
    verify(new.model, device.plan)
    net = net_of(device, "small")
    after = make_task(net, new, "second", {}).apply(net)
    images = raw_images(new.model, second.val)
    found = reference.run(after, images).reshape(len(images), -1)
    assert np.array_equal(found, raw_outputs(new.model, images))
    kept = values(device)
    assert all(np.array_equal(before[name], kept[name]) for name in before)
    assert new.info["epochs"] == 3 and new.labels == second.labels
    lines = (tmp_path / "average" / METRICS_FILE).read_text().splitlines()
    rates = [json.loads(line)["rate"] for line in lines]
    assert rates == [0.5 * OPTIONS.rate], "the mean is taken at a constant rate"
    again = robust_retarget(device, second, OPTIONS, tmp_path)  # both phases were finished
    assert all(np.array_equal(raw, values(again)[name]) for name, raw in values(new).items())


def test_an_interrupted_training_ends_as_another(device, second, tmp_path, monkeypatch):
    """The mean, the adapters and the dropped channels go on where they were."""
    options, noise = dataclasses.replace(OPTIONS, epochs=3), Noise(average=1.0)
    whole = robust_retarget(device, second, options, noise=noise)
    beats, begin = iter(range(99)), NoisyDistillation.begin_epoch

    def interrupted(self, epoch, epochs):
        if next(beats) in (2, 5):  # in the middle of each phase
            raise KeyboardInterrupt
        begin(self, epoch, epochs)

    monkeypatch.setattr(NoisyDistillation, "begin_epoch", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            robust_retarget(device, second, options, tmp_path, noise)
    new = robust_retarget(device, second, options, tmp_path, noise)
    for name, raw in values(whole).items():
        assert np.array_equal(raw, values(new)[name]), name


def test_nothing_loadable_is_remembered(device, second):
    models = [retargetable(device) for _ in range(3)]
    for seed, model in zip((1, 1, 2), models, strict=True):
        forget(device.plan, seed, 0.25, second, model)
        verify(model, device.plan)
        head = model.head.linear
        assert (
            not head.bias.any()
            and float(head.weight.detach().abs().max()) <= head.in_features**-0.5
        )
    frozen = {tensor.name for tensor in device.plan.tensors}
    for name in quantized_tensor_names(device.model):
        old = integer_tensor(device.model, name).raw
        one, same, other = (integer_tensor(model, name).raw for model in models)
        assert np.array_equal(one, same)
        if name in frozen:
            assert np.array_equal(one, old)
        elif name.endswith(".weight"):
            assert not np.array_equal(one, old) and not np.array_equal(one, other)
            assert np.abs(np.corrcoef(one.ravel(), old.ravel())[0, 1]) < 0.6
        elif name.endswith(".alpha"):
            assert (one == 2).all()


def test_layers_compute_as_widely_as_before(device, second):
    """Channels of trainable layers have the mean 0, and about the deviation of the trained ones."""

    def computed(model):
        x = as_input(model, raw_images(model, second.train.head(128)))
        seen = {}  # of repeated blocks the first pass counts

        def keep(conv, _, result):
            seen.setdefault(conv, result.transpose(0, 1).flatten(1))

        blocks = (*model.cores[1], *model.cores[2])
        handles = [block.conv.register_forward_hook(keep) for block in blocks]
        with torch.no_grad():
            model(x)
        for handle in handles:
            handle.remove()
        return list(seen.values())

    model = retargetable(device)
    before = [float(values.std(1).mean()) for values in computed(model)]
    forget(device.plan, 0, 0.5, second, model)
    after = computed(model)
    assert all(float((values.mean(1).abs() / values.std(1)).max()) < 0.05 for values in after)
    assert [float(values.std(1).mean()) for values in after] == pytest.approx(before, rel=0.4)


@pytest.mark.parametrize(("share", "eighths"), [(0.0, 0), (0.5, 4), (1.0, 8)])
def test_blends_start_with_a_share_of_the_frozen_core(device, second, share, eighths):
    model = retargetable(device)
    forget(device.plan, 0, share, second, model)
    names = [name for name in quantized_tensor_names(model) if name.endswith(".alpha")]
    assert names and all((integer_tensor(model, name).raw == eighths).all() for name in names)


def retargetable(device):
    return copy.deepcopy(device.model)


def test_frozen_channels_of_a_tensor_are_kept(digits):
    config = BackboneConfig(input_shape=(1, 8, 8), classes=10, widths=(4, 6), strides=(2, 1))
    trained = train_model(Backbone(config), digits, OPTIONS, network=config)
    plan = freeze(trained.model, ["blocks.*"], fraction=0.5)
    before = {name: integer_tensor(trained.model, name).raw for name in plan_names(plan)}
    forget(plan, 0, 0.5, digits, trained.model)
    verify(trained.model, plan)
    after = {name: integer_tensor(trained.model, name).raw for name in plan_names(plan)}
    assert any(not np.array_equal(before[name], after[name]) for name in before)


def plan_names(plan):
    return [tensor.name for tensor in plan.tensors]


@pytest.mark.parametrize("noise", [Noise(dropout=0, distil=3), Noise(dropout=0, distil=0)])
def test_the_loss_is_what_it_says(device, second, noise):
    model = retargetable(device).train()
    x = torch.rand(6, 1, 8, 8)
    y, random = torch.arange(6) % 3, torch.Generator()
    plain, _ = CrossEntropy().backward(model, x, y, 3, random)
    objective = NoisyDistillation(noise)
    beside = objective.attach(model)
    for held in beside.parameters():
        held.data.mul_(0.5)
    found, _ = objective.backward(model, x, y, 3, random)
    objective.close()
    maps = {}
    handles = [
        block.register_forward_hook(
            lambda _, __, result, core=core: maps.setdefault(core, []).append(result)
        )
        for core in range(3)
        for block in model.cores[core]
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    assert [len(calls) for calls in maps.values()] == [3, 3, 3]  # repeats = 2
    expected = sum(
        float((teacher - own / 2).square().mean())
        for core in (1, 2)
        for teacher, own in zip(maps[0], maps[core], strict=True)
    )
    head = sum(float(p.detach().square().sum()) for p in model.head.linear.parameters())
    assert found - plain == pytest.approx(
        noise.distil * expected + noise.head_decay / 2 * head, rel=1e-4
    )
    assert len(list(beside.parameters())) == (6 if noise.distil else 0)


def test_channels_are_dropped_while_training_only(device):
    model = retargetable(device).train()
    objective = NoisyDistillation(Noise(dropout=0.5, distil=0))
    objective.attach(model)
    seen = []
    handle = model.head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.rand(64, 1, 8, 8)
    objective.backward(model, x, torch.zeros(64, dtype=torch.int64), 3, torch.Generator())
    with torch.no_grad():
        plain = model.eval()(x)
    objective.close()
    handle.remove()
    with torch.no_grad():
        assert torch.equal(model(x), plain)
    dropped = (seen[0] == 0).flatten(2).all(2).float().mean()
    rest = (seen[1] == 0).flatten(2).all(2).float().mean()
    assert float(dropped - rest) == pytest.approx(0.5 * float(1 - rest), abs=0.1)


def test_the_mean_is_of_what_was_passed():
    model = nn.Linear(2, 1)
    mean = Mean(model)
    mean.give(model)  # nothing was taken
    passed = []
    for value in (1.0, 2.0, 6.0):
        nn.init.constant_(model.weight, value)
        mean.take(model)
        passed.append(value)
    mean.give(model)
    assert model.weight.tolist() == [[pytest.approx(np.mean(passed))] * 2]


def test_what_is_compared_with_starts_from_random_weights(device, second):
    options = dataclasses.replace(OPTIONS, epochs=1, rate=1e-9)
    new, tuned = from_scratch(device, second, options), retarget(device, second, options)
    name = "cores.1.0.conv.weight"
    old = values(device)[name]
    assert np.array_equal(values(tuned)[name], old) and not np.array_equal(values(new)[name], old)
    verify(new.model, device.plan)


def test_keys_tell_settings_apart():
    keys = [
        NoisyDistillation(Noise()).key,
        NoisyDistillation(Noise(dropout=0.2)).key,
        NoisyDistillation(Noise(), smoothing=0.1).key,
        NoisyDistillation(Noise(), before=NoisyDistillation(Noise())).key,
        CrossEntropy().key,
    ]
    assert len({str(key) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    ("name", "high", "shown"),
    [
        ("distil", 1000.0, "1000"),
        ("dropout", 0.9, "0.9"),
        ("blend", 1.0, "1"),
        ("head_decay", 1.0, "1"),
        ("average", 10.0, "10"),
    ],
)
def test_noise_out_of_range(name, high, shown):
    assert getattr(Noise(**{name: high}), name) == high
    assert getattr(Noise(**{name: 0.0}), name) == 0
    for value in (-0.001, np.nextafter(high, np.inf)):
        with pytest.raises(ConfigError) as error:
            Noise(**{name: value})
        assert str(error.value) == f"robust training: {name} = {value} is outside 0..{shown}"


def test_a_row_of_blocks_has_no_cores(digits):
    config = BackboneConfig(input_shape=(1, 8, 8), classes=10, widths=(4,), strides=(2,))
    trained = train_model(Backbone(config), digits, OPTIONS, network=config)
    with pytest.raises(ConfigError, match="needs trainable cores beside a frozen core"):
        robust_retarget(trained, digits, OPTIONS)
