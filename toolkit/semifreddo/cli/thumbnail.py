"""A small picture of an image in characters, for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

SHADES = " .:-=+*#%@"
"""From the least value to the largest."""


def thumbnail(image: npt.NDArray[Any], low: int, high: int, *, columns: int = 64) -> list[str]:
    """Lines of a raw image, brightness by character; two characters a pixel where there is room.

    Args:
        image: Raw integers ``(height, width, channels)``; channels are averaged.
        low: Value drawn darkest.
        high: Value drawn brightest.
        columns: Characters of a line at most; every second, third... pixel of a wider image.
    """
    import numpy as np

    step = -(-image.shape[1] // columns)
    grey = image[::step, ::step].mean(axis=2)
    place = (grey - low) / max(1, high - low) * (len(SHADES) - 1)
    repeat = 2 if 2 * grey.shape[1] <= columns else 1
    return [
        "".join(SHADES[int(level)] * repeat for level in row)
        for row in np.clip(np.rint(place), 0, len(SHADES) - 1)
    ]
