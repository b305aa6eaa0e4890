"""Images of every kind, as raw integers; ``test_accelerator.py`` has the device."""

from __future__ import annotations

import numpy as np
import pytest

from semifreddo.core.errors import DataError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Stream
from semifreddo.runtime.packing import nearest_raw, pack_images

GREY = Stream("image", (3, 4, 1), FixedType.exact(8, 8, signed=False))
COLOUR = Stream("image", (3, 4, 2), FixedType.exact(8, 5, signed=True))


def test_the_nearest_raw_integer() -> None:
    """Half to even, and the nearest that there is."""
    values = np.array([0.25, 0.75, 1.25, -0.25, -0.75, 1e9, -1e9])
    kind = FixedType.exact(4, 0, signed=True)
    assert nearest_raw(values, kind, 0.5).tolist() == [0, 2, 2, 0, -2, 7, -8]
    assert nearest_raw(values.astype(np.float32), kind, 0.25).tolist()[:2] == [1, 3]
    with pytest.raises(DataError, match=r"^images: NaN among the values$"):
        nearest_raw(np.array([0.0, np.nan]), kind, 0.5)


@pytest.mark.parametrize(
    ("stream", "shape", "layout", "hint"),
    [
        (GREY, (2, 3, 5, 1), "nhwc", ""),
        (GREY, (3, 4), "nhwc", "; one image needs a leading axis: images[None]"),
        (COLOUR, (3, 4), "nhwc", "; one image needs a leading axis: images[None]"),
        (COLOUR, (3, 4, 2), "nhwc", "; one image needs a leading axis: images[None]"),
        (COLOUR, (7, 3, 4), "nhwc", ""),
        (
            COLOUR,
            (7, 2, 3, 4),
            "nhwc",
            "; channels come last; if yours come first, give layout='nchw' (--layout nchw)",
        ),
    ],
)
def test_shapes_that_do_not_fit(
    stream: Stream, shape: tuple[int, ...], layout: str, hint: str
) -> None:
    with pytest.raises(DataError) as error:
        pack_images(np.zeros(shape, np.uint8), stream, layout)  # type: ignore[arg-type]
    height, width, channels = stream.shape
    assert str(error.value) == (
        f"images: shape {shape}, expected (n, {height}, {width}, {channels}){hint}"
    )


def test_channels_that_come_first_and_do_not_fit() -> None:
    with pytest.raises(DataError) as error:
        pack_images(np.zeros((7, 2, 5, 4), np.uint8), COLOUR, "nchw")
    assert str(error.value) == (
        "images: shape (7, 5, 4, 2), expected (n, 3, 4, 2); layout 'nchw' was given, so the shape "
        "above is the transposed one"
    )
    images = np.arange(48, dtype=np.int8).reshape(2, 2, 3, 4)
    assert np.array_equal(pack_images(images, COLOUR, "nchw"), images.transpose(0, 2, 3, 1))


def test_real_values_that_the_device_can_hold() -> None:
    """Exactly: others are refused, and so is what lies outside its range."""
    values = np.full((1, 3, 4, 2), 0.5)
    values[0, 0, 0] = (127 / 32, -4.0)
    found = pack_images(values, COLOUR, "nhwc")
    assert found[0, 0, 0].tolist() == [127, -128] and found[0, 1, 1].tolist() == [16, 16]
    values[0, 0, 0, 0] = 4.0
    with pytest.raises(DataError) as error:
        pack_images(values, COLOUR, "nhwc")
    assert str(error.value).startswith(
        "images: real values -4..4 are outside -4..3.96875, the range of the"
    )
