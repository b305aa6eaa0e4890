"""Windows over signals ``(1, channels, length)``: images of one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from semifreddo.convert.constants import reshaped
from semifreddo.convert.context import Context, Handler
from semifreddo.convert.node import Node
from semifreddo.convert.values import Constant, RawImage, Real, Signal, Value

_ROW = {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 0}
"""What a row adds in front of an attribute that has one entry per axis."""

_WINDOWS = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")


def _is_line(value: Value | None) -> bool:
    signal = value.signal if isinstance(value, Real | RawImage) else value
    return isinstance(signal, Signal) and signal.index.ndim == 3


def _with_rank(value: Value, rank: int) -> Value:
    """A signal as an image of one row, or back; a kernel likewise."""
    if isinstance(value, Constant):
        if value.values.ndim != 3 or rank != 4:
            return value
        outputs, inputs, length = value.values.shape
        return reshaped(value, (outputs, inputs, 1, length))
    if isinstance(value, Real | RawImage):
        signal = _with_rank(value.signal, rank)
        assert isinstance(signal, Signal)
        return replace(value, signal=signal)
    if isinstance(value, Signal) and value.index.ndim in (3, 4):
        index = value.index
        return replace(value, index=index[:, :, None] if rank == 4 else index[:, :, 0])
    return value


def _as_row(node: Node) -> Node:
    """The same window over an image of one row."""
    found = dict(node.attributes)
    for name, one in _ROW.items():
        if name in found and len(found[name]) == 1:
            found[name] = [one, *found[name]]
    if len(pads := found.get("pads", ())) == 2:
        found["pads"] = [0, pads[0], 0, pads[1]]
    return replace(node, attributes=found)


def _in_a_row(handler: Handler) -> Handler:
    def handle(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
        if not operands or not _is_line(operands[0]):
            return handler(context, node, operands)
        first = [value if value is None else _with_rank(value, 4) for value in operands]
        return [_with_rank(value, 3) for value in handler(context, _as_row(node), first)]

    return handle


def with_height_one(
    streams: Mapping[str, Handler],
    weighted: Mapping[str, Handler],
    transposed: Mapping[str, Handler],
) -> dict[str, Handler]:
    """Handlers of windows that take signals, too."""
    windows = {name: streams[name] for name in _WINDOWS if name in streams}
    return {
        **weighted,
        **{name: _in_a_row(each) for name, each in {**windows, **transposed}.items()},
        "Conv": _in_a_row(weighted["Conv"]),
    }
