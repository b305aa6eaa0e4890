"""Backbones: widths, groups and bits, and that the integer network is the torch one."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from semifreddo.core.errors import ConfigError
from semifreddo.flow.training import net_of
from semifreddo.ir.freeze import FreezePlan
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.integers import raw_outputs
from semifreddo.nn.pin import pin_scales
from semifreddo.sim import reference
from semifreddo.train.checkpoint import TrainedModel, load_checkpoint, save_checkpoint
from semifreddo.train.data import load_dataset

torch.set_num_threads(1)

PLAIN = BackboneConfig((1, 8, 8), 4, (4, 6, 6, 4), (1, 2, 1, 1))
RESIDUAL = dataclasses.replace(
    PLAIN,
    widths=(6, 6, 6, 5, 5, 6),
    strides=(1, 1, 1, 2, 1, 1),
    skips=((0, 1), (1, 2), (3, 4)),
    layer_weight_bits=(8, 4, 3, 2, 5, 4),
    layer_act_bits=(8, 6, 5, 8, 4, 7),
)
PROJECTED = dataclasses.replace(
    RESIDUAL, strides=(1, 1, 2, 2, 1, 1), skips=((0, 1), (1, 3), (3, 5)), project=True
)
KINDS = {
    "projected": PROJECTED,
    "plain": PLAIN,
    "residual": RESIDUAL,
    "separable": dataclasses.replace(RESIDUAL, block="separable"),
    "per channel": dataclasses.replace(RESIDUAL, per_channel=True),
}
IMAGES = load_dataset("digits").limit(24, 24, 24).test.images


def trained_briefly(config, seed=0):
    torch.manual_seed(seed)
    model = Backbone(config)
    batch = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 256
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), torch.arange(len(batch)) % 4).backward()
        optimizer.step()
    fold_batch_norm(model)
    pin_scales(model.eval(), batch)
    return TrainedModel(model, config, FreezePlan(), ("a", "b", "c", "d"))


@pytest.mark.parametrize("kind", KINDS)
def test_integers_are_the_networks(kind, tmp_path):
    trained = trained_briefly(KINDS[kind])
    expected = raw_outputs(trained.model, IMAGES)
    assert len(np.unique(expected, axis=0)) > 10
    net = net_of(trained, "backbone")
    assert np.array_equal(reference.run(net, IMAGES), expected)
    save_checkpoint(trained, tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    assert (loaded.kind, loaded.config) == ("backbone", KINDS[kind])
    assert np.array_equal(raw_outputs(loaded.model, IMAGES), expected)


def test_bits_of_every_block():
    net = net_of(trained_briefly(RESIDUAL), "backbone")
    weights = [block.bits for block in net.blocks if block.role == "weight"]
    assert weights == [8, 4, 3, 2, 5, 4, 4]
    layers = {layer.name: layer.output.type for layer in net.layers}
    ends = ["blocks_0_conv", "adds_1_add", "adds_2_add", "blocks_3_conv", "adds_4_add"]
    assert [(layers[name].width, layers[name].signed) for name in ends] == [
        (8, False), (6, False), (5, False), (8, False), (4, False)
    ]  # fmt: skip
    assert layers["blocks_1_conv"].signed


def test_a_skip_is_an_addition():
    """With the last convolution of a residual block at zero, what comes out is what went in."""
    config = dataclasses.replace(PLAIN, widths=(4, 4), strides=(1, 1), skips=((0, 1),))
    model = trained_briefly(config).model
    seen = {}
    model.blocks[0].register_forward_hook(lambda *a: seen.update(first=a[2]))
    model.adds["1"].register_forward_hook(lambda *a: seen.update(last=a[2]))
    with torch.no_grad():
        model.blocks[1].conv.weight.zero_()
        model.blocks[1].conv.bias.zero_()
        model(torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 256)
    step = float(model.adds["1"].out.act_quant.scale())
    top = 255 * step
    assert bool(((seen["last"] - seen["first"].clamp(max=top)).abs() <= step / 2).all())
    assert float(seen["first"].max()) > 0


def test_groups_have_one_width():
    assert PLAIN.groups == ((0,), (1,), (2,), (3,))
    assert RESIDUAL.groups == ((0, 1, 2), (3, 4), (5,))


def test_a_projection_between_shapes():
    """One for each skip between different shapes, with the strides between its ends."""
    assert RESIDUAL.projections == {} and PROJECTED.projections == {3: 4, 5: 1}
    assert PROJECTED.groups == ((0, 1), (2,), (3,), (4,), (5,))
    assert PROJECTED.scaled((2, 1, 1, 1, 3)).projections == {3: 4, 5: 1}
    model = Backbone(PROJECTED)
    shapes = {name: tuple(made.conv.weight.shape) for name, made in model.projections.items()}
    assert shapes == {"3": (5, 6, 1, 1), "5": (6, 5, 1, 1)}
    bits = [made.conv.weight_quant.bit_width() for made in model.projections.values()]
    assert bits == [2, 4]


def test_scaled_widths():
    assert PLAIN.scaled(1.5).widths == (6, 9, 9, 6)
    assert PLAIN.scaled(0.01).widths == (1, 1, 1, 1)
    assert RESIDUAL.scaled((2, 0.4, 0.5)).widths == (12, 12, 12, 2, 2, 3)
    assert RESIDUAL.scaled(1) == RESIDUAL
    Backbone(RESIDUAL.scaled(1.4))
    for wrong in (0, -1.0, float("nan"), float("inf"), (1, 2), (1, 1, 0)):
        with pytest.raises(ConfigError, match=r"width multipliers .* are not 3 numbers above zero"):
            RESIDUAL.scaled(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skips": ((0, 3),)}, r"skip \[0, 3\] adds maps of 8x8x6 and 4x4x5 \(height, width, chan"),
        ({"skips": ((3, 5),)}, r"skip \[3, 5\] adds maps of 4x4x5 and 4x4x6"),
        ({"skips": ((1, 0),)}, r"skip \[1, 0\] is not \[from, to\], two of the blocks 0\.\.5"),
        ({"skips": ((0, 6),)}, r"skip \[0, 6\] is not"),
        ({"skips": ((0, 1, 2),)}, r"skip \[0, 1, 2\] is not"),
        ({"skips": ((0, 2), (1, 2))}, r"of skips \[\[0, 2\], \[1, 2\]\] two end at the same block"),
        ({"layer_weight_bits": (4, 4)}, "layer_weight_bits has 2 entries for 6 blocks"),
        ({"layer_weight_bits": (0, 4, 4, 4, 4, 4)}, r"layer_weight_bits .* numbers in 1\.\.8"),
        ({"layer_act_bits": (9, 4, 4, 4, 4, 4)}, r"layer_act_bits .* numbers in 2\.\.8"),
    ],
)
def test_what_a_backbone_cannot_be(change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(RESIDUAL, **change)


def test_a_table_says_the_same():
    table = RESIDUAL.to_dict()
    assert table["skips"] == [[0, 1], [1, 2], [3, 4]]
    assert BackboneConfig.from_dict(copy.deepcopy(table)) == RESIDUAL
    with pytest.raises(ConfigError, match="unknown key 'skip'; did you mean 'skips'"):
        BackboneConfig.from_dict({**table, "skip": []})
