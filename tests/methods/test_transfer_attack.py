"""The attack through frozen weights: what it may change, and what it may know."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from semifreddo.core.errors import ConfigError
from semifreddo.methods import transfer_attack
from semifreddo.methods.transfer_attack import (
    Attack,
    PublicPath,
    attacked,
    distances,
    fooled,
    shuffled_noise,
)
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig
from semifreddo.train.data import Split
from semifreddo.train.freeze import freeze
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import retarget, train_model

torch.set_num_threads(1)

OPTIONS = TrainOptions(epochs=1, tune_epochs=1, batch=32, progress=False)
IMAGES = arrays.arrays(np.uint8, (3, 4, 5, 2))


def test_pixels_change_a_little_and_features_more_than_by_noise(device, digits):
    path = PublicPath(device)
    assert path.layer == "cores.0.1.act"
    attack = Attack(strength=24, steps=10)
    (feature,) = path.liveliest(digits.val, attack)
    split = attacked(path, digits.val, attack, feature)
    change = split.images.astype(int) - digits.val.images
    assert split.images.dtype == np.uint8 and 0 < np.abs(change).max() <= 24
    before, after = path.features_of(digits.val), path.features_of(split)
    assert before.shape == (60, 4)
    assert (after[:, feature] >= before[:, feature]).mean() > 0.9
    noise = shuffled_noise(digits.val, split)
    assert distances(path, digits.val, [split]) > distances(path, digits.val, [noise])
    assert distances(path, digits.val, [digits.val]) == 0


def test_the_liveliest_features_differ_most_between_images(device, digits, monkeypatch):
    path = PublicPath(device)
    found = np.array([[0, 5, 1, 2], [0, -5, 3, 6], [0, 5, 1, 2]], np.float32)
    monkeypatch.setattr(PublicPath, "features_of", lambda self, split: found)
    assert path.liveliest(digits.val, Attack(features=3)) == [1, 3, 2]


def test_the_attack_knows_neither_task_nor_labels(device, digits):
    """Another task of the same device, and other labels, give the same images."""
    attack, val = Attack(steps=5), digits.val.head(40)
    other = retarget(device, digits.subset([5, 6, 7]), OPTIONS)
    found = attacked(PublicPath(device), val, attack, 1)
    blind = dataclasses.replace(val, labels=np.zeros_like(val.labels))
    again = attacked(PublicPath(other), blind, attack, 1)
    assert np.array_equal(found.images, again.images)
    assert not np.array_equal(found.images, attacked(PublicPath(device), val, attack, 2).images)
    elsewhere = attacked(PublicPath(device), val, dataclasses.replace(attack, seed=1), 1)
    assert not np.array_equal(found.images, elsewhere.images)


def test_the_path_leaves_the_model_alone(device):
    before = {name: held.requires_grad for name, held in device.model.named_parameters()}
    state = {name: held.clone() for name, held in device.model.state_dict().items()}
    PublicPath(device)
    assert before == {name: held.requires_grad for name, held in device.model.named_parameters()}
    assert all(torch.equal(held, state[name]) for name, held in device.model.state_dict().items())


def test_what_is_public_of_a_row(digits):
    config = BackboneConfig(input_shape=(1, 8, 8), classes=10, widths=(4, 6, 4), strides=(2, 1, 1))
    trained = train_model(Backbone(config), digits, OPTIONS, network=config)
    first = freeze(trained.model, ["blocks.0", "blocks.2"])
    assert PublicPath(dataclasses.replace(trained, plan=first)).layer == "blocks.0.act"
    whole = freeze(trained.model, ["*"])
    assert PublicPath(dataclasses.replace(trained, plan=whole)).layer == "head.linear"
    for plan in (freeze(trained.model, ["blocks.1"]), freeze(trained.model, ["*"], fraction=0.5)):
        with pytest.raises(ConfigError, match="no layer follows from frozen weights alone"):
            PublicPath(dataclasses.replace(trained, plan=plan))


def test_images_with_a_mean_are_attacked_as_pixels(device, digits):
    seen = dataclasses.replace(digits.preprocessing, mean=(0.1,), deviation=(0.9,))
    val = dataclasses.replace(digits, preprocessing=seen).val
    path, attack = PublicPath(device), Attack(strength=24, steps=10)
    (feature,) = path.liveliest(val, attack)
    split = attacked(path, val, attack, feature)
    assert np.abs(split.images.astype(int) - val.images).max() <= 24
    assert path.features_of(split)[:, feature].mean() > path.features_of(val)[:, feature].mean()
    assert not np.array_equal(split.images, attacked(path, digits.val, attack, feature).images)


@given(IMAGES, IMAGES)
def test_noise_has_the_norm_of_the_attack(clean, changed):
    before = Split(clean, np.zeros(3, np.int64))
    # An attack of at most 128 grey levels: more has no second direction within 0 to 255.
    step = np.clip(changed.astype(int) - clean, -128, 127)
    after = dataclasses.replace(before, images=(clean + step).astype(np.uint8))
    noisy = shuffled_noise(before, after)
    sizes = [
        np.sort(np.abs(split.images.astype(int) - clean).reshape(3, -1)) for split in (after, noisy)
    ]
    assert np.array_equal(*sizes)


def test_an_attack_leaves_other_features_more_alone(device, digits, monkeypatch):
    """The smaller they stay, the more an answer depends on the one that is driven up."""
    path, attack, val = PublicPath(device), Attack(strength=24, steps=10), digits.val.head(60)
    (feature,) = path.liveliest(val, attack)

    def others(weight):
        monkeypatch.setattr(transfer_attack, "_OTHERS", weight)
        found = path.features_of(attacked(path, val, attack, feature))
        return float(np.square(np.delete(found, feature, axis=1)).mean())

    # With the weight that it has, the difference is too small to see in a network as small as this.
    assert others(1e6) < others(0.0)


def test_noise_has_both_signs_in_equal_parts():
    before = Split(np.full((4, 20, 20, 1), 128, np.uint8), np.zeros(4, np.int64))
    after = dataclasses.replace(before, images=before.images + np.uint8(9))
    change = shuffled_noise(before, after).images.astype(int) - 128
    assert set(np.unique(change)) == {-9, 9}
    assert (change > 0).mean() == pytest.approx(0.5, abs=0.05)


@given(st.data())
def test_who_is_fooled(data):
    answers = arrays.arrays(np.int64, 6, elements=st.integers(0, 2))
    truth, clean, one, two = (data.draw(answers) for _ in range(4))
    found = fooled(clean, [one, two], truth)
    right = [index for index in range(6) if clean[index] == truth[index]]
    wrong = [i for i in right if one[i] != truth[i] or two[i] != truth[i]]
    assert found == pytest.approx(len(wrong) / len(right) if right else 0)
    assert fooled(clean, [clean], truth) == 0


@pytest.mark.parametrize("name", ["strength", "steps", "features"])
def test_numbers_out_of_range(name):
    with pytest.raises(ConfigError, match=f"{name} = 0 is outside"):
        Attack(**{name: 0})
