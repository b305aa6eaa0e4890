"""Images named on the command line: arrays, pictures, folders of pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.arrays import DAMAGE, is_archive, read_array, read_arrays
from semifreddo.core.errors import DataError
from semifreddo.core.preprocessing import IDENTITY, Preprocessing
from semifreddo.core.resize import resized
from semifreddo.ir.layers import Stream

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_PICTURE_CHANNELS = (1, 3)
_MOST_BYTES = 256 << 20
"""Of an archive given to a device at once."""
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
_MOST_PIXELS = 50_000_000


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
        files = sorted(path.iterdir(), key=_natural)
        pictures = [f for f in files if f.suffix.lower() in PICTURE_SUFFIXES and f.is_file()]
        if not pictures:
            raise DataError(
                f"{path}: there are no pictures; their names end in {', '.join(PICTURE_SUFFIXES)}"
            )
        taken = set(pictures)
        skipped = tuple(file.name for file in files if file not in taken)
        return _load_pictures(pictures, stream, made, resize=resize, skipped=skipped)
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return _load_pictures([path], stream, made, resize=resize)
    array = _load_array(path)
    count = len(array) if array.ndim else 0
    return Images(array, tuple(map(str, range(count))))


def _natural(file: Path) -> list[tuple[int, str]]:
    """Numbers inside names count as numbers."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part.lower())
        for part in re.split(r"(\d+)", file.name)
    ]


def _load_array(path: Path) -> npt.NDArray[Any]:
    try:
        if not is_archive(path):
            return read_array(path, str(path), limit_bytes=_MOST_BYTES)
        found = read_arrays(path, str(path), limit_bytes=_MOST_BYTES)
    except DataError as error:
        raise DataError(
            f"{error}: not an .npy or .npz file of images, nor a picture "
            f"({', '.join(PICTURE_SUFFIXES)})"
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
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise DataError(f"{files[0]}: reading pictures needs pillow; pip install pillow") from error
    if stream.channels not in _PICTURE_CHANNELS:
        raise DataError(
            f"{files[0]}: the device takes {stream.channels} channels, not pictures; give an array"
        )
    how = (made.resize or "box") if resize else ""
    pixels = np.stack([_pixels(file, stream, how) for file in files])
    kind = stream.type
    return Images(
        made.raw(pixels, kind.width, 2.0**-kind.frac, signed=kind.signed),
        tuple(file.name for file in files),
        skipped,
        pictures=True,
    )


def _pixels(file: Path, stream: Stream, how: str) -> npt.NDArray[np.uint8]:
    """A picture as ``(height, width, channels)``; its size is known before it is decompressed.

    Another size is scaled by the filter ``how``, or refused without one.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    height, width, channels = stream.shape
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
            return pixels if pixels.shape == stream.shape else resized(pixels, height, width, how)
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
            f"{file}: is {size[0]}x{size[1]} pixels, --resize takes up to {_MOST_PIXELS}; the "
            f"device takes {wanted[1]}x{wanted[0]}"
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
