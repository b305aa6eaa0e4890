"""Handlers of Abs, Min, Max, Sum and Mean: functions of the same values, or with constants."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from semifreddo.convert.arithmetic import ARITHMETIC, as_real
from semifreddo.convert.combined import Sum
from semifreddo.convert.context import Context, Handler
from semifreddo.convert.functions import Affine, Clip
from semifreddo.convert.node import Node
from semifreddo.convert.real import (
    ZERO,
    appended,
    combined,
    fractions_of,
    numbers,
    same_values,
)
from semifreddo.convert.values import Constant, RawImage, Real, Scaled, Value

_ONE = Fraction(1)


def _operand(context: Context, node: Node, value: Value | None) -> Real | RawImage:
    if isinstance(value, Scaled):
        return as_real(context, node, value)
    return numbers(context, node, value)


def _abs(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    """What is above zero, and what is below with the other sign."""
    real = as_real(context, node, operands[0])
    minus = Affine.scale(-_ONE, real.signal.stream.channels)
    below = appended(appended(real, node, Clip(None, ZERO)), node, minus)
    return [combined(node, Sum, appended(real, node, Clip(ZERO)), below)]


def _extreme(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    """The largest or smallest of a tensor, functions of the same integers, and constants."""
    streams = [_operand(context, node, v) for v in operands if not isinstance(v, Constant)]
    found = streams[0]
    for other in streams[1:]:
        if isinstance(found, RawImage) or isinstance(other, RawImage):
            context.refuse(node, "compares images; put a quantizer in front of it")
        if not same_values(found, other):
            context.refuse(
                node,
                "compares two streams, which is not supported; concatenate them and use a max "
                "pool, or compare with constants",
            )
        found = _of_two(node, found, other)
    for value in operands:
        if isinstance(value, Constant):
            found = _limited(context, node, found, value)
    return [found]


def _of_two(node: Node, left: Real, right: Real) -> Real:
    """``max(a, b) = a + max(b - a, 0)``, and so with the minimum."""
    channels = left.signal.stream.channels
    minus = appended(left, node, Affine.scale(-_ONE, channels))
    more = appended(combined(node, Sum, right, minus), node, _clip(node))
    return combined(node, Sum, left, more)


def _limited(
    context: Context, node: Node, real: Real | RawImage, constant: Constant
) -> Real | RawImage:
    """Not above, or not below, one constant per channel."""
    constant = context.constant(node, constant, "operand")
    ends = fractions_of(context, node, constant, real.signal)
    if len(set(ends)) == 1:
        return appended(real, node, _clip(node, ends[0]))
    ones = (_ONE,) * len(ends)
    moved = appended(real, node, Affine(ones, tuple(-end for end in ends)))
    return appended(appended(moved, node, _clip(node)), node, Affine(ones, ends))


def _clip(node: Node, end: Fraction = ZERO) -> Clip:
    return Clip(end) if node.op == "Max" else Clip(None, end)


def _sum(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    """Additions, one behind the other."""
    found = operands[0]
    for other in operands[1:]:
        (found,) = ARITHMETIC["Add"](context, node, [found, other])
    assert found is not None
    return [found]


def _mean(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    (total,) = _sum(context, node, operands)
    count = Constant(f"{len(operands)}", np.array(float(len(operands))))
    return ARITHMETIC["Div"](context, node, [total, count])


EXTREMES: dict[str, Handler] = {
    "Abs": _abs,
    "Max": _extreme,
    "Min": _extreme,
    "Sum": _sum,
    "Mean": _mean,
}
"""Handlers by operator; operands may be pending products."""
