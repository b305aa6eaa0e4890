"""What a model sees of a split is what it always saw, computed as seldom as possible."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brevitas.nn import QuantIdentity
from torch import nn

from semifreddo.nn.inputs import ModelInput, as_input
from semifreddo.nn.quant import activation_quant
from semifreddo.train import seen
from semifreddo.train.data import Split
from semifreddo.train.seen import Seen, raw_images

torch.set_num_threads(1)


def split(count=11, channels=3):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 4, 5, channels), np.uint8)
    return Split(images, np.arange(count) % 7)


def model(scale=None):
    """Reads images through a quantizer of its own: a moving one, or a pinned one."""
    quant = QuantIdentity(act_quant=activation_quant(8))
    if scale is not None:
        scaling_of(quant).pin(torch.tensor(scale))
    return nn.Sequential(quant, nn.Flatten())


def scaling_of(quant):
    return quant.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl


@pytest.fixture
def counted(monkeypatch):
    calls, raw = [], ModelInput.raw
    monkeypatch.setattr(ModelInput, "raw", lambda *a: calls.append(1) or raw(*a))
    return calls


def test_images_of_a_constant_input_are_computed_once(counted):
    images, net = split(), model(scale=6)
    once = Seen(net, images)
    assert len(once) == 11 and torch.equal(once.labels, torch.from_numpy(images.labels))
    for _ in range(3):
        raw = once.raw()
    assert len(counted) == 1
    assert torch.equal(once.real(raw), as_input(net, raw_images(net, images)))


def test_images_of_a_moving_input_follow_it(counted):
    images, net = split(), model()
    moving = Seen(net, images)
    found = []
    for peak in (0.9, 40.0):
        net.train()
        for _ in range(40):
            net(torch.full((1, 3, 4, 5), peak))
        found.append(moving.real(moving.raw()))
        assert torch.equal(found[-1], as_input(net, raw_images(net, images)))
    assert not torch.equal(*found)
    assert len(counted) > 2


@pytest.mark.parametrize(("channels", "last"), [(1, False), (3, True)])
def test_the_order_in_memory(channels, last):
    """Of one channel both orders are the same memory; strides tell kernels which one to use."""
    once = Seen(model(scale=6), split(channels=channels))
    x = once.real(once.raw()[torch.tensor([3, 1])])
    assert x.is_contiguous(memory_format=torch.channels_last) or not last
    assert x.is_contiguous() == (not last)
    assert (x.stride(1) == 1) == last


def test_batches_are_all_images_in_order(monkeypatch):
    images, net = split(), model(scale=6)
    monkeypatch.setattr(seen, "_BATCH", 4)
    batches = list(Seen(net, images).batches())
    assert [len(x) for x, _ in batches] == [4, 4, 3]
    assert torch.equal(torch.cat([labels for _, labels in batches]), torch.arange(11) % 7)
    whole = as_input(net, raw_images(net, images))
    assert torch.equal(torch.cat([x for x, _ in batches]), whole)
