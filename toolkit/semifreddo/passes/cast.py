"""Passes that get rid of Cast layers, and of bits that no value needs."""

from __future__ import annotations

from dataclasses import replace

from semifreddo.core.fixed import FixedType, Overflow
from semifreddo.ir.exact import Exact, cast_problem, exact_result
from semifreddo.ir.layers import Cast, Layer
from semifreddo.ir.net import StreamNet
from semifreddo.passes.base import PassResult
from semifreddo.passes.rewrite import Rewrite, apply


def exact_of(net: StreamNet, layer: Layer) -> Exact:
    """Range of a layer's result before its own cast."""
    return exact_result(layer, net.input_streams(layer), net.block.__getitem__)


def is_lossless(exact: Exact, kind: FixedType) -> bool:
    """Whether a format holds every value of a range as it is."""
    shift = kind.frac - exact.frac
    if shift < 0:
        return False
    return kind.min_raw <= exact.low << shift and exact.high << shift <= kind.max_raw


def _range(kind: FixedType) -> Exact:
    return Exact(kind.frac, kind.min_raw, kind.max_raw)


def compose(exact: Exact, first: FixedType, second: FixedType) -> FixedType | None:
    """The one cast that does what two in a row do; None if there is none.

    Args:
        exact: Range of the values before the casts.
        first: The format they enter first.
        second: The format they enter from there.

    Returns:
        ``t`` with ``t.cast(x) == second.cast(first.cast(x))`` for all ``x`` of the range, and the
        fraction bits of ``second``.
    """
    if cast_problem(exact, second):
        return None
    if is_lossless(exact, first):
        return second
    clamps_at_zero = (
        not first.signed
        and first.overflow is Overflow.SATURATE
        and is_lossless(Exact(exact.frac, 0, max(exact.high, 0)), first)
    )
    # A negative value becomes 0 either way: rounding never crosses zero, saturation stops there.
    if not clamps_at_zero or second.overflow is Overflow.WRAP:
        return None
    width = second.width - int(second.signed)
    if width < 1:
        return None
    return FixedType(width, second.frac, False, second.rounding, Overflow.SATURATE)


class FuseCast:
    """Give a layer that only a Cast reads the Cast's format, and drop the Cast."""

    def __call__(self, net: StreamNet) -> PassResult:
        rewrites = []
        for layer in net.layers:
            readers = net.consumers[layer.name]
            if len(readers) != 1 or not isinstance(readers[0], Cast):
                continue
            cast = readers[0]
            kind = compose(exact_of(net, layer), layer.output.type, cast.output.type)
            if kind is not None:
                fused = replace(layer, output=replace(layer.output, type=kind))
                rewrites.append(Rewrite({cast.name: layer.name}, {layer.name: fused}))
        return apply(net, rewrites)


class DropSign:
    """Give a layer whose results are never negative a format without a sign, one bit narrower.

    Raw integers stay as they are, those of the network's output and their format included.
    """

    def __call__(self, net: StreamNet) -> PassResult:
        rewrites = []
        for layer in net.layers:
            kind = layer.output.type
            droppable = kind.signed and kind.width > 1 and kind.overflow is not Overflow.WRAP
            if layer.name == net.output.name or not droppable or exact_of(net, layer).low < 0:
                continue
            unsigned = FixedType(kind.width - 1, kind.frac, False, kind.rounding, Overflow.SATURATE)
            plain = replace(layer, output=replace(layer.output, type=unsigned))
            rewrites.append(Rewrite({}, {layer.name: plain}))
        return apply(net, rewrites)


class RemoveIdentityCast:
    """Drop a Cast that changes no raw integer."""

    def __call__(self, net: StreamNet) -> PassResult:
        rewrites = []
        for layer in net.layers:
            source = net.streams[layer.inputs[0]]
            same = layer.output.type.frac == source.type.frac and is_lossless(
                _range(source.type), layer.output.type
            )
            is_only = layer.name == net.output.name and source.name == net.input.name
            if isinstance(layer, Cast) and same and not is_only:
                rewrites.append(Rewrite({layer.name: source.name}))
        return apply(net, rewrites)
