"""Pictures as arrays: every mode is converted by a documented rule, or refused (needs Pillow).

The rules are listed in ``docs/pictures.md``. Training images and a device's images are read here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.arrays import DAMAGE
from semifreddo.core.errors import DataError
from semifreddo.core.resize import resized

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
"""Of files that are pictures, in any case."""

CHANNELS = (1, 3)
"""What a picture becomes: grey or RGB."""

_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
_MOST_PIXELS = 50_000_000
_GREY_MODES = ("1", "L", "LA", "La")
"""Besides 16-bit grey."""


def pictures_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """The pictures of a folder in the natural order of their names, and what else is in it."""
    files = sorted(folder.iterdir(), key=natural)
    pictures = [f for f in files if f.suffix.lower() in SUFFIXES and f.is_file()]
    taken = set(pictures)
    return pictures, [file for file in files if file not in taken]


def natural(file: Path) -> list[tuple[int, str]]:
    """Key that sorts names so that numbers inside them count as numbers."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part.lower())
        for part in re.split(r"(\d+)", file.name)
    ]


def need_pillow(file: Path) -> None:
    """Refuse to read a picture where Pillow is missing.

    Raises:
        DataError: It is.
    """
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise DataError(f"{file}: reading pictures needs pillow; pip install pillow") from error


def picture_shape(file: Path) -> tuple[int, int, int]:
    """What a picture is by its header: (height, width, channels), upright.

    A palette counts as colour, whatever is in it.

    Raises:
        DataError: No picture, or damaged.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as picture:
            grey = picture.mode in _GREY_MODES or picture.mode.startswith("I;16")
            height, width = _upright_size(picture)
            return height, width, 1 if grey else 3
    except Image.DecompressionBombError:
        raise DataError(f"{file}: too many pixels to open") from None
    except (UnidentifiedImageError, *DAMAGE) as error:
        raise DataError(f"{file}: not a picture, or damaged ({error})") from error


def read_picture(file: Path, shape: tuple[int, int, int], how: str = "") -> npt.NDArray[np.uint8]:
    """A picture as uint8 pixels.

    Args:
        file: The picture.
        shape: Height, width and channels (1 or 3) of the result. The size is compared with the
            header's, before anything is decompressed.
        how: Filter (:data:`semifreddo.core.resize.FILTERS`) that scales a picture of another size;
            without one such a picture is refused.

    Raises:
        DataError: No picture, damaged, of another size, or of a kind that no rule converts.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    height, width, channels = shape
    try:
        with Image.open(file) as picture:
            frames = getattr(picture, "n_frames", 1)
            if frames > 1:
                raise DataError(f"{file}: has {frames} frames; save one of them as a picture")
            _check_size(file, picture.size, (height, width), resize=bool(how))
            if picture.format == "TIFF" and picture.getexif().get(_ORIENTATION, 1) in _TURNED:
                # Pillow applies the tag of a TIFF itself, and these wrongly.
                raise DataError(f"{file}: is a TIFF on its side (orientation tag); save it upright")
            _check_depth(file, picture)
            # Only now: a PNG may hold the tag behind its pixels, so that Pillow decompresses them.
            if not how and _upright_size(picture) != (height, width):
                raise _wrong_size(file, picture.size, (height, width))
            upright = ImageOps.exif_transpose(picture)
            colour = _eight_bits(file, upright).convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(colour, np.uint8).reshape(colour.height, colour.width, channels)
            return pixels if pixels.shape == shape else resized(pixels, height, width, how)
    except Image.DecompressionBombError:
        raise DataError(
            f"{file}: too many pixels to open; the device takes {width}x{height} "
            "(width x height); save it in that size"
        ) from None
    except (UnidentifiedImageError, SyntaxError, AttributeError, ArithmeticError, *DAMAGE) as error:
        raise DataError(f"{file}: not a picture, or damaged ({error})") from error


def _upright_size(picture: Any) -> tuple[int, int]:
    """Height and width, the orientation tag applied."""
    width, height = picture.size
    turned = picture.getexif().get(_ORIENTATION, 1) in _TURNED
    return (width, height) if turned else (height, width)


def _check_size(
    file: Path, size: tuple[int, int], wanted: tuple[int, int], *, resize: bool
) -> None:
    """Refuse by the header: another size, even if turned, or too many pixels to scale down."""
    if resize and size[0] * size[1] > _MOST_PIXELS:
        raise DataError(
            f"{file}: is {size[0]}x{size[1]} pixels, of which up to {_MOST_PIXELS} are scaled down "
            f"to {wanted[1]}x{wanted[0]}"
        )
    if not resize and sorted(size) != sorted(wanted):
        raise _wrong_size(file, size, wanted)


def _wrong_size(file: Path, size: tuple[int, int], wanted: tuple[int, int]) -> DataError:
    return DataError(
        f"{file}: is {size[0]}x{size[1]} pixels (width x height), the device takes "
        f"{wanted[1]}x{wanted[0]}; resize it, or let --resize do it"
    )


_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_WHITE_IS_ZERO, _PHOTOMETRIC = 0, 262


def _check_depth(file: Path, picture: Any) -> None:
    """Refuse depths that Pillow would change without a word; called before decompression.

    Pillow cuts 16-bit colours to their high bytes, reads 12 bits as if they were 16, and does not
    turn 16-bit values round where a TIFF says that white is zero.
    """
    stored = picture.tile[0].args if picture.tile else ""
    raw = str(stored[0] if isinstance(stored, tuple) and stored else stored)
    grey = picture.mode.startswith("I;16")
    if grey and raw in _SIXTEEN_BITS:
        if getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) != _WHITE_IS_ZERO:
            return
        raise DataError(f"{file}: has 16 bits with white as zero; save it with black as zero")
    if grey or ";16" in raw or raw.endswith(";12"):
        raise DataError(
            f"{file}: is stored as {raw or picture.mode}, whose values would be rounded; save it "
            "with 8 bits, or grey with 16"
        )


def _eight_bits(file: Path, picture: Any) -> Any:
    """A picture of mode L or RGB with the same colours.

    16-bit grey values are scaled to 8 bits, to the nearest (65535 becomes 255). Palettes and 1-bit
    pictures keep their colours. An alpha channel may be there, but nothing may be transparent.
    Integers of 32 bits and floats are refused: nothing says which value is white.
    """
    from PIL import Image

    mode = picture.mode
    if mode.startswith("I;16") and "transparency" in picture.info:
        if (np.asarray(picture) == picture.info["transparency"]).any():
            raise DataError(
                f"{file}: has transparent pixels, and no rule says what is behind them; save it on "
                "a background"
            )
    elif mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        whole = picture.convert("RGBA")
        if whole.getchannel("A").getextrema() != (255, 255):
            raise DataError(
                f"{file}: has transparent pixels, and no rule says what is behind them; save it on "
                "a background"
            )
        return whole.convert("RGB") if mode not in ("LA", "La", "L", "1") else picture.convert("L")
    if mode in ("L", "RGB"):
        return picture
    if mode == "1":
        return picture.convert("L")
    if mode in ("P", "YCbCr"):
        return picture.convert("RGB")
    if mode.startswith("I;16"):
        values = np.asarray(picture).astype(np.int64)
        return Image.fromarray(((values * 255 + 0x7FFF) // 0xFFFF).astype(np.uint8))
    raise DataError(
        f"{file}: has colours of mode {mode}, which have no fixed meaning here; save it as grey "
        "or RGB"
    )
