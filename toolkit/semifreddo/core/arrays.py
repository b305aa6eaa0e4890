"""Arrays from outside: ``.npz`` archives and ``.npy`` files, never pickles.

What a file declares is checked before anything is decompressed: the size of every member, and that
its header's shape and type are exactly what the member holds.
"""

from __future__ import annotations

import ast
import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it reads no such archive either

    class LZMAError(Exception):  # type: ignore[no-redef]
        """Never raised."""


LIMIT_BYTES = 4 << 30
"""Of all arrays of an archive: the largest image sets have half of it."""

_MOST_RATIO = 1 << 12
_SMALL_BYTES = 16 << 20
"""A member that is larger and was compressed better than this ratio is no set of images."""

_NPY = ".npy"
_HEADER_BYTES = 1 << 12

DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    LZMAError,
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    OSError,
    EOFError,
    RuntimeError,
    MemoryError,
)
"""All that the standard library and NumPy raise on damaged archives, headers and JSON."""

Array = npt.NDArray[Any]


def read_arrays(
    source: Path | bytes,
    where: str,
    *,
    what: str = "an archive of plain arrays",
    wanted: Callable[[str], bool] = lambda _: True,
    limit_bytes: int = LIMIT_BYTES,
) -> dict[str, Array]:
    """The arrays of an ``.npz`` archive.

    Args:
        source: A file, or its content.
        where: Named in errors, usually the file.
        what: What it should be, for errors.
        wanted: Which arrays, by name; the others are not decompressed.
        limit_bytes: Most bytes of all wanted arrays together.

    Raises:
        DataError: Missing, damaged, too large, or not plain arrays.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            found = {
                info.filename.removesuffix(_NPY): info
                for info in file.infolist()
                if wanted(info.filename.removesuffix(_NPY))
            }
            _check_sizes(found.values(), limit_bytes)
            return {name: _member(file, info) for name, info in found.items()}
    except FileNotFoundError:
        raise DataError(f"{where}: no such file") from None
    except DAMAGE as error:
        raise DataError(f"{where}: not {what} ({_reason(error)})") from None


def read_array(source: Path, where: str, *, limit_bytes: int = LIMIT_BYTES) -> Array:
    """The array of an ``.npy`` file.

    Raises:
        DataError: Missing, damaged, too large, or no plain array.
    """
    try:
        size = source.stat().st_size
        if size > limit_bytes:
            raise ValueError(f"{size} bytes")
        with source.open("rb") as handle:
            return _array(handle, size)
    except FileNotFoundError:
        raise DataError(f"{where}: no such file") from None
    except DAMAGE as error:
        raise DataError(f"{where}: not a plain array ({_reason(error)})") from None


def is_archive(path: Path) -> bool:
    """Whether a file begins like a zip archive."""
    try:
        with path.open("rb") as handle:
            return handle.read(2) == b"PK"
    except OSError:
        return False


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return text or type(error).__name__


def _check_sizes(members: Any, limit_bytes: int) -> None:
    total = 0
    for info in members:
        if info.flag_bits & 1:
            raise ValueError(f"{info.filename} is encrypted")
        total += info.file_size
        if total > limit_bytes:
            raise ValueError(f"declares {total} bytes, the limit is {limit_bytes}")
        if info.file_size > max(_SMALL_BYTES, _MOST_RATIO * info.compress_size):
            raise ValueError(
                f"{info.filename} declares {info.file_size} bytes in {info.compress_size}"
            )


def _member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    if not info.filename.endswith(_NPY):
        raise ValueError(f"{info.filename!r} is no array")
    with file.open(info) as handle:
        return _array(handle, info.file_size)


def _array(handle: IO[bytes], size: int) -> Array:
    """An array whose header tells the truth about the ``size`` bytes that it begins."""
    kind, shape, fortran, start = _header(handle)
    body = math.prod(shape) * kind.itemsize
    if start + body != size:
        raise ValueError(f"the header declares {body} bytes, {size - start} are there")
    data = bytearray(handle.read(body))
    if len(data) != body or handle.read(1):
        raise ValueError(f"{len(data)} bytes instead of {body}")
    array = np.frombuffer(data, kind)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _header(handle: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """Type, shape and order of an array, and the bytes before it (NumPy's format 1.0 to 3.0)."""
    magic = handle.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
        raise ValueError("no array")
    form = "<H" if magic[6] == 1 else "<I"
    width = struct.calcsize(form)
    (length,) = struct.unpack(form, handle.read(width))
    if length > _HEADER_BYTES:
        raise ValueError(f"a header of {length} bytes")
    fields = ast.literal_eval(handle.read(length).decode("utf-8" if magic[6] == 3 else "latin-1"))
    shape, text = fields["shape"], fields["descr"]
    if not isinstance(text, str) or not isinstance(shape, tuple):
        raise ValueError("no plain array")
    if not all(type(side) is int and 0 <= side <= LIMIT_BYTES for side in shape):
        raise ValueError(f"shape {shape}")
    kind = np.dtype(text)
    if kind.kind not in "biufU" or not kind.itemsize:
        raise ValueError(f"values of type {text!r}, expected plain numbers")
    return kind, shape, bool(fields["fortran_order"]), 8 + width + length
