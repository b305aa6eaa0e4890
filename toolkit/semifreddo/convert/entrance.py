"""What a file does to its input before the first integers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from semifreddo.convert.functions import Affine, Function
from semifreddo.convert.steps import Quantizer
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import FixedType
from semifreddo.core.preprocessing import Preprocessing

_BRIGHTEST = 255
_PIXEL_SLOPE = Fraction(1, 32)
"""A model that multiplies its input by less than this takes pixels 0..255, not 0..1."""

_PIXEL_REACH = 32
"""A first quantizer that reaches beyond this takes pixels 0..255, not 0..1."""


@dataclass(frozen=True)
class Entrance:
    """From the real numbers that the file reads to the integers of the input stream.

    Attributes:
        functions: What the file does to them before its first quantizer, by channel.
        quantizer: That quantizer.
    """

    functions: tuple[Function, ...]
    quantizer: Quantizer

    def is_plain(self, kind: FixedType) -> bool:
        """Whether a format says all: nothing is done before, and its scale is the quantizer's."""
        scale = self.quantizer.scale * (Fraction(2) ** kind.frac)
        return scale == 1 and not self.quantizer.zero and self.is_identity

    @property
    def is_identity(self) -> bool:
        """Whether nothing is done before the quantizer."""
        return all(
            isinstance(function, Affine)
            and set(function.slopes) == {1}
            and not any(function.offsets)
            for function in self.functions
        )

    def real(self, raw: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Numbers that the file turns into given integers ``(n, height, width, channels)``.

        Raises:
            ConversionError: A channel is constant, so no number gives another integer.
        """
        values = raw.astype(np.float64) * float(self.quantizer.scale)
        for function in reversed(self.functions):
            if isinstance(function, Affine):
                if not all(function.slopes):
                    raise ConversionError("the input of the model is multiplied by zero")
                values = (values - [float(offset) for offset in function.offsets]) / [
                    float(slope) for slope in function.slopes
                ]
        return values

    def preprocessing(self, known: Preprocessing, *, is_ours: bool) -> Preprocessing:
        """From stored pixels to the integers of the input, if the file itself says it.

        A file of another tool reads pixels / 255, or pixels where the factor in front of its first
        quantizer is so small, or this quantizer reaches so far, that it can only mean that.
        Models of ours were trained on the integers that the rule of
        :mod:`semifreddo.core.pixels` makes.

        Args:
            known: What the model's metadata say; means and deviations in them win.
            is_ours: Whether the toolkit has exported the file.
        """
        scale = self.quantizer.scale
        power = not (scale.numerator & (scale.numerator - 1)) and not (
            scale.denominator & (scale.denominator - 1)
        )
        step = 0.0 if power else float(scale)
        if known.normalises:
            return replace(known, step=step)
        if self.is_identity and not is_ours:
            return replace(self._of_numbers(known), step=step)
        if self.is_identity or len(self.functions) != 1:
            return replace(known, step=step)
        (function,) = self.functions
        if not isinstance(function, Affine) or min(function.slopes) <= 0:
            return replace(known, step=step)
        unit = _BRIGHTEST if max(function.slopes) < _PIXEL_SLOPE else 1
        slopes = [slope * unit for slope in function.slopes]
        means = [-b / a for a, b in zip(slopes, function.offsets, strict=True)]
        return replace(
            known,
            mean=tuple(map(float, means)),
            deviation=tuple(float(1 / slope) for slope in slopes),
            step=step,
        )

    def _of_numbers(self, known: Preprocessing) -> Preprocessing:
        """A quantizer in front of everything reads numbers 0..1, or pixels."""
        quantizer = self.quantizer
        if quantizer.scale * quantizer.high <= _PIXEL_REACH:
            return replace(known, mean=(0.0,), deviation=(1.0,))
        if quantizer.scale == 1 and quantizer.high >= _BRIGHTEST:
            return known  # pixels are its integers
        return replace(known, mean=(0.0,), deviation=(1 / _BRIGHTEST,))
