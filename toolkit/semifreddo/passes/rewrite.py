"""Applying rewrites of single layers to a network, without tearing repeated blocks apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from semifreddo.ir.layers import Layer
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.passes.base import PassResult


@dataclass(frozen=True)
class Rewrite:
    """One local change.

    Attributes:
        removed: Layers to take out, and the stream their readers read instead.
        changed: New layers under the names of old ones.
    """

    removed: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, Layer] = field(default_factory=dict)

    @property
    def touched(self) -> frozenset[str]:
        """Names of all layers taking part."""
        return frozenset(self.removed) | frozenset(self.changed)

    def effect(self, name: str) -> object:
        """What happens to a layer, comparable between the passes of a repeat."""
        if name in self.removed:
            return "removed"
        return (self.changed[name].kind, self.changed[name].output.type)


def _disjoint(rewrites: Iterable[Rewrite]) -> list[Rewrite]:
    taken: set[str] = set()
    chosen: list[Rewrite] = []
    for rewrite in rewrites:
        # What a removed layer is replaced by must not disappear in the same step.
        needed = rewrite.touched | frozenset(rewrite.removed.values())
        if not taken & needed:
            taken |= needed
            chosen.append(rewrite)
    return chosen


def _consistent(net: StreamNet, rewrites: list[Rewrite]) -> list[Rewrite]:
    """Leave out rewrites that would treat the passes of a repeat differently."""
    while True:
        effects = {name: rewrite.effect(name) for rewrite in rewrites for name in rewrite.touched}
        torn = {
            name
            for repeat in net.repeats
            for group in zip(*repeat.passes, strict=True)
            if len({effects.get(name) for name in group}) > 1
            for name in group
        }
        kept = [rewrite for rewrite in rewrites if not rewrite.touched & torn]
        if len(kept) == len(rewrites):
            return kept
        rewrites = kept


def apply(net: StreamNet, rewrites: Iterable[Rewrite]) -> PassResult:
    """Apply as many rewrites as go together.

    Of rewrites that share a layer the first is taken. The passes of a repeat are changed alike or
    not at all.

    Args:
        net: The network.
        rewrites: Changes, each correct on its own.
    """
    chosen = _consistent(net, _disjoint(rewrites))
    removed = {name: stream for rewrite in chosen for name, stream in rewrite.removed.items()}
    changed = {name: layer for rewrite in chosen for name, layer in rewrite.changed.items()}
    if not removed and not changed:
        return PassResult(net, False)
    layers = []
    for old in net.layers:
        if old.name not in removed:
            layer = changed.get(old.name, old)
            inputs = tuple(removed.get(name, name) for name in layer.inputs)
            layers.append(replace(layer, inputs=inputs))
    return PassResult(replace(net, layers=tuple(layers), repeats=_repeats(net, removed)), True)


def _repeats(net: StreamNet, removed: Mapping[str, str]) -> tuple[Repeat, ...]:
    kept = []
    for repeat in net.repeats:
        passes = tuple(
            tuple(name for name in names if name not in removed) for names in repeat.passes
        )
        if passes[0]:
            kept.append(Repeat(repeat.name, passes))
    return tuple(kept)
