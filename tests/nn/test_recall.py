"""A frozen part recalls exactly what it computes, and only where that is what it would compute."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from semifreddo.nn import recall
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig, SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.lean import lean
from semifreddo.nn.model import FROZEN_CORE, CoreNet, SemifreddoNet
from semifreddo.nn.pin import pin_scales
from semifreddo.nn.recall import FrozenPart
from semifreddo.train.freeze import FreezeGuard, freeze

torch.set_num_threads(1)

CORES = {"input_shape": (1, 8, 8), "classes": 3, "widths": (4, 4), "strides": (2, 1)}
ROWS = {"input_shape": (1, 8, 8), "classes": 3, "widths": (4, 4, 6), "strides": (1, 1, 2)}
X = torch.randint(0, 256, (30, 1, 8, 8), generator=torch.Generator().manual_seed(0)) / 256
INDEX = torch.tensor([3, 17, 3, 29, 0])


def cores(**options):
    return SemifreddoNet(SemifreddoConfig(**CORES, **options))


def row(**options):
    return Backbone(BackboneConfig(**ROWS, **options))


NETWORKS = {
    "core": (lambda: cores(shuffle=True), [FROZEN_CORE], 3),
    "core of separable blocks": (lambda: cores(block="separable"), [FROZEN_CORE], 3),
    "repeated core": (lambda: cores(repeats=3), [FROZEN_CORE], 5),
    "head alone": (lambda: CoreNet(SemifreddoConfig(**CORES)), [FROZEN_CORE], 4),
    "first layers": (row, ["blocks.0", "blocks.1"], 3),
    "a residual": (lambda: row(skips=((0, 1),)), ["blocks.0", "blocks.1"], 4),
    "first layers of all cores": (cores, ["cores.*.0"], 4),
    "layers behind trainable ones": (row, ["blocks.1", "blocks.2"], 0),
    "nothing": (cores, [], 0),
    "16-bit activations": (lambda: row(pool_bits=16), ["blocks.*"], 5),
    "half of the channels": (row, {"blocks.0.*": [0, 1]}, 0),
}


def frozen(name):
    """A folded and pinned network in training mode, and its frozen tensors."""
    make, chosen, _ = NETWORKS[name]
    torch.manual_seed(0)
    model = make()
    for _ in range(40):
        model(X)
    fold_batch_norm(model.eval())
    pin_scales(model, X)
    whole = isinstance(chosen, list)
    plan = freeze(model, chosen if whole else (), None if whole else chosen)
    with FreezeGuard(model, plan) as guard:
        return model.train(), guard.frozen


def gradients(model, x):
    model.zero_grad()
    y = model(x)
    y.square().sum().backward()
    return [y.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("name", NETWORKS)
def test_recalled_is_what_is_computed(name):
    model, tensors = frozen(name)
    x = X[INDEX]
    with lean(model):
        expected = gradients(model, x)
        with FrozenPart(model, tensors) as part:
            outputs = part.outputs(len(X), X.split(7))
            assert (0 if outputs is None else len(outputs)) == NETWORKS[name][2]
            if outputs is not None:
                part.recall(outputs, x, INDEX)
            found = gradients(model, x)
            assert all(map(torch.equal, found, expected)) and len(found) == len(expected)
            if outputs is not None:
                batch = X[4:9]
                part.recall(outputs, batch, slice(4, 9))
                assert torch.equal(model(batch), model(batch.clone()))
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.fixture
def recalling():
    """A model whose frozen core recalls the images of INDEX, and how to say which ones."""
    model, tensors = frozen("core")
    with FrozenPart(model, tensors) as part:
        outputs = part.outputs(len(X), X.split(7))
        with torch.no_grad():
            model.cores[0][0].conv.weight.mul_(-1)  # computing would show it
        yield model, lambda x: part.recall(outputs, x, INDEX)


def test_only_the_images_that_were_said_are_recalled(recalling):
    model, recall_of = recalling
    x = X[INDEX]
    computed = model(x)
    recall_of(x)
    recalled = model(x)
    assert not torch.equal(recalled, computed)
    assert torch.equal(model(x.clone()), computed)
    assert torch.equal(model(x), recalled)
    assert torch.equal(model(x=x), computed)


def test_changed_images_are_computed(recalling):
    model, recall_of = recalling
    x = X[INDEX]
    recall_of(x)
    x.mul_(0.5)
    assert torch.equal(model(x), model(x.clone()))


def test_images_that_need_a_gradient_are_computed(recalling):
    model, recall_of = recalling
    x = X[INDEX]
    recall_of(x)
    x.requires_grad_()
    model(x).square().sum().backward()
    assert x.grad is not None and bool(x.grad.any())


def test_a_part_that_is_called_alone_is_computed(recalling):
    model, recall_of = recalling
    x = X[INDEX]
    recall_of(x)
    recalled = model(x)
    block = model.cores[0][0]
    assert torch.equal(block(model.input(x)), block(model.input(x.clone())))
    assert torch.equal(model(x), recalled)


class Noisy(nn.Module):
    """Frozen layers that read something else while training."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        x = self.inner.input(x)
        if self.training:
            x = torch.where(x > 0.5, x, 0.0)
        return self.inner.blocks[1](self.inner.blocks[0](x))


def test_what_reads_something_else_is_computed():
    inner, tensors = frozen("first layers")
    model, x = Noisy(inner), X[INDEX]
    expected = model(x)
    with FrozenPart(model, tensors) as part:
        outputs = part.outputs(len(X), X.split(7))
        part.recall(outputs, x, INDEX)
        assert len(outputs) == 3
        assert torch.equal(model(x), expected)
        model.eval()
        assert not torch.equal(model(x), expected)


class Fussy(nn.Module):
    """A frozen layer of which only some images have need."""

    def __init__(self, inner, wanted):
        super().__init__()
        self.inner, self.wanted = inner, wanted

    def forward(self, x):
        y = self.inner.blocks[0](self.inner.input(x))
        return self.inner.blocks[1](y) if self.wanted(x) else y


@pytest.mark.parametrize("first", [0, 1, 2])
def test_what_was_not_computed_of_all_images_is_computed(first):
    inner, tensors = frozen("first layers")
    chunks, x = X.split(10), X[INDEX]
    model = Fussy(inner, lambda x: len(x) == 5 or torch.equal(x, chunks[first]))
    expected = model(x)
    with FrozenPart(model, tensors) as part:
        outputs = part.outputs(len(X), chunks)
        part.recall(outputs, x, INDEX)
        assert torch.equal(model(x), expected)


def test_a_part_that_somebody_watches_is_computed():
    model, tensors = frozen("core")
    seen = []
    model.cores[0][1].conv.register_forward_hook(lambda *_: seen.append("conv"))
    model.cores[0][0].register_forward_hook(lambda *_: seen.append("block"))
    x = X[INDEX]
    with FrozenPart(model, tensors) as part:
        outputs = part.outputs(len(X), [X])
        seen.clear()
        part.recall(outputs, x, INDEX)
        model(x)
    assert seen == ["block", "conv"]


def test_more_than_the_limit_is_not_kept(monkeypatch):
    model, tensors = frozen("core")
    with FrozenPart(model, tensors) as part:
        outputs = part.outputs(len(X), X.split(7))
        assert outputs.bytes == 2 * len(X) * (64 + 2 * 64)
        monkeypatch.setattr(recall, "LIMIT", outputs.bytes)
        assert part.outputs(len(X), X.split(7)) is not None
        monkeypatch.setattr(recall, "LIMIT", outputs.bytes - 1)
        assert part.outputs(len(X), X.split(7)) is None


def test_what_bfloat16_cannot_hold_is_kept_whole():
    model, tensors = frozen("16-bit activations")
    with FrozenPart(model, tensors) as part:
        outputs = part.outputs(len(X), X.split(7))
    narrow = 64 + 4 * 64 * 2 + 6 * 16
    assert outputs.bytes == len(X) * (2 * narrow + 4 * 6)
