import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from semifreddo.core.errors import CheckpointError, FrozenTensorChangedError
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.integers import raw_outputs
from semifreddo.nn.model import SemifreddoNet
from semifreddo.nn.pin import pin_scales
from semifreddo.train.checkpoint import (
    TrainedModel,
    load_checkpoint,
    load_tensors,
    save_checkpoint,
    save_tensors,
)
from semifreddo.train.freeze import freeze

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
    with pytest.raises(CheckpointError, match=r"pass it as load_checkpoint\(model=\.\.\.\)"):
        load_checkpoint(path)
    own = SemifreddoNet(CONFIG)
    fold_batch_norm(own)
    assert load_checkpoint(path, own).config is None
