"""The second block of a trained three-core network, on its own, with maps that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.ir.layers import Blend, Conv, Layer, Route, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.sim import reference

CORES = ("cores_0_1_conv", "cores_1_1_conv", "cores_2_1_conv")
"""The block's convolutions, the frozen core's first."""

BLENDS = ("blends_1_0_blend", "blends_1_1_blend")

_IMAGE = "image"
_L = TypeVar("_L", bound=Layer)


@dataclass(frozen=True)
class CutNet:
    """Part of a network, as a network.

    Attributes:
        net: Its layers, all weights with one residency.
        images: What it reads when the network sees real images, (count, height, width, channels).
    """

    net: StreamNet
    images: IntArray


def frozen_block(net: StreamNet, images: IntArray) -> CutNet:
    """The whole block, all of it frozen.

    All cores read the map of the frozen one. In the network the trainable ones read blends of the
    same shape, which would need an input of their own.

    Args:
        net: The network, of two blocks.
        images: Raw images.
    """
    cores, blends = [_layer(net, name, Conv) for name in CORES], _blends(net)
    source = net.streams[cores[0].inputs[0]]
    moved = [net.streams[core.inputs[0]].type.frac - source.type.frac for core in cores]
    channels = blends[0].output.channels
    both = replace(blends[0].output, name="both", shape=(*source.shape[:2], 2 * channels))
    layers = [
        *(replace(core, inputs=(_IMAGE,)) for core in cores),
        *blends,
        Route(inputs=BLENDS, output=both, indices=tuple(range(2 * channels))),
    ]
    blocks = [
        _block(net, name, channels, frozen=True, moved=shift)
        for core, shift in zip(cores, moved, strict=True)
        for name in core.block_names
    ]
    blocks += [_block(net, blend.alpha, channels, frozen=True) for blend in blends]
    cut = StreamNet("block", replace(source, name=_IMAGE), tuple(layers), tuple(blocks))
    return CutNet(cut, reference.trace(net, images)[source.name])


def loadable_core(net: StreamNet, images: IntArray, channels: int) -> CutNet:
    """One trainable core and its blend, loadable, of the first output channels.

    What both read, the core's map and the frozen core's output, arrives side by side.

    Args:
        net: The network, of two blocks.
        images: Raw images.
        channels: How many.
    """
    core, blend = _layer(net, CORES[1], Conv), _blends(net)[0]
    source, frozen = net.streams[core.inputs[0]], _first(net.streams[CORES[0]], channels)
    both = (*source.shape[:2], source.channels + channels)
    image = Stream(_IMAGE, both, frozen.type)
    layers = (
        _route(replace(source, type=frozen.type), 0),
        _route(frozen, source.channels),
        replace(core, output=_first(core.output, channels)),
        replace(blend, output=_first(blend.output, channels)),
    )
    moved = source.type.frac - frozen.type.frac
    blocks = [_block(net, name, channels, moved=moved) for name in core.block_names]
    blocks.append(_block(net, blend.alpha, channels))
    values = reference.trace(net, images)
    maps = values[source.name], values[frozen.name][..., :channels]
    return CutNet(StreamNet("core", image, layers, tuple(blocks)), np.concatenate(maps, axis=-1))


def _layer(net: StreamNet, name: str, kind: type[_L]) -> _L:
    return next(layer for layer in net.layers if layer.name == name and isinstance(layer, kind))


def _blends(net: StreamNet) -> Sequence[Blend]:
    return [_layer(net, name, Blend) for name in BLENDS]


def _first(stream: Stream, channels: int) -> Stream:
    return replace(stream, shape=(*stream.shape[:2], channels))


def _route(stream: Stream, first: int) -> Route:
    indices = tuple(range(first, first + stream.channels))
    return Route(inputs=(_IMAGE,), output=stream, indices=indices)


def _block(
    net: StreamNet, name: str, channels: int, *, frozen: bool = False, moved: int = 0
) -> WeightBlock:
    """The first channels of a tensor; a weight makes up for a point moved in what it reads."""
    block = net.block[name]
    shift = moved if block.role == "weight" else 0
    return replace(
        block,
        raw=block.raw[..., :channels],
        frac=tuple(place + shift for place in block.frac[:channels]),
        frozen=(frozen,) * channels,
    )
