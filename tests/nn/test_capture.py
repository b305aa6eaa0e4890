"""What quantizers of a model give, and that the model is afterwards as it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from semifreddo.nn.backbone import Backbone
from semifreddo.nn.capture import RESULT, captured
from semifreddo.nn.config import BackboneConfig

BATCH = np.random.default_rng(0).integers(0, 256, (3, 1, 8, 8)) / 256


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("taken", [1, 2])
def test_the_model_is_left_as_it_was(training: bool, taken: int) -> None:
    """Also where nobody takes all batches."""
    torch.manual_seed(0)
    model = Backbone(BackboneConfig((1, 8, 8), 3, widths=(4,), strides=(2,))).train(training)
    before = {name: value.clone() for name, value in model.named_parameters()}
    batches = captured(model, iter([BATCH, BATCH[:2]]))
    found = list(itertools.islice(batches, taken))
    batches.close()  # type: ignore[attr-defined]
    assert [len(each[RESULT][0]) for each in found] == [3, 2][:taken]
    paths = [name.rpartition(".act_quant")[0] for name in found[0] if name]
    assert paths[:2] == ["input.quant", "blocks.0.act"]
    assert model.training == training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
