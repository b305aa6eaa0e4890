"""A lean model computes what the model computes, bit by bit: values, gradients, scales."""

from __future__ import annotations

import copy

import pytest
import torch
from brevitas.nn import QuantIdentity, QuantReLU
from hypothesis import given, settings
from hypothesis import strategies as st

import user_models
from semifreddo.nn import lean as module
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.blend import AlphaBlend
from semifreddo.nn.config import BackboneConfig, SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.lean import lean
from semifreddo.nn.model import CoreNet, SemifreddoNet
from semifreddo.nn.pin import pin_scales
from semifreddo.nn.quant import WeightScale, activation_quant, constant_quant

torch.set_num_threads(1)

CORES = {"input_shape": (1, 8, 8), "classes": 3, "widths": (4, 4), "strides": (2, 1)}
ROWS = {"input_shape": (2, 8, 8), "classes": 3, "widths": (4, 4, 6), "strides": (1, 1, 2)}
NETWORKS = {
    "core": lambda: CoreNet(SemifreddoConfig(**CORES)),
    "three cores": lambda: SemifreddoNet(SemifreddoConfig(**CORES, shuffle=True)),
    "repeats": lambda: SemifreddoNet(SemifreddoConfig(**CORES, shuffle=True, repeats=3)),
    "repeats of their own": lambda: SemifreddoNet(
        SemifreddoConfig(**CORES, repeats=2, shared_repeats=False)
    ),
    "one factor": lambda: SemifreddoNet(SemifreddoConfig(**CORES, alpha="layer")),
    "separable": lambda: SemifreddoNet(SemifreddoConfig(**CORES, block="separable")),
    "signs and channels": lambda: SemifreddoNet(
        SemifreddoConfig(**CORES, per_channel=True, core_weight_bits=1, trainable_weight_bits=2)
    ),
    "two powers": lambda: SemifreddoNet(SemifreddoConfig(**CORES, weights="powers_of_two")),
    "plain": lambda: Backbone(BackboneConfig(**ROWS, layer_act_bits=(8, 2, 5), pool_bits=16)),
    "residual": lambda: Backbone(
        BackboneConfig(**ROWS, skips=((0, 1), (1, 2)), project=True, per_channel=True)
    ),
    "learned terms": lambda: Backbone(
        BackboneConfig(**ROWS, weights="powers_of_two", terms="learned")
    ),
    "binary": lambda: Backbone(BackboneConfig(**ROWS, block="binary")),
}


def images(shape, count=12, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *shape), generator=random) / 256


def answers(model, x):
    result = model(x)
    return getattr(result, "value", result)


def train(model, batches, steps=3):
    """Answers and gradients of a few steps, of which the first ones have seen nothing yet."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = []
    for x in batches[:steps]:
        optimizer.zero_grad()
        y = answers(model.train(), x)
        (y.flatten(1) * torch.linspace(-1, 1, y[0].numel())).sum().backward()
        found += [y.detach().clone()]
        found += [p.grad.clone() for p in model.parameters() if p.grad is not None]
        optimizer.step()
        with torch.no_grad():
            found.append(answers(model.eval(), x).clone())
    return found


def same(one, other):
    return len(one) == len(other) and all(map(torch.equal, one, other))


def assert_equal_training(model, batches):
    twin = copy.deepcopy(model)
    expected = train(model, batches)
    with lean(twin):
        found = train(twin, batches)
    assert same(found, expected)
    for name, value in model.state_dict().items():
        assert torch.equal(twin.state_dict()[name], value), name


@pytest.fixture
def one_layout(monkeypatch):
    """Convolutions of the layout that the model has: sums are added in the same order."""
    monkeypatch.setattr(module, "side_by_side", lambda _: False)


@pytest.mark.usefixtures("one_layout")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_trains_alike_to_the_last_bit(name):
    torch.manual_seed(1)
    model = NETWORKS[name]()
    batches = [images(model.config.input_shape, seed=seed) for seed in range(3)]
    assert_equal_training(model, batches)
    fold_batch_norm(model.eval(), batches[0])
    pin_scales(model, batches[0])
    assert_equal_training(model, batches)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_other_layout_gives_the_same_answers_and_almost_the_same_gradients(name):
    torch.manual_seed(1)
    model = NETWORKS[name]()
    x = images(model.config.input_shape)
    for _ in range(20):
        model(x)
    fold_batch_norm(model.eval(), x)
    pin_scales(model, x)
    twin = copy.deepcopy(model)
    y, *gradients, _ = train(model, [x], 1)
    with lean(twin):
        answer, *found, _ = train(twin, [x], 1)
    assert torch.equal(answer, y) and len(found) == len(gradients)
    for one, other in zip(found, gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))


@pytest.mark.parametrize("name", user_models.MODELS)
def test_layers_of_others_stay_as_they_are(name):
    model = user_models.trained(name)
    state = torch.get_rng_state()
    batches = [images((3, 10, 10), seed=seed) for seed in range(3)]
    twin = copy.deepcopy(model)
    expected = train(model, batches)
    torch.set_rng_state(state)
    with lean(twin):
        assert same(train(twin, batches), expected)


def activations(relu, quant):
    return QuantReLU(act_quant=quant) if relu else QuantIdentity(act_quant=quant)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-1100, 1100), min_size=1, max_size=40),
    st.integers(2, 8),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 3, -2]),
)
def test_values_and_gradients_of_what_lies_half_way(halves, bits, signed, relu, frac):
    """Halves of the step are where rounding and clipping decide."""
    quant = activation_quant(bits, signed=signed)
    layer = activations(relu, quant)
    layer.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.pin(torch.tensor(frac))
    found = []
    for context in (None, lean):
        x = (torch.tensor(halves) / 2 * 2.0**-frac).requires_grad_()
        with torch.enable_grad():
            if context is None:
                y = layer(x)
            else:
                with context(layer):
                    y = layer(x)
        y.backward(torch.arange(1.0, len(x) + 1))
        found.append((y.detach(), x.grad))
    assert same(*found)


def test_a_layer_is_what_it_was_afterwards():
    model = NETWORKS["three cores"]()
    with lean(model):
        changed = [module for module in model.modules() if "forward" in vars(module)]
        assert any(isinstance(module, AlphaBlend) for module in changed)
    assert not any("forward" in vars(module) for module in model.modules())
    with pytest.raises(ZeroDivisionError), lean(model):
        raise ZeroDivisionError
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_hook_sees_what_it_watches():
    model = NETWORKS["three cores"]()
    x = images(model.config.input_shape)
    model(x)
    fold_batch_norm(model)
    pin_scales(model, x)
    seen = []
    model.cores[1][0].conv.register_forward_hook(lambda *_: seen.append("conv"))
    model.cores[2][0].act.register_forward_pre_hook(lambda *_: seen.append("act"))
    model.blends[0][0].out.register_forward_hook(lambda *_: seen.append("blend"))
    model.cores[0][0].register_forward_hook(lambda *_: seen.append("block"))
    with lean(model):
        model(x)
    assert seen == ["block", "conv", "blend", "act"]


def test_what_is_not_trained_is_quantized_once(monkeypatch):
    """And again when somebody has changed it, in whatever way."""
    model = NETWORKS["core"]().eval().requires_grad_(False)
    x = images(model.config.input_shape)
    found, counts = [], []
    follow = WeightScale.follow
    monkeypatch.setattr(WeightScale, "follow", lambda *a: counts.append(1) or follow(*a))
    weights = 3
    with lean(model):
        for change in (1, 1, -2):
            model.cores[0][0].conv.weight.data.mul_(change)
            found.append(model(x))
            found.append(model(x))
    assert len(counts) == weights + 1
    assert same(found[:1] * 3, found[1:4]) and torch.equal(found[4], found[5])
    assert torch.equal(model(x), found[5]) and not torch.equal(found[0], found[5])


def test_a_copy_of_a_lean_model_computes_its_own():
    model = NETWORKS["three cores"]().eval()
    x = images(model.config.input_shape)
    with lean(model):
        twin = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.mul_(-2)
        assert not torch.equal(twin(x), model(x))
        before = model(x)
        twin.train()(x)
        assert torch.equal(model(x), before)


def test_a_constant_scale_is_a_number():
    layer = QuantIdentity(act_quant=constant_quant(4, 3))
    with lean(layer):
        assert layer(torch.tensor([0.3, 5.0, -1.0])).tolist() == [0.25, 1.875, 0.0]
