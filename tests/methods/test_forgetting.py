"""New values of a user's own layers: with and without biases, channels along either axis."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semifreddo.ir.freeze import FreezePlan, FrozenTensor
from semifreddo.methods.forgetting import _mask, forget
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


@pytest.mark.parametrize(
    ("shape", "dim", "expected"),
    [
        ((4, 2), 0, [[True], [True], [False], [False]]),
        ((2, 4), 1, [[True, True, False, False]]),
        ((1,), 0, [True]),  # one value for all channels, of which some are frozen
        ((1, 3), 0, [[True]]),
    ],
)
def test_flags_of_frozen_channels_broadcast(shape, dim, expected) -> None:
    plan = FreezePlan((FrozenTensor("w", (True, True, False, False), ""),))
    tensor = SimpleNamespace(name="w", outputs=4, dim=dim, parameter=torch.zeros(shape))
    assert _mask(plan, tensor).tolist() == expected
