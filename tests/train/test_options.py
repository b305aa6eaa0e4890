"""Training options as data."""

from __future__ import annotations

from semifreddo.train.options import TrainOptions


def test_what_is_off_decides_nothing():
    plain = TrainOptions()
    assert plain.deciding().keys() == TrainOptions(float_rate=1.0, crop=8).deciding().keys()
    assert not {"float_epochs", "float_rate", "crop", "bfloat16"} & set(plain.deciding())
    floating = TrainOptions(float_epochs=2, bfloat16=True)
    assert floating.deciding() == floating.to_dict()
