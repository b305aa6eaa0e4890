import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerChannelFixedPoint,
    Int8WeightPerTensorFixedPoint,
)
from safetensors.torch import save_file
from torch import nn

from semifreddo.core.errors import CheckpointError, FrozenTensorChangedError
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.integers import raw_outputs
from semifreddo.nn.model import SemifreddoNet
from semifreddo.nn.pin import pin_scales
from semifreddo.nn.quant import activation_quant, bias_quant, weight_quant
from semifreddo.train.checkpoint import (
    TrainedModel,
    load_checkpoint,
    load_tensors,
    save_checkpoint,
    save_tensors,
)
from semifreddo.train.freeze import freeze, verify

torch.set_num_threads(1)

CONFIG = SemifreddoConfig((1, 8, 8), 4, (4, 4), (2, 1), per_channel=True, shuffle=True)
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    model = SemifreddoNet(CONFIG)
    x = torch.rand(16, 1, 8, 8)
    model(x)
    fold_batch_norm(model)
    model(x)
    pin_scales(model, x)
    return TrainedModel(
        model.eval(), CONFIG, freeze(model, ["cores.0"]), ("a", "b"), {"seed": 0, "acc": 0.5}
    )


@pytest.fixture
def path(trained, tmp_path):
    save_checkpoint(trained, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def rewrite(path, change):
    tensors, metadata = load_tensors(path)
    change(tensors, metadata)
    save_tensors(tensors, metadata, path)


def test_round_trip(trained, path):
    loaded = load_checkpoint(path)
    assert (loaded.config, loaded.plan, loaded.labels) == (CONFIG, trained.plan, ("a", "b"))
    assert loaded.info == trained.info
    assert not loaded.model.training
    assert np.array_equal(raw_outputs(loaded.model, IMAGES), raw_outputs(trained.model, IMAGES))


def test_frozen_tensors_of_a_loaded_model_need_no_gradients(trained, path):
    """As in the model that was saved, so that training around them costs no more."""
    needs = {name: held.requires_grad for name, held in trained.model.named_parameters()}
    loaded = load_checkpoint(path).model
    assert {name: held.requires_grad for name, held in loaded.named_parameters()} == needs
    assert not needs["cores.0.1.conv.bias"] and needs["cores.1.1.conv.bias"]


def test_a_changed_frozen_weight_is_refused_on_loading_and_saving(trained, path, tmp_path):
    rewrite(path, lambda tensors, _: tensors["cores.0.0.conv.weight"].add_(1))
    with pytest.raises(FrozenTensorChangedError, match=r"cores\.0\.0\.conv\.weight"):
        load_checkpoint(path)
    changed = load_checkpoint_unchecked(trained)
    with pytest.raises(FrozenTensorChangedError):
        save_checkpoint(changed, tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


def load_checkpoint_unchecked(trained):
    model = SemifreddoNet(CONFIG)
    fold_batch_norm(model)
    model.load_state_dict(trained.model.state_dict())
    with torch.no_grad():
        model.cores[0][1].conv.bias.add_(1)
    return TrainedModel(model, CONFIG, trained.plan, ("a",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t, m: t["head.linear.weight"].fill_(float("nan")),
            "head.linear.weight contains NaN",
        ),
        (
            lambda t, m: t["head.linear.weight"][1, 2:3].fill_(float("inf")),
            "head.linear.weight contains NaN or infinite values",
        ),
        (
            lambda t, m: t["head.linear.bias"][:1].fill_(-float("inf")),
            "head.linear.bias contains NaN or infinite values",
        ),
        (lambda t, m: t.pop("head.linear.bias"), "lacks tensor 'head.linear.bias'"),
        (lambda t, m: t.update(extra=torch.ones(1)), "has the unknown tensor 'extra'"),
        (
            lambda t, m: t.update({"head.linear.bias": torch.ones(3)}),
            "has shape (3,), the model needs (4,)",
        ),
        (lambda t, m: m.update(format="other/1"), "not a semifreddo-checkpoint/1 file"),
        (lambda t, m: m.update(model="{}"), "not a semifreddo-checkpoint/1 file"),
        (lambda t, m: m.update(plan="[]"), "not a semifreddo-freeze/1 text"),
        (lambda t, m: m.pop("plan"), "not a semifreddo-checkpoint/1 file"),
    ],
)
def test_damage(path, change, message):
    rewrite(path, change)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load_checkpoint(path)


def test_missing_truncated_and_pickled(path, tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "nothing.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a safetensors file, or damaged"):
        load_checkpoint(path)
    path.write_bytes(b"\x80\x04\x95\x16\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.")
    with pytest.raises(CheckpointError, match="pickles are never read"):
        load_checkpoint(path)
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match="not a semifreddo-checkpoint/1 file"):
        load_checkpoint(path)


def test_a_model_of_ones_own_must_be_passed(trained, path):
    other = SemifreddoConfig((1, 8, 8), 4, (4, 6), (2, 1))
    model = SemifreddoNet(other)
    fold_batch_norm(model)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        load_checkpoint(path, model)

    def disown(_, metadata):
        metadata["model"] = json.dumps(
            {**json.loads(metadata["model"]), "kind": "user", "config": None}
        )

    rewrite(path, disown)
    with pytest.raises(
        CheckpointError, match=r"name its class in \[model\].*load_checkpoint\(model="
    ):
        load_checkpoint(path)
    own = load_checkpoint(path, SemifreddoNet(CONFIG))  # fresh: neither folded nor pinned
    assert own.config is None
    assert np.array_equal(raw_outputs(own.model, IMAGES), raw_outputs(trained.model, IMAGES))


class Mixed(nn.Module):
    """Stock and own quantizers; a batch norm defined before the layer that it follows."""

    def __init__(self, per_channel=False):
        super().__init__()
        weights = Int8WeightPerChannelFixedPoint if per_channel else Int8WeightPerTensorFixedPoint
        self.norm = nn.BatchNorm2d(6)
        self.input = QuantIdentity(act_quant=Int8ActPerTensorFixedPoint)
        self.first = QuantConv2d(1, 6, 3, bias=False, weight_quant=weights)
        self.act = QuantReLU(act_quant=activation_quant(6))
        self.last = QuantLinear(
            216, 4, bias=True, weight_quant=weight_quant(4), bias_quant=bias_quant()
        )

    def forward(self, x):
        return self.last(self.act(self.norm(self.first(self.input(x)))).flatten(1))


def pinned_mixed(per_channel=False):
    torch.manual_seed(1)
    model, x = Mixed(per_channel), torch.rand(16, 1, 8, 8)
    for _ in range(3):
        model(x)
    fold_batch_norm(model, x)
    model(x)
    pin_scales(model, x)
    return model.eval()


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_fresh_object_of_ones_own_class_takes_its_checkpoint(per_channel, tmp_path):
    model, path = pinned_mixed(per_channel), tmp_path / "own.safetensors"
    plan = freeze(model, ["first"], fraction=0.5)
    save_checkpoint(TrainedModel(model, None, plan, ("a",), {"acc": 1}, (1, 8, 8)), path)
    torch.manual_seed(2)
    loaded = load_checkpoint(path, Mixed(per_channel))
    assert loaded.plan == plan and loaded.input_shape == (1, 8, 8) and loaded.labels == ("a",)
    assert np.array_equal(raw_outputs(loaded.model, IMAGES), raw_outputs(model, IMAGES))
    verify(loaded.model, plan)


def test_what_does_not_fit_a_checkpoint_of_ones_own_is_one_line(tmp_path):
    model, path = pinned_mixed(), tmp_path / "own.safetensors"
    trained = TrainedModel(model, None, FreezePlan(), ("a",), {}, (1, 8, 8))
    save_checkpoint(trained, path)
    with pytest.raises(CheckpointError, match=r"first\.weight_quant\S+ has shape \(\), .* needs"):
        load_checkpoint(path, Mixed(per_channel=True))
    colour = Mixed()
    colour.first = QuantConv2d(3, 6, 3, weight_quant=Int8WeightPerTensorFixedPoint)
    with pytest.raises(CheckpointError, match=r"images of shape \(1, 8, 8\).*does not take"):
        load_checkpoint(path, colour)
    with pytest.raises(CheckpointError, match="belongs to another model: batch norm '0' does not"):
        load_checkpoint(path, nn.Sequential(nn.BatchNorm2d(1), QuantConv2d(1, 4, 3)))
    with pytest.raises(CheckpointError, match="give TrainedModel its input_shape"):
        save_checkpoint(dataclasses.replace(trained, input_shape=None), path)
    with pytest.raises(CheckpointError, match="batch norms or scales that still move"):
        save_checkpoint(dataclasses.replace(trained, model=Mixed()), path)
    for shape in ([0, 8, 8], [1, 8], "big", [1, 1 << 20, 1 << 20]):

        def change(_, metadata, shape=shape):
            described = {**json.loads(metadata["model"]), "input_shape": shape}
            metadata["model"] = json.dumps(described)

        rewrite(path, change)
        with pytest.raises(CheckpointError, match="not a semifreddo-checkpoint/1 file"):
            load_checkpoint(path, Mixed())
