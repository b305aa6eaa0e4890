"""The layer that a quantizer behind a curved function becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from semifreddo.convert.context import Context
from semifreddo.convert.functions import Function
from semifreddo.convert.node import Node
from semifreddo.convert.pieces import Pieces, pieces_of
from semifreddo.convert.steps import Quantizer
from semifreddo.convert.values import Real
from semifreddo.ir.layers import Curve, Stream

MOST_STEPS = 4096
"""Steps of a curve: more need tables that are larger than the layers around them."""

_Ints: TypeAlias = npt.NDArray[np.int64]


def emit_curve(context: Context, node: Node, real: Real, quantizer: Quantizer, frac: int) -> Stream:
    """Add the layer that a quantizer behind real functions becomes.

    Args:
        context: The network so far.
        node: The quantizer.
        real: What it reads; channel ``i`` of its stream is channel ``i``.
        quantizer: What it does.
        frac: Fraction bits of the result.

    Raises:
        ConversionError: It has too many steps, or see :func:`pieces_of`.
    """
    source, what = real.signal.stream, context.what(node)
    known: dict[tuple[Function, ...], Pieces] = {}
    channels = []
    for channel in range(source.channels):
        key = tuple(function.select((channel,)) for function in real.functions)
        if key not in known:
            known[key] = pieces_of(key, 0, quantizer, context.reach(source), what)
        channels.append(known[key])
    starts, levels = _columns(channels)
    if len(starts) > MOST_STEPS:
        context.refuse(
            node,
            f"quantizes a curve of {len(starts)} steps, at most {MOST_STEPS} are built; use fewer "
            "bits here, or a quantizer in front of the curve",
        )
    name, blocks = context.derived_name(source), context.blocks
    bits, flags = source.type.frac, (True,) * starts.shape[1]
    first = blocks.derive(f"{name}.start", "start", starts, bits, flags)
    second = blocks.derive(f"{name}.level", "level", levels, frac, (True,) * levels.shape[1])
    return context.emit(
        node,
        Curve,
        (source,),
        source.shape,
        tensor="",
        starts=first.name,
        levels=second.name,
    )


def _columns(channels: Sequence[Pieces]) -> tuple[_Ints, _Ints]:
    """Starts and levels of all channels, a column for each, or one where all are alike."""
    heights = sorted({level for pieces in channels for level in pieces.levels})
    if all(list(pieces.levels) == sorted(pieces.levels) for pieces in channels):
        # Curves that rise have all levels in common, some of which they leave at once.
        starts = [_rising(pieces, heights) for pieces in channels]
        levels = [heights]
    else:
        count = max(len(pieces.starts) for pieces in channels)
        starts = [[*p.starts, *[(p.starts or (p.first,))[-1]] * count][:count] for p in channels]
        levels = [[*p.levels, *[p.levels[-1]] * count][: count + 1] for p in channels]
    if len(heights) == 1:
        starts, levels = [[channels[0].first]], [heights * 2]
    merged = [
        np.array([columns[0]] if all(each == columns[0] for each in columns) else columns).T
        for columns in (starts, levels)
    ]
    return merged[0], merged[1]


def _rising(pieces: Pieces, heights: Sequence[int]) -> list[int]:
    """Where each height above the lowest one is reached; behind the last argument if never."""
    begins = (pieces.first, *pieces.starts, pieces.last + 1)
    places = np.searchsorted(pieces.levels, heights[1:])
    return [begins[place] for place in places.tolist()]
