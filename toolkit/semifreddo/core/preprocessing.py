"""What turned a source's values into what a model was trained on.

The record travels with the model: checkpoint, QONNX file, task, bundle. It turns values of the
source into pixels, and pixels into the raw integers of the network's input. Values that cannot come
from that source are refused instead of answered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError
from semifreddo.core.pixels import raw_pixels
from semifreddo.core.resize import FILTERS

MULTIPLY_KEY, TOP_KEY = "pixel_multiply", "pixel_top"
RESIZE_KEY, MEAN_KEY, DEVIATION_KEY = "pixel_resize", "pixel_mean", "pixel_deviation"
STEP_KEY = "pixel_step"
"""Of a model's figures, as checkpoints and QONNX files keep them."""

_MOST_CHANNELS = 64
_BRIGHTEST = 255


@dataclass(frozen=True)
class Preprocessing:
    """From source values to pixels, and from pixels to real values.

    Attributes:
        multiply: Pixels are source values times this whole number.
        top: The largest source value.
        resize: Filter that brought pictures to the training images' size, one of
            :data:`semifreddo.core.resize.FILTERS`; empty if they had it.
        mean: Of each channel, or one for all: the model sees ``(pixel / 255 - mean) / deviation``.
            Empty if it sees pixels as its input quantizer takes them.
        deviation: As ``mean``.
        step: Real value of a raw 1 of the model's input, if that is no power of two; 0 if the
            input's format says it.
    """

    multiply: int = 1
    top: int = _BRIGHTEST
    resize: str = ""
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    step: float = 0.0

    def __post_init__(self) -> None:
        if self.multiply < 1 or self.top < 1 or self.multiply * self.top > _BRIGHTEST:
            raise DataError(
                f"preprocessing: values up to {self.top} times {self.multiply} are no pixels 0..255"
            )
        if self.resize and self.resize not in FILTERS:
            raise DataError(
                f"preprocessing: resize {self.resize!r} is not known; known: {', '.join(FILTERS)}"
            )
        if len(self.mean) != len(self.deviation) or len(self.mean) > _MOST_CHANNELS:
            raise DataError(
                f"preprocessing: {len(self.mean)} means and {len(self.deviation)} deviations; give "
                "one of each, or one of each per channel"
            )
        if not all(map(math.isfinite, (*self.mean, *self.deviation))) or not all(
            deviation > 0 for deviation in self.deviation
        ):
            raise DataError("preprocessing: means must be finite, and deviations above zero")
        if not math.isfinite(self.step) or self.step < 0:
            raise DataError("preprocessing: the step must be finite, and not below zero")

    @property
    def identity(self) -> bool:
        """Whether source values are pixels already."""
        return self.multiply == 1

    @property
    def normalises(self) -> bool:
        """Whether pixels are shifted and scaled before the input quantizer."""
        return bool(self.mean)

    def apply(self, values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Pixels of source values.

        Raises:
            DataError: A value is no whole number of 0..top.
        """
        array = np.asarray(values)
        if array.size and (
            not np.isfinite(array).all()
            or array.min() < 0
            or array.max() > self.top
            or (array != np.floor(array)).any()
        ):
            raise DataError(
                f"values {array.min():g}..{array.max():g} are not the whole numbers 0..{self.top} "
                "of the images that the model was trained on"
            )
        return (array * self.multiply).astype(np.uint8)

    def raw(
        self, pixels: npt.NDArray[np.integer], width: int, scale: float, *, signed: bool
    ) -> npt.NDArray[np.integer]:
        """What a network's input reads of stored pixels, exactly.

        Without mean and deviation that is the rule of :mod:`semifreddo.core.pixels`. With them it
        is the raw integer nearest to the real value, half to even, saturated to the format;
        computed in fractions, so every machine gives the same.

        Args:
            pixels: uint8 ``(..., channels)``.
            width: Bits of the input's format.
            scale: What a raw 1 means by the format; ``step`` wins.
            signed: Whether the format is two's complement.

        Raises:
            DataError: The pixels are no uint8, or have another number of channels.
        """
        if not self.normalises:
            return raw_pixels(pixels, width, signed=signed)
        if pixels.dtype != np.uint8:
            raise DataError(f"pixels are {pixels.dtype} of shape {pixels.shape}, expected uint8")
        table = self._table(pixels.shape[-1], width, scale, signed=signed)
        result = np.empty(pixels.shape, np.int32)
        for channel in range(pixels.shape[-1]):
            result[..., channel] = table[channel][pixels[..., channel]]
        return result

    def _table(
        self, channels: int, width: int, scale: float, *, signed: bool
    ) -> npt.NDArray[np.int32]:
        """Raw integers of the pixels 0..255, ``(channels, 256)``."""
        if len(self.mean) not in (1, channels):
            raise DataError(
                f"the model was trained with a mean of {len(self.mean)} channels, the images have "
                f"{channels}"
            )
        scale = self.step or scale
        repeat = channels if len(self.mean) == 1 else 1
        means, deviations = self.mean * repeat, self.deviation * repeat
        return np.array(
            [
                _raw_of_pixels(mean, deviation, width, scale, signed)
                for mean, deviation in zip(means, deviations, strict=True)
            ],
            np.int32,
        )

    def check(
        self, raw: npt.NDArray[np.integer], width: int, scale: float, *, signed: bool
    ) -> None:
        """Refuse raw integers that can only be meant as source values or as pixels.

        Of pixels, only an image that is almost black has no value above ``top``; a batch without
        any is refused, unless it is all zero. With mean and deviation, uint8 images are refused
        that hold a value which no pixel gives.

        Args:
            raw: ``(n, height, width, channels)``.
            width: Bits of the input's format.
            scale: What a raw 1 means.
            signed: Whether the format is two's complement.

        Raises:
            DataError: Says what to do.
        """
        if not raw.size:
            return
        if self.normalises:
            if raw.dtype == np.uint8:
                self._check_normalised(raw, width, scale, signed=signed)
            return
        if self.identity:
            return
        most = int(raw.max())
        if 0 < most <= self.top:
            raise DataError(
                f"images: values 0..{most} look like the source's 0..{self.top}; the task was "
                f"trained on {self.multiply} times these: multiply by {self.multiply}, or use "
                "task.preprocessing.apply(images)"
            )

    def _check_normalised(
        self, raw: npt.NDArray[np.integer], width: int, scale: float, *, signed: bool
    ) -> None:
        table = self._table(raw.shape[-1], width, scale, signed=signed)
        for channel, known in enumerate(table):
            if not np.isin(raw[..., channel], known).all():
                raise DataError(
                    "images: look like stored pixels; the task was trained on (pixel / 255 - mean) "
                    "/ deviation: pass accelerator.raw_of(images)"
                )

    def to_figures(self) -> dict[str, int | str]:
        """As entries among a model's figures; none if there is nothing to say."""
        figures: dict[str, int | str] = {}
        if not self.identity:
            figures |= {MULTIPLY_KEY: self.multiply, TOP_KEY: self.top}
        if self.resize:
            figures[RESIZE_KEY] = self.resize
        if self.normalises:
            figures[MEAN_KEY] = ", ".join(map(repr, self.mean))
            figures[DEVIATION_KEY] = ", ".join(map(repr, self.deviation))
        if self.step:
            figures[STEP_KEY] = repr(self.step)
        return figures

    @classmethod
    def from_figures(cls, figures: Mapping[str, Any]) -> Preprocessing:
        """Inverse of :meth:`to_figures`; figures may be texts.

        Raises:
            DataError: They are no such values.
        """
        multiply, top = 1, _BRIGHTEST
        if MULTIPLY_KEY in figures or TOP_KEY in figures:
            try:
                multiply, top = int(figures[MULTIPLY_KEY]), int(figures[TOP_KEY])
            except (KeyError, TypeError, ValueError, OverflowError):
                raise DataError(
                    f"preprocessing: {MULTIPLY_KEY} and {TOP_KEY} are not two whole numbers"
                ) from None
        resize = figures.get(RESIZE_KEY, "")
        if not isinstance(resize, str):
            raise DataError(f"preprocessing: {RESIZE_KEY} is no text")
        mean, deviation = (_numbers(figures, key) for key in (MEAN_KEY, DEVIATION_KEY))
        step = _numbers(figures, STEP_KEY) or (0.0,)
        if len(step) != 1:
            raise DataError(f"preprocessing: {STEP_KEY} is not one number")
        return cls(multiply, top, resize, mean, deviation, step[0])


def _numbers(figures: Mapping[str, Any], key: str) -> tuple[float, ...]:
    text = figures.get(key)
    if text is None:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except (AttributeError, ValueError):
        raise DataError(f"preprocessing: {key} is no list of numbers") from None


@cache
def _raw_of_pixels(
    mean: float, deviation: float, width: int, scale: float, signed: bool
) -> Sequence[int]:
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    shift, step = Fraction(mean), Fraction(deviation) * Fraction(scale)
    return [
        min(max(round((Fraction(pixel, _BRIGHTEST) - shift) / step), low), high)
        for pixel in range(_BRIGHTEST + 1)
    ]


IDENTITY = Preprocessing()
"""Nothing to do: values are pixels."""
