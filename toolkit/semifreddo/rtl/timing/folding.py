"""What is built once: layers, and repeated blocks whose passes share one set of units.

A net lists every pass of a repeated block. A folded block has the units of pass 0 only; the words
of each pass come back through a feature-map buffer and are the input of the next one. Loadable
values may differ from pass to pass, everything else must be the same hardware.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import NoReturn

import numpy as np

from semifreddo.core.errors import ProjectError
from semifreddo.ir.layers import Layer, Stream, WeightBlock
from semifreddo.ir.net import Repeat, StreamNet

_BY_PASS = frozenset({"inputs", "output", "weight", "bias", "alpha"})
"""Fields of a layer that may differ from pass to pass."""


@dataclass(frozen=True)
class Entry:
    """A stream into a folded block.

    Attributes:
        name: Of the stream inside the block; no layer has it.
        source: The stream outside that pass 0 reads.
        back: The layer (of pass 0) whose words all later passes read.
    """

    name: str
    source: str
    back: str


@dataclass(frozen=True)
class Block:
    """Layers that are built together: a single layer, or a folded repeat.

    Attributes:
        name: Of the layer or the repeat.
        layers: Those that are built, in topological order.
        passes: Names of the layers of each pass, in the order of ``layers``.
        entries: Streams from outside; a single layer reads its streams directly.
        pass_blocks: Weight blocks by pass, see :class:`semifreddo.rtl.units.unit.Context`.
    """

    name: str
    layers: tuple[Layer, ...]
    passes: tuple[tuple[str, ...], ...]
    entries: tuple[Entry, ...] = ()
    pass_blocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Passes per image."""
        return len(self.passes)

    @property
    def folded(self) -> bool:
        """Whether its units run several times per image."""
        return self.count > 1

    def onward(self, layer: str) -> str:
        """Under which name the words of a layer's last pass leave the block."""
        return self.passes[-1][self.passes[0].index(layer)]

    def names(self, layer: str) -> tuple[str, ...]:
        """The names of a built layer's passes."""
        index = self.passes[0].index(layer)
        return tuple(names[index] for names in self.passes)


@dataclass(frozen=True)
class Plan:
    """A network as it is built.

    Attributes:
        net: The network.
        blocks: In topological order.
    """

    net: StreamNet
    blocks: tuple[Block, ...]

    @cached_property
    def built(self) -> tuple[Layer, ...]:
        """All layers with a unit."""
        return tuple(layer for block in self.blocks for layer in block.layers)

    @cached_property
    def reads(self) -> Mapping[tuple[str, int], str]:
        """The stream that every reader reads.

        A reader is an input of a built layer, ``(layer, index)``, or an entry, ``(entry, 0)``; the
        device's output is ``("", 0)``. Streams are named like layers; inside a folded block that is
        the layer of pass 0 (the stream has the words of all passes), behind it the layer of the
        last pass.
        """
        found: dict[tuple[str, int], str] = {}
        for block in self.blocks:
            inside = {entry.source: entry.name for entry in block.entries}
            for layer in block.layers:
                for index, source in enumerate(layer.inputs):
                    found[layer.name, index] = inside.get(source, source)
            for entry in block.entries:
                found[entry.name, 0] = entry.source
        found["", 0] = self.net.output.name
        return found

    @cached_property
    def readers(self) -> Mapping[str, tuple[tuple[str, int], ...]]:
        """The readers of every stream, in order."""
        found: dict[str, list[tuple[str, int]]] = {}
        for reader, stream in self.reads.items():
            found.setdefault(stream, []).append(reader)
        return {stream: tuple(readers) for stream, readers in found.items()}

    def leaves(self, stream: str) -> tuple[Block, ...]:
        """The folded block that a stream leaves, forwards or back to its entries."""
        return tuple(
            block
            for block in self.blocks
            if block.folded
            and stream in block.passes[0]
            and (
                self.readers.get(block.onward(stream))
                or any(entry.back == stream for entry in block.entries)
            )
        )

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        """Format and shape (of one pass) of every stream, entries among them."""
        entries = [entry for block in self.blocks for entry in block.entries]
        return {
            **self.net.streams,
            **{entry.name: self.net.streams[entry.source] for entry in entries},
        }


def make_plan(net: StreamNet, unrolled: frozenset[str] = frozenset()) -> Plan:
    """Fold all repeats that are not in ``unrolled``.

    Raises:
        ProjectError: A repeat cannot be folded: says why.
    """
    owner: dict[str, Block] = {}
    for repeat in net.repeats:
        if repeat.name not in unrolled:
            block = _Folder(net, repeat).block()
            for names in block.passes:
                for name in names:
                    if name in owner:
                        refuse(repeat.name, f"{name!r} belongs to another repeat too")
                    owner[name] = block
    for layer in net.layers:
        if layer.name not in owner:
            owner[layer.name] = Block(layer.name, (layer,), ((layer.name,),))
    return Plan(net, tuple(_sorted(net, owner)))


def _sorted(net: StreamNet, owner: Mapping[str, Block]) -> list[Block]:
    """Blocks in topological order."""
    waiting = list({block.name: block for block in owner.values()}.values())
    known, found = {net.input.name}, []
    while waiting:
        ready = [block for block in waiting if _sources(block) <= known]
        if not ready:
            refuse(waiting[0].name, "other layers stand between its passes")
        found.append(ready[0])
        waiting.remove(ready[0])
        known |= set(ready[0].passes[-1])
    return found


def _sources(block: Block) -> set[str]:
    if block.folded:
        return {entry.source for entry in block.entries}
    return set(block.layers[0].inputs)


def refuse(repeat: str, why: str) -> NoReturn:
    """Say why a repeat cannot be folded, and what to do.

    Raises:
        ProjectError: Always.
    """
    raise ProjectError(
        f"repeat {repeat!r} cannot be folded: {why}; put {repeat!r} in the schedule's "
        "unrolled repeats, which builds every pass"
    )


@dataclass(frozen=True)
class _Folder:
    net: StreamNet
    repeat: Repeat

    def block(self) -> Block:
        layers = {layer.name: layer for layer in self.net.layers}
        passes = [[layers[name] for name in names] for names in self.repeat.passes]
        order = sorted(range(len(passes[0])), key=lambda k: self.net.layers.index(passes[0][k]))
        passes = [[names[k] for k in order] for names in passes]
        for group in zip(*passes, strict=True):
            self._check_alike(group)
        return Block(
            name=self.repeat.name,
            layers=tuple(passes[0]),
            passes=tuple(tuple(layer.name for layer in group) for group in passes),
            entries=tuple(self._entries(passes)),
            pass_blocks=self._pass_blocks(passes),
        )

    def _check_alike(self, group: tuple[Layer, ...]) -> None:
        names = [item.name for item in fields(group[0]) if item.name not in _BY_PASS]
        for other in group[1:]:
            for name in names:
                if getattr(other, name) != getattr(group[0], name):
                    refuse(
                        self.repeat.name, f"{other.name!r} and {group[0].name!r} differ in {name}"
                    )
            if len(other.block_names) != len(group[0].block_names):
                refuse(self.repeat.name, f"of {other.name!r} and {group[0].name!r} one has no bias")

    def _entries(self, passes: list[list[Layer]]) -> list[Entry]:
        """The streams from outside, and which words take their place in later passes."""
        found: dict[str, Entry] = {}
        names = [[layer.name for layer in group] for group in passes]
        for group in zip(*passes, strict=True):
            for index, source in enumerate(group[0].inputs):
                later = [layer.inputs[index] for layer in group[1:]]
                if source in names[0]:
                    same = [found[names[0].index(source)] for found in names[1:]]
                    if later != same:
                        self._odd(group, index)
                    continue
                places = {self._place(names[p], stream) for p, stream in enumerate(later)}
                if len(places) != 1 or None in places:
                    self._odd(group, index)
                back = names[0][next(iter(places)) or 0]
                entry = Entry(f"{self.repeat.name}.{source}", source, back)
                if found.setdefault(source, entry) != entry:
                    refuse(
                        self.repeat.name, f"later passes read two streams in place of {source!r}"
                    )
                self._check_formats(entry)
        for group in zip(*passes, strict=True):
            self._check_readers(names, group)
        return list(found.values())

    def _place(self, names: list[str], stream: str) -> int | None:
        return names.index(stream) if stream in names else None

    def _odd(self, group: tuple[Layer, ...], index: int) -> NoReturn:
        refuse(
            self.repeat.name,
            f"input {index} of {group[0].name!r} and its later passes is not the result of the "
            "pass before",
        )

    def _check_formats(self, entry: Entry) -> None:
        one, other = self.net.streams[entry.source], self.net.streams[entry.back]
        codes = [(s.shape, s.type.width, s.type.frac, s.type.signed) for s in (one, other)]
        if codes[0] != codes[1]:
            refuse(
                self.repeat.name,
                f"{entry.source!r} is {one.shape} {one.type} and what returns in its place, "
                f"{entry.back!r}, is {other.shape} {other.type}",
            )

    def _check_readers(self, names: list[list[str]], group: tuple[Layer, ...]) -> None:
        for number, layer in enumerate(group[:-1]):
            inside = {*names[number], *names[number + 1]}
            for reader in self.net.consumers[layer.name]:
                if reader.name not in inside:
                    refuse(
                        self.repeat.name, f"{reader.name!r} reads {layer.name!r} of an earlier pass"
                    )

    def _pass_blocks(self, passes: list[list[Layer]]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for group in zip(*passes, strict=True):
            for names in zip(*(layer.block_names for layer in group), strict=True):
                blocks = [self.net.block[name] for name in names]
                for other in blocks[1:]:
                    self._check_blocks(blocks[0], other)
                if found.setdefault(names[0], names) != names or len(set(names)) not in (
                    1,
                    len(names),
                ):
                    refuse(self.repeat.name, f"some passes share {names[0]!r} and others do not")
        loadable = {block.name for block in self.net.configurable_blocks}
        return {
            name: names for name, names in found.items() if len(set(names)) > 1 and name in loadable
        }

    def _check_blocks(self, one: WeightBlock, other: WeightBlock) -> None:
        alike = (
            (one.raw.shape, one.bits, one.signed, one.allowed, one.frac, one.frozen)
            == (other.raw.shape, other.bits, other.signed, other.allowed, other.frac, other.frozen)
        ) and np.array_equal(
            one.matrix[:, one.frozen_channels], other.matrix[:, other.frozen_channels]
        )
        if not alike:
            refuse(
                self.repeat.name,
                f"{one.name!r} and {other.name!r} differ in format or frozen values",
            )
