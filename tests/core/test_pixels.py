import numpy as np
import pytest

from semifreddo.core.errors import DataError
from semifreddo.core.fixed import FixedType
from semifreddo.core.pixels import raw_pixels

EVERY = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize(
    ("width", "signed", "expected"),
    [
        (8, False, EVERY),
        (12, False, EVERY),
        (9, True, EVERY),
        (4, False, EVERY // 16),
        (1, False, EVERY // 128),
        (8, True, EVERY.astype(int) - 128),
        (4, True, (EVERY.astype(int) - 128) // 16),
        (2, True, (EVERY.astype(int) - 128) // 64),
    ],
)
def test_every_pixel(width, signed, expected):
    found = raw_pixels(EVERY, width, signed=signed)
    assert np.array_equal(found, expected)
    assert FixedType.exact(width, 3, signed=signed).holds(found)
    used = len(np.unique(found))
    assert used == min(256, 1 << width) if width <= 8 else used == 256


def test_pixels_are_uint8():
    with pytest.raises(DataError, match="pixels are int64 of shape"):
        raw_pixels(np.arange(4), 8, signed=False)
