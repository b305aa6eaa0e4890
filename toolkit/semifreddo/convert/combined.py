"""Real functions that are no inverse of a boundary: transcendental ones, products and sums.

They rise and fall as they like, so the quantizer behind them is no scaler but a curve
(:mod:`semifreddo.convert.curves`). ``x * sigmoid(x)`` is a product of two chains of functions of
one integer, whatever operators a file writes it with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Self

import mpmath

from semifreddo.convert.functions import IRRATIONAL_BITS, Function, value_of


class _Everywhere:
    """The same function in all channels, which rises."""

    def direction(self, channel: int) -> int:
        del channel
        return 1


def _fraction(value: Any) -> Fraction:
    return Fraction(*mpmath.libmp.to_rational(value._mpf_))


def _real(value: Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


@dataclass(frozen=True)
class Erf(_Everywhere):
    """The error function."""

    def value(self, channel: int, argument: Fraction) -> Fraction:
        del channel
        with mpmath.workprec(IRRATIONAL_BITS):
            return _fraction(mpmath.erf(_real(argument)))

    def select(self, channels: Sequence[int]) -> Erf:
        del channels
        return self


@dataclass(frozen=True)
class Softplus(_Everywhere):
    """``log(1 + exp(x))``."""

    def value(self, channel: int, argument: Fraction) -> Fraction:
        del channel
        with mpmath.workprec(IRRATIONAL_BITS):
            return _fraction(mpmath.log1p(mpmath.exp(_real(argument))))

    def select(self, channels: Sequence[int]) -> Softplus:
        del channels
        return self


@dataclass(frozen=True)
class Elu(_Everywhere):
    """``x`` above zero, ``alpha * (exp(x) - 1)`` below; alpha is positive."""

    alpha: Fraction = Fraction(1)

    def value(self, channel: int, argument: Fraction) -> Fraction:
        del channel
        if argument >= 0:
            return argument
        with mpmath.workprec(IRRATIONAL_BITS):
            return self.alpha * _fraction(mpmath.expm1(_real(argument)))

    def select(self, channels: Sequence[int]) -> Elu:
        del channels
        return self


Chain = tuple[Function, ...]
"""Functions that are applied one after the other."""


def _selected(chain: Chain, channels: Sequence[int]) -> Chain:
    return tuple(function.select(channels) for function in chain)


@dataclass(frozen=True)
class _OfTwo:
    """Two functions of one argument, whose values are combined."""

    left: Chain
    right: Chain

    def direction(self, channel: int) -> int | None:
        """None: it may rise and fall."""
        del channel
        return None

    def select(self, channels: Sequence[int]) -> Self:
        """The functions of these channels."""
        return replace(
            self, left=_selected(self.left, channels), right=_selected(self.right, channels)
        )


@dataclass(frozen=True)
class Product(_OfTwo):
    """The product of two functions of one argument."""

    def value(self, channel: int, argument: Fraction) -> Fraction:
        return value_of(self.left, channel, argument) * value_of(self.right, channel, argument)


@dataclass(frozen=True)
class Sum(_OfTwo):
    """The sum of two functions of one argument."""

    def value(self, channel: int, argument: Fraction) -> Fraction:
        return value_of(self.left, channel, argument) + value_of(self.right, channel, argument)
