import numpy as np
import pytest

from semifreddo.core.errors import DataError
from semifreddo.core.preprocessing import IDENTITY, Preprocessing

DIGITS = Preprocessing(15, 16)


def test_source_values_become_pixels():
    assert DIGITS.apply([[0.0, 1.0, 16.0]]).tolist() == [[0, 15, 240]]
    assert DIGITS.apply(np.zeros((0, 2))).dtype == np.uint8
    for wrong in ([17], [-1], [0.5], [np.nan], [np.inf]):
        with pytest.raises(DataError, match=r"whole numbers 0\.\.16"):
            DIGITS.apply(wrong)


@pytest.mark.parametrize(("most", "refused"), [(0, False), (1, True), (16, True), (17, False)])
def test_values_that_can_only_be_meant_as_source(most, refused):
    images = np.zeros((2, 3), np.uint8)
    images[1, 1] = most
    IDENTITY.check(images)
    if refused:
        with pytest.raises(DataError, match=r"look like the source's 0\.\.16.*multiply by 15"):
            DIGITS.check(images)
    else:
        DIGITS.check(images)


def test_figures_are_the_way_it_travels():
    assert IDENTITY.to_figures() == {} and Preprocessing.from_figures({}) == IDENTITY
    figures = {key: str(value) for key, value in DIGITS.to_figures().items()}
    assert Preprocessing.from_figures(figures) == DIGITS
    for wrong in ({"pixel_top": 3}, figures | {"pixel_top": "x"}, figures | {"pixel_top": "18"}):
        with pytest.raises(DataError, match="preprocessing"):
            Preprocessing.from_figures(wrong)
