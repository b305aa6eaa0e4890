from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from semifreddo.core.resize import FILTERS, resized

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("how", FILTERS)
def test_the_same_size_stays_and_one_colour_stays(how: str) -> None:
    pixels = RANDOM.integers(0, 256, (7, 5, 3), dtype=np.uint8)
    assert np.array_equal(resized(pixels, 7, 5, how), pixels)
    for size in ((3, 11), (13, 2), (1, 1)):
        for value in (0, 1, 200, 255):
            flat = np.full((7, 5, 3), value, np.uint8)
            assert (resized(flat, *size, how) == value).all()


def test_a_box_is_the_mean_rounded_once() -> None:
    pixels = RANDOM.integers(0, 256, (12, 18, 1), dtype=np.uint8)
    found = resized(pixels, 4, 6, "box")
    for row in range(4):
        for column in range(6):
            part = pixels[3 * row : 3 * row + 3, 3 * column : 3 * column + 3].astype(int)
            # Whole weights may round a tie's neighbour; nine values have no tie.
            assert found[row, column, 0] == round(Fraction(int(part.sum()), 9))


def test_bilinear_is_what_pillow_and_torch_do_but_for_their_rounding() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = RANDOM.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    for size in ((32, 32), (8, 60), (40, 20)):
        theirs = np.asarray(image.fromarray(pixels).resize(size[::-1], image.Resampling.BILINEAR))
        assert np.abs(resized(pixels, *size, "bilinear").astype(int) - theirs).max() <= 1


def test_smaller_pictures_are_antialiased() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (16, 8))[..., None]
    for how in FILTERS:
        inner = resized(stripes, 4, 4, how)[:, 1:3]
        assert np.abs(inner.astype(int) - 128).max() <= 1
