import dataclasses
import json
import re

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.nn.config import BackboneConfig, SemifreddoConfig

GOOD = {"input_shape": [1, 8, 8], "classes": 10, "widths": [8, 16, 16], "strides": [1, 2, 1]}


def test_round_trip():
    config = SemifreddoConfig.from_dict({**GOOD, "shuffle": True, "repeats": 3, "alpha": "layer"})
    assert SemifreddoConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.map_size == (4, 4)
    assert config.passes == (0, 1, 2, 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wieght_bits": 4}, "network: unknown key 'wieght_bits'; did you mean 'weight_bits'?"),
        ({"weight_bits": 9}, "network weight_bits: 9, expected 8 or less"),
        ({"classes": True}, "network classes: True is not a whole number"),
        ({"shuffle": 1}, "network shuffle: 1 is not true or false"),
        ({"block": "residual"}, "network block: 'residual' is not known"),
        ({"widths": [8, 16]}, "network: 2 widths but 3 strides; each block needs both"),
        ({"strides": [1, 2, 5]}, "network: strides (1, 2, 5) must hold numbers in 1..4"),
        ({"widths": [7, 16, 16], "shuffle": True}, "must be even up to the last block"),
        ({"repeats": 2, "strides": [1, 1, 2]}, "with repeats = 2 the last block must have stride"),
        ({"repeats": 2, "widths": [8, 8, 16]}, "with repeats = 2 the last block must have stride"),
        ({"input_shape": [1, 28, 28]}, "the last map of a 28x28 image is 14x14, whose area is not"),
        ({"input_shape": [1, 28]}, "network input_shape: (1, 28), expected 3 or more entries"),
        ({"input_shape": [1, 2, 8, 8]}, "(1, 2, 8, 8) is not (channels, height, width)"),
        ({"input_shape": [1, 2, 2], "stem_padding": 0}, "leave nothing of"),
    ],
)
def test_mistakes(change, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        SemifreddoConfig.from_dict({**GOOD, **change})


def test_missing_key():
    with pytest.raises(ConfigError, match="network: key 'classes' is missing"):
        SemifreddoConfig.from_dict({k: v for k, v in GOOD.items() if k != "classes"})


@pytest.mark.parametrize(
    ("size", "strides", "padding", "last"),
    [
        ((28, 28), (2, 2), 2, (8, 8)),
        ((28, 28), (2, 2, 2), 1, (4, 4)),
        ((32, 32), (2, 2, 1), 1, (8, 8)),
        ((10, 10), (1, 1), 0, (8, 8)),
        ((29, 61), (2, 2), 1, (8, 16)),
    ],
)
def test_padding_is_chosen_so_that_the_last_mean_is_exact(size, strides, padding, last):
    config = SemifreddoConfig((3, *size), 10, (8,) * len(strides), strides)
    assert (config.stem_padding, config.map_size) == (padding, last)
    assert SemifreddoConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("shape", "strides", "padding", "advice"),
    [
        ((1, 28, 28), (2, 2), 1, "use stem_padding = 2, or leave it out"),
        ((1, 28, 28), (1, 2, 1), None, "use strides = [1, 2, 2] with stem_padding = 2"),
        ((1, 24, 24), (1, 1), None, "use strides = [1, 3] with stem_padding = 1"),
        ((1, 100, 50), (1, 1), None, "change input_shape"),
    ],
)
def test_advice_for_a_mean_that_is_not_exact(shape, strides, padding, advice):
    with pytest.raises(ConfigError, match=f"; {re.escape(advice)}$"):
        SemifreddoConfig(shape, 10, (8,) * len(strides), strides, stem_padding=padding)
    if found := re.search(r"strides = \[(.*)\]", advice):
        better = tuple(int(stride) for stride in found[1].split(","))
        SemifreddoConfig(shape, 10, (8,) * len(strides), better)  # it is true


def test_limits_hold_without_a_table_too():
    with pytest.raises(ConfigError, match=r"weight_bits = 9 is outside 1\.\.8"):
        SemifreddoConfig((1, 8, 8), 10, (8,), (1,), weight_bits=9)


def test_one_bit_is_no_power_of_two():
    kinds = {"weights": "powers_of_two", "terms": 1}
    net = BackboneConfig((1, 8, 8), 4, (4, 4), (1, 2), layer_weight_bits=(2, 1))
    assert BackboneConfig.from_dict(net.to_dict()) == net
    with pytest.raises(ConfigError, match=r"weights = powers_of_two need at .* not 1"):
        dataclasses.replace(net, **kinds)
    with pytest.raises(ConfigError, match=r"layer_weight_bits .* must hold numbers in 1\.\.8"):
        dataclasses.replace(net, layer_weight_bits=(2, 0))
    with pytest.raises(ConfigError, match=r"layer_act_bits .* must hold numbers in 2\.\.8"):
        dataclasses.replace(net, layer_act_bits=(2, 1))
    cores = SemifreddoConfig((1, 8, 8), 4, (4, 4), (1, 2), core_weight_bits=1)
    assert cores.core_facts["core_weight_bits"] == 1
    with pytest.raises(ConfigError, match="core_weights = powers_of_two need"):
        dataclasses.replace(cores, core_weights="powers_of_two")
    dataclasses.replace(cores, trainable_weights="powers_of_two")
