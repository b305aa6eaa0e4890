"""A quantizer behind any real function, as layers of integers.

Where the function is affine between the ends of the quantizer's range, the layer is a fixed scaler:
a depthwise 1x1 convolution whose weights are the factors, whose biases are the offsets, and whose
cast drops the shift and saturates. Such a layer has every form that other weighted layers have:
shifts and adds or one bit per cycle where it is frozen, shared multipliers where it is loadable.
Any other function becomes a curve (:mod:`semifreddo.convert.curves`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from semifreddo.convert.context import Context
from semifreddo.convert.curves import emit_curve
from semifreddo.convert.decisions import Decision
from semifreddo.convert.functions import (
    Affine,
    Clip,
    Function,
    Invertible,
    Leaky,
    chained,
    direction,
)
from semifreddo.convert.node import Node
from semifreddo.convert.pieces import pieces_of
from semifreddo.convert.real import imaged
from semifreddo.convert.steps import NoScalerError, Quantizer, Steps, scalers_of, steps_of
from semifreddo.convert.values import NO_PADDING, Real, Signal
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import FixedType, Overflow, Rounding, bits_for
from semifreddo.ir.layers import Add, Stream


def requantize(context: Context, node: Node, real: Real, quantizer: Quantizer, frac: int) -> Signal:
    """The integers that a quantizer makes of a real tensor.

    Args:
        context: The network so far.
        node: The quantizer.
        real: What it reads.
        quantizer: What it does.
        frac: Fraction bits of the result's format.

    Raises:
        ConversionError: The function has no form in hardware.
    """
    padding = real.signal.padding
    real = replace(real, signal=replace(real.signal, padding=NO_PADDING))
    if padding != NO_PADDING and _moves_zero(context, node, real, quantizer):
        context.refuse(node, "quantizes a padded image, and zero does not stay zero; pad behind it")
    if real.signal.channel_map is not None:
        real = imaged(context, node, real)
    source = real.signal.stream
    if _shapes(real, quantizer) is None:
        stream = emit_curve(context, node, real, quantizer, frac)
    else:
        made = _Requantized(context, node, real, quantizer, frac)
        stream = source if made.is_identity else _scaler_or_curve(made)
    result = replace(real.signal, stream=stream, padding=padding, node=node.name)
    reach = context.arguments(source)
    context.decisions.append(
        Decision.of(node, source, result, real.functions, quantizer, arguments=reach)
    )
    if stream is not source:
        # The file's tensor has another shape or order than the stream of a padded or moved image.
        ordered = padding == NO_PADDING and context.in_file_order(real.signal)
        tensor = node.outputs[0] if ordered else ""
        context.stands_for(stream, tensor, quantizer.scale)
    return result


def _scaler_or_curve(made: _Requantized) -> Stream:
    """Scalers; a curve where no multiplication equals the quantizer, and nothing is emitted yet."""
    known = len(made.context.layers)
    try:
        return made.stream()
    except NoScalerError:
        if len(made.context.layers) > known:
            raise
        try:
            return made.curve()
        except ConversionError:
            pass  # what says more is that there is no scaler
        raise


def _shapes(real: Real, quantizer: Quantizer) -> tuple[Affine | Clip | Leaky, ...] | None:
    """The functions, if scalers can equal a quantizer behind them."""
    known = tuple(each for each in real.functions if isinstance(each, Affine | Clip | Leaky))
    bends = sum(isinstance(each, Leaky) for each in known)
    if len(known) < len(real.functions) or bends > 1 or (bends and quantizer.step != 1):
        return None
    return known


def _moves_zero(context: Context, node: Node, real: Real, quantizer: Quantizer) -> bool:
    what = context.what(node)
    return any(
        pieces_of(real.functions, channel, quantizer, (0, 0), what)(0) != 0
        for channel in range(real.signal.stream.channels)
    )


class _Requantized:
    """The layers of one quantizer. Arguments are those of :func:`requantize`."""

    def __init__(
        self, context: Context, node: Node, real: Real, quantizer: Quantizer, frac: int
    ) -> None:
        functions = _shapes(real, quantizer)
        assert functions is not None, node.name
        self.context = context
        self._node = node
        self._functions = functions
        self._quantizer = quantizer
        self._frac = frac
        self._real = real
        self._source = real.signal.stream
        self._channels = range(self._source.channels)
        self._steps = self._steps_of_channels()

    def _steps_of_channels(self) -> list[Steps]:
        """The step function of each channel; equal channels are computed once."""
        arguments = self.context.arguments(self._source)
        known: dict[tuple[Invertible, ...], Steps] = {}
        found = []
        for channel in self._channels:
            key = tuple(function.select((channel,)) for function in self._functions)
            if key not in known:
                known[key] = steps_of(key, 0, self._quantizer, arguments)
            found.append(known[key])
        return found

    @property
    def is_identity(self) -> bool:
        """Whether every integer stays what it is."""
        return self._source.type.frac == self._frac and all(map(_is_identity, self._steps))

    def curve(self) -> Stream:
        """Emit the layer that compares with the beginning of each level."""
        return emit_curve(self.context, self._node, self._real, self._quantizer, self._frac)

    def stream(self) -> Stream:
        """Emit the layers; gives the last one's stream."""
        for function in self._functions:
            if isinstance(function, Leaky):
                return self._leaky(function)
        return self._scaled(self._steps, self._slopes(), self._ends())

    def _slopes(self) -> list[Fraction]:
        """Levels per integer of the source, by channel."""
        return [
            _slope(self._functions, channel) / self._quantizer.width for channel in self._channels
        ]

    def _ends(self) -> tuple[int, int]:
        """Smallest and largest integer that the functions can give, at whatever argument."""
        low, high = self._quantizer.low, self._quantizer.high
        functions = self._functions
        moving = [channel for channel in self._channels if direction(functions, channel)]
        if not moving or not any(isinstance(function, Clip) for function in functions):
            return low, high
        levels = self._quantizer.levels

        def everywhere(level: int, answer: bool) -> bool:
            """Whether all channels answer so at any argument whatever."""
            boundary = self._quantizer.boundary(level)
            return all(chained(functions, channel, boundary) is answer for channel in moving)

        # What is at least a level is at least every lower one.
        always = bisect_left(levels, True, key=lambda level: not everywhere(level, True))
        never = bisect_left(levels, True, key=lambda level: everywhere(level, False))
        return low + always * self._quantizer.step, low + never * self._quantizer.step

    def _leaky(self, leaky: Leaky) -> Stream:
        """What is above zero minus what is below: two scalers and a sum."""
        low, high = self._ends()
        slopes, top = self._slopes(), max(high, 0)
        above = self._scaled(self._steps, slopes, (0, top))
        if low >= 0:
            return above
        gentle = [slope * leak for slope, leak in zip(slopes, leaky.slopes, strict=True)]
        below = self._scaled([steps.negated() for steps in self._steps], gentle, (0, -low))
        minus = self._depthwise(below, [-1] * below.channels)
        kind = _around(low, top, self._frac)
        context, node = self.context, self._node
        return context.emit(node, Add, (above, minus), above.shape, into=kind, tensor="")

    def _scaled(
        self, channels: Sequence[Steps], slopes: Sequence[Fraction], ends: tuple[int, int]
    ) -> Stream:
        """Scalers of all channels, clipped to two integers."""
        low, high = ends
        inside = [steps.between(low, high) for steps in channels]
        kind = _format(low, high, self._frac)
        if kind is not None:
            return self._scalers(inside, slopes, kind)
        # Saturation of a format clips at zero: at the low end first, then at the high one.
        lowered = [replace(steps, low=0) for steps in inside]
        width, frac = (high - low).bit_length(), self._frac
        unsigned = FixedType(width, frac, False, Rounding.FLOOR, Overflow.SATURATE)
        around = _around(low, high, frac)
        if high - low + 1 == 1 << width:
            stream = self._scalers(lowered, slopes, unsigned)
            return self._depthwise(stream, [1] * stream.channels, low, around)
        reach = max(_highest(steps, slope) for steps, slope in zip(lowered, slopes, strict=True))
        wide = replace(unsigned, width=max(width, reach.bit_length()))
        stream = self._scalers(lowered, slopes, wide)
        minus = [-1] * stream.channels
        stream = self._depthwise(stream, minus, high - low, unsigned)
        return self._depthwise(stream, minus, high, around)

    def _scalers(
        self, channels: Sequence[Steps], slopes: Sequence[Fraction], kind: FixedType
    ) -> Stream:
        """One fixed scaler per channel, cast into a format."""
        scalers, rounding = scalers_of(channels, slopes, self.context.what(self._node))
        factors = np.array([scaler.factor for scaler in scalers])
        offsets = np.array([scaler.offset for scaler in scalers])
        kind = replace(kind, rounding=rounding)
        return self._layer(self._source, factors, offsets, scalers[0].shift + kind.frac, kind)

    def _depthwise(
        self,
        source: Stream,
        factors: Sequence[int],
        offset: int = 0,
        kind: FixedType | None = None,
    ) -> Stream:
        """``factor * x + offset`` of each channel, in the units of the source."""
        offsets = np.full(source.channels, offset)
        return self._layer(source, np.array(factors), offsets, source.type.frac, kind)

    def _layer(
        self,
        source: Stream,
        factors: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        frac: int,
        kind: FixedType | None,
    ) -> Stream:
        """``factor * x + offset`` of each channel, with ``frac`` fraction bits, into a format."""
        context = self.context
        name, frozen = context.derived_name(source), context.residency(source)
        raw = factors.reshape(1, 1, 1, -1)
        weight = context.blocks.derive(
            f"{name}.factor", "weight", raw, frac - source.type.frac, frozen
        )
        bias = None
        if offsets.any():
            # Zeros that all offsets end in are fraction bits that nobody needs to store.
            zeros = int(np.bitwise_or.reduce(offsets) & -np.bitwise_or.reduce(offsets))
            offsets, frac = offsets // zeros, frac - zeros.bit_length() + 1
            bias = context.blocks.derive(f"{name}.offset", "bias", offsets, frac, frozen)
        return context.emit_scaler(self._node, source, weight, bias, into=kind, tensor="")


def _is_identity(steps: Steps) -> bool:
    return (
        steps.rising
        and steps.step == 1
        and steps.low <= steps.first
        and steps.last <= steps.low + len(steps.starts)
        and all(
            start == min(max(steps.low + position, steps.first), steps.last + 1)
            for position, start in enumerate(steps.starts, 1)
        )
    )


def _slope(functions: Sequence[Function], channel: int) -> Fraction:
    """Product of the slopes of all affine functions."""
    product = Fraction(1)
    for function in functions:
        if isinstance(function, Affine):
            product *= function.slopes[channel]
    return product


def _format(low: int, high: int, frac: int) -> FixedType | None:
    """The format that saturates at exactly these integers; None if there is none."""
    width, signed = bits_for(low, high)
    kinds = [FixedType(width, frac, signed, Rounding.FLOOR, Overflow.SATURATE)]
    if signed:
        kinds.append(replace(kinds[0], overflow=Overflow.SATURATE_SYMMETRIC))
    found = [kind for kind in kinds if (kind.min_raw, kind.max_raw) == (low, high)]
    return found[0] if found else None


def _around(low: int, high: int, frac: int) -> FixedType:
    """The smallest format that holds these integers."""
    width, signed = bits_for(low, high)
    return FixedType(width, frac, signed, Rounding.FLOOR, Overflow.SATURATE)


def _highest(steps: Steps, slope: Fraction) -> int:
    """A bound of what a scaler gives where nothing clips it."""
    return int(abs(slope) * (steps.last - steps.first)) + len(steps.starts) + 2
