"""Images at half their height and width."""

from __future__ import annotations

import numpy as np

from semifreddo.studies.halving import halved
from semifreddo.train.data import load_dataset


def test_half_the_height_and_width():
    data = load_dataset("digits")
    half = halved(data)
    assert half.input_shape == (1, 4, 4) and (half.test.labels == data.test.labels).all()
    tile = data.train.images[7, 2:4, 4:6, 0].astype(int)
    assert half.train.images[7, 1, 2, 0] == np.floor(tile.mean() + 0.5)
