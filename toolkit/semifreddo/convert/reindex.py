"""Operators that only move values: one NumPy meaning for constants and for stream positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.convert.node import Node

Array = npt.NDArray[Any]


def _ints(
    node: Node, attribute: str, operands: Sequence[Array | None], slot: int
) -> list[int] | None:
    """An argument that older operator sets hold as attribute and newer ones as input."""
    if slot < len(operands) and (operand := operands[slot]) is not None:
        return [int(value) for value in operand.ravel()]
    value = node.attributes.get(attribute)
    return None if value is None else [int(entry) for entry in value]


def _same(_node: Node, data: Array, _operands: Sequence[Array | None]) -> list[Array]:
    return [data]


def _reshape(node: Node, data: Array, operands: Sequence[Array | None]) -> list[Array]:
    sizes = _ints(node, "shape", operands, 0) or []
    if not node.attributes.get("allowzero", 0):
        sizes = [data.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return [data.reshape(sizes)]


def _flatten(node: Node, data: Array, _operands: Sequence[Array | None]) -> list[Array]:
    axis = int(node.attributes.get("axis", 1))
    return [data.reshape(int(np.prod(data.shape[:axis])), -1)]


def _transpose(node: Node, data: Array, _operands: Sequence[Array | None]) -> list[Array]:
    return [data.transpose(node.attributes.get("perm"))]


def _squeeze(node: Node, data: Array, operands: Sequence[Array | None]) -> list[Array]:
    axes = _ints(node, "axes", operands, 0)
    return [data.squeeze() if axes is None else data.squeeze(tuple(axes))]


def _unsqueeze(node: Node, data: Array, operands: Sequence[Array | None]) -> list[Array]:
    return [np.expand_dims(data, tuple(_ints(node, "axes", operands, 0) or []))]


def _slice(node: Node, data: Array, operands: Sequence[Array | None]) -> list[Array]:
    starts = _ints(node, "starts", operands, 0) or []
    ends = _ints(node, "ends", operands, 1) or []
    axes = _ints(node, "axes", operands, 2) or list(range(len(starts)))
    steps = _ints(node, "steps", operands, 3) or [1] * len(starts)
    parts = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        stop = None if step < 0 and end < -data.shape[axis] else end
        parts[axis] = slice(start, stop, step)
    return [data[tuple(parts)]]


def _gather(node: Node, data: Array, operands: Sequence[Array | None]) -> list[Array]:
    assert operands[0] is not None
    return [np.take(data, operands[0].astype(np.int64), axis=int(node.attributes.get("axis", 0)))]


def _split(node: Node, data: Array, operands: Sequence[Array | None]) -> list[Array]:
    axis = int(node.attributes.get("axis", 0))
    sizes = _ints(node, "split", operands, 0)
    if sizes is None:
        step = -(-data.shape[axis] // len(node.outputs))
        sizes = [step] * len(node.outputs)
    return np.split(data, np.cumsum(sizes)[:-1], axis=axis)


def _depth_to_space(node: Node, data: Array, _operands: Sequence[Array | None]) -> list[Array]:
    size = int(node.attributes["blocksize"])
    batch, channels, height, width = data.shape
    if node.attributes.get("mode", "DCR") == "DCR":
        blocks = data.reshape(batch, size, size, channels // size**2, height, width)
        moved = blocks.transpose(0, 3, 4, 1, 5, 2)
    else:
        blocks = data.reshape(batch, channels // size**2, size, size, height, width)
        moved = blocks.transpose(0, 1, 4, 2, 5, 3)
    return [moved.reshape(batch, -1, height * size, width * size)]


def _space_to_depth(node: Node, data: Array, _operands: Sequence[Array | None]) -> list[Array]:
    size = int(node.attributes["blocksize"])
    batch, channels, height, width = data.shape
    blocks = data.reshape(batch, channels, height // size, size, width // size, size)
    return [blocks.transpose(0, 3, 5, 1, 2, 4).reshape(batch, -1, height // size, width // size)]


def _expand(_node: Node, data: Array, operands: Sequence[Array | None]) -> list[Array]:
    assert operands[0] is not None
    sizes = [int(size) for size in operands[0].ravel()]
    return [np.broadcast_to(data, np.broadcast_shapes(data.shape, sizes))]


def _tile(_node: Node, data: Array, operands: Sequence[Array | None]) -> list[Array]:
    assert operands[0] is not None
    return [np.tile(data, [int(count) for count in operands[0].ravel()])]


_Reindex = Callable[[Node, Array, Sequence["Array | None"]], "list[Array]"]

REINDEX: dict[str, _Reindex] = {
    "Identity": _same,
    "Dropout": _same,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Gather": _gather,
    "Split": _split,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Expand": _expand,
    "Tile": _tile,
}
"""Operators that move values; each gives one array per output of its node."""
