import json
import re

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.nn.config import SemifreddoConfig

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
        ({"input_shape": [1, 28, 28]}, "the last map is 14x14, whose area is not a power of two"),
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


def test_stem_padding_makes_28_a_power_of_two():
    config = SemifreddoConfig((1, 28, 28), 10, (8, 8), (2, 2), stem_padding=3)
    assert config.map_size == (8, 8)


def test_limits_hold_without_a_table_too():
    with pytest.raises(ConfigError, match=r"weight_bits = 9 is outside 2\.\.8"):
        SemifreddoConfig((1, 8, 8), 10, (8,), (1,), weight_bits=9)
