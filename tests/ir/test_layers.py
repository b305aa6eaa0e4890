"""Values that a task may load, drawn."""

from __future__ import annotations

import numpy as np
import pytest

from semifreddo.ir.layers import WeightBlock


@pytest.mark.parametrize(
    ("kinds", "values"),
    [
        ({"bits": 3, "signed": True}, range(-4, 4)),
        ({"bits": 2, "signed": False}, range(4)),
        ({"bits": 2, "signed": True, "signs": True}, (-1, 1)),
        ({"bits": 4, "signed": True, "terms": 1}, (-4, -2, -1, 0, 1, 2, 4)),
    ],
)
def test_every_allowed_value_is_drawn_and_no_other(kinds, values) -> None:
    raw = np.ones((1, 1, 1, 2), np.int64)
    block = WeightBlock("w", "weight", raw, frac=(0, 0), frozen=(False, False), **kinds)
    drawn = block.drawn(np.random.default_rng(0), (500,))
    assert drawn.shape == (500,)
    assert set(drawn.tolist()) == set(values)
    assert (block.min_value, block.max_value) == (min(values), max(values))
