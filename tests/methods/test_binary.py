"""The distribution loss: what it wants and moves; binary digits from training to a task."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo.core.errors import ConfigError
from semifreddo.flow.training import make_task, net_of
from semifreddo.methods.binary import FORMS, DistributionLoss, SignTraining, distribution
from semifreddo.methods.objective import objective_of
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.binary import sign_layers
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.integers import raw_outputs
from semifreddo.sim import reference
from semifreddo.train.checkpoint import load_checkpoint, save_checkpoint
from semifreddo.train.data import load_dataset
from semifreddo.train.objective import CrossEntropy
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import accuracy, retarget, train_model
from semifreddo.train.seen import raw_images

torch.set_num_threads(1)

CONFIG = BackboneConfig((1, 8, 8), 10, (12, 12, 12), (1, 2, 1), block="binary")
OPTIONS = TrainOptions(
    epochs=8,
    tune_epochs=2,
    batch=32,
    rate=1e-2,
    loss="distribution",
    distribution_off=2,
    progress=False,
)
GOOD = {"released": (0.0, 2.5), "published": (0.8, 1.2)}
"""A mean and a deviation that each form asks for."""


def values(mean, deviation, channels=3):
    """(4, channels, 4, 4) numbers of exactly this mean and deviation in each channel."""
    y = torch.randn(4, channels, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    spread, centre = torch.std_mean(y, (0, 2, 3), correction=0, keepdim=True)
    return ((y - centre) / spread * deviation + mean).requires_grad_()


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(mean=st.floats(-6, 6), deviation=st.floats(0.01, 6))
def test_the_loss_is_zero_where_its_conditions_hold(form, mean, deviation):
    loss = float(distribution(values(mean, deviation).detach(), form))
    size, s = abs(mean), deviation
    if form == "released":
        unmet = [2 - size - s, s - 4, mean**2 - s**2]
    else:
        unmet = [size - s, s / 4 - 1, 1 - size - s / 4]
    assert loss == pytest.approx(sum(max(0.0, part) ** 2 for part in unmet), abs=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_asked_for_what_is_as_it_should_be(form):
    y = values(*GOOD[form])
    loss = distribution(y, form)
    loss.backward()
    assert float(loss.detach()) == 0 and not y.grad.any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("mean", "deviation", "which"),
    [(0.0, 0.5, "wider"), (3.0, 0.2, "nearer"), (-3.0, 0.2, "nearer"), (0.0, 6.0, "narrower")],
)
def test_a_step_against_the_gradient_goes_where_it_should(form, mean, deviation, which):
    """Small values are spread, one-sided ones moved to the middle, large ones shrunk."""
    y = values(mean, deviation)
    distribution(y, form).backward()
    moved = (y - 0.01 * y.grad * y.numel()).detach()
    after, centre = torch.std_mean(moved, (0, 2, 3), correction=0)
    if which == "nearer":
        assert bool((centre.abs() < abs(mean)).all())
    else:
        assert bool((after > deviation).all() if which == "wider" else (after < deviation).all())


def batch(count=16):
    torch.manual_seed(1)
    return torch.rand(count, 1, 8, 8), torch.arange(count) % 10


def step(aim, model):
    x, y = batch()
    model.zero_grad()
    aim.attach(model)
    loss, _ = aim.backward(model, x, y, 10, torch.Generator())
    aim.close()
    return loss, {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("form", FORMS)
def test_it_acts_on_the_batch_norms_of_binary_blocks(form):
    """The loss adds what it says, moves their factors and offsets, and nothing in front of them."""
    torch.manual_seed(0)
    model = Backbone(CONFIG).train()
    plain, before = step(SignTraining(), model)
    loss, after = step(DistributionLoss(form, 3.0), model)
    # A new batch norm has mean 0 and deviation 1 in every channel.
    each = float(FORMS[form](torch.zeros(1), torch.ones(1)))
    assert loss - plain == pytest.approx(3 * each, rel=1e-3)
    moved = {n for n in before if not torch.allclose(before[n], after[n], rtol=1e-3, atol=1e-5)}
    norms = {f"blocks.{block}.bn.{name}" for block in (1, 2) for name in ("weight", "bias")}
    assert moved <= norms and {"blocks.1.bn.weight", "blocks.2.bn.weight"} <= moved
    gain = [after[name] - before[name] for name in moved if name.endswith("weight")]
    assert all(bool((part < 0).all()) for part in gain)  # factors will grow


def test_it_is_off_in_the_last_epochs_and_without_batch_norms():
    model = Backbone(CONFIG).train()
    aim = DistributionLoss("released", 3.0, off=2)
    plain = step(SignTraining(), model)[0]
    for epoch, on in ((0, True), (3, True), (4, False), (5, False)):
        aim.begin_epoch(epoch, 6)
        assert (step(aim, model)[0] > plain + 0.5) == on
    assert len({str(made.key) for made in (aim, DistributionLoss(), SignTraining())}) == 3


def test_weights_stay_between_their_signs():
    model = Backbone(CONFIG)
    for _, layer in sign_layers(model):
        layer.weight.data.mul_(1000)
    SignTraining().after_step(model)
    for _, layer in sign_layers(model):
        assert float(layer.weight.detach().abs().max()) == 1
    assert float(model.blocks[0].conv.weight.detach().abs().max()) < 1


def test_what_a_network_is_trained_with():
    plain = dataclasses.replace(CONFIG, block="standard")
    assert objective_of(None, TrainOptions()) is None is objective_of(plain, TrainOptions())
    assert type(objective_of(CONFIG, TrainOptions())) is SignTraining
    found = objective_of(CONFIG, dataclasses.replace(OPTIONS, distribution_form="published"))
    assert found.key == ["distribution", "published", 2.0, 2, 0.0]
    for config in (None, plain):
        with pytest.raises(ConfigError, match=r'loss = "distribution" is of binary blocks'):
            objective_of(config, OPTIONS)
    floating = TrainOptions(float_epochs=1)
    with pytest.raises(ConfigError, match="float_epochs = 1, but binary blocks"):
        objective_of(CONFIG, floating)
    with pytest.raises(ConfigError, match="float_epochs = 1, but binary blocks"):
        train_model(Backbone(CONFIG), load_dataset("digits").development, floating, network=CONFIG)


def test_digits_from_training_to_another_task(tmp_path):
    data = load_dataset("digits").development.limit(600, 150)
    torch.manual_seed(0)
    aim = objective_of(CONFIG, OPTIONS)
    trained = train_model(Backbone(CONFIG), data, OPTIONS, network=CONFIG, objective=aim)
    assert accuracy(trained.model, data.val, 10) > 0.4
    save_checkpoint(trained, tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    net, images = net_of(loaded, "bits"), raw_images(loaded.model, data.val)

    def equal(net, model):
        found = reference.run(net, images).reshape(len(images), -1)
        return np.array_equal(found, raw_outputs(model, images))

    assert equal(net, trained.model)
    options = dataclasses.replace(OPTIONS.folded, epochs=3)
    parity = data.relabel({"even": (0, 2, 4, 6, 8), "odd": (1, 3, 5, 7, 9)})
    aim = objective_of(loaded.config, options)
    new = retarget(loaded, parity, options, objective=aim)
    assert accuracy(new.model, parity.val, 2) > 0.6
    assert equal(make_task(net, new, "parity", {}).apply(net), new.model)
    assert type(aim) is SignTraining and isinstance(aim, CrossEntropy)
