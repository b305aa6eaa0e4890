"""Costs of an architecture, counted by hand and from the converted network."""

from __future__ import annotations

from semifreddo.nn.config import BackboneConfig, SemifreddoConfig
from semifreddo.nn.cost import architecture_cost, net_cost
from semifreddo.nn.skeleton import skeleton

NET = BackboneConfig(
    (3, 8, 8), 4, (6, 6, 5), (1, 1, 2), skips=((0, 1),), layer_weight_bits=(8, 4, 2), act_bits=6
)


def test_a_backbone_by_hand():
    cost = architecture_cost(NET, frozen=["blocks.1"])
    macs = [64 * 27 * 6, 64 * 54 * 6, 0, 16 * 54 * 5, 0, 5 * 4]
    assert [layer.macs for layer in cost.layers] == macs
    assert cost.macs == sum(macs) and cost.frozen_macs == macs[1]
    weights = [27 * 6, 54 * 6, 54 * 5, 20]
    biases = [6, 6, 5, 4]
    assert cost.parameters == sum(weights) + sum(biases)
    assert cost.frozen_parameters == weights[1] + biases[1]
    bits = [weight * width for weight, width in zip(weights, (8, 4, 2, 4), strict=True)]
    assert cost.weight_bits == sum(bits) + 16 * sum(biases)
    assert cost.frozen_weight_bits == bits[1] + 16 * biases[1]
    activations = [layer.activation_bits for layer in cost.layers]
    assert activations[:5] == [64 * 36, 64 * 36, 64 * 36, 16 * 30, 5 * 8]
    assert cost.activation_bits == sum(activations)


def test_separable_blocks_multiply_less():
    plain = architecture_cost(NET)
    other = BackboneConfig.from_dict({**NET.to_dict(), "block": "separable"})
    separable = architecture_cost(other)
    assert [layer.macs for layer in separable.layers[1:3]] == [64 * 9 * 6, 64 * 6 * 6]
    assert separable.macs < plain.macs


def test_repeats_multiply_again_and_are_held_once():
    once, thrice = (
        SemifreddoConfig((1, 8, 8), 3, (4, 4), (2, 1), shuffle=True, repeats=count)
        for count in (1, 3)
    )
    one, three = architecture_cost(once), architecture_cost(thrice)
    assert three.parameters == one.parameters and three.weight_bits == one.weight_bits
    block = 16 * 36 * 4
    assert three.macs - one.macs == 2 * 3 * block
    assert three.frozen_macs - one.frozen_macs == 2 * block


def test_wiring_writes_nothing():
    config = SemifreddoConfig((1, 8, 8), 3, (4, 4), (2, 1), shuffle=True)
    cost = net_cost(skeleton(config))
    written = {layer.name: layer.activation_bits for layer in cost.layers}
    assert written["shuffles_0_gather"] == written["concat"] == 0
    assert written["blends_1_0_blend"] == 16 * 4 * 8
