"""Objectives of other kinds than cross entropy: what they do, and that nothing of them is lost."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from brevitas.nn import QuantReLU
from torch import nn

from semifreddo.core.errors import ConfigError
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.integers import integer_tensor
from semifreddo.nn.model import core_network
from semifreddo.train import loop
from semifreddo.train.checkpoint import load_tensors
from semifreddo.train.data import load_dataset
from semifreddo.train.freeze import freeze
from semifreddo.train.loop import Phase, fit
from semifreddo.train.objective import CrossEntropy, Objective, first_outputs, state_digest
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import train_model

torch.set_num_threads(1)

DATA = load_dataset("digits").subset([0, 1, 2]).limit(train=48, val=24, test=24)
CONFIG = SemifreddoConfig((1, 8, 8), 3, (4, 4), (2, 1))
OPTIONS = TrainOptions(batch=16, shift=1, progress=False)


def net(seed=0):
    torch.manual_seed(seed)
    return core_network(CONFIG)


def run(model, objective, *, epochs=4, **options):
    phase = Phase("toy", epochs, 1e-2, 3, objective)
    return fit(model, DATA.train, DATA.val, options=OPTIONS, phase=phase, **options)


def weights(model):
    return torch.cat([p.detach().flatten() for n, p in model.named_parameters() if "conv" in n])


class Sparse(CrossEntropy):
    """A penalty on all weights."""

    def __init__(self, strength=0.1):
        super().__init__()
        self.strength = strength

    @property
    def key(self):
        return ["sparse", self.strength]

    def backward(self, model, x, y, outputs, random):
        answers = first_outputs(model(x), outputs)
        penalty = sum(p.abs().sum() for n, p in model.named_parameters() if n.endswith("weight"))
        loss = self.loss(answers, y) + self.strength * penalty
        loss.backward()
        return float(loss.detach()), answers.detach()


class Twice(CrossEntropy):
    """One pass over the images and one with random pixels left out, distilled from the first."""

    key = "twice"

    def backward(self, model, x, y, outputs, random):
        answers = first_outputs(model(x), outputs)
        first = self.loss(answers, y)
        first.backward()
        kept = torch.rand(x.shape, generator=random) < 0.7
        soft = answers.detach().softmax(1)
        second = nn.functional.cross_entropy(first_outputs(model(x * kept), outputs), soft)
        second.backward()
        return float(first.detach() + second.detach()), answers.detach()


class Spread(CrossEntropy):
    """Watches what activations read, by hooks, and pulls its deviation towards one."""

    def __init__(self, strength=1.0, until=100):
        super().__init__()
        self.strength, self.until, self.on = strength, until, True
        self.seen, self.handles = [], []

    @property
    def key(self):
        return ["spread", self.strength, self.until]

    def attach(self, model):
        for module in model.modules():
            if isinstance(module, QuantReLU):
                watch = module.register_forward_pre_hook(lambda _, args: self.seen.append(args[0]))
                self.handles.append(watch)

    def begin_epoch(self, epoch, epochs):
        self.on = epoch < self.until

    def backward(self, model, x, y, outputs, random):
        self.seen.clear()
        answers = first_outputs(model(x), outputs)
        loss = self.loss(answers, y)
        if self.on:
            spreads = [tensor.std((0, 2, 3)) for tensor in self.seen]
            loss = loss + self.strength * sum(((s - 1) ** 2).mean() for s in spreads)
        loss.backward()
        self.seen.clear()
        return float(loss.detach()), answers.detach()

    def close(self):
        while self.handles:
            self.handles.pop().remove()


class Distilled(CrossEntropy):
    """Features of a teacher of another width, through adapters that are trained along."""

    def __init__(self, teacher):
        super().__init__()
        self.teacher, self.adapter = teacher.eval(), None

    @property
    def key(self):
        return ["distilled", state_digest(self.teacher)]

    def attach(self, model):
        wide, narrow = (m.cores[0][0].conv.out_channels for m in (self.teacher, model))
        adapter = nn.Conv2d(narrow, wide, 1, bias=False)
        nn.init.constant_(adapter.weight, 1 / narrow)
        self.adapter = adapter
        return adapter

    def backward(self, model, x, y, outputs, random):
        teacher, adapter = self.teacher, self.adapter
        with torch.no_grad():
            wanted = teacher.cores[0][0](teacher.input(x))
        answers = first_outputs(model(x), outputs)
        mine = adapter(model.cores[0][0](model.input(x)))
        loss = self.loss(answers, y) + 3 * nn.functional.mse_loss(mine, wanted)
        loss.backward()
        return float(loss.detach()), answers.detach()


def distilled():
    torch.manual_seed(7)
    return Distilled(core_network(dataclasses.replace(CONFIG, widths=(6, 6))))


KINDS = {"sparse": Sparse, "twice": Twice, "spread": Spread, "distilled": distilled}


def test_a_penalty_makes_weights_smaller():
    plain, sparse = net(), net()
    run(plain, None)
    run(sparse, Sparse(0.05))
    assert weights(sparse).abs().mean() < 0.8 * weights(plain).abs().mean()


def test_two_passes_add_their_gradients():
    model = net()
    x, y = torch.rand(8, 1, 8, 8), torch.arange(8) % 3
    model.eval()
    grads = []
    for chosen in (CrossEntropy(), Twice()):
        model.zero_grad()
        chosen.backward(model, x, y, 3, torch.Generator().manual_seed(0))
        grads.append(model.head.linear.weight.grad.clone())
    kept = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.7
    model.zero_grad()
    soft = model(x).detach().softmax(1)
    nn.functional.cross_entropy(model(x * kept), soft).backward()
    assert torch.allclose(grads[1], grads[0] + model.head.linear.weight.grad, atol=1e-8)
    assert not torch.allclose(grads[1], grads[0], rtol=1e-3, atol=1e-7)


def test_watched_activations_spread():
    """Behind a batch norm the deviation is its weight."""

    def distance(objective):
        model = net()
        norms = [block.bn for block in model.cores[0]]
        for norm in norms:
            nn.init.constant_(norm.weight, 1.2)
        run(model, objective, epochs=8)
        return float(sum((norm.weight.detach() - 1).abs().sum() for norm in norms))

    assert distance(Spread()) < 0.5 * distance(None)


def test_adapters_are_trained_along():
    objective = distilled()
    history = run(net(), objective, epochs=8)
    assert not torch.allclose(objective.adapter.weight, torch.tensor(0.25))
    assert history[-1].loss < history[0].loss
    assert all(p.grad is None for p in objective.teacher.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_goes_on_with_everything(tmp_path, monkeypatch, kind):
    whole = net()
    expected = run(whole, KINDS[kind]())
    epoch, calls = loop._train_epoch, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return epoch(*args)

    monkeypatch.setattr(loop, "_train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(net(), KINDS[kind](), folder=tmp_path)
    monkeypatch.setattr(loop, "_train_epoch", epoch)
    resumed = net()
    history = run(resumed, KINDS[kind](), folder=tmp_path)
    assert [m.loss for m in history] == [m.loss for m in expected]
    assert state_digest(resumed) == state_digest(whole)
    kept, _ = load_tensors(tmp_path / "state.safetensors")
    assert any(name.startswith("beside/") for name in kept) == (kind == "distilled")


def test_a_state_of_another_objective_is_not_continued(tmp_path):
    keys = [made().key for made in KINDS.values()]
    keys += [CrossEntropy().key, CrossEntropy(0.1).key, Sparse(0.2).key, Distilled(net()).key]
    assert len({str(key) for key in keys}) == len(keys)
    first = run(net(), Sparse(0.05), folder=tmp_path)
    other = run(net(), Sparse(0.2), folder=tmp_path)
    assert [m.loss for m in other] == [m.loss for m in run(net(), Sparse(0.2))]
    assert [m.loss for m in other] != [m.loss for m in first]


def hooks(model):
    return sum(len(module._forward_pre_hooks) for module in model.modules())


def test_hooks_are_gone_whatever_happens(monkeypatch):
    model, objective = net(), Spread()
    run(model, objective)
    assert not hooks(model) and not objective.handles
    seen = []

    def interrupted(state, *_):
        seen.append(hooks(state.model))
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(model, objective)
    assert seen == [2] and not hooks(model)
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="the loss is nan"):
        run(model, Spread(float("nan")))
    assert not hooks(model)


def test_a_penalty_may_end_before_the_training_does():
    """The first epoch is the same; then the penalty is gone, and the loss is smaller by it."""
    always, once = run(net(), Spread(5.0), epochs=3), run(net(), Spread(5.0, until=1), epochs=3)
    assert once[0].loss == always[0].loss
    assert once[1].loss < always[1].loss


class Clipped(CrossEntropy):
    """Weights within a range, behind each step."""

    most = 0.05
    key = "clipped"

    def after_step(self, model):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("conv.weight"):
                    parameter.clamp_(-self.most, self.most)


def test_what_follows_a_step_changes_nothing_frozen():
    model = net()
    before = copy.deepcopy(model)
    plan = freeze(model, ["cores.0.0"])
    run(model, Clipped(), plan=plan)
    assert float(model.cores[0][1].conv.weight.detach().abs().max()) <= Clipped.most + 1e-7
    first = "cores.0.0.conv.weight"
    assert float(model.cores[0][0].conv.weight.detach().abs().max()) > Clipped.most
    assert (integer_tensor(model, first).raw == integer_tensor(before, first).raw).all()


class Grouped(CrossEntropy):
    """Trained on three classes, judged by two groups of them."""

    key = "grouped"
    score_name = "accuracy of groups"

    def score(self, outputs, y):
        return (outputs.argmax(1) > 0) == (y > 0)


def test_the_score_is_the_objectives():
    plain, grouped = run(net(), None), run(net(), Grouped())
    assert [m.loss for m in plain] == [m.loss for m in grouped]
    for one, two in zip(plain, grouped, strict=True):
        assert two.val_score >= one.val_score and two.train_score >= one.train_score
    assert [m.val_score for m in plain] != [m.val_score for m in grouped]


class Negative(CrossEntropy):
    """Scores may be below zero."""

    key = "negative"

    def score(self, outputs, y):
        return -nn.functional.cross_entropy(outputs, y, reduction="none") - 5


def test_a_negative_score_has_a_best_epoch():
    model = net()
    history = run(model, Negative())
    best = max(m.val_score for m in history)
    assert best < -5
    assert best == pytest.approx(-5 - min(m.val_loss for m in history), abs=1e-5)


def test_a_recipe_uses_it_in_all_its_phases(tmp_path, monkeypatch):
    used = []

    class Noted(Sparse):
        def attach(self, model):
            used.append(model)

    options = dataclasses.replace(OPTIONS, epochs=1, tune_epochs=1)
    train_model(net(), DATA, options, folder=tmp_path, objective=Noted())
    assert len(used) == 2
    assert issubclass(Noted, Objective)
