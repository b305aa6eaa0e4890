"""Nearest-neighbour resizing: which row, or column, of the image each one of the result is."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor

import numpy as np

from semifreddo.convert.context import Context
from semifreddo.convert.node import Node
from semifreddo.convert.values import IndexArray, Value

_HALF = Fraction(1, 2)

_PLACES: dict[str, Callable[[int, Fraction, int, int], Fraction]] = {
    "asymmetric": lambda place, scale, _, __: place / scale,
    "half_pixel": lambda place, scale, _, __: (place + _HALF) / scale - _HALF,
    "half_pixel_symmetric": lambda place, scale, before, after: (
        Fraction(before, 2) * (1 - after / (scale * before)) + (place + _HALF) / scale - _HALF
    ),
    "pytorch_half_pixel": lambda place, scale, _, after: (
        (place + _HALF) / scale - _HALF if after > 1 else Fraction(0)
    ),
    "align_corners": lambda place, _, before, after: (
        Fraction(place * (before - 1), after - 1) if after > 1 else Fraction(0)
    ),
    "tf_half_pixel_for_nn": lambda place, scale, _, __: (place + _HALF) / scale,
}
"""Where a place of the result lies in the image: of (place, scale, length before, length after)."""

_NEAREST: dict[str, Callable[[Fraction], int]] = {
    "floor": floor,
    "ceil": ceil,
    "round_prefer_floor": lambda place: ceil(place - _HALF),
    "round_prefer_ceil": lambda place: floor(place + _HALF),
}


def resized(
    context: Context, node: Node, index: IndexArray, operands: list[Value | None]
) -> IndexArray:
    """A view of an image in another size.

    Args:
        context: The network so far.
        node: A ``Resize`` or ``Upsample`` node.
        index: The view before.
        operands: The node's inputs behind the first: scales, or region, scales and sizes.

    Raises:
        ConversionError: It interpolates, or changes another axis than height and width.
    """
    mode = node.attributes.get("mode", "nearest")
    if mode != "nearest":
        context.refuse(
            node,
            f"mode {mode} computes values between pixels; use nearest-neighbour resizing, or a "
            "transposed convolution",
        )
    old = node.op == "Upsample" or len(operands) == 1
    place = "asymmetric" if old else node.attributes.get("coordinate_transformation_mode")
    nearest = "floor" if old else node.attributes.get("nearest_mode", "round_prefer_floor")
    if (place := place or "half_pixel") not in _PLACES or nearest not in _NEAREST:
        context.refuse(node, f"{place} with {nearest} is not supported; use asymmetric with floor")
    given = [
        None if value is None else context.constant(node, value, "size").values.ravel()
        for value in operands
    ]
    scales, sizes = _factors(context, node, index, given)
    for axis, (scale, size) in enumerate(zip(scales, sizes, strict=True)):
        before = index.shape[axis]
        if size == before and scale == 1:
            continue
        if axis < 2:
            context.refuse(node, "resizes batch or channels; resize height and width only")
        places = [_PLACES[place](i, scale, before, size) for i in range(size)]
        chosen = [min(max(_NEAREST[nearest](each), 0), before - 1) for each in places]
        index = np.take(index, chosen, axis=axis)
    return index


def _factors(
    context: Context, node: Node, index: IndexArray, given: list[np.ndarray | None]
) -> tuple[list[Fraction], list[int]]:
    """Scale and size of every axis of the result."""
    values = given[0] if len(given) == 1 else next((v for v in given[1:2] if v is not None), None)
    if values is None and "scales" in node.attributes:
        values = np.array(node.attributes["scales"])
    rank = index.ndim
    axes = [int(axis) % rank for axis in node.attributes.get("axes", range(rank))]
    scales, sizes = [Fraction(1)] * rank, list(index.shape)
    if values is not None and values.size:
        for axis, value in zip(axes, values, strict=True):
            scales[axis] = Fraction(float(value))
            sizes[axis] = floor(scales[axis] * sizes[axis])
    elif len(given) > 2 and given[2] is not None:
        if node.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
            context.refuse(node, "keeps the aspect ratio; give the size itself")
        for axis, value in zip(axes, given[2], strict=True):
            scales[axis], sizes[axis] = Fraction(int(value), sizes[axis]), int(value)
    else:
        context.refuse(node, "has neither scales nor sizes; export the model again")
    return scales, sizes
