"""Streams of integers that stand for real numbers of any scale, until a quantizer asks for them.

A :class:`Real` is a signal and the functions that turn its integers into real numbers, channel by
channel. Batch norms, float scales and biases, scalar factors and activations only append to the
functions; the next quantizer makes a step function of them (:mod:`semifreddo.convert.requantize`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import gcd
from typing import TypeVar

import numpy as np

from semifreddo.convert.combined import Product, Sum
from semifreddo.convert.context import Context
from semifreddo.convert.functions import (
    Affine,
    Clip,
    Function,
    Leaky,
    direction,
    inverse_root,
)
from semifreddo.convert.node import Node
from semifreddo.convert.values import NO_PADDING, Constant, RawImage, Real, Signal, Value
from semifreddo.core.fixed import saturating
from semifreddo.ir.layers import Add, Stream

Numbers = TypeVar("Numbers", bound=Real | RawImage)

ZERO = Fraction(0)
_MOST_FACTOR_BITS = 40
"""Widest factor that brings the scales of a sum together."""
_EPSILON = 1e-5
"""Of a batch norm that names none."""


def power_of_two(exponent: int) -> Fraction:
    """``2**exponent``, also of negative exponents."""
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)


def lifted(context: Context, node: Node, value: Value | None) -> Real:
    """An operand as real numbers: a stream whose scale is a power of two has a plain slope."""
    if isinstance(value, Real):
        return value
    signal = context.signal(node, value)
    slope = power_of_two(-signal.stream.type.frac)
    return Real(signal, (Affine.scale(slope, signal.stream.channels),))


def numbers(context: Context, node: Node, value: Value | None) -> Real | RawImage:
    """An operand of whatever can be done to the image, too, before it has a format."""
    return value if isinstance(value, RawImage) else lifted(context, node, value)


def fractions_of(
    context: Context, node: Node, constant: Constant, signal: Signal
) -> tuple[Fraction, ...]:
    """A constant operand's value for each channel of the stream behind a signal.

    Raises:
        ConversionError: It differs between pixels of a channel.
    """
    values = constant.values.astype(np.float64)
    channels = signal.stream.channels
    if values.size == 1:
        return (Fraction(float(values.ravel()[0])),) * channels
    try:
        spread = np.broadcast_to(values, signal.index.shape).ravel()
    except ValueError:
        context.refuse(
            node,
            f"a constant of shape {values.shape} does not go with a tensor of shape "
            f"{signal.index.shape}; use one value per channel",
        )
    channel = signal.index.ravel() % channels
    found = np.zeros(channels)
    found[channel] = spread
    if (found[channel] != spread).any():
        context.refuse(
            node,
            f"{constant.parameter or constant.name!r} differs between the pixels of a channel; use "
            "one value per channel",
        )
    return tuple(Fraction(float(value)) for value in found)


def appended(real: Numbers, node: Node, function: Function) -> Numbers:
    """Another function behind those of a real tensor; affine ones become one."""
    functions, last = (*real.functions, function), real.functions[-1]
    if isinstance(last, Affine) and isinstance(function, Affine):
        functions = (*real.functions[:-1], last.then(function.slopes, function.offsets))
    return replace(real, functions=functions, signal=replace(real.signal, node=node.name))


def affine(
    context: Context,
    node: Node,
    value: Numbers,
    slope: Constant | None,
    offset: Constant | None,
) -> Numbers:
    """``slope * value + offset`` with constants."""
    signal = value.signal
    count = signal.stream.channels
    slopes = (Fraction(1),) * count if slope is None else fractions_of(context, node, slope, signal)
    offsets = (ZERO,) * count if offset is None else fractions_of(context, node, offset, signal)
    return appended(value, node, Affine(slopes, offsets))


def plain(context: Context, node: Node, real: Real, what: str) -> Affine:
    """The one affine function of a real tensor that a linear operator can take in.

    Raises:
        ConversionError: An activation has no quantizer behind it.
    """
    function = real.functions[0]
    if _is_plain(real) and isinstance(function, Affine):
        return function
    context.refuse(node, f"{what} of an activation without quantizer; put a quantizer behind it")


def settled_clip(context: Context, node: Node, real: Real) -> Real:
    """The same tensor, as the integers of a cast as far as all that is done to them are clips.

    A clip at whole steps leaves whole steps: ReLU does so with all integers that have no offset.
    """
    first, *rest = real.functions
    if not rest or not isinstance(first, Affine) or not isinstance(rest[0], Clip):
        return real
    ends = _whole_ends(first, rest[0])
    stream, is_padded = real.signal.stream, real.signal.padding != NO_PADDING
    if ends is None or (is_padded and rest[0].value(0, ZERO) != 0):
        return real
    reach = context.reach(stream)
    kind = saturating(*ends, reach, stream.type.frac)
    if kind is None:
        return real
    if kind.min_raw > reach[0] or kind.max_raw < reach[1]:
        stream = context.clipped(node, stream, kind)
    settled = Real(real.signal.with_stream(stream), (first,))
    for function in rest[1:]:
        settled = appended(settled, node, function)
    return settled_clip(context, node, settled)


def _whole_ends(function: Affine, clip: Clip) -> tuple[int | None, int | None] | None:
    """The integers at which a clip of their real numbers begins; None if these are no integers."""
    if any(function.offsets) or min(function.slopes) <= 0:
        return None
    found: list[int | None] = []
    for end in (clip.low, clip.high):
        steps = set() if end is None else {end / slope for slope in function.slopes}
        if len(steps) > 1 or any(each.denominator > 1 for each in steps):
            return None
        found.append(next(map(int, steps), None))
    return found[0], found[1]


def _is_plain(real: Real) -> bool:
    return len(real.functions) == 1 and isinstance(real.functions[0], Affine)


def imaged(context: Context, node: Node, real: Real) -> Real:
    """The same tensor as a whole stream, so that channel ``i`` is channel ``i``.

    Raises:
        ConversionError: No layer makes such a stream, or a channel of it would have two scales.
    """
    signal = real.signal
    stream = context.image(node, signal)
    if stream.name == signal.stream.name:
        return real
    planes = signal.planes
    assert planes is not None
    sources = planes.reshape(len(planes), -1) % signal.stream.channels
    first = tuple(sources[:, 0].tolist())
    functions = tuple(function.select(first) for function in real.functions)
    for other in np.unique(sources, axis=1).T:
        if any(
            f.select(other.tolist()) != g for f, g in zip(real.functions, functions, strict=True)
        ):
            context.refuse(
                node,
                "puts channels of different scales into one channel; put a quantizer in front",
            )
    return Real(Signal.whole(stream, signal.index.ndim, node.name), functions)


def directions(real: Real) -> list[int | None]:
    """Of each channel of the stream: 1, -1 or 0; None if it is not monotone."""
    return [direction(real.functions, channel) for channel in range(real.signal.stream.channels)]


def real_quotient(context: Context, node: Node, value: Numbers, divisor: Constant) -> Numbers:
    """A real tensor divided by constants, exactly."""
    divisors = fractions_of(context, node, divisor, value.signal)
    slopes = tuple(1 / each if each else ZERO for each in divisors)
    return appended(value, node, Affine(slopes, (ZERO,) * len(slopes)))


def same_values(left: Real, right: Real) -> bool:
    """Whether two real tensors are functions of the same integers, value by value."""
    return left.signal.same_as(right.signal)


def combined(node: Node, kind: type[Product] | type[Sum], left: Real, right: Real) -> Real:
    """The product or the sum of two functions of the same integers."""
    itself = Affine.scale(Fraction(1), left.signal.stream.channels)
    functions = (itself, kind(left.functions, right.functions))
    return Real(replace(left.signal, node=node.name), functions)


def real_sum(context: Context, node: Node, left: Real, right: Real) -> Real:
    """The sum of two real tensors: each is brought to a step that both scales are multiples of.

    Raises:
        ConversionError: The shapes differ, or the scales have no common step of a few bits.
    """
    if same_values(left, right):
        if _is_plain(left) and _is_plain(right):
            one = plain(context, node, right, "a sum reads the values")
            functions = (_added(plain(context, node, left, "a sum reads the values"), one),)
            return Real(replace(left.signal, node=node.name), functions)
        return combined(node, Sum, left, right)
    left, right = (settled_clip(context, node, each) for each in (left, right))
    if left.signal.index.shape != right.signal.index.shape:
        context.refuse(
            node,
            f"adds shapes {left.signal.index.shape} and {right.signal.index.shape}; both must have "
            "the same",
        )
    if not left.signal.same_view(right.signal) or left.signal.channel_map is not None:
        left, right = imaged(context, node, left), imaged(context, node, right)
    a, b = (plain(context, node, each, "a sum reads the values") for each in (left, right))
    steps = [_common_step(context, node, s, t) for s, t in zip(a.slopes, b.slopes, strict=True)]
    factors = [[s / g for s, g in zip(function.slopes, steps, strict=True)] for function in (a, b)]
    sources = [each.signal.stream for each in (left, right)]
    if sources[0].type.frac != sources[1].type.frac or any(set(f) != {1} for f in factors):
        sources = [
            multiplied(context, node, stream, each)
            for stream, each in zip(sources, factors, strict=True)
        ]
    made = context.emit(node, Add, (sources[0], sources[1]), sources[0].shape)
    context.hide(made)
    offsets = _added(a, b).offsets
    return Real(replace(left.signal, stream=made, node=node.name), (Affine(tuple(steps), offsets),))


def _added(one: Affine, other: Affine) -> Affine:
    return Affine(
        tuple(s + t for s, t in zip(one.slopes, other.slopes, strict=True)),
        tuple(s + t for s, t in zip(one.offsets, other.offsets, strict=True)),
    )


def _common_step(context: Context, node: Node, a: Fraction, b: Fraction) -> Fraction:
    """The largest number that two scales are multiples of."""
    if not a or not b:
        return abs(a or b) or Fraction(1)
    step = Fraction(
        gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator
    )
    if max(abs(a / step), abs(b / step)) >= 1 << _MOST_FACTOR_BITS:
        context.refuse(
            node,
            f"adds streams of scales {float(a):g} and {float(b):g}, whose sum needs more than "
            f"{_MOST_FACTOR_BITS} bits more; quantize both with one quantizer",
        )
    return step


def above_zero(context: Context, node: Node, real: Real) -> Real:
    """The same tensor, with integers from zero upwards, so that zero is below all of them."""
    stream = real.signal.stream
    low = stream.type.min_raw
    moved = multiplied(context, node, stream, [Fraction(1)] * stream.channels, -low)
    first, *rest = real.functions
    assert isinstance(first, Affine)
    offsets = tuple(
        offset + slope * low for slope, offset in zip(first.slopes, first.offsets, strict=True)
    )
    return Real(real.signal.with_stream(moved), (Affine(first.slopes, offsets), *rest))


def multiplied(
    context: Context, node: Node, stream: Stream, factors: Sequence[Fraction], offset: int = 0
) -> Stream:
    """A stream times whole numbers, plus one, as integers without fraction bits."""
    whole = [int(factor) for factor in factors]
    if set(whole) == {1} and stream.type.frac == 0 and not offset:
        return stream
    frozen = (True,) * stream.channels
    weight = context.blocks.derive(
        f"{context.derived_name(stream)}.factor",
        "weight",
        np.array(whole).reshape(1, 1, 1, -1),
        -stream.type.frac,
        frozen,
    )
    bias = None
    if offset:
        offsets = np.full(stream.channels, offset)
        name = f"{context.derived_name(stream)}.offset"
        bias = context.blocks.derive(name, "bias", offsets, 0, frozen)
    product = context.emit_scaler(node, stream, weight, bias, tensor="")
    if not offset:
        context.products.add(product.name)
    return product


def batch_norm(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    """A batch norm in evaluation mode: ``gamma / sqrt(variance + epsilon)`` and its offset."""
    if node.attributes.get("training_mode", 0):
        context.refuse(
            node, "normalises with the batch itself; export the model in evaluation mode"
        )
    gamma, beta, mean, variance = (
        context.constant(node, value, role)
        for value, role in zip(operands[1:5], ("scale", "bias", "mean", "variance"), strict=True)
    )
    value = numbers(context, node, operands[0])
    rank = value.signal.index.ndim
    columns = [
        fractions_of(
            context,
            node,
            replace(each, values=each.values.reshape(-1, *(1,) * (rank - 2))),
            value.signal,
        )
        for each in (gamma, beta, mean, variance)
    ]
    epsilon = Fraction(float(np.float32(node.attributes.get("epsilon", _EPSILON))))
    slopes, offsets = [], []
    for one, shift, centre, spread in zip(*columns, strict=True):
        slope = one * inverse_root(spread + epsilon)
        slopes.append(slope)
        offsets.append(shift - centre * slope)
    return [appended(value, node, Affine(tuple(slopes), tuple(offsets)))]


def _leaky(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    real = numbers(context, node, operands[0])
    if len(operands) > 1:
        slope = context.constant(node, operands[1], "slope")
        values = slope.values
        if values.ndim == real.signal.index.ndim - 1:
            values = values[None]
        slopes = fractions_of(context, node, replace(slope, values=values), real.signal)
    else:
        alpha = Fraction(float(np.float32(node.attributes.get("alpha", 0.01))))
        slopes = (alpha,) * real.signal.stream.channels
    if min(slopes) >= 0:
        return [appended(real, node, Leaky(slopes))]
    if isinstance(real, RawImage):
        context.refuse(node, "a negative slope folds the image; put a quantizer in front of it")
    above = appended(real, node, Clip(ZERO))
    below = appended(real, node, Clip(None, ZERO))
    return [
        combined(node, Sum, above, appended(below, node, Affine(slopes, (ZERO,) * len(slopes))))
    ]


def _clip(context: Context, node: Node, operands: Sequence[Value | None]) -> list[Value]:
    ends: list[Fraction | None] = []
    for slot, name in ((1, "min"), (2, "max")):
        given = operands[slot] if slot < len(operands) else None
        if given is not None:
            constant = context.constant(node, given, name).values
            if constant.size != 1:
                context.refuse(node, f"its {name} has {constant.size} values; use Min and Max")
            ends.append(Fraction(float(constant.ravel()[0])))
        elif name in node.attributes:
            ends.append(Fraction(float(np.float32(node.attributes[name]))))
        else:
            ends.append(None)
    low, high = ends
    if low is not None and high is not None and low > high:
        context.refuse(node, "its lower end is above its upper one; exchange them")
    return [appended(numbers(context, node, operands[0]), node, Clip(low, high))]


REAL = {
    "BatchNormalization": batch_norm,
    "LeakyRelu": _leaky,
    "PRelu": _leaky,
    "Clip": _clip,
}
"""Handlers by operator of what only appends a function."""
