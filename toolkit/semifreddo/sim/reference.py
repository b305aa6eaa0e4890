"""The integer reference: executes a StreamNet with NumPy.

It is the rung all others are compared with. Matrix products run in floating point (BLAS) only where
the worst-case partial sum, computed from the formats, proves that every value is an exactly
represented integer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError, NetError
from semifreddo.core.fixed import FixedType, IntArray
from semifreddo.ir.exact import product_bounds, weighted_frac
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
    Upsample,
    WeightBlock,
)
from semifreddo.ir.net import StreamNet

Windows: TypeAlias = npt.NDArray[Any]
Trace: TypeAlias = dict[str, IntArray]

_CHUNK_VALUES = 1 << 22
"""Chunks are sized so that the largest stream of a chunk stays near this many values."""


def _pad(data: IntArray, padding: tuple[int, int, int, int]) -> IntArray:
    if not any(padding):
        return data
    top, left, bottom, right = padding
    return np.pad(data, ((0, 0), (top, bottom), (left, right), (0, 0)))


def _windows(data: npt.NDArray[Any], kernel: tuple[int, int], stride: tuple[int, int]) -> Windows:
    """View ``(n, h, w, c)`` as ``(n, oh, ow, c, kh, kw)``."""
    view = np.lib.stride_tricks.sliding_window_view(data, kernel, axis=(1, 2))
    return view[:, :: stride[0], :: stride[1]]


def _exact_dtype(
    source: FixedType, weight: WeightBlock
) -> type[np.float32 | np.float64 | np.int64]:
    low, high = product_bounds(source, weight)
    limit = max(int(-low.min()), int(high.max()))
    if limit < 1 << 24:
        return np.float32
    return np.float64 if limit < 1 << 53 else np.int64


def _finish(
    products: npt.NDArray[Any], source: FixedType, weight: WeightBlock, bias: WeightBlock | None
) -> tuple[IntArray, int]:
    """Align channels to a common number of fraction bits and add the bias."""
    frac = weighted_frac(source, weight, bias)
    total: IntArray = products.astype(np.int64)
    shift = frac - source.frac - np.array(weight.frac)
    if shift.any():
        total <<= shift
    if bias is not None:
        total += bias.raw << (frac - np.array(bias.frac))
    return total, frac


_Result: TypeAlias = tuple[IntArray, int]
_Data: TypeAlias = Mapping[str, IntArray]

EXACT_VALUES: KindTable[_Result] = KindTable(
    "integer reference", "semifreddo.sim.reference", NetError
)
"""Functions of (layer, net, streams by name): the exact result and its fraction bits."""


def _source(layer: Layer, net: StreamNet, data: _Data) -> tuple[IntArray, FixedType]:
    """Values and format of a layer's first input."""
    name = layer.inputs[0]
    return data[name], net.streams[name].type


@EXACT_VALUES.register(Conv)
def _conv(layer: Conv, net: StreamNet, data: _Data) -> _Result:
    values, source = _source(layer, net, data)
    weight, bias = net.weights_of(layer)
    dtype = _exact_dtype(source, weight)
    padded = _pad(values, layer.padding).astype(dtype)
    kernel = weight.raw.astype(dtype)
    if layer.depthwise:
        rows, columns = (
            (padded.shape[axis + 1] - layer.kernel[axis]) // layer.stride[axis] + 1
            for axis in (0, 1)
        )
        products = np.zeros((len(values), rows, columns, weight.outputs), dtype)
        for y, x in np.ndindex(layer.kernel):
            part = padded[:, y :: layer.stride[0], x :: layer.stride[1]][:, :rows, :columns]
            products += part * kernel[y, x, 0]
    elif layer.kernel == (1, 1):
        products = padded[:, :: layer.stride[0], :: layer.stride[1]] @ kernel[0, 0]
    else:
        windows = _windows(padded, layer.kernel, layer.stride)
        shape = windows.shape[:3]
        flat = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, weight.rows)
        products = (flat @ kernel.reshape(weight.rows, -1)).reshape(*shape, weight.outputs)
    return _finish(products, source, weight, bias)


@EXACT_VALUES.register(Linear)
def _linear(layer: Linear, net: StreamNet, data: _Data) -> _Result:
    values, source = _source(layer, net, data)
    weight, bias = net.weights_of(layer)
    dtype = _exact_dtype(source, weight)
    products = values.reshape(len(values), -1).astype(dtype) @ weight.matrix.astype(dtype)
    return _finish(products.reshape(len(values), 1, 1, -1), source, weight, bias)


@EXACT_VALUES.register(MaxPool)
def _max_pool(layer: MaxPool, net: StreamNet, data: _Data) -> _Result:
    values, source = _source(layer, net, data)
    windows = _windows(_pad(values, layer.padding), layer.kernel, layer.stride)
    return windows.max(axis=(-2, -1)), source.frac


@EXACT_VALUES.register(AvgPool)
def _avg_pool(layer: AvgPool, net: StreamNet, data: _Data) -> _Result:
    values, source = _source(layer, net, data)
    windows = _windows(values, layer.kernel, layer.stride)
    area = layer.kernel[0] * layer.kernel[1]
    return windows.sum(axis=(-2, -1)), source.frac + area.bit_length() - 1


@EXACT_VALUES.register(Cast)
def _cast(layer: Cast, net: StreamNet, data: _Data) -> _Result:
    values, source = _source(layer, net, data)
    return values, source.frac


def _aligned(layer: Layer, net: StreamNet, data: _Data) -> tuple[list[IntArray], int]:
    """All inputs with common fraction bits."""
    streams = net.input_streams(layer)
    frac = max(stream.type.frac for stream in streams)
    return [data[stream.name] << (frac - stream.type.frac) for stream in streams], frac


@EXACT_VALUES.register(Add)
def _add(layer: Add, net: StreamNet, data: _Data) -> _Result:
    values, frac = _aligned(layer, net, data)
    return values[0] + values[1], frac


@EXACT_VALUES.register(Blend)
def _blend(layer: Blend, net: StreamNet, data: _Data) -> _Result:
    values, frac = _aligned(layer, net, data)
    alpha, whole = net.block[layer.alpha].raw, 1 << ALPHA_FRAC
    return alpha * values[0] + (whole - alpha) * values[1], frac + ALPHA_FRAC


@EXACT_VALUES.register(Route)
def _route(layer: Route, net: StreamNet, data: _Data) -> _Result:
    values, frac = _aligned(layer, net, data)
    return np.concatenate(values, axis=-1)[..., list(layer.indices)], frac


@EXACT_VALUES.register(Upsample)
def _upsample(layer: Upsample, net: StreamNet, data: _Data) -> _Result:
    values, source = _source(layer, net, data)
    (rows, columns), (top, left), (height, width) = layer.factor, layer.origin, layer.size
    blocks = values[..., np.reshape(layer.indices, (rows, columns, -1))]
    count, high, wide = values.shape[:3]
    whole = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(count, high * rows, wide * columns, -1)
    return whole[:, top : top + height, left : left + width], source.frac


_TABLE_BITS = 12
"""Width up to which a curve is looked up in a table of all its arguments."""


@EXACT_VALUES.register(Curve)
def _curve(layer: Curve, net: StreamNet, data: _Data) -> _Result:
    values, source = _source(layer, net, data)
    starts, levels = net.block[layer.starts].raw, net.block[layer.levels]
    columns, result = range(max(starts.shape[1], levels.outputs)), np.empty_like(values)
    for column in columns:
        own = levels.raw[:, column % levels.outputs]
        bounds = starts[:, column % starts.shape[1]]
        channels = slice(None) if len(columns) == 1 else slice(column, column + 1)
        arguments = values[..., channels]
        if source.width <= _TABLE_BITS:
            every = np.arange(source.min_raw, source.max_raw + 1)
            table = own[np.searchsorted(bounds, every, side="right")]
            result[..., channels] = table[arguments - source.min_raw]
        else:
            result[..., channels] = own[np.searchsorted(bounds, arguments, side="right")]
    return result, levels.frac[0]


def check_images(net: StreamNet, images: npt.NDArray[Any]) -> None:
    """Refuse images that are not raw integers of the input stream.

    Raises:
        DataError: Wrong shape, type or range.
    """
    stream = net.input
    if images.ndim != 4 or images.shape[1:] != stream.shape:
        raise DataError(
            f"{net.name}: images have shape {images.shape}, expected (n, "
            f"{', '.join(map(str, stream.shape))})"
        )
    if images.dtype.kind not in "iu":
        raise DataError(f"{net.name}: images are {images.dtype}, expected integers (uint8, say)")
    if not stream.type.holds(images):
        raise DataError(
            f"{net.name}: image values {images.min()}..{images.max()} are outside "
            f"{stream.type.min_raw}..{stream.type.max_raw}"
        )


def step(layer: Layer, net: StreamNet, data: _Data) -> IntArray:
    """The result of one layer.

    Args:
        layer: A layer of ``net``.
        net: The network.
        data: Raw integers ``(n, height, width, channels)`` of at least the streams that it reads.
    """
    exact, frac = EXACT_VALUES(layer, net, data)
    return layer.output.type.cast(exact, frac)


def _streams(net: StreamNet, images: IntArray) -> Iterator[tuple[str, IntArray]]:
    """Each layer's name and stream, in order; what no later layer reads is not held."""
    data: dict[str, IntArray] = {net.input.name: images}
    last_use = {name: readers[-1].name for name, readers in net.consumers.items() if readers}
    for layer in net.layers:
        data[layer.name] = step(layer, net, data)
        yield layer.name, data[layer.name]
        for name in set(layer.inputs):
            if last_use[name] == layer.name:
                del data[name]


def _chunks(net: StreamNet, count: int) -> Iterator[slice]:
    widest = max(stream.pixels * stream.channels * 9 for stream in net.streams.values())
    step = max(1, _CHUNK_VALUES // widest)
    for start in range(0, count, step):
        yield slice(start, start + step)


def run(net: StreamNet, images: npt.NDArray[np.integer]) -> IntArray:
    """Execute a network.

    Args:
        net: The network.
        images: Raw integers ``(n, height, width, channels)``.

    Returns:
        Raw integers of the output stream, ``(n, outputs)``, flattened (height, width, channel).

    Raises:
        DataError: The images do not fit the input stream.
    """
    check_images(net, images)
    height, width, channels = net.output.shape
    results = [
        next(
            values
            for name, values in _streams(net, images[part].astype(np.int64))
            if name == net.output.name
        )
        for part in _chunks(net, len(images))
    ]
    if not results:
        return np.zeros((0, height * width * channels), np.int64)
    return np.concatenate(results).reshape(len(images), -1)


def trace(net: StreamNet, images: npt.NDArray[np.integer]) -> Trace:
    """Execute a network and keep every stream.

    Returns:
        Raw integers ``(n, height, width, channels)`` by layer name, in layer order.
    """
    check_images(net, images)
    return dict(_streams(net, images.astype(np.int64)))
