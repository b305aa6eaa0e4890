"""Pruning by size: the share that is asked for is zero in the integers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semifreddo.core.errors import ConfigError
from semifreddo.methods.pruning import MagnitudePruning, prune
from semifreddo.nn.config import SemifreddoConfig
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.nn.model import SemifreddoNet
from semifreddo.train.data import load_dataset
from semifreddo.train.options import TrainOptions
from semifreddo.train.recipes import train_model

torch.set_num_threads(1)

CONFIG = SemifreddoConfig(input_shape=(1, 8, 8), classes=10, widths=(4, 4), strides=(2, 1))


@given(st.integers(1, 60), st.floats(0.01, 0.99), st.integers(0, 1000))
def test_the_smallest_go(count: int, share: float, seed: int) -> None:
    before = torch.rand(count, generator=torch.Generator().manual_seed(seed)) + 0.01
    after = before.clone()
    prune(after, share)
    gone = after == 0
    assert int(gone.sum()) == int(share * count)
    assert torch.equal(after[~gone], before[~gone])
    if gone.any() and not gone.all():
        assert before[gone].max() <= before[~gone].min()


def test_a_trained_network_has_the_zeros() -> None:
    data = load_dataset("digits").development.limit(60, 30)
    options = TrainOptions(epochs=3, tune_epochs=1, batch=20, progress=False)
    torch.manual_seed(0)
    aim = MagnitudePruning(0.75)
    trained = train_model(SemifreddoNet(CONFIG), data, options, network=CONFIG, objective=aim)
    names = [name for name in quantized_tensor_names(trained.model) if name.endswith("conv.weight")]
    raws = [integer_tensor(trained.model, name).raw for name in names]
    assert len(raws) == 6
    assert all((raw == 0).sum() >= int(0.75 * raw.size) for raw in raws)
    assert all(raw.any() for raw in raws)


def test_the_share_rises_and_stays() -> None:
    aim, shares = MagnitudePruning(0.6), []
    aim.attach(SemifreddoNet(CONFIG))
    for epoch in range(9):
        aim.begin_epoch(epoch, 9)
        shares.append(aim._now)
    assert shares == sorted(shares) and 0 < shares[0] < shares[5] == shares[8] == 0.6


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_no_share(share: float) -> None:
    with pytest.raises(ConfigError, match="is not between 0 and 1"):
        MagnitudePruning(share)
