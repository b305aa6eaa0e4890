"""The contract of passes, and the bounded pipeline that runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from semifreddo.core.errors import NetError
from semifreddo.ir.net import StreamNet

MAX_ROUNDS = 200
"""Each round of the standard passes removes a layer somewhere in every chain of layers."""


@dataclass(frozen=True)
class PassResult:
    """What a pass did.

    Attributes:
        net: The network afterwards; the same object if nothing was done.
        modified: Whether anything was done.
    """

    net: StreamNet
    modified: bool


class Pass(Protocol):
    """A rewrite of networks.

    A pass never changes what the network computes: equal images give equal results. Names of
    blocks, the input and the loadable values stay.
    """

    def __call__(self, net: StreamNet) -> PassResult:
        """Rewrite a network once."""
        ...


def name_of(step: Pass) -> str:
    """The name of a pass, for messages."""
    return getattr(step, "__name__", type(step).__name__)


def run_passes(net: StreamNet, passes: Sequence[Pass], max_rounds: int = MAX_ROUNDS) -> StreamNet:
    """Run passes in turn until a whole round changes nothing.

    Args:
        net: The network.
        passes: The passes, in the order of a round.
        max_rounds: Rounds after which to give up.

    Raises:
        NetError: The passes still change something after the last round; names them.
    """
    active: list[str] = []
    for _ in range(max_rounds):
        active = []
        for step in passes:
            result = step(net)
            net = result.net
            if result.modified:
                active.append(name_of(step))
        if not active:
            return net
    raise NetError(
        f"{net.name}: passes {', '.join(active)} still change the network after {max_rounds} "
        "rounds; they undo each other, which is a bug in one of them"
    )
