"""How deep the FIFOs in front of joins must be.

A join waits for the same pixel on all its inputs. A path that is ahead must be stored, or the fork
both paths come from blocks and the slow path starves: a deadlock. How far ahead a path can be
follows from the windows alone. For every pixel of every stream we know how many pixels of the
network's input must have gone in before it can come out; when input 0 of a join has enough for
pixel j, input 1 cannot have produced more than the pixels that need no more input than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.ir.layers import AvgPool, Conv, Layer, Linear, MaxPool
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.geometry import Geometry
from semifreddo.rtl.unit import Unit

_IMAGES = 3
"""Images that are followed: pixels of one may wait for pixels of the next."""

_SLACK = 2


def needs(net: StreamNet) -> dict[str, IntArray]:
    """Input pixels that must have gone in before each pixel of a stream comes out.

    Returns:
        By stream name, for the pixels of ``_IMAGES`` images in a row; never decreasing.
    """
    found = {net.input.name: np.arange(1, _IMAGES * net.input.pixels + 1)}
    for layer in net.layers:
        found[layer.name] = _layer_needs(net, layer, found)
    return found


def _layer_needs(net: StreamNet, layer: Layer, found: Mapping[str, IntArray]) -> IntArray:
    inputs = [found[name] for name in layer.inputs]
    if not isinstance(layer, Conv | Linear | MaxPool | AvgPool):
        return np.array(np.maximum.reduce(inputs), np.int64)
    geometry = Geometry.of(layer, net.streams[layer.inputs[0]])
    per_image = geometry.height * geometry.width
    taken = np.array(geometry.pixels_needed())
    if isinstance(layer, MaxPool | AvgPool) and geometry.disjoint:
        taken = np.minimum(taken, per_image)
    indices = np.concatenate([image * per_image + taken - 1 for image in range(_IMAGES)])
    delayed = inputs[0][np.minimum(indices, len(inputs[0]) - 1)]
    return np.array(np.maximum.accumulate(delayed), np.int64)


def _latency_to(net: StreamNet, units: Sequence[Unit]) -> dict[str, int]:
    """Cycles of pipeline in front of each stream."""
    latency = {net.input.name: 0}
    for layer, unit in zip(net.layers, units, strict=True):
        latency[layer.name] = unit.latency + max(latency[name] for name in layer.inputs)
    return latency


def join_depths(net: StreamNet, units: Sequence[Unit]) -> dict[tuple[str, int], int]:
    """Words of the FIFO in front of every input of every layer with several inputs.

    The depth covers what windows make a path wait for (a smaller one can deadlock) and what arrives
    while the slower path's pipeline fills (a smaller one costs cycles).
    """
    needed, latency = needs(net), _latency_to(net, units)
    slowest = max([net.input.pixels, *(unit.cycles for unit in units)])
    depths = {}
    for layer in net.layers:
        if len(layer.inputs) < 2:
            continue
        joined = np.maximum.reduce([needed[name] for name in layer.inputs])
        latest = max(latency[name] for name in layer.inputs)
        for index, name in enumerate(layer.inputs):
            ahead = np.searchsorted(needed[name], joined, side="right") - np.arange(len(joined))
            ahead = ahead[: net.streams[name].pixels * (_IMAGES - 1)]
            behind = latest - latency[name]
            filling = -(-behind * net.streams[name].pixels // slowest)
            depths[layer.name, index] = int(ahead.max()) + filling + _SLACK
    return depths
