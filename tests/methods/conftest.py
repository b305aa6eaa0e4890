"""A small trained network with a frozen core, as a device is built of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def digits() -> Any:
    """A few digits, for training and validation."""
    pytest.importorskip("torch", reason="needs torch (extra train)")
    from semifreddo.train.data import load_dataset

    return load_dataset("digits").development.limit(160, 60)


@pytest.fixture(scope="session")
def device(digits: Any) -> Iterator[Any]:
    """Trained on the digits 0 to 4; its last block runs twice."""
    import torch

    from semifreddo.nn.config import SemifreddoConfig
    from semifreddo.train.options import TrainOptions
    from semifreddo.train.recipes import train_core, train_task

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    config = SemifreddoConfig(
        input_shape=(1, 8, 8), classes=5, widths=(4, 4), strides=(2, 1), shuffle=True, repeats=2
    )
    options = TrainOptions(epochs=2, tune_epochs=1, batch=32, progress=False)
    first = digits.subset([0, 1, 2, 3, 4])
    yield train_task(config, train_core(config, first, options), first, options)
    torch.set_num_threads(threads)
