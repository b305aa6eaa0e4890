"""QCDQ files: QuantizeLinear, Clip and DequantizeLinear in a row are one quantizer.

The integer type says 8 bits, and a Clip between the two narrows it. Stored integers that are only
dequantized are a quantized constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import bits_for

if TYPE_CHECKING:
    from semifreddo.convert.node import Node

_Array = npt.NDArray[Any]
_STORED_BITS = 8
"""Stored integers of at most this many bits keep all of them, so that a task can use them."""


def with_quantizers(
    where: str, nodes: Sequence[Node], constants: Mapping[str, _Array]
) -> tuple[tuple[Node, ...], dict[str, _Array]]:
    """Put one Quant node in the place of each DequantizeLinear, and constants for its parameters.

    Args:
        where: The file, for messages.
        nodes: In topological order.
        constants: Initializers, and values of Constant nodes, by name.

    Raises:
        ConversionError: A pair has no common scale, or a range is that of no bit width.
    """
    known, found = dict(constants), []
    makers = {name: node for node in nodes for name in node.outputs}
    for node in nodes:
        if node.op == "DequantizeLinear":
            found.append(_quantizer(where, node, makers, known))
        else:
            found.append(node)
    return tuple(found), known


def _refuse(where: str, node: Node, reason: str) -> ConversionError:
    return ConversionError(f"{where}: node {node.name!r} ({node.op}): {reason}")


def _quantizer(
    where: str, node: Node, makers: Mapping[str, Node], known: dict[str, _Array]
) -> Node:
    scale, zero = _parameters(where, node, known)
    source, clip = node.inputs[0], None
    maker = makers.get(source)
    if maker is not None and maker.op == "Clip":
        clip, source = maker, maker.inputs[0]
        maker = makers.get(source)
    if maker is not None and maker.op == "QuantizeLinear":
        other = _parameters(where, maker, known)
        if not all(np.array_equal(a, b) for a, b in zip((scale, zero), other, strict=True)):
            raise _refuse(where, node, "has another scale than its QuantizeLinear; use one")
        limits = np.iinfo(zero.dtype)
        low, high = _clipped(clip, known, int(limits.min), int(limits.max))
        data = maker.inputs[0]
        rank = known[data].ndim if data in known else 4
    elif source in known and known[source].dtype.kind in "iu":
        stored = known[source]
        if clip is not None:
            ends = np.iinfo(stored.dtype)
            stored = stored.clip(*_clipped(clip, known, int(ends.min), int(ends.max)))
        rank, data = stored.ndim, f"{node.name}/values"
        axes = _columns(node, rank, scale, zero)
        known[data] = (stored.astype(np.float64) - axes[1]) * axes[0]
        limits = np.iinfo(stored.dtype)
        low, high = int(limits.min), int(limits.max)
        if limits.bits > _STORED_BITS:
            low, high = _smallest(int(stored.min()), int(stored.max()))
        low, high = _clipped(clip, known, low, high)
    else:
        raise _refuse(where, node, "reads no QuantizeLinear and no stored integers")
    parameters = dict(zip(("scale", "zero"), _columns(node, rank, scale, zero), strict=True))
    bits, signed, narrow = _format(where, node, low, high)
    parameters["bits"] = np.array(float(bits))
    for name, value in parameters.items():
        known[f"{node.name}/{name}"] = value
    return replace(
        node,
        op="Quant",
        inputs=(data, *(f"{node.name}/{name}" for name in parameters)),
        attributes={"signed": int(signed), "narrow": int(narrow), "rounding_mode": "ROUND"},
    )


def _parameters(where: str, node: Node, known: Mapping[str, _Array]) -> tuple[_Array, _Array]:
    """Scale and zero point; the zero point's type is that of the integers."""
    names = [name for name in node.inputs[1:] if name]
    if not names or any(name not in known for name in names):
        raise _refuse(where, node, "its scale and zero point must be constants")
    zero = known[names[1]] if len(names) > 1 else np.zeros((), np.uint8)
    return known[names[0]], zero if zero.dtype.kind in "iu" else zero.astype(np.int8)


def _clipped(
    clip: Node | None, known: Mapping[str, _Array], low: int, high: int
) -> tuple[int, int]:
    """What a Clip leaves of a range."""
    if clip is None:
        return low, high
    ends = [known[name] for name in clip.inputs[1:] if name in known]
    low = max(low, int(ends[0])) if ends else low
    return low, min(high, int(ends[1])) if len(ends) > 1 else high


def _columns(node: Node, rank: int, scale: _Array, zero: _Array) -> tuple[_Array, _Array]:
    """Scale and zero point as floats that broadcast over a tensor of some rank."""
    shape = [1] * rank
    axis = int(node.attributes.get("axis", 1))
    if scale.size > 1:
        shape[axis % rank] = scale.size
    floats = scale.astype(np.float64), zero.astype(np.float64)
    if scale.size == 1:
        return floats[0].reshape(()), floats[1].ravel()[:1].reshape(())
    spread = np.broadcast_to(floats[1].ravel(), (scale.size,))
    return floats[0].reshape(shape), spread.reshape(shape)


def _smallest(low: int, high: int) -> tuple[int, int]:
    """The range of the signed format that holds two numbers."""
    bits = max(2, bits_for(min(low, -1), high)[0])
    return -(1 << bits - 1), (1 << bits - 1) - 1


def _format(where: str, node: Node, low: int, high: int) -> tuple[int, bool, bool]:
    """Bit width, sign, and whether the range is narrow."""
    for bits in range(1, 33):
        top = (1 << bits - 1) - 1
        for signed, narrow, ends in (
            (False, False, (0, 2 * top + 1)),
            (False, True, (0, 2 * top)),
            (True, False, (-top - 1, top)),
            (True, True, (-top, top)),
        ):
            if (low, high) == ends and bits > int(signed):
                return bits, signed, narrow
    raise _refuse(where, node, f"clips to {low}..{high}, which is the range of no bit width")
