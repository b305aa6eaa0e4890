"""Stored pixels to the raw integers of a network's input: the one rule that everything uses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError

PIXEL_BITS = 8


def reads_pixels(width: int, *, signed: bool) -> bool:
    """Whether the raw integers of an input of this format are the stored pixels themselves."""
    return width >= PIXEL_BITS + int(signed)


def raw_pixels(
    pixels: npt.NDArray[np.integer], width: int, *, signed: bool
) -> npt.NDArray[np.integer]:
    """What a network's input reads of stored pixels, exactly.

    - An input that holds 0..255 (unsigned from 8 bits, signed from 9 bits) reads the pixel itself.
    - A narrower unsigned input reads the pixel's highest ``width`` bits.
    - A signed input of up to 8 bits reads the highest ``width`` bits of ``pixel - 128``, so that
      middle grey is zero.

    The scale of the input plays no part: it is what the raw integer means to the network.

    Args:
        pixels: uint8, any shape.
        width: Bits of the input's format.
        signed: Whether the format is two's complement.

    Returns:
        Raw integers of the same shape; the same array where the rule changes nothing.

    Raises:
        DataError: The pixels are no uint8.
    """
    if pixels.dtype != np.uint8:
        raise DataError(f"pixels are {pixels.dtype} of shape {pixels.shape}, expected uint8")
    if signed and width <= PIXEL_BITS:
        centred = pixels.astype(np.int16) - (1 << (PIXEL_BITS - 1))
        return (centred >> (PIXEL_BITS - width)).astype(np.int8)
    if width < PIXEL_BITS:
        return pixels >> np.uint8(PIXEL_BITS - width)
    return pixels
