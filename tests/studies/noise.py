"""Images of noise, so that what runs of a study is seen and nothing else."""

from __future__ import annotations

import numpy as np

from semifreddo.studies.study import Material
from semifreddo.train.data import Dataset, Split, TrainVal


def noise(side: int) -> Material[TrainVal, Dataset]:
    """Some square grey images of ten classes for each split."""

    def split(count: int) -> Split:
        random = np.random.default_rng(count)
        images = random.integers(0, 256, (count, side, side, 1), dtype=np.uint8)
        return Split(images, np.arange(count) % 10)

    train, val, test = (split(count) for count in (40, 20, 30))
    data = Dataset("noise", train, val, tuple("0123456789"), test)
    return Material(data.development, data)
