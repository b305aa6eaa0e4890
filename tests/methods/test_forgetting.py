"""New values of a user's own layers: with and without biases, channels along either axis."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from semifreddo.ir.freeze import FreezePlan
from semifreddo.methods.forgetting import forget
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.train.data import Split, TrainVal
from user_models import trained

torch.set_num_threads(1)

IMAGES = Split(
    np.random.default_rng(0).integers(0, 256, (40, 10, 10, 3), np.uint8), np.arange(40) % 2
)
DATA = TrainVal("colours", IMAGES, IMAGES, ("even", "odd"))


@pytest.mark.parametrize(
    "name", ["two convolutions", "transposed convolution with bias and batch norm"]
)
def test_layers_without_bias_and_with_channels_along_the_second_axis(name: str) -> None:
    """Neither is centred: there is no bias to centre it with, or no channel first."""
    model = trained(name)
    before = copy.deepcopy(model)
    forget(FreezePlan(), 0, 0.5, DATA, model)
    drawn = [each for each in quantized_tensor_names(model) if each.endswith(".weight")]
    assert len(drawn) > 1
    for each in drawn:
        old, new = (integer_tensor(own, each).raw for own in (before, model))
        assert new.shape == old.shape and not np.array_equal(new, old)
        assert 0.25 < new.std() / old.std() < 4
