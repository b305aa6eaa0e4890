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
        ({"weight_bits": 9}, "weight_bits = 9 is outside 2..8"),
        ({"head_weight_bits": 1}, "head_weight_bits = 1 is outside 2..8"),
        ({"classes": True}, "network: classes = True is not int"),
        ({"shuffle": 1}, "network: shuffle = 1 is not bool"),
        ({"block": "residual"}, "network: block = 'residual' is not Literal"),
        ({"widths": [8, 16]}, "2 widths but 3 strides; each block needs both"),
        ({"widths": [7, 16, 16], "shuffle": True}, "must be even up to the last block"),
        ({"repeats": 2, "strides": [1, 1, 2]}, "repeats = 2: the last block must have stride 1"),
        ({"repeats": 2, "widths": [8, 8, 16]}, "repeats = 2: the last block must have stride 1"),
        ({"input_shape": [1, 28, 28]}, "the last map is 14x14, whose area is not a power of two"),
        ({"input_shape": [1, 28]}, "network: input_shape = (1, 28) is not tuple[int, int, int]"),
    ],
)
def test_mistakes(change, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        SemifreddoConfig.from_dict({**GOOD, **change})


def test_missing_key():
    with pytest.raises(ConfigError, match="network: missing key 'classes'"):
        SemifreddoConfig.from_dict({k: v for k, v in GOOD.items() if k != "classes"})


def test_stem_padding_makes_28_a_power_of_two():
    config = SemifreddoConfig((1, 28, 28), 10, (8, 8), (2, 2), stem_padding=3)
    assert config.map_size == (8, 8)
