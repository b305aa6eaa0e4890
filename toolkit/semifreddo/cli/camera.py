"""Pictures of a camera, through OpenCV if it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError
from semifreddo.core.preprocessing import IDENTITY, Preprocessing
from semifreddo.core.resize import resized
from semifreddo.ir.layers import Stream


def frames(
    index: int, stream: Stream, most: int | None, made: Preprocessing = IDENTITY
) -> Iterator[npt.NDArray[np.integer]]:
    """What a device reads of pictures, grey or RGB, as ``(height, width, channels)``.

    Args:
        index: Number of the camera.
        stream: The device's input.
        most: Pictures to take; None goes on until the camera ends.
        made: Of the task's training images.

    Raises:
        DataError: OpenCV is missing, the camera does not open, or the device takes other things
            than pictures.
    """
    try:
        import cv2
    except ImportError as error:
        raise DataError(
            f"camera {index}: needs OpenCV ({error}); pip install opencv-python-headless"
        ) from error
    (height, width, channels), kind = stream.shape, stream.type
    if channels not in (1, 3):
        raise DataError(f"camera {index}: the device takes {channels} channels, not pictures")
    camera: Any = cv2.VideoCapture(index)
    try:
        if not camera.isOpened():
            raise DataError(f"camera {index}: does not open; is it plugged in, is it in use?")
        taken = 0
        while most is None or taken < most:
            found, picture = camera.read()
            if not found:
                return
            taken += 1
            code = cv2.COLOR_BGR2GRAY if channels == 1 else cv2.COLOR_BGR2RGB
            whole = np.asarray(cv2.cvtColor(picture, code), np.uint8)
            whole = whole.reshape(*whole.shape[:2], channels)
            pixels = resized(whole, height, width, made.resize or "box")
            yield made.raw(pixels, kind.width, 2.0**-kind.frac, signed=kind.signed)
    finally:
        camera.release()
