"""A skeleton is the network that would be converted, in everything but values and scales."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d

from semifreddo.core.errors import ConfigError
from semifreddo.flow.training import net_of
from semifreddo.ir.freeze import FreezePlan
from semifreddo.ir.layers import Linear
from semifreddo.nn.config import BackboneConfig, NetworkConfig, SemifreddoConfig
from semifreddo.nn.cost import architecture_cost
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.pin import pin_scales
from semifreddo.nn.quant import weight_quant
from semifreddo.nn.skeleton import SKELETONS, model_bits, skeleton
from semifreddo.nn.topology import TOPOLOGIES
from semifreddo.sim import reference
from semifreddo.train.checkpoint import TrainedModel
from semifreddo.train.freeze import freeze

torch.set_num_threads(1)

SEMIFREDDO = SemifreddoConfig(
    (2, 6, 6), 5, (2, 4, 4), (1, 2, 1), core_weight_bits=6, head_weight_bits=3, stem_padding=2
)
BACKBONE = BackboneConfig(
    (1, 8, 8), 4, (6, 6, 5), (1, 1, 2), skips=((0, 1),), layer_act_bits=(8, 6, 5), weight_bits=3
)
CASES = {
    "plain cores": (SEMIFREDDO, ()),
    "shuffle": (
        dataclasses.replace(SEMIFREDDO, input_shape=(1, 8, 8), stem_padding=1, shuffle=True),
        ["cores.0", "cores.1.0"],
    ),
    "repeats": (
        SemifreddoConfig((1, 8, 8), 3, (4, 4), (2, 1), shuffle=True, repeats=3, act_bits=6),
        ["cores.0"],
    ),
    "repeats of their own": (
        SemifreddoConfig(
            (1, 8, 8), 3, (2, 4, 4), (2, 1, 1), repeats=3, shared_repeats=False, block="separable"
        ),
        ["cores.0"],
    ),
    "backbone": (BACKBONE, ()),
    "projections": (
        dataclasses.replace(BACKBONE, skips=((0, 1), (0, 2)), project=True),
        ["projections"],
    ),
    "separable backbone": (dataclasses.replace(BACKBONE, block="separable"), ["blocks.1"]),
    "one bit": (
        dataclasses.replace(
            BACKBONE, layer_weight_bits=(4, 1, 2), head_weight_bits=1, per_channel=True
        ),
        ["blocks.1"],
    ),
    "powers of two": (
        dataclasses.replace(BACKBONE, weights="powers_of_two", terms=1),
        ["blocks.0"],
    ),
    "learned terms": (
        dataclasses.replace(
            SEMIFREDDO, trainable_weights="powers_of_two", terms="learned", block="separable"
        ),
        (),
    ),
    "per channel": (dataclasses.replace(BACKBONE, per_channel=True, pool_bits=6), ["head"]),
}


def converted(config, patterns):
    kind = next(made for made in TOPOLOGIES.values() if made.config is type(config))
    torch.manual_seed(0)
    model = kind.build(config)
    batch = torch.rand(8, *config.input_shape).mul(255).round() / 256
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(batch)
    fold_batch_norm(model)
    pin_scales(model.eval(), batch)
    plan = freeze(model, patterns) if patterns else FreezePlan()
    return net_of(TrainedModel(model, config, plan, ("a", "b")), "net")


def shape_of(layer):
    facts = {field.name: getattr(layer, field.name) for field in dataclasses.fields(layer)}
    stream = facts.pop("output")
    kind = stream.type
    formats = (kind.width, kind.signed, kind.rounding, kind.overflow)
    return layer.kind, stream.name, stream.shape, facts, None if layer.kind == "Linear" else formats


def facts_of(block):
    """All of a block but its values and scales."""
    facts = {field.name: getattr(block, field.name) for field in dataclasses.fields(block)}
    return facts | {"raw": block.raw.shape, "frac": None}


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_converted_network(case):
    config, patterns = CASES[case]
    net, made = converted(config, patterns), skeleton(config, frozen=patterns)
    assert [shape_of(layer) for layer in made.layers] == [shape_of(layer) for layer in net.layers]
    assert made.repeats == net.repeats
    assert [facts_of(block) for block in made.blocks] == [facts_of(block) for block in net.blocks]


def test_a_model_file_needs_one_bit_for_what_hardware_holds_in_two():
    config, _ = CASES["one bit"]
    biases, ones = 16 * (6 + 6 + 5 + 4), 54 * 6 + 5 * 4
    assert model_bits(config) == 4 * 9 * 6 + ones + 2 * 54 * 5 + biases
    assert architecture_cost(config).weight_bits == model_bits(config) + ones
    more = dataclasses.replace(config, layer_weight_bits=(4, 2, 2), head_weight_bits=2)
    assert architecture_cost(more).weight_bits == model_bits(more)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_weights_are_spread_as_the_scale_of_least_error_spreads_them(bits):
    """What a frozen weight costs depends on how many are zero."""
    config = dataclasses.replace(BACKBONE, widths=(16, 16, 16), weight_bits=bits)
    block = skeleton(config).block["blocks.1.conv.weight"]
    layer = QuantConv2d(16, 16, 3, weight_quant=weight_quant(bits))
    zeros = []
    for exponent in torch.arange(0, 1, 0.125):
        # Scales are powers of two, so the share depends on where between two of them weights are.
        torch.manual_seed(0)
        with torch.no_grad():
            layer.weight.normal_().mul_(2**exponent)
        zeros.append(float((layer.quant_weight().value == 0).float().mean()))
    assert (block.raw == 0).mean() == pytest.approx(np.mean(zeros), abs=0.06)


def test_every_kind_of_a_design_has_a_skeleton():
    kinds = {made.config for made in TOPOLOGIES.values() if made.section is not None}
    assert kinds == set(SKELETONS)

    class Other(NetworkConfig):
        pass

    with pytest.raises(ConfigError, match="there is no skeleton of a Other; register one in"):
        skeleton(Other((1, 8, 8), 3, (4,), (1,)))


def test_what_a_kind_freezes_by_itself():
    config, _ = CASES["shuffle"]
    frozen = {block.name for block in skeleton(config).blocks if all(block.frozen)}
    assert frozen == {
        f"cores.0.{index}.conv.{kind}" for index in range(3) for kind in ("weight", "bias")
    }
    assert not any(any(block.frozen) for block in skeleton(BACKBONE).blocks)
    with pytest.raises(ConfigError, match=r"matches 'block\.1'; the nearest is 'blocks\.1'"):
        skeleton(BACKBONE, frozen=["block.1"])


def test_values_are_of_the_seed_and_alive():
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    one, same, other = skeleton(BACKBONE), skeleton(BACKBONE), skeleton(BACKBONE, seed=1)
    assert all(np.array_equal(a.raw, b.raw) for a, b in zip(one.blocks, same.blocks, strict=True))
    assert not np.array_equal(one.blocks[0].raw, other.blocks[0].raw)
    answers = reference.run(one, images)
    assert len(np.unique(answers, axis=0)) > 10
    assert isinstance(one.layers[-1], Linear)
