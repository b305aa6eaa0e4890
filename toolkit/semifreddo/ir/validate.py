"""What makes a StreamNet well formed."""

from __future__ import annotations

import re
from math import prod
from typing import TypeAlias

from semifreddo.core.errors import NetError
from semifreddo.ir.exact import cast_problem, exact_result
from semifreddo.ir.kinds import KindTable
from semifreddo.ir.layers import (
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
    Shape,
    Stream,
    Upsample,
    WeightBlock,
    Weighted,
)
from semifreddo.ir.structure import Repeat, Structure

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def window_shape(
    shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> tuple[int, int]:
    """Output height and width of a sliding window."""
    top, left, bottom, right = padding
    return (
        (shape[0] + top + bottom - kernel[0]) // stride[0] + 1,
        (shape[1] + left + right - kernel[1]) // stride[1] + 1,
    )


def _expect(layer: Layer, what: str, expected: object, found: object) -> None:
    if expected != found:
        raise NetError(f"{layer.name} ({layer.kind}): {what} is {found}, expected {expected}")


def _check_bias(layer: Weighted, bias: WeightBlock | None, outputs: int) -> None:
    if bias is not None:
        _expect(layer, "bias shape", (outputs,), bias.raw.shape)


OUTPUT_SHAPES: KindTable[Shape] = KindTable("validation", "semifreddo.ir.validate", NetError)
"""Functions of (layer, net, input streams): check the layer and give its output's shape."""

_Streams: TypeAlias = tuple[Stream, ...]


@OUTPUT_SHAPES.register(Conv)
def _conv_shape(layer: Conv, net: Structure, inputs: _Streams) -> Shape:
    source = inputs[0]
    weight, bias = net.weights_of(layer)
    outputs = weight.outputs
    fan_in = 1 if layer.depthwise else source.channels
    _expect(layer, "weight shape", (*layer.kernel, fan_in, outputs), weight.raw.shape)
    if layer.depthwise:
        _expect(layer, "depthwise channel count", source.channels, outputs)
    _check_bias(layer, bias, outputs)
    return (*window_shape(source.shape, layer.kernel, layer.stride, layer.padding), outputs)


@OUTPUT_SHAPES.register(Linear)
def _linear_shape(layer: Linear, net: Structure, inputs: _Streams) -> Shape:
    weight, bias = net.weights_of(layer)
    _expect(layer, "weight shape", (prod(inputs[0].shape), weight.outputs), weight.raw.shape)
    _check_bias(layer, bias, weight.outputs)
    return (1, 1, weight.outputs)


@OUTPUT_SHAPES.register(MaxPool)
def _max_pool_shape(layer: MaxPool, _net: Structure, inputs: _Streams) -> Shape:
    source = inputs[0]
    if any(layer.padding) and source.type.signed:
        raise NetError(f"{layer.name} (MaxPool): padding needs an unsigned input")
    size = window_shape(source.shape, layer.kernel, layer.stride, layer.padding)
    return (*size, source.channels)


@OUTPUT_SHAPES.register(AvgPool)
def _avg_pool_shape(layer: AvgPool, _net: Structure, inputs: _Streams) -> Shape:
    size = window_shape(inputs[0].shape, layer.kernel, layer.stride, (0,) * 4)
    return (*size, inputs[0].channels)


@OUTPUT_SHAPES.register(Route)
def _route_shape(layer: Route, _net: Structure, inputs: _Streams) -> Shape:
    _expect(layer, "set of image sizes", 1, len({stream.shape[:2] for stream in inputs}))
    total = sum(stream.channels for stream in inputs)
    if not layer.indices or not all(0 <= index < total for index in layer.indices):
        raise NetError(f"{layer.name} (Route): indices leave 0..{total - 1}")
    return (*inputs[0].shape[:2], len(layer.indices))


@OUTPUT_SHAPES.register(Upsample)
def _upsample_shape(layer: Upsample, _net: Structure, inputs: _Streams) -> Shape:
    _expect(layer, "number of inputs", 1, len(inputs))
    source = inputs[0]
    for axis in (0, 1):
        whole = source.shape[axis] * layer.factor[axis]
        last = layer.origin[axis] + layer.size[axis]
        if layer.factor[axis] < 1 or layer.origin[axis] < 0 or last > whole:
            raise NetError(
                f"{layer.name} (Upsample): keeps {layer.origin[axis]}..{last} of {whole} "
                f"{('rows', 'columns')[axis]}"
            )
    channels, rest = divmod(len(layer.indices), prod(layer.factor))
    _expect(layer, "number of channels that are left over", 0, rest)
    if not channels or not all(0 <= index < source.channels for index in layer.indices):
        raise NetError(f"{layer.name} (Upsample): indices leave 0..{source.channels - 1}")
    return (*layer.size, channels)


@OUTPUT_SHAPES.register(Add)
def _add_shape(layer: Add, _net: Structure, inputs: _Streams) -> Shape:
    return _pair_shape(layer, inputs)


@OUTPUT_SHAPES.register(Blend)
def _blend_shape(layer: Blend, net: Structure, inputs: _Streams) -> Shape:
    shape = _pair_shape(layer, inputs)
    _expect(layer, "alpha shape", (inputs[0].channels,), net.block[layer.alpha].raw.shape)
    return shape


def _pair_shape(layer: Layer, inputs: _Streams) -> Shape:
    _expect(layer, "number of inputs", 2, len(inputs))
    _expect(layer, "shape of the second input", inputs[0].shape, inputs[1].shape)
    return inputs[0].shape


@OUTPUT_SHAPES.register(Cast)
def _cast_shape(layer: Cast, _net: Structure, inputs: _Streams) -> Shape:
    _expect(layer, "number of inputs", 1, len(inputs))
    return inputs[0].shape


@OUTPUT_SHAPES.register(Curve)
def _curve_shape(layer: Curve, net: Structure, inputs: _Streams) -> Shape:
    _expect(layer, "number of inputs", 1, len(inputs))
    starts, levels = net.block[layer.starts], net.block[layer.levels]
    for block in (starts, levels):
        _expect(layer, f"rank of {block.name}", 2, block.raw.ndim)
        if block.outputs not in (1, inputs[0].channels):
            _expect(layer, f"channels of {block.name}", inputs[0].channels, block.outputs)
        if len(set(block.frac)) > 1:
            raise NetError(f"{layer.name} (Curve): {block.name} has different fraction bits")
        if not all(block.frozen):
            raise NetError(f"{layer.name} (Curve): {block.name} is loadable; freeze it")
    _expect(layer, "number of levels", starts.rows + 1, levels.rows)
    _expect(layer, "fraction bits of the starts", inputs[0].type.frac, starts.frac[0])
    if (starts.raw[1:] < starts.raw[:-1]).any():
        raise NetError(f"{layer.name} (Curve): {starts.name} is not sorted")
    return inputs[0].shape


def _check_repeat(net: Structure, repeat: Repeat) -> None:
    layers = {layer.name: layer for layer in net.layers}
    if len(repeat.passes) < 2 or len({len(names) for names in repeat.passes}) != 1:
        raise NetError(f"repeat {repeat.name!r}: needs at least two passes of equal length")
    for names in zip(*repeat.passes, strict=True):
        missing = [name for name in names if name not in layers]
        if missing:
            raise NetError(f"repeat {repeat.name!r}: there is no layer {missing[0]!r}")
        group = [layers[name] for name in names]
        for other in group[1:]:
            same = type(other) is type(group[0]) and (
                (other.output.shape, other.output.type)
                == (group[0].output.shape, group[0].output.type)
            )
            if not same:
                raise NetError(
                    f"repeat {repeat.name!r}: {other.name!r} and {group[0].name!r} differ in kind, "
                    "shape or type, so they cannot be the same hardware"
                )


def validate(net: Structure) -> None:
    """Check names, order, shapes, blocks and repeats.

    Raises:
        NetError: Names the first layer or block that is wrong.
    """
    if not _IDENTIFIER.fullmatch(net.name):
        raise NetError(f"net name {net.name!r} is not an identifier (letters, digits, underscores)")
    if not net.layers:
        raise NetError(f"{net.name}: the net has no layers")
    names = [block.name for block in net.blocks]
    if len(set(names)) != len(names):
        raise NetError(f"{net.name}: two weight blocks have the same name")
    known = {net.input.name: net.input}
    used_blocks: set[str] = set()
    for layer in net.layers:
        missing = [name for name in layer.inputs if name not in known]
        if missing or not layer.inputs:
            raise NetError(f"{layer.name} ({layer.kind}): no earlier stream {missing[:1]}")
        if layer.name in known:
            raise NetError(f"two streams are named {layer.name!r}")
        for name in layer.block_names:
            if name not in net.block:
                raise NetError(f"{layer.name} ({layer.kind}): there is no block {name!r}")
        used_blocks.update(layer.block_names)
        inputs = tuple(known[name] for name in layer.inputs)
        _expect(layer, "output shape", OUTPUT_SHAPES(layer, net, inputs), layer.output.shape)
        if min(layer.output.shape) < 1:
            raise NetError(f"{layer.name} ({layer.kind}): empty output {layer.output.shape}")
        exact = exact_result(layer, inputs, net.block.__getitem__)
        if problem := cast_problem(exact, layer.output.type):
            raise NetError(f"{layer.name} ({layer.kind}): {problem}")
        known[layer.name] = layer.output
    unused = sorted(set(names) - used_blocks)
    if unused:
        raise NetError(f"{net.name}: no layer uses block {unused[0]!r}")
    for name, readers in net.consumers.items():
        if not readers and name != net.output.name:
            raise NetError(f"{net.name}: nothing reads stream {name!r}")
    for repeat in net.repeats:
        _check_repeat(net, repeat)
