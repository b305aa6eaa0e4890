"""The last tensor of a file: integers whose order is the order of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from math import gcd, lcm

import numpy as np

from semifreddo.convert.context import Context
from semifreddo.convert.functions import Affine, Sigmoid, Softsign
from semifreddo.convert.node import Node
from semifreddo.convert.real import imaged, plain, settled_clip
from semifreddo.convert.reindex import REINDEX
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


def finish(
    context: Context, node: Node, value: Signal | Real, counts: Sequence[int] = ()
) -> Affine | None:
    """Make the last stream of a network.

    Integers with one positive scale and one offset stay as they are: they have the order of the
    real numbers. Scales per channel are multiplied in as whole numbers of their common step, and
    offsets are added with as many fraction bits as keep the order of every two channels, for all
    integers; that is proven here.

    Args:
        context: The network so far.
        node: The last node.
        value: What the file gives.
        counts: Channels of each output, if the file has several: answers are compared within one.

    Returns:
        What the integers stand for; None if their format says it.

    Raises:
        ConversionError: The order cannot be kept in a format of the arithmetic.
    """
    if isinstance(value, Signal):
        context.image(node, _channels_first(value))
        return None
    real = Real(_channels_first(value.signal), value.functions)
    if isinstance(real.functions[-1], Sigmoid | Softsign):
        real = Real(real.signal, real.functions[:-1])  # it keeps the order
        context.result_tensor = _in_front_of_the_curve(context, node)
    real = imaged(context, node, settled_clip(context, node, real))
    function = plain(context, node, real, "the model answers with the values")
    scores = _of_several(function, counts) if counts else _scores(function)
    if scores is not None and scores.is_plain:
        return function
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
    steps = tuple(step / (1 << scores.frac) for step in scores.steps)
    return Affine(
        steps,
        tuple(
            exact - step * whole
            for exact, step, whole in zip(function.offsets, steps, scores.offsets, strict=True)
        ),
    )


def _in_front_of_the_curve(context: Context, node: Node) -> str:
    """The tensor that the last curve of a file reads.

    Raises:
        ConversionError: Something behind it does more than reshape.
    """
    makers = {name: maker for maker in context.graph.nodes for name in maker.outputs}
    while node.op in REINDEX and node.inputs[0] in makers:
        node = makers[node.inputs[0]]
    if node.op not in ("Sigmoid", "Tanh", "Softsign"):
        context.refuse(node, "follows the last curve of the model; make the curve the last node")
    return node.inputs[0]


@dataclass(frozen=True)
class _Scores:
    """``factor * x + offset / 2**frac`` in units of a step, one per channel."""

    steps: tuple[Fraction, ...]
    factors: tuple[int, ...]
    offsets: tuple[int, ...]
    frac: int

    @property
    def is_plain(self) -> bool:
        """Whether the integers stay what they are."""
        return set(self.factors) == {1} and not any(self.offsets)

    @property
    def bits(self) -> int:
        """How many bits more than its argument a result has, at most."""
        return self.frac + max(*map(abs, self.factors), *map(abs, self.offsets)).bit_length()


def _scores(function: Affine) -> _Scores | None:
    """Integers in the order of a function's values; None if they need too many bits."""
    count = len(function.slopes)
    if function.slopes[0] > 0 and len({*zip(function.slopes, function.offsets, strict=True)}) == 1:
        return _Scores(function.slopes, (1,) * count, (0,) * count, 0)
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
            return _Scores((step,) * count, factors, offsets, frac)
    return None


def _of_several(function: Affine, counts: Sequence[int]) -> _Scores | None:
    """The same of several outputs, whose answers are compared with none of another output."""
    found, start = [], 0
    for count in counts:
        own = _scores(function.select(range(start, start + count)))
        if own is None:
            return None
        found.append(own)
        start += count
    frac = max(own.frac for own in found)
    return _Scores(
        tuple(step for own in found for step in own.steps),
        tuple(factor for own in found for factor in own.factors),
        tuple(offset << frac - own.frac for own in found for offset in own.offsets),
        frac,
    )


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
