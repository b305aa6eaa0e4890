"""What a network computes, in the plainest arithmetic: Python integers, one value at a time.

The judge of the integer reference. Nothing here knows a width, a shift or a data type: a value with
``f`` fraction bits is its raw integer times ``2**(SCALE - f)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from semifreddo.core.fixed import FixedType, IntArray, Overflow, Rounding
from semifreddo.ir.layers import Layer
from semifreddo.ir.net import StreamNet

SCALE = 256
"""Fraction bits of every value here: more than any product has."""


def exact_round(value: Fraction, rounding: Rounding) -> int:
    """A rational number under a rounding mode, by the mode's definition."""
    below = math.floor(value)
    rest = value - below
    half = Fraction(1, 2)
    if rounding is Rounding.FLOOR:
        return below
    if rounding is Rounding.TOWARD_ZERO:
        return math.trunc(value)
    if rest != half:
        return below + (rest > half)
    up = {
        Rounding.HALF_UP: True,
        Rounding.HALF_DOWN: False,
        Rounding.HALF_EVEN: below % 2 == 1,
        Rounding.HALF_TOWARD_ZERO: value < 0,
        Rounding.HALF_AWAY: value > 0,
    }[rounding]
    return below + up


def exact_cast(raw: int, frac: int, target: FixedType) -> int:
    """A raw integer with some fraction bits, brought into a format."""
    value = exact_round(Fraction(raw) * Fraction(2) ** (target.frac - frac), target.rounding)
    if target.overflow is Overflow.WRAP:
        value %= 1 << target.width
        return value - (1 << target.width) if value > target.max_raw else value
    return min(max(value, target.min_raw), target.max_raw)


def _values(raw: Any, frac: Any) -> np.ndarray:
    """Raw integers as values; ``frac`` may be one per last axis."""
    shift = np.array([1 << (SCALE - int(bits)) for bits in np.ravel(frac)], object)
    return np.asarray(raw).astype(object) * (shift if shift.size > 1 else shift[0])


def _times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left * right) >> SCALE  # exact: no product has more fraction bits


def _windows(layer: Any, values: np.ndarray) -> Any:
    """Each place of the result with what its window covers, ``(n, kh, kw, channels)``."""
    top, left, bottom, right = getattr(layer, "padding", (0, 0, 0, 0))
    count, height, width, channels = values.shape
    # np.pad would put integers of 64 bits among those of Python.
    padded = np.zeros((count, height + top + bottom, width + left + right, channels), object)
    padded[:, top : top + height, left : left + width] = values
    (high, wide), (down, along) = layer.kernel, layer.stride
    for y, x in np.ndindex(layer.output.shape[:2]):
        yield y, x, padded[:, y * down : y * down + high, x * along : x * along + wide]


def _empty(layer: Layer, values: np.ndarray) -> np.ndarray:
    return np.zeros((len(values), *layer.output.shape), object)


def _block(net: StreamNet, name: str | None) -> Any:
    return 0 if name is None else _values(net.block[name].raw, net.block[name].frac)


def _conv(net: StreamNet, layer: Any, values: np.ndarray) -> np.ndarray:
    weight, result = _block(net, layer.weight), _empty(layer, values)
    for y, x, window in _windows(layer, values):
        for output in range(result.shape[-1]):
            seen = window[..., output : output + 1] if layer.depthwise else window
            result[:, y, x, output] = _times(seen, weight[..., output]).sum(axis=(1, 2, 3))
    return result + _block(net, layer.bias)


def _linear(net: StreamNet, layer: Any, values: np.ndarray) -> np.ndarray:
    weight, result = _block(net, layer.weight), _empty(layer, values)
    flat = values.reshape(len(values), -1)
    for output in range(result.shape[-1]):
        result[:, 0, 0, output] = _times(flat, weight[:, output]).sum(axis=1)
    return result + _block(net, layer.bias)


def _max(_: StreamNet, layer: Any, values: np.ndarray) -> np.ndarray:
    result = _empty(layer, values)
    for y, x, window in _windows(layer, values):
        result[:, y, x] = window.max(axis=(1, 2))
    return result


def _mean(_: StreamNet, layer: Any, values: np.ndarray) -> np.ndarray:
    result = _empty(layer, values)
    for y, x, window in _windows(layer, values):
        area = layer.kernel[0] * layer.kernel[1]
        result[:, y, x] = window.sum(axis=(1, 2)) >> (area.bit_length() - 1)
    return result


def _blend(net: StreamNet, layer: Any, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    eighths = net.block[layer.alpha].raw.astype(object)
    return (eighths * left + (8 - eighths) * right) // 8


def _curve(net: StreamNet, layer: Any, values: np.ndarray) -> np.ndarray:
    starts, levels = _block(net, layer.starts), _block(net, layer.levels)
    result = np.empty_like(values)
    for place in np.ndindex(values.shape):
        of_starts, of_levels = (each[:, place[-1] % each.shape[1]] for each in (starts, levels))
        result[place] = of_levels[sum(values[place] >= start for start in of_starts)]
    return result


def _route(_: StreamNet, layer: Any, *values: np.ndarray) -> np.ndarray:
    return np.concatenate(values, axis=-1)[..., list(layer.indices)]


def _upsample(_: StreamNet, layer: Any, values: np.ndarray) -> np.ndarray:
    result = _empty(layer, values)
    for y, x, channel in np.ndindex(result.shape[1:]):
        (i, row), (j, column) = (
            divmod(place + first, step)
            for place, first, step in zip((y, x), layer.origin, layer.factor, strict=True)
        )
        index = (row * layer.factor[1] + column) * result.shape[-1] + channel
        result[:, y, x, channel] = values[:, i, j, layer.indices[index]]
    return result


PLAIN: dict[str, Callable[..., np.ndarray]] = {
    "Conv": _conv,
    "Linear": _linear,
    "MaxPool": _max,
    "AvgPool": _mean,
    "Add": lambda _, __, left, right: left + right,
    "Blend": _blend,
    "Route": _route,
    "Upsample": _upsample,
    "Cast": lambda _, __, values: values,
    "Curve": _curve,
}


def streams(net: StreamNet, images: IntArray) -> dict[str, np.ndarray]:
    """Raw integers of every layer's stream, ``(n, height, width, channels)`` by name."""
    found = {net.input.name: _values(images, net.input.type.frac)}
    raw = {}
    for layer in net.layers:
        target = layer.output.type
        exact = PLAIN[layer.kind](net, layer, *(found[name] for name in layer.inputs))
        cast = [exact_cast(int(value), SCALE, target) for value in exact.reshape(-1)]
        raw[layer.name] = np.array(cast, np.int64).reshape(exact.shape)
        found[layer.name] = _values(raw[layer.name], target.frac)
    return raw
