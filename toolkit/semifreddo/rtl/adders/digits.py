"""Adder graphs a few bits at a time: area falls with the digit width, cycles rise.

A number goes through the graph as digits of ``digit`` bits, least significant first, one per cycle.
Each adder is as wide as a digit and keeps its carry for the next one; a shift to the left is a
delay. All numbers of a word have the same count of digits, enough for the widest sum; what
overflows inside the graph is harmless, because sums are right modulo that width. Constants (frozen
biases, the half that rounding adds) are operands like others, made from the number of the digit.

Time is counted from the cycle of the word's first phase: a value of time ``t`` has its digit ``j``
``t + j`` cycles later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from semifreddo.adders import AdderGraph
from semifreddo.rtl.adders.clusters import Cluster, Cover, cover
from semifreddo.rtl.adders.size import GraphSize
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Parts


@dataclass(frozen=True)
class Count:
    """Sum and carry of a serial adder of up to four operands.

    Attributes:
        terms: Numbers that are added.
    """

    module: ClassVar[str] = "sf_count"
    terms: int

    def parameters(self) -> Mapping[str, int | str]:
        return {"TERMS": self.terms}

    def counts(self) -> Parts:
        """Nothing of its own: it is in the price of the adder."""
        return Parts()


@dataclass(frozen=True)
class DigitAdders:
    """A graph and when its values are there.

    Attributes:
        graph: The linear map; no output is shifted.
        input_bits: Width of every input; inputs are raw values of one stream.
        input_signed: Whether they are two's complement.
        weight_bits: Width of every weight.
        sum_bits: Width of each output with its constant, two's complement.
        constants: What is added to each output.
        digit: Bits per cycle.
    """

    module: ClassVar[str] = "graph"
    graph: AdderGraph
    input_bits: int
    input_signed: bool
    weight_bits: int
    sum_bits: tuple[int, ...]
    constants: tuple[int, ...]
    digit: int

    def __post_init__(self) -> None:
        assert not any(tap.shift for tap in self.graph.outputs)

    def parameters(self) -> Mapping[str, int | str]:
        """None: the module is made for its place."""
        return {}

    def counts(self) -> Parts:
        constants = sum(map(bool, self.constants))
        size = GraphSize.of(self.graph)
        return size.digits(self.digit, constants, self.input_bits, self.weight_bits)

    def inside(self) -> Iterator[Component]:
        """The functions of adders with several carries."""
        for cluster in self.clusters:
            if count := self.function(cluster):
                yield count

    @property
    def clusters(self) -> list[Cluster]:
        """All adders."""
        outputs = (root for root in self.cover.outputs if isinstance(root, Cluster))
        return [*self.cover.values.values(), *outputs]

    def function(self, cluster: Cluster) -> Count | None:
        """What computes sum and carry of an adder of single bits; None is plain logic."""
        if self.digit > 1 or cluster.carry_bits == 1:
            return None
        return Count(max(2, cluster.terms))

    @cached_property
    def cover(self) -> Cover:
        """The adders: of up to four operands, but of two where a digit has several bits."""
        return cover(self.graph, self.constants, 4 if self.digit == 1 else 2)

    @cached_property
    def digits_of(self) -> tuple[int, ...]:
        """Digits of each sum."""
        return tuple(-(-bits // self.digit) for bits in self.sum_bits)

    @cached_property
    def cycles(self) -> int:
        """Digits of a word, which is cycles per word."""
        return max([1, *self.digits_of])

    @cached_property
    def times(self) -> dict[int, int]:
        """When each value that is computed is there, inputs included."""
        times = dict.fromkeys(range(len(self.graph.inputs)), 1)
        for value, cluster in self.cover.values.items():
            times[value] = self._time(cluster, times)
        return times

    @staticmethod
    def _time(cluster: Cluster, times: dict[int, int]) -> int:
        return 1 + max(times[operand.value] for operand in cluster.operands)

    @cached_property
    def output_times(self) -> tuple[int, ...]:
        """When each output's first digit is there; 0 for constants."""
        return tuple(
            0
            if root is None
            else self.times[root]
            if isinstance(root, int)
            else self._time(root, self.times)
            for root in self.cover.outputs
        )

    def finish(self, index: int) -> int:
        """When an output could be complete, if it were not delayed to the latest."""
        return self.output_times[index] + self.digits_of[index]

    @cached_property
    def end(self) -> int:
        """When all sums are there."""
        return max(
            [
                self.cycles + 1,
                *(self.finish(k) for k, root in enumerate(self.cover.outputs) if root is not None),
            ]
        )

    @property
    def latency(self) -> int:
        """Cycles from the word's last phase to its sums."""
        return self.end - (self.cycles - 1)
