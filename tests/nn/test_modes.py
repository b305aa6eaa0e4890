"""Every module gets back the mode in which it was."""

import pytest
import torch
from torch import nn

from semifreddo.nn.modes import evaluating


def modes(model):
    return [module.training for module in model.modules()]


def test_modes_are_those_of_before():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3)))
    model.train()
    model[1][0].eval()
    before = modes(model)
    with evaluating(model):
        assert modes(model) == [False] * len(before)
        assert torch.equal(model[0](torch.ones(9)), torch.ones(9))
    assert modes(model) == before == [True, True, True, False, True]
    with pytest.raises(ZeroDivisionError), evaluating(model):
        raise ZeroDivisionError
    assert modes(model) == before
