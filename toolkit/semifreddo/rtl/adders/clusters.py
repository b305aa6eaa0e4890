"""Adders of up to four operands, for graphs that work one bit at a time.

A serial adder of four operands keeps a carry of 0 to 3 and is three functions of six bits: its
sum, and two bits of carry. That is three LUTs for three additions; adders of two operands would
take two LUTs each. :func:`cover` chooses which additions are done together. An intermediate sum
that several adders read is computed once, or again in each of them, whichever takes less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semifreddo.adders import AdderGraph

ROUNDS = 4


@dataclass(frozen=True)
class Operand:
    """A value, shifted left, added or subtracted."""

    value: int
    shift: int
    negative: bool


@dataclass(frozen=True)
class Cluster:
    """A sum of operands and, perhaps, of a constant; constants are among the ``terms``."""

    operands: tuple[Operand, ...]
    constant: int = 0

    @property
    def terms(self) -> int:
        """Numbers that are added, the constant included."""
        return len(self.operands) + int(self.constant != 0)

    @property
    def negatives(self) -> int:
        """Operands that are subtracted; the carry starts with this number."""
        return sum(operand.negative for operand in self.operands)

    @property
    def carry_bits(self) -> int:
        """Width of the carry between digits."""
        return 1 if self.terms <= 2 and self.negatives <= 1 else 2

    @property
    def cost(self) -> float:
        """LUTs of one bit, with two functions of at most five signals in one for 0.65 each."""
        return {1: 1.3, 2: 1.95}[self.carry_bits] if self.terms < 4 else 3.0

    @property
    def possible(self) -> bool:
        """Whether the carry fits in two bits."""
        return self.terms <= 4 and self.negatives <= 3


@dataclass(frozen=True)
class Cover:
    """Which clusters compute a graph.

    Attributes:
        values: The cluster of every value that is computed, by its number in the graph.
        outputs: For each output its cluster, or the value it is equal to; None for constant zero.
    """

    values: dict[int, Cluster]
    outputs: tuple[Cluster | int | None, ...]


class _Chooser:
    """Area flow: the cost of a value is shared by those that are expected to read it."""

    def __init__(self, graph: AdderGraph, terms: int) -> None:
        self.graph = graph
        self.inputs = len(graph.inputs)
        self.terms = terms
        self.readers = [0.0] * (self.inputs + len(graph.adders))
        for adder in graph.adders:
            self.readers[adder.left] += 1
            self.readers[adder.right] += 1
        for tap in graph.outputs:
            if tap.value >= 0:
                self.readers[tap.value] += 1
        self.flow = [0.0] * len(self.readers)
        self.best: list[Cluster | None] = [None] * len(self.readers)
        self.options = [
            self.expanded(Cluster(self.operands(value)))
            for value in range(self.inputs, len(self.readers))
        ]

    def operands(self, value: int) -> tuple[Operand, Operand]:
        adder = self.graph.adders[value - self.inputs]
        return (
            Operand(adder.left, adder.left_shift, False),
            Operand(adder.right, adder.right_shift, adder.subtract),
        )

    def expanded(self, cluster: Cluster) -> list[Cluster]:
        """The cluster, and all with operands replaced by what they are the sum of."""
        found, todo = {cluster: None}, [cluster]  # a dict keeps the order
        while todo:
            current = todo.pop()
            if current.terms >= self.terms:
                continue
            for index, operand in enumerate(current.operands):
                if operand.value < self.inputs:
                    continue
                inside = tuple(
                    Operand(
                        part.value,
                        part.shift + operand.shift,
                        part.negative != operand.negative,
                    )
                    for part in self.operands(operand.value)
                )
                replaced = current.operands[:index] + inside + current.operands[index + 1 :]
                larger = Cluster(replaced, current.constant)
                if larger not in found:
                    found[larger] = None
                    todo.append(larger)
        return [cluster for cluster in found if cluster.possible]

    def choose(self, options: Sequence[Cluster]) -> tuple[float, Cluster]:
        """The cheapest of some ways to compute a sum."""

        def rated(option: Cluster) -> tuple[float, int]:
            leaves = sum(
                self.flow[operand.value] / max(self.readers[operand.value], 1.0)
                for operand in option.operands
            )
            return option.cost + leaves, -option.terms

        chosen = min(options, key=rated)
        return rated(chosen)[0], chosen

    def rate(self) -> None:
        for value in range(self.inputs, len(self.flow)):
            self.flow[value], self.best[value] = self.choose(self.options[value - self.inputs])

    def cover(self, constants: Sequence[int]) -> Cover:
        """What the outputs need, by the present rating; counts who reads what."""
        outputs: list[Cluster | int | None] = []
        needed: list[Operand] = []
        for tap, constant in zip(self.graph.outputs, constants, strict=True):
            if tap.value < 0:
                outputs.append(None)
            elif not constant and not tap.negate:
                outputs.append(tap.value)
                needed.append(Operand(tap.value, 0, False))
            else:
                root = Cluster((Operand(tap.value, 0, tap.negate),), constant)
                chosen = self.choose(self.expanded(root))[1]
                outputs.append(chosen)
                needed += chosen.operands
        values: dict[int, Cluster] = {}
        readers = [0] * len(self.readers)
        for operand in needed:
            readers[operand.value] += 1
        for value in range(len(readers) - 1, self.inputs - 1, -1):
            cluster = self.best[value]
            if readers[value] and cluster is not None:
                values[value] = cluster
                for operand in cluster.operands:
                    readers[operand.value] += 1
        # Half of what was, so that a rating does not swing between two mappings.
        self.readers = [
            (before + now) / 2 for before, now in zip(self.readers, readers, strict=True)
        ]
        return Cover(dict(sorted(values.items())), tuple(outputs))


def cover(graph: AdderGraph, constants: Sequence[int], terms: int) -> Cover:
    """Choose the clusters of a graph.

    Args:
        graph: The graph; its outputs are not shifted.
        constants: What is added to each output.
        terms: Largest number of terms of a cluster, 2 to 4.
    """
    chooser = _Chooser(graph, terms)
    found: list[Cover] = []
    for _ in range(ROUNDS):
        chooser.rate()
        found.append(chooser.cover(constants))
    return min(found, key=_area)


def _area(found: Cover) -> float:
    clusters = [*found.values.values(), *(c for c in found.outputs if isinstance(c, Cluster))]
    return sum(cluster.cost for cluster in clusters)
