"""Binary blocks: thresholds are batch norms, bits stand for -1 and 1, integers are torch's."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from semifreddo.core.errors import ConfigError
from semifreddo.flow.training import net_of
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.binary import SignNorm, fold_sign, sign_layers, sign_scale
from semifreddo.nn.config import BackboneConfig, SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.integers import integer_tensor, raw_outputs
from semifreddo.nn.layers import Precision, QuantConvBlock
from semifreddo.nn.pin import pin_scales
from semifreddo.nn.skeleton import skeleton
from semifreddo.sim import reference
from semifreddo.train.checkpoint import TrainedModel, load_checkpoint, save_checkpoint
from semifreddo.train.data import load_dataset

torch.set_num_threads(1)

CONFIG = BackboneConfig((1, 8, 8), 4, (6, 8, 8), (1, 2, 1), block="binary")
SEEDS = st.integers(0, 2**31)


def drawn_norm(norm: SignNorm, random: torch.Generator) -> None:
    """Statistics and parameters of any sign and size; some factors are zero."""
    count = norm.num_features
    with torch.no_grad():
        norm.weight.copy_(torch.randn(count, generator=random))
        norm.weight[torch.rand(count, generator=random) < 0.2] = 0
        norm.bias.copy_(torch.randn(count, generator=random) * 3)
        norm.running_mean.copy_(torch.randn(count, generator=random) * 4)
        norm.running_var.copy_(torch.rand(count, generator=random) * 9)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([(1, 0), (4, 8), (8, 8)]))
def test_a_threshold_is_the_batch_norm_and_the_sign(seed, kind):
    """Bit by bit, of bits and of pixels, also where factors are negative or zero."""
    bits, frac = kind
    random = torch.Generator().manual_seed(seed)
    block = QuantConvBlock(3, 6, Precision(bits, 1), input_frac=frac).double().eval()
    with torch.no_grad():
        block.conv.weight.copy_(torch.randn(block.conv.weight.shape, generator=random) / 3)
        block.conv.weight[0, 0, 0, 0] = 0
    drawn_norm(block.bn, random)
    x = torch.randint(0, 1 << max(frac, 1), (4, 3, 5, 5), generator=random) / 2.0**frac
    norm = block.bn
    with torch.no_grad():
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        sums = block.conv(x.double()) - norm.running_mean.reshape(-1, 1, 1)
        y = sums * factor.reshape(-1, 1, 1) + norm.bias.reshape(-1, 1, 1)
        before = block(x.double())
        layer = block.conv
        layer.bias_quant = torch.nn.Module()  # the scale of a bias is pinned later
        layer.bias_quant.forward = lambda bias, *_: bias
        fold_sign(layer, norm)
        weight, bias = layer.quant_weight().value, layer.bias
        after = functional.conv2d(x.double(), weight, bias, padding=1) > 0.5
    assert np.array_equal(before.numpy(), (y > 0).numpy())
    assert np.array_equal(after.numpy(), before.numpy().astype(bool))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_bit_stands_for_a_sign_and_padding_for_minus_one(seed):
    """The normalised values are those of a network that multiplies -1 and 1 with -1 and 1."""
    random = torch.Generator().manual_seed(seed)
    block = QuantConvBlock(3, 4, Precision(1, 1)).double().train()
    bits = torch.randint(0, 2, (6, 3, 5, 5), generator=random).double()
    signs = functional.pad(2 * bits - 1, (1, 1, 1, 1), value=-1.0)
    with torch.no_grad():
        weight = torch.where(block.conv.weight >= 0, 1.0, -1.0).double()
        sums = functional.conv2d(signs, weight)
        centred = sums - sums.mean((0, 2, 3), keepdim=True)
        found = block.bn(block.conv(bits)) * 2 - 1
    expected = centred / sums.var((0, 2, 3), correction=0, keepdim=True).sqrt()
    assert torch.allclose(found, expected, atol=1e-3)


def test_gradients_pass_where_a_hard_tanh_passes_them():
    block = QuantConvBlock(1, 1, Precision(1, 1))
    y = torch.tensor([-1.5, -1.0, -0.2, 0.0, 0.2, 1.0, 1.5], requires_grad=True)
    bit = block.act((y + 1) / 2)
    assert bit.tolist() == [0, 0, 0, 0, 1, 1, 1]
    bit.sum().backward()
    assert y.grad.tolist() == [0, 0.5, 0.5, 0.5, 0.5, 0.5, 0]
    block.conv.quant_weight().value.sum().backward()
    assert bool((block.conv.weight.grad == 1).all())


def trained_briefly(config=CONFIG):
    torch.manual_seed(3)
    images = load_dataset("digits").limit(48, 24, 24).train.images
    model, batch = Backbone(config), torch.from_numpy(images).permute(0, 3, 1, 2) / 256
    optimizer = torch.optim.Adam(model.train().parameters(), 1e-2)
    for _ in range(10):
        optimizer.zero_grad()
        functional.cross_entropy(model(batch), torch.arange(len(batch)) % 4).backward()
        optimizer.step()
    with torch.no_grad():
        model.blocks[1].bn.weight[::2] *= -1
    return model.eval(), batch, images


def test_integers_are_the_networks(tmp_path):
    """Folding changes no bit; the integer network is the folded one; so is its checkpoint."""
    model, batch, images = trained_briefly()
    seen = []
    for block in model.blocks:
        block.act.register_forward_hook(lambda *found: seen.append(found[2].bool()))
    with torch.no_grad():
        copy.deepcopy(model).double()(batch.double())
        fold_batch_norm(model)
        pin_scales(model, batch)
        del seen[3:]
        copy.deepcopy(model).double()(batch.double())
    blocks = len(CONFIG.widths)
    assert len(seen) == 2 * blocks
    for before, after in zip(seen[:blocks], seen[blocks:], strict=True):
        assert bool((before == after).all()) and 0.02 < float(before.double().mean()) < 0.98
    trained = TrainedModel(model, CONFIG, FreezePlan(), ("a", "b", "c", "d"))
    expected = raw_outputs(model, images)
    assert len(np.unique(expected, axis=0)) > 10
    net = net_of(trained, "bits")
    assert np.array_equal(reference.run(net, images).reshape(len(images), -1), expected)
    save_checkpoint(trained, tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    assert np.array_equal(raw_outputs(loaded.model, images), expected)


def test_what_the_hardware_sees():
    model, batch, _ = trained_briefly()
    assert [name for name, _ in sign_layers(model)] == ["blocks.1.conv", "blocks.2.conv"]
    fold_batch_norm(model)
    pin_scales(model, batch)
    for name, _ in sign_layers(model):
        assert set(np.unique(integer_tensor(model, f"{name}.weight").raw)) == {-1, 1}
    assert sign_scale(model.blocks[0].conv) is None
    net = net_of(TrainedModel(model, CONFIG, FreezePlan(), tuple("abcd")), "bits")
    ends = [layer.output.type for layer in net.layers[:3]]
    assert [(kind.width, kind.signed) for kind in ends] == [(1, False)] * 3
    made = skeleton(CONFIG)
    assert [(layer.name, layer.output.type.width) for layer in made.layers[:4]] == [
        (layer.name, layer.output.type.width) for layer in net.layers[:4]
    ]
    assert [(b.name, b.bits, b.signed, b.raw.shape) for b in made.blocks] == [
        (b.name, b.bits, b.signed, b.raw.shape) for b in net.blocks
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skips": ((1, 2),)}, 'block = "binary" and skips exclude each other'),
        ({"act_bits": 4}, 'block = "binary" and act_bits exclude each other'),
        ({"project": True, "act_bits": 4}, "and act_bits exclude each other"),
        ({"layer_weight_bits": (4, 4, 4)}, "and layer_weight_bits exclude"),
        ({"layer_act_bits": (4, 4, 4)}, "and layer_act_bits exclude"),
        ({"weights": "powers_of_two"}, "and weights exclude"),
        ({"per_channel": True}, "and per_channel exclude"),
        ({"project": True}, "and project exclude"),
        ({"widths": (4,), "strides": (2,)}, "there is only one; give widths and strides"),
    ],
)
def test_what_a_binary_network_cannot_be(change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(CONFIG, **change)


def test_blends_are_not_binary():
    with pytest.raises(ConfigError, match=r'block = "binary" is for a backbone: .*train\.backbone'):
        SemifreddoConfig((1, 8, 8), 4, (4, 4), (2, 1), block="binary")
