"""Images named on the command line."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError
from semifreddo.ir.layers import Stream


def load_images(path: Path, stream: Stream) -> npt.NDArray[Any]:
    """Read images.

    Args:
        path: An ``.npy`` array, an ``.npz`` file whose array is named ``images`` (or is the only
            one), or a folder of ``.png`` files, taken in the order of their names.
        stream: The device's input, which says whether pictures are grey or coloured.

    Raises:
        DataError: There is nothing to read, or it is not images.
    """
    if path.is_dir():
        return _load_folder(path, stream)
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    try:
        with path.open("rb") as handle:
            found = np.load(handle, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            name = "images" if "images" in found.files else found.files[0]
            if name != "images" and len(found.files) > 1:
                raise DataError(f"{path}: has arrays {found.files}, none is named 'images'")
            array: npt.NDArray[Any] = found[name]
            return array
    except (ValueError, OSError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not an .npy or .npz file of images ({error})") from error


def _load_folder(folder: Path, stream: Stream) -> npt.NDArray[Any]:
    files = sorted(folder.glob("*.png"))
    if not files:
        raise DataError(f"{folder}: there are no .png files")
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise DataError(f"{folder}: reading pictures needs pillow; pip install pillow") from error
    height, width, channels = stream.shape
    pictures = []
    for file in files:
        try:
            with Image.open(file) as picture:
                pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
        except (UnidentifiedImageError, OSError, ValueError) as error:
            raise DataError(f"{file}: not a picture ({error})") from error
        if pixels.shape[:2] != (height, width):
            raise DataError(
                f"{file}: is {pixels.shape[0]}x{pixels.shape[1]} pixels, the device takes "
                f"{height}x{width}; resize it"
            )
        pictures.append(pixels)
    return np.stack(pictures)
