"""What turned a source's values into the pixels that a model was trained on.

The record travels with the model: checkpoint, QONNX file, task, bundle. Whoever holds values of the
source can bring them to pixels with it, and values that can only be meant as source values are
refused instead of answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError

MULTIPLY_KEY, TOP_KEY = "pixel_multiply", "pixel_top"
"""Of a model's figures, as checkpoints and QONNX files keep them."""


@dataclass(frozen=True)
class Preprocessing:
    """Pixels are source values times a whole number.

    Attributes:
        multiply: The number.
        top: The largest source value.
    """

    multiply: int = 1
    top: int = 255

    def __post_init__(self) -> None:
        if self.multiply < 1 or self.top < 1 or self.multiply * self.top > 255:
            raise DataError(
                f"preprocessing: values up to {self.top} times {self.multiply} are no pixels 0..255"
            )

    @property
    def identity(self) -> bool:
        """Whether source values are pixels already."""
        return self.multiply == 1

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

    def check(self, raw: npt.NDArray[np.integer]) -> None:
        """Refuse raw integers that can only be meant as source values.

        Of pixels, only an image that is almost black has no value above ``top``; a batch without
        any is refused, unless it is all zero.

        Raises:
            DataError: Says what to do.
        """
        if self.identity or not raw.size:
            return
        most = int(raw.max())
        if 0 < most <= self.top:
            raise DataError(
                f"images: values 0..{most} look like the source's 0..{self.top}; the task was "
                f"trained on {self.multiply} times these: multiply by {self.multiply}, or use "
                "task.preprocessing.apply(images)"
            )

    def to_figures(self) -> dict[str, int]:
        """As entries among a model's figures; none if there is nothing to say."""
        return {} if self.identity else {MULTIPLY_KEY: self.multiply, TOP_KEY: self.top}

    @classmethod
    def from_figures(cls, figures: Mapping[str, Any]) -> Preprocessing:
        """Inverse of :meth:`to_figures`; figures may be texts.

        Raises:
            DataError: They are no such numbers.
        """
        if MULTIPLY_KEY not in figures and TOP_KEY not in figures:
            return cls()
        try:
            return cls(int(figures[MULTIPLY_KEY]), int(figures[TOP_KEY]))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise DataError(
                f"preprocessing: {MULTIPLY_KEY} and {TOP_KEY} are not two whole numbers"
            ) from None


IDENTITY = Preprocessing()
"""Nothing to do: values are pixels."""
