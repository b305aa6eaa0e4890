"""Images named on the command line: arrays, pictures, folders of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.arrays import is_archive, read_array, read_arrays
from semifreddo.core.errors import DataError
from semifreddo.core.pictures import CHANNELS, SUFFIXES, need_pillow, pictures_of, read_picture
from semifreddo.core.preprocessing import IDENTITY, Preprocessing
from semifreddo.ir.layers import Stream

_MOST_BYTES = 256 << 20
"""Of an archive given to a device at once."""


@dataclass(frozen=True, eq=False)
class Images:
    """What was read.

    Attributes:
        raw: Raw integers for the device, ``(n, height, width, channels)`` or as the array was.
        names: What to call each image: its file, or its number in an array.
        skipped: What else is in a folder: other files, and folders, which are not entered.
        pictures: Whether they were pictures, whose channels come last.
    """

    raw: npt.NDArray[Any]
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    pictures: bool = False


def load_images(
    path: Path, stream: Stream, made: Preprocessing = IDENTITY, *, resize: bool = False
) -> Images:
    """Read images.

    Args:
        path: An ``.npy`` array of raw integers, an ``.npz`` file whose array is named ``images``
            (or is the only one), a picture, or a folder of pictures in the natural order of their
            names (``2.png`` before ``10.png``).
        stream: The device's input, which says how large pictures are, and grey or coloured.
        made: Of the task's training images: how pictures are scaled, and what mean and deviation
            they have. With those, an array of uint8 is taken as pixels.
        resize: Whether pictures of another size are scaled instead of refused.

    Raises:
        DataError: There is nothing to read, or it cannot be meant.
    """
    if path.is_dir():
        pictures, others = pictures_of(path)
        if not pictures:
            raise DataError(
                f"{path}: there are no pictures; their names end in {', '.join(SUFFIXES)}"
            )
        skipped = tuple(file.name for file in others)
        return _load_pictures(pictures, stream, made, resize=resize, skipped=skipped)
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix.lower() in SUFFIXES:
        return _load_pictures([path], stream, made, resize=resize)
    array = _load_array(path)
    count = len(array) if array.ndim else 0
    return Images(array, tuple(map(str, range(count))))


def _load_array(path: Path) -> npt.NDArray[Any]:
    try:
        if not is_archive(path):
            return read_array(path, str(path), limit_bytes=_MOST_BYTES)
        found = read_arrays(path, str(path), limit_bytes=_MOST_BYTES)
    except DataError as error:
        raise DataError(
            f"{error}: not an .npy or .npz file of images, nor a picture ({', '.join(SUFFIXES)})"
        ) from None
    if not found:
        raise DataError(f"{path}: not an .npy or .npz file of images: holds no array")
    if "images" not in found and len(found) != 1:
        raise DataError(f"{path}: has arrays {list(found)}, none is named 'images'")
    return found.get("images", next(iter(found.values())))


def _load_pictures(
    files: list[Path],
    stream: Stream,
    made: Preprocessing,
    *,
    resize: bool,
    skipped: tuple[str, ...] = (),
) -> Images:
    need_pillow(files[0])
    if stream.channels not in CHANNELS:
        raise DataError(
            f"{files[0]}: the device takes {stream.channels} channels, not pictures; give an array"
        )
    how = (made.resize or "box") if resize else ""
    pixels = np.stack([read_picture(file, stream.shape, how) for file in files])
    kind = stream.type
    return Images(
        made.raw(pixels, kind.width, 2.0**-kind.frac, signed=kind.signed),
        tuple(file.name for file in files),
        skipped,
        pictures=True,
    )
