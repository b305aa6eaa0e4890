"""How wide exact results are: fraction bits and worst-case range of every layer.

Backends size accumulators with these bounds, the integer reference proves with them that floating
point matrix products are exact, and the converter gives unquantized streams their format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import NetError
from semifreddo.core.fixed import MAX_WIDTH, FixedType, bits_for
from semifreddo.ir.kinds import KindTable
from semifreddo.ir.layers import (
    ALPHA_FRAC,
    Add,
    AvgPool,
    Blend,
    Cast,
    Conv,
    Curve,
    Layer,
    Linear,
    MaxPool,
    Route,
    Stream,
    Upsample,
    WeightBlock,
    Weighted,
)


@dataclass(frozen=True)
class Exact:
    """Range of a layer's exact result: integers ``low..high`` with ``frac`` fraction bits."""

    frac: int
    low: int
    high: int

    @property
    def type(self) -> FixedType:
        """The smallest format that holds every value."""
        width, signed = bits_for(self.low, self.high)
        return FixedType.exact(width, self.frac, signed=signed)


def cast_problem(exact: Exact, kind: FixedType) -> str:
    """Why a range cannot be cast into a format in 64-bit arithmetic; empty if it can."""
    drop = exact.frac - kind.frac
    left = exact.type.width - drop if drop < 0 else 0
    if max(drop, left) <= MAX_WIDTH:
        return ""
    what = f"drops {drop} fraction bits" if drop > 0 else f"needs {left} bits"
    return (
        f"the cast into {kind} {what}, at most {MAX_WIDTH} are computed; choose a format nearer "
        "to that of its inputs"
    )


def weighted_frac(source: FixedType, weight: WeightBlock, bias: WeightBlock | None) -> int:
    """Fraction bits to which all channels of a weighted layer are aligned."""
    fracs = [source.frac + frac for frac in weight.frac]
    return max(fracs + ([] if bias is None else list(bias.frac)))


def product_bounds(
    source: FixedType, weight: WeightBlock
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Worst-case sum of products of each output channel, before alignment and bias.

    Every partial sum, in any order, stays inside ``min(low, 0)..max(high, 0)``.
    """
    low, high = (bound.reshape(weight.rows, weight.outputs) for bound in weight.bounds())
    corners = [edge * limit for edge in (source.min_raw, source.max_raw) for limit in (low, high)]
    return (
        np.minimum.reduce(corners).clip(max=0).sum(axis=0),
        np.maximum.reduce(corners).clip(min=0).sum(axis=0),
    )


def _weighted(source: FixedType, weight: WeightBlock, bias: WeightBlock | None) -> Exact:
    frac = weighted_frac(source, weight, bias)
    low, high = product_bounds(source, weight)
    shift = np.array([frac - source.frac - weight_frac for weight_frac in weight.frac])
    if int(shift.max()) + max(int(-low.min()), int(high.max()), 1).bit_length() > MAX_WIDTH:
        raise NetError(
            f"{weight.name}: accumulators would need more than {MAX_WIDTH} bits; the scales of "
            f"its channels differ by a factor of 2**{int(shift.max())}"
        )
    low, high = low << shift, high << shift
    if bias is not None:
        up = np.array([frac - bias_frac for bias_frac in bias.frac])
        bias_low, bias_high = bias.bounds()
        low, high = low + (bias_low << up), high + (bias_high << up)
    return Exact(frac, int(low.min()), int(high.max()))


def exact_result(
    layer: Layer, inputs: tuple[Stream, ...], block: Callable[[str], WeightBlock]
) -> Exact:
    """Range of a layer's result before the cast into its output stream.

    Args:
        layer: The layer.
        inputs: Its input streams.
        block: Finds a weight block by name.

    Raises:
        NetError: The layer kind has no arithmetic, or accumulators would be too wide.
    """
    found = EXACT_RESULTS(layer, inputs, block)
    if (needed := bits_for(found.low, found.high)[0]) > MAX_WIDTH:
        raise NetError(
            f"{layer.name} ({layer.kind}): its exact result needs {needed} bits, at most "
            f"{MAX_WIDTH} are computed; bring its inputs closer together, or make them narrower"
        )
    return found


EXACT_RESULTS: KindTable[Exact] = KindTable("exact result", "semifreddo.ir.exact", NetError)
"""Functions of (layer, input streams, finder of weight blocks)."""

_Streams: TypeAlias = tuple[Stream, ...]
_Finder: TypeAlias = Callable[[str], WeightBlock]


@EXACT_RESULTS.register(Conv, Linear)
def _weighted_result(layer: Weighted, inputs: _Streams, block: _Finder) -> Exact:
    bias = None if layer.bias is None else block(layer.bias)
    return _weighted(inputs[0].type, block(layer.weight), bias)


@EXACT_RESULTS.register(AvgPool)
def _mean_result(layer: AvgPool, inputs: _Streams, _block: _Finder) -> Exact:
    source, area = inputs[0].type, prod(layer.kernel)
    return Exact(source.frac + area.bit_length() - 1, source.min_raw * area, source.max_raw * area)


def _aligned(inputs: _Streams) -> tuple[int, list[int], list[int]]:
    """Common fraction bits of several streams; lowest and highest value of each in them."""
    types = [stream.type for stream in inputs]
    frac = max(kind.frac for kind in types)
    lows = [kind.min_raw << (frac - kind.frac) for kind in types]
    return frac, lows, [kind.max_raw << (frac - kind.frac) for kind in types]


@EXACT_RESULTS.register(Add)
def _sum_result(_layer: Add, inputs: _Streams, _block: _Finder) -> Exact:
    frac, lows, highs = _aligned(inputs)
    return Exact(frac, sum(lows), sum(highs))


@EXACT_RESULTS.register(Blend)
def _blend_result(_layer: Blend, inputs: _Streams, _block: _Finder) -> Exact:
    frac, lows, highs = _aligned(inputs)
    whole = 1 << ALPHA_FRAC
    return Exact(frac + ALPHA_FRAC, min(lows) * whole, max(highs) * whole)


@EXACT_RESULTS.register(Curve)
def _curve_result(layer: Curve, _inputs: _Streams, block: _Finder) -> Exact:
    levels = block(layer.levels)
    return Exact(levels.frac[0], int(levels.raw.min()), int(levels.raw.max()))


def range_of_inputs(inputs: tuple[Stream, ...]) -> Exact:
    """Range of a result that is one of the input values, whichever."""
    frac, lows, highs = _aligned(inputs)
    return Exact(frac, min(lows), max(highs))


@EXACT_RESULTS.register(MaxPool, Cast, Route, Upsample)
def _chosen_result(_layer: Layer, inputs: _Streams, _block: _Finder) -> Exact:
    return range_of_inputs(inputs)
