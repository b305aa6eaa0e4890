"""Operators of qonnx that take images with the channels last."""

from __future__ import annotations

from semifreddo.convert.constants import transposed
from semifreddo.convert.context import Context, Handler
from semifreddo.convert.load import CHANNELS_LAST_DOMAIN
from semifreddo.convert.node import Node
from semifreddo.convert.streams import STREAMS
from semifreddo.convert.values import Constant, RawImage, Real, Signal, Value
from semifreddo.convert.weighted import WEIGHTED

_FIRST, _LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def _turned(value: Value | None, axes: tuple[int, ...]) -> Value | None:
    """A tensor with its axes in another order."""
    if isinstance(value, Signal):
        return Signal(value.stream, value.index.transpose(axes), value.padding, value.node)
    if isinstance(value, Real | RawImage):
        signal = _turned(value.signal, axes)
        assert isinstance(signal, Signal)
        if isinstance(value, Real):
            return Real(signal, value.functions)
        return RawImage(signal, value.functions)
    return value


def _with_channels_last(handler: Handler) -> Handler:
    def handle(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
        first = [_turned(operands[0], _FIRST), *operands[1:]]
        if len(operands) > 1 and isinstance(weight := operands[1], Constant):
            first[1] = transposed(weight, _FIRST) if weight.values.ndim == 4 else weight
        results = [_turned(value, _LAST) for value in handler(context, node, first)]
        return [value for value in results if value is not None]

    return handle


CHANNELS_LAST: dict[str, Handler] = {
    f"{CHANNELS_LAST_DOMAIN}.{name}": _with_channels_last(handler)
    for name, handler in {
        "Conv": WEIGHTED["Conv"],
        "MaxPool": STREAMS["MaxPool"],
        "AveragePool": STREAMS["AveragePool"],
        "BatchNormalization": STREAMS["BatchNormalization"],
    }.items()
}
"""Handlers by operator."""
