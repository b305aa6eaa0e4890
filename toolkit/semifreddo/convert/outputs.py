"""The last tensor of a file: integers whose order is the order of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from math import gcd, lcm

import numpy as np

from semifreddo.convert.context import Context
from semifreddo.convert.functions import Affine, Sigmoid
from semifreddo.convert.node import Node
from semifreddo.convert.real import imaged, plain
from semifreddo.convert.values import Real, Signal, Value
from semifreddo.core.fixed import MAX_WIDTH
from semifreddo.ir.layers import Stream


def head(context: Context, node: Node, operands: list[Value | None]) -> list[Value]:
    """A last node that only orders or normalises the answers: the device answers what it reads.

    Raises:
        ConversionError: Something reads its result.
    """
    value = operands[0]
    if context.graph.output not in node.outputs or value is None:
        context.refuse(node, f"operator {node.op} is supported as the last one only; leave it out")
    if not node.attributes.get("largest", 1):
        context.refuse(node, "looks for the smallest answers; look for the largest")
    rank = value.signal.index.ndim if isinstance(value, Real) else 0
    rank = value.index.ndim if isinstance(value, Signal) else rank
    axis = int(node.attributes.get("axis", -1 if node.op != "ArgMax" else 0))
    if rank and axis % rank != 1:
        context.refuse(node, f"works along axis {axis}; answers are compared along the channels")
    context.result_tensor = node.inputs[0]
    return [value for _ in node.outputs]


def finish(context: Context, node: Node, value: Signal | Real) -> Affine | None:
    """Make the last stream of a network.

    Integers with one positive scale and one offset stay as they are: they have the order of the
    real numbers. Scales per channel are multiplied in as whole numbers of their common step, and
    offsets are added with as many fraction bits as keep the order of every two channels, for all
    integers; that is proven here.

    Args:
        context: The network so far.
        node: The last node.
        value: What the file gives.

    Returns:
        What the integers stand for; None if their format says it.

    Raises:
        ConversionError: The order cannot be kept in a format of the arithmetic.
    """
    if isinstance(value, Signal):
        context.image(node, _channels_first(value))
        return None
    real = Real(_channels_first(value.signal), value.functions)
    if isinstance(real.functions[-1], Sigmoid):
        real = Real(real.signal, real.functions[:-1])  # it keeps the order
    real = imaged(context, node, real)
    function = plain(context, node, real, "the model answers with the values")
    if function.slopes[0] > 0 and len({*zip(function.slopes, function.offsets, strict=True)}) == 1:
        return function
    scores = _scores(function)
    stream = real.signal.stream
    reach = max(map(abs, context.reach(stream))).bit_length()
    if scores is None or reach + scores.bits > MAX_WIDTH:
        context.refuse(
            node,
            f"answers with scales and biases per channel that need more than {MAX_WIDTH} bits "
            "together; put a quantizer behind it, or use a per-tensor weight scale in the last "
            "layer",
        )
    _emit(context, node, stream, scores)
    step = scores.step / (1 << scores.frac)
    return Affine(
        (step,) * stream.channels,
        tuple(
            exact - step * whole
            for exact, whole in zip(function.offsets, scores.offsets, strict=True)
        ),
    )


@dataclass(frozen=True)
class _Scores:
    """``factor * x + offset / 2**frac`` in units of a common step, one per channel."""

    step: Fraction
    factors: tuple[int, ...]
    offsets: tuple[int, ...]
    frac: int

    @property
    def bits(self) -> int:
        """How many bits more than its argument a result has, at most."""
        return self.frac + max(*map(abs, self.factors), *map(abs, self.offsets)).bit_length()


def _scores(function: Affine) -> _Scores | None:
    """Integers in the order of a function's values; None if they need too many bits."""
    step = Fraction(
        gcd(*(slope.numerator for slope in function.slopes)),
        lcm(*(slope.denominator for slope in function.slopes)),
    )
    if not step:
        return None
    factors = tuple(int(slope / step) for slope in function.slopes)
    exact = [offset / step for offset in function.offsets]
    for frac in range(MAX_WIDTH):
        offsets = tuple(round(offset * (1 << frac)) for offset in exact)
        if _in_order(exact, offsets, frac):
            return _Scores(step, factors, offsets, frac)
    return None


def _in_order(exact: Sequence[Fraction], offsets: Sequence[int], frac: int) -> bool:
    """Whether rounded offsets order all sums with whole numbers as the exact ones do."""
    for (one, rounded), (other, near) in combinations(zip(exact, offsets, strict=True), 2):
        gap, found = one - other, rounded - near
        whole = gap.numerator // gap.denominator
        if gap == whole:
            if found != whole << frac:
                return False
        elif not whole << frac < found < (whole + 1) << frac:
            return False
    return True


def _channels_first(signal: Signal) -> Signal:
    """An image whose channels come last is the same image."""
    if signal.index.ndim == 4 and signal.channel_map is None:
        turned = replace(signal, index=signal.index.transpose(0, 3, 1, 2))
        if turned.channel_map is not None:
            return turned
    return signal


def _emit(context: Context, node: Node, stream: Stream, scores: _Scores) -> None:
    """The last layer; offsets alone become the bias of the layer before, if it has none."""
    name, frozen = context.derived_name(stream), context.residency(stream)
    bias = None
    # Raw integers count, whatever fraction bits their format has.
    frac = stream.type.frac + scores.frac
    if any(scores.offsets):
        offsets = np.array(scores.offsets)
        bias = context.blocks.derive(f"{name}.offset", "bias", offsets, frac, frozen)
    if bias is not None and set(scores.factors) == {1} and context.takes_bias(stream):
        context.replace_layer(node, stream, bias=bias.name)
        return
    factors = np.array(scores.factors).reshape(1, 1, 1, -1)
    weight = context.blocks.derive(f"{name}.factor", "weight", factors, 0, frozen)
    context.emit_scaler(node, stream, weight, bias)
