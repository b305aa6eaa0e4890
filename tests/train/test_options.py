"""Training options as data."""

from __future__ import annotations

import pytest

from semifreddo.core.errors import ConfigError
from semifreddo.train.options import TrainOptions


def test_what_is_off_decides_nothing():
    plain = TrainOptions()
    assert plain.deciding().keys() == TrainOptions(float_rate=1.0, crop=8).deciding().keys()
    assert not {"float_epochs", "float_rate", "crop", "bfloat16"} & set(plain.deciding())
    floating = TrainOptions(float_epochs=2, bfloat16=True)
    assert {"float_epochs", "float_rate", "crop", "bfloat16"} <= set(floating.deciding())


def test_options_of_the_distribution_loss():
    chosen = TrainOptions(epochs=9, loss="distribution", distribution_form="published")
    assert {"loss", "distribution_form", "distribution_off"} <= set(chosen.deciding())
    assert not {"loss", "distribution_form"} & set(TrainOptions().deciding())
    assert chosen.folded == TrainOptions(epochs=9)
    for change, message in (
        ({"distribution_weight": 1.0}, "distribution_weight is of the distribution loss; set loss"),
        ({"distribution_form": "published"}, "distribution_form is of the distribution loss"),
        (
            {"distribution_off": 9, "distribution_weight": 1.0},
            '^training: distribution_weight is of the distribution loss; set loss = "distribution"',
        ),
        ({"loss": "distribution", "epochs": 5}, "off = 5 leaves the distribution loss none of ep"),
    ):
        with pytest.raises(ConfigError, match=message):
            TrainOptions(**change)
