"""Handlers of what only moves values: views, concatenations, padding."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.convert.context import Context, Handler
from semifreddo.convert.functions import Affine
from semifreddo.convert.moves import is_hardware, widened
from semifreddo.convert.node import Node
from semifreddo.convert.real import imaged, lifted, plain, power_of_two, settled_clip
from semifreddo.convert.reindex import REINDEX
from semifreddo.convert.resize import resized
from semifreddo.convert.several import JOINED
from semifreddo.convert.values import NO_PADDING, Constant, RawImage, Real, Scaled, Signal, Value
from semifreddo.ir.layers import Route, Stream

_WHOLE = ("Reshape", "Flatten")
"""Operators that read a view which is no reordering as a stream of its own."""


_NOTHING = ("Identity", "Dropout", "Cast")
"""Operators that leave a padded image padded."""
_FLOATS = (1, 11)
"""ONNX' numbers of single and double precision."""


def _resize(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    (result,) = _reindex(context, node, operands)
    signal = result.signal if isinstance(result, Real | RawImage) else result
    if isinstance(signal, Signal) and signal.planes is not None and not is_hardware(signal):
        context.refuse(
            node, "repeats some rows or columns more often than others; resize by a whole factor"
        )
    return [result]


def _reindex(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    value = operands[0]
    if node.op == "Cast" and node.attributes.get("to") not in _FLOATS:
        context.refuse(node, "makes other numbers than real ones; use a Quant node")
    if node.op in _NOTHING and isinstance(value, Signal | Real | RawImage):
        return [value]
    if isinstance(value, RawImage):
        return [replace(value, signal=s) for s in _views(context, node, value.signal, operands)]
    if isinstance(value, Real):
        if _needs_stream(context, node, value.signal, operands):
            value = imaged(context, node, value)
        return [
            Real(view, value.functions) for view in _views(context, node, value.signal, operands)
        ]
    signal = context.signal(node, value)
    if _needs_stream(context, node, signal, operands):
        signal = Signal.whole(context.image(node, signal), signal.index.ndim, signal.node)
    return list(_views(context, node, signal, operands))


def _needs_stream(
    context: Context, node: Node, signal: Signal, operands: list[Value | None]
) -> bool:
    """Whether a view has to become a stream before it is changed further."""
    if signal.padding != NO_PADDING:
        return True
    if signal.is_whole or not is_hardware(signal):
        return False
    if not signal.is_permutation and node.op in _WHOLE:
        return True
    # Slices stay views as long as one layer can make them.
    views = _views(context, node, signal, operands)
    return any(view.planes is not None and not is_hardware(view) for view in views)


def _views(
    context: Context, node: Node, signal: Signal, operands: list[Value | None]
) -> list[Signal]:
    if signal.padding != NO_PADDING:
        context.refuse(node, "reads the image padded, before it has a number format; pad behind it")
    if node.op in ("Resize", "Upsample"):
        indices: list[npt.NDArray[Any]] = [resized(context, node, signal.index, operands[1:])]
    else:
        arguments = [
            None if value is None else context.constant(node, value, "argument").values
            for value in operands[1:]
        ]
        indices = REINDEX[node.op](node, signal.index, arguments)
    return [replace(signal, index=index, node=node.name) for index in indices]


def _concat(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    known = [value for value in operands if not isinstance(value, Constant)]
    constants = [value for value in operands if isinstance(value, Constant)]
    reals = []
    if any(isinstance(value, Real) for value in known) or any(c.values.any() for c in constants):
        reals = [settled_clip(context, node, lifted(context, node, value)) for value in known]
    signals = [real.signal for real in reals] or [context.signal(node, v) for v in known]
    rank = signals[0].index.ndim
    if int(node.attributes.get("axis", 1)) % rank != 1:
        context.refuse(node, "only concatenation of channels (axis 1) is supported")
    if any(signal.index.ndim != rank for signal in signals):
        advice = _advice(node) or "; export the model again"
        context.refuse(node, f"concatenates tensors of different ranks{advice}")
    if reals:
        reals = [_as_image(context, node, real) for real in reals]
        signals = [real.signal for real in reals]
    else:
        signals = [_whole(context, node, signal) for signal in signals]
    streams: list[Signal] = []
    indices: list[int] = []
    for signal in signals:
        channels = signal.channel_map
        if channels is None:
            context.refuse(
                node,
                "concatenates reshaped streams; concatenate whole channels, before flattening",
            )
        if signal.stream.shape[:2] != signals[0].stream.shape[:2]:
            context.refuse(node, f"concatenates images of different sizes{_advice(node)}")
        names = [found.stream.name for found in streams]
        if signal.stream.name not in names:
            streams.append(signal)
            names.append(signal.stream.name)
        offset = sum(s.stream.channels for s in streams[: names.index(signal.stream.name)])
        indices += [offset + channel for channel in channels]
    shape = (*signals[0].stream.shape[:2], len(indices))
    inputs = tuple(signal.stream for signal in streams)
    tensor = "" if constants else None
    made = inputs[0]
    if len(inputs) > 1 or indices != list(range(made.channels)) or not constants:
        made = context.emit(node, Route, inputs, shape, tensor=tensor, indices=tuple(indices))
    function = _joined(context, node, reals, made) if reals else None
    if constants:
        places, added = _places(context, node, operands)
        label = Signal.image(made, node.name)
        wide = widened(context, node, label, made, places)
        if function is not None:
            function = _among_constants(function, places, added, made.type.frac - wide.type.frac)
        made = wide
    result = Signal.whole(made, rank, node.name)
    if function is None:
        return [result]
    context.hide(made)
    return [Real(result, (function,))]


def _advice(node: Node) -> str:
    """What to do about outputs that cannot be one result."""
    if node.name != JOINED:
        return ""
    names = ", ".join(map(repr, node.inputs))
    return f"; a device gives one result, so keep one of {names}, or make them vectors"


def _as_image(context: Context, node: Node, real: Real) -> Real:
    """A real tensor whose channels lie in a stream of its size."""
    signal = real.signal
    if signal.channel_map is not None and signal.padding == NO_PADDING:
        return real
    return imaged(context, node, real) if is_hardware(signal) else real


def _whole(context: Context, node: Node, signal: Signal) -> Signal:
    """A view whose channels lie in a stream of its size."""
    unpadded = replace(signal, padding=NO_PADDING)
    if signal.padding == NO_PADDING and signal.channel_map is not None:
        return signal
    if not is_hardware(unpadded):
        return unpadded
    return Signal.whole(context.image(node, signal), signal.index.ndim, signal.node)


def _joined(context: Context, node: Node, reals: list[Real], made: Stream) -> Affine:
    """What the channels of a concatenation stand for."""
    slopes: list[Fraction] = []
    offsets: list[Fraction] = []
    for real in reals:
        function = plain(context, node, real, "a concatenation reads the values")
        # Wiring aligns the fraction bits of its inputs.
        unit = power_of_two(real.signal.stream.type.frac - made.type.frac)
        chosen = function.select(real.signal.channel_map or ())
        slopes += [slope * unit for slope in chosen.slopes]
        offsets += chosen.offsets
    return Affine(tuple(slopes), tuple(offsets))


def _places(
    context: Context, node: Node, operands: list[Value | None]
) -> tuple[list[int | None], list[Fraction]]:
    """For each channel of a concatenation its place among those that are no constants, or None.

    And the constants, zero where there is none.
    """
    places: list[int | None] = []
    constants: list[Fraction] = []
    count = 0
    for value in operands:
        if not isinstance(value, Constant):
            signal = value.signal if isinstance(value, Real) else context.signal(node, value)
            channels = signal.index.shape[1]
            places += range(count, count + channels)
            constants += [Fraction(0)] * channels
            count += channels
            continue
        columns = value.values.reshape(value.values.shape[1], -1).astype(np.float64)
        if len(value.values) != 1 or (columns != columns[:, :1]).any():
            context.refuse(
                node,
                f"{value.parameter or value.name!r} differs between the pixels of a channel; use "
                "one value per channel",
            )
        places += [None] * len(columns)
        constants += [Fraction(float(column[0])) for column in columns]
    return places, constants


def _among_constants(
    function: Affine, places: list[int | None], constants: list[Fraction], frac: int
) -> Affine:
    """What channels stand for when constants are among them; ``frac`` is what they have lost."""
    slopes, offsets = [], []
    any_slope = function.slopes[0]  # of zeros every scale is right, and one scale is simpler
    for place, constant in zip(places, constants, strict=True):
        slopes.append(any_slope if place is None else function.slopes[place])
        offsets.append(constant if place is None else function.offsets[place])
    unit = power_of_two(frac)
    return Affine(tuple(slope * unit for slope in slopes), tuple(offsets))


def _pad(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    real = settled_clip(context, node, operands[0]) if isinstance(operands[0], Real) else None
    signal = real.signal if real is not None else context.signal(node, operands[0])
    if node.attributes.get("mode", "constant") != "constant":
        context.refuse(node, f"mode {node.attributes['mode']} is not supported; pad with zeros")
    fill = operands[2] if len(operands) > 2 else None
    if fill is not None and context.constant(node, fill, "fill value").values.any():
        context.refuse(node, "pads with another value than 0; pad with zeros")
    before, behind = _pads(context, node, operands, signal.index.ndim)
    if before[0] or behind[0]:
        context.refuse(node, "pads the batch; pad channels, height and width only")
    value: Signal | Real = real if real is not None else signal
    if min(*before, *behind) < 0:
        value = _cut(context, node, value, np.minimum(before, 0), np.minimum(behind, 0))
        before, behind = np.maximum(before, 0), np.maximum(behind, 0)
    if before[1] or behind[1]:
        value = _more_channels(context, node, value, int(before[1]), int(behind[1]))
    around = [*before[2:], *behind[2:]]
    if not any(around):
        return [value]
    if isinstance(value, Real) and any(
        plain(context, node, value, "a pad reads the values").offsets
    ):
        context.refuse(node, "pads values that are not zero; pad behind the quantizer")
    signal = value.signal if isinstance(value, Real) else value
    if len(around) == 2:
        around = [0, around[0], 0, around[1]]
    top, left, bottom, right = (
        int(new + old) for new, old in zip(around, signal.padding, strict=True)
    )
    padded = replace(signal, padding=(top, left, bottom, right), node=node.name)
    return [replace(value, signal=padded) if isinstance(value, Real) else padded]


def _pads(
    context: Context, node: Node, operands: list[Value | None], rank: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What is added before and behind every axis."""
    given = context.constant(node, operands[1], "pad width").values if len(operands) > 1 else None
    pads = np.asarray(node.attributes.get("pads") if given is None else given).ravel()
    axes = np.arange(rank)
    if len(operands) > 3 and operands[3] is not None:
        axes = context.constant(node, operands[3], "axis list").values.ravel() % rank
    if pads.size != 2 * len(axes) or rank not in (3, 4):
        context.refuse(node, f"pads {pads.tolist()} of a tensor with {rank} axes; pad an image")
    before, behind = np.zeros(rank, np.int64), np.zeros(rank, np.int64)
    before[axes], behind[axes] = pads[: len(axes)], pads[len(axes) :]
    return before, behind


def _cut(
    context: Context,
    node: Node,
    value: Signal | Real,
    before: npt.NDArray[np.int64],
    behind: npt.NDArray[np.int64],
) -> Signal | Real:
    """A crop: what negative padding means."""
    signal = value.signal if isinstance(value, Real) else value
    if signal.padding != NO_PADDING:
        context.refuse(node, "crops a padded image; crop before padding")
    ranges = [
        slice(-int(first), size + int(last))
        for first, last, size in zip(before, behind, signal.index.shape, strict=True)
    ]
    cut = replace(signal, index=signal.index[tuple(ranges)], node=node.name)
    return replace(value, signal=cut) if isinstance(value, Real) else cut


def _more_channels(
    context: Context, node: Node, value: Signal | Real, before: int, behind: int
) -> Signal | Real:
    """Channels of zeros before and behind those of an image."""
    signal = value.signal if isinstance(value, Real) else value
    shape = [1] * (signal.index.ndim - 2)
    zeros = [
        Constant(f"{node.name} {side}", np.zeros((1, count, *shape)))
        for side, count in (("before", before), ("behind", behind))
    ]
    (joined,) = _concat(
        context,
        replace(node, attributes={"axis": 1}),
        [each for each in (zeros[0], value, zeros[1]) if not _is_empty(each)],
    )
    assert isinstance(joined, Signal | Real)
    return joined


def _is_empty(value: Value) -> bool:
    return isinstance(value, Constant) and not value.values.size


def _shape(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    value = operands[0]
    known = value.signal if isinstance(value, Scaled | Real | RawImage) else value
    signal = context.signal(node, known if isinstance(known, Signal) else value)
    sizes = np.array(signal.index.shape)
    if signal.padding != NO_PADDING:
        sizes[-2:] += np.add(signal.padding[:2], signal.padding[2:])[-2:]
    return [Constant(node.outputs[0], sizes)]


WIRING: dict[str, Handler] = {
    **dict.fromkeys(REINDEX, _reindex),
    "Cast": _reindex,
    "Resize": _resize,
    "Upsample": _resize,
    "Concat": _concat,
    "Pad": _pad,
    "Shape": _shape,
}
"""Handlers by operator."""
