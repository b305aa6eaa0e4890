"""The standard pipeline between conversion and a backend."""

from __future__ import annotations

from semifreddo.ir.net import StreamNet
from semifreddo.passes.base import Pass, run_passes
from semifreddo.passes.cast import DropSign, FuseCast, RemoveIdentityCast
from semifreddo.passes.route import MergeRoute, RemoveIdentityRoute

STANDARD_PASSES: tuple[Pass, ...] = (
    FuseCast(),
    DropSign(),
    RemoveIdentityCast(),
    MergeRoute(),
    RemoveIdentityRoute(),
)


def lower(net: StreamNet) -> StreamNet:
    """Bring a converted network into the form backends expect: casts and wiring fused.

    A fused layer keeps the name of its first layer. Results stay equal, bit for bit.
    """
    return run_passes(net, STANDARD_PASSES)
