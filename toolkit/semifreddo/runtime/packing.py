"""Images as users hold them, to the raw integers a device reads."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Stream

Layout = Literal["nhwc", "nchw"]
"""Order of the axes of a batch: number, height, width, channels."""


def pack_images(
    images: npt.ArrayLike, stream: Stream, layout: Layout = "nhwc"
) -> npt.NDArray[np.integer[Any]]:
    """Bring images into the form a transport takes.

    Args:
        images: ``(n, height, width, channels)``, or ``(n, height, width)`` for one channel.
            Integers are raw values (a ``uint8`` picture goes in as it is). Floats are real values
            and are taken only if each is *exactly* one of the format's values: an 8-bit network
            input means r/256, so ``picture / 255`` cannot be packed without changing it.
        stream: The device's input.
        layout: ``nchw`` takes ``(n, channels, height, width)``; it is never guessed.

    Returns:
        Raw integers ``(n, height, width, channels)``; integer input of four dimensions is not
        copied.

    Raises:
        DataError: Wrong shape, type or range; says what was seen and what to do.
    """
    try:
        array = np.asarray(images)
    except ValueError as error:
        raise DataError("images: not a rectangular array; all images need one shape") from error
    if layout not in get_args(Layout):
        raise DataError(f"images: layout {layout!r}, expected one of {', '.join(get_args(Layout))}")
    if layout == "nchw" and array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    array = _with_channels(array, stream, layout)
    if array.dtype.kind == "f":
        return _raw_of_real(array, stream)
    if array.dtype.kind not in "iu":
        raise DataError(
            f"images: type {array.dtype} cannot be packed; give raw integers (uint8, say)"
        )
    kind = np.iinfo(array.dtype)
    if stream.type.min_raw <= kind.min and kind.max <= stream.type.max_raw:
        return array
    if not stream.type.holds(array):
        raise DataError(
            f"images: values {int(array.min())}..{int(array.max())} are outside "
            f"{stream.type.min_raw}..{stream.type.max_raw}, the raw range of the device's input"
        )
    return array


def nearest_raw(
    values: npt.NDArray[np.floating[Any]], kind: FixedType, step: float
) -> npt.NDArray[np.int64]:
    """Raw integers nearest to real values, half to even, saturated: what a quantizer makes.

    Args:
        values: Real values, any shape.
        kind: Format of the device's input.
        step: Real value of a raw 1.

    Raises:
        DataError: NaN among the values.
    """
    if np.isnan(values).any():
        raise DataError("images: NaN among the values")
    whole = np.rint(values.astype(np.float64) / step)
    return whole.clip(kind.min_raw, kind.max_raw).astype(np.int64)


def _with_channels(array: npt.NDArray[Any], stream: Stream, layout: Layout) -> npt.NDArray[Any]:
    height, width, channels = stream.shape
    if channels == 1 and array.ndim == 3 and array.shape[1:] == (height, width):
        array = array[..., None]
    if array.ndim == 4 and array.shape[1:] == stream.shape:
        return array
    hint = ""
    if array.shape in (stream.shape, (height, width)):
        hint = "; one image needs a leading axis: images[None]"
    elif array.ndim == 4 and array.shape[1:] == (channels, height, width):
        hint = "; channels come last; if yours come first, give layout='nchw' (--layout nchw)"
    if layout == "nchw":
        hint += "; layout 'nchw' was given, so the shape above is the transposed one"
    raise DataError(
        f"images: shape {array.shape}, expected (n, {height}, {width}, {channels}){hint}"
    )


def _raw_of_real(array: npt.NDArray[Any], stream: Stream) -> npt.NDArray[np.int64]:
    """Raw integers of real values that are exactly representable."""
    if not np.isfinite(array).all():
        raise DataError("images: NaN or infinite values")
    scaled = np.ldexp(array.astype(np.float64), stream.type.frac)
    low, high = stream.type.min_raw, stream.type.max_raw
    if scaled.size and not low <= scaled.min() <= scaled.max() <= high:
        raise DataError(
            f"images: real values {array.min():g}..{array.max():g} are outside "
            f"{low * stream.type.scale:g}..{high * stream.type.scale:g}, the range of the "
            "device's input; give raw integers (uint8, say)"
        )
    raw = scaled.astype(np.int64)
    inexact = scaled != raw
    if inexact.any():
        value = float(array[tuple(np.argwhere(inexact)[0])])
        raise DataError(
            f"images: {value:g} is not a multiple of 2**-{stream.type.frac}, so it cannot be "
            "packed exactly; give raw integers (uint8, say)"
        )
    return raw
