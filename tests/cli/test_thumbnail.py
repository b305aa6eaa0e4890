"""Brightness by character, as large as the terminal allows."""

from __future__ import annotations

import numpy as np
import pytest

from semifreddo.cli.thumbnail import SHADES, thumbnail


def test_from_dark_to_bright() -> None:
    ramp = np.arange(10).reshape(1, 10, 1)
    assert thumbnail(ramp, 0, 9) == ["".join(shade * 2 for shade in SHADES)]
    assert thumbnail(ramp - 5, -5, 4) == thumbnail(ramp, 0, 9)
    assert thumbnail(np.array([[[-7], [99]]]), 0, 9) == ["  @@"]


def test_colours_are_averaged() -> None:
    assert thumbnail(np.array([[[0, 0, 27], [9, 9, 9]]]), 0, 9) == ["@@@@"]
    assert thumbnail(np.zeros((2, 3, 3), int), 0, 0) == ["      "] * 2


@pytest.mark.parametrize(
    ("width", "columns", "found"), [(32, 64, 64), (33, 64, 33), (64, 64, 64), (65, 64, 33)]
)
def test_no_line_is_too_long(width: int, columns: int, found: int) -> None:
    lines = thumbnail(np.ones((width, width, 1), int), 0, 1, columns=columns)
    assert {len(line) for line in lines} == {found}
