"""FLightNN on digits: trained, frozen, converted, retargeted, and equal as integers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from semifreddo.flow.training import make_task, net_of
from semifreddo.methods.flightnn import FilterLasso, filter_terms, mean_terms
from semifreddo.methods.objective import objective_of
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig, SemifreddoConfig
from semifreddo.nn.integers import integer_tensor, raw_outputs
from semifreddo.nn.model import CoreNet
from semifreddo.nn.powers import powers_quants, signed_digits
from semifreddo.sim import reference
from semifreddo.train.checkpoint import load_checkpoint, save_checkpoint
from semifreddo.train.data import load_dataset
from semifreddo.train.objective import CrossEntropy
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import retarget, train_core, train_model, train_task
from semifreddo.train.seen import raw_images

torch.set_num_threads(1)

OPTIONS = TrainOptions(epochs=3, tune_epochs=1, batch=32, progress=False)
CONFIG = SemifreddoConfig(
    input_shape=(1, 8, 8),
    classes=5,
    widths=(4, 4),
    strides=(2, 1),
    weight_bits=8,
    weights="powers_of_two",
    terms="learned",
    term_penalty=0.3,
)


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits").development.limit(200, 100)


def equal_answers(net, trained, images):
    """Whether the integer network gives what the trained model gives."""
    found = reference.run(net, images).reshape(len(images), -1)
    return np.array_equal(found, raw_outputs(trained.model, images))


def test_from_training_to_another_task(data, tmp_path):
    """Core and task learn their terms; the network is frozen, saved, converted, retargeted."""
    first, second = data.subset([0, 1, 2, 3, 4]), data.subset([5, 6, 7])
    aim = objective_of(CONFIG, OPTIONS)
    core = train_core(CONFIG, first, OPTIONS, objective=aim)
    trained = train_task(CONFIG, core, first, OPTIONS, objective=objective_of(CONFIG, OPTIONS))
    counts = {
        name: quant.filter_terms.count.tolist() for name, _, quant in powers_quants(trained.model)
    }
    assert len(counts) == 6 and 1 <= mean_terms(trained.model) <= 2
    for name, digits in filter_terms(trained.model).items():
        assert all(a <= b for a, b in zip(digits, counts[name], strict=True))
    save_checkpoint(trained, tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    net = net_of(loaded, "shifts")
    images = raw_images(loaded.model, first.val)
    assert equal_answers(net, trained, images)
    new = retarget(loaded, second, dataclasses.replace(OPTIONS, epochs=1))
    after = make_task(net, new, "second", {}).apply(net)
    assert equal_answers(after, new, images)
    for name, _, quant in powers_quants(new.model):
        assert quant.filter_terms.count.tolist() == counts[name]
        assert signed_digits(integer_tensor(new.model, name).raw).max() <= 2


@pytest.mark.parametrize("terms", [1, 2])
def test_given_terms(data, terms):
    config = BackboneConfig(
        input_shape=(1, 8, 8),
        classes=10,
        widths=(4, 4),
        strides=(2, 1),
        weight_bits=8,
        block="separable",
        weights="powers_of_two",
        terms=terms,
    )
    assert objective_of(config, OPTIONS) is None
    trained = train_model(Backbone(config), data, OPTIONS, network=config)
    assert max(max(digits) for digits in filter_terms(trained.model).values()) == terms
    net = net_of(trained, "shifts")
    images = raw_images(trained.model, data.val)
    assert equal_answers(net, trained, images)


def test_the_penalty_is_a_mean_over_weights():
    torch.manual_seed(0)
    model = CoreNet(CONFIG).train()
    x, y = torch.rand(8, 1, 8, 8), torch.arange(8) % 5
    random = torch.Generator()
    plain, _ = CrossEntropy().backward(model, x, y, 5, random)
    model.zero_grad()
    whole, _ = FilterLasso(50.0).backward(model, x, y, 5, random)
    with torch.no_grad():
        shares = [
            quant.cost(weight)[:, None].expand(-1, weight[0].numel()).flatten()
            for _, weight, quant in powers_quants(model)
        ]
    expected = 50 * float(torch.cat(shares).mean())
    assert whole - plain == pytest.approx(expected, rel=1e-4) and expected > 1
    assert FilterLasso(0.5).key != FilterLasso(0.4).key != CrossEntropy().key


def test_terms_are_learned_in_the_first_half_of_the_epochs():
    model = CoreNet(CONFIG)
    aim = FilterLasso(0.1)
    aim.attach(model)
    fixed = []
    for epoch in range(5):
        aim.begin_epoch(epoch, 5)
        fixed.append({bool(quant.filter_terms.fixed) for _, _, quant in powers_quants(model)})
    assert fixed == [{False}] * 3 + [{True}] * 2


def test_a_threshold_never_falls_below_zero():
    model = CoreNet(CONFIG)
    for _, _, quant in powers_quants(model):
        quant.filter_terms.threshold.data.fill_(-1)
    FilterLasso(0.1).after_step(model)
    for _, _, quant in powers_quants(model):
        assert quant.filter_terms.threshold == 0


def test_only_weights_that_are_trained_and_choose_their_terms_pay_for_them():
    images, labels = torch.rand(4, 1, 8, 8), torch.arange(4)
    random = torch.Generator()
    losses = []
    for change in ("none", "frozen", "given"):
        torch.manual_seed(0)
        model = Backbone(
            BackboneConfig((1, 8, 8), 4, (2, 2), (1, 1), weights="powers_of_two", terms="learned")
        )
        (_, weight, quant), *others = powers_quants(model)
        assert others
        if change == "frozen":
            weight.requires_grad_(False)
        if change == "given":
            quant.filter_terms.fixed.fill_(True)
        if change == "none":
            weights = sum(each.numel() for _, each, _ in powers_quants(model))
            cost = weight[0].numel() * float(quant.cost(weight).sum().detach()) / weights
        loss, _ = FilterLasso(0.5).backward(model, images, labels, 4, random)
        losses.append(loss)
    assert cost > 0
    assert losses[1] == pytest.approx(losses[0] - 0.5 * cost, rel=1e-5)
    assert losses[2] == losses[1]


def test_no_weights_of_powers():
    with pytest.raises(ValueError, match="no weight is made of powers of two"):
        mean_terms(Backbone(BackboneConfig((1, 8, 8), 2, (2,), (1,))))


def test_a_layer_of_one_filter_has_a_mean():
    config = BackboneConfig(
        (1, 8, 8), 2, (1,), (1,), weight_bits=4, weights="powers_of_two", terms=1
    )
    assert 0 < mean_terms(Backbone(config)) <= 1
