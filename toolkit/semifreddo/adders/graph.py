"""The integer form of an adder graph, and the digits that graphs are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semifreddo.core.fixed import IntArray, bits_for


def signed_digits(value: int) -> Iterator[tuple[int, int]]:
    """Canonical signed digits of an integer: (exponent, +1 or -1), least significant first."""
    shift = 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            yield shift, digit
            value -= digit
        value >>= 1
        shift += 1


@dataclass(frozen=True)
class Range:
    """Inclusive integer bounds of a value."""

    low: int
    high: int

    @property
    def format(self) -> tuple[int, bool]:
        """Smallest (width, signed) that holds the range."""
        return bits_for(self.low, self.high)

    def shifted(self, bits: int) -> Range:
        """The range of the value times ``2**bits``."""
        return Range(self.low << bits, self.high << bits)


@dataclass(frozen=True)
class Adder:
    """``(left << left_shift) ± (right << right_shift)``; operands are indices of earlier values."""

    left: int
    left_shift: int
    right: int
    right_shift: int
    subtract: bool
    range: Range


@dataclass(frozen=True)
class Tap:
    """One output: a value shifted and perhaps negated; ``value`` -1 is the constant zero."""

    value: int
    shift: int
    negate: bool


@dataclass(frozen=True)
class AdderGraph:
    """A linear map made of adders. Values 0.. are the inputs, the adders' results follow.

    Attributes:
        inputs: Range of each input.
        adders: In an order in which operands come first.
        outputs: One per column of the matrix.
    """

    inputs: tuple[Range, ...]
    adders: tuple[Adder, ...]
    outputs: tuple[Tap, ...]

    def evaluate(self, data: IntArray) -> IntArray:
        """Apply the map to integers ``(n, inputs)``; gives ``(n, outputs)``."""
        values = list(data.T)
        for adder in self.adders:
            left = values[adder.left] << adder.left_shift
            right = values[adder.right] << adder.right_shift
            values.append(left - right if adder.subtract else left + right)
        zero = np.zeros(len(data), np.int64)
        columns = [
            zero if tap.value < 0 else (values[tap.value] << tap.shift) * (-1 if tap.negate else 1)
            for tap in self.outputs
        ]
        return np.stack(columns, axis=1)


def merge(graphs: Sequence[AdderGraph], places: Sequence[Sequence[int]], size: int) -> AdderGraph:
    """Put graphs side by side over one input vector.

    Args:
        graphs: Graphs with inputs of equal range.
        places: For each graph, which of the ``size`` common inputs feeds each of its inputs.
        size: Number of common inputs.
    """
    source = graphs[0].inputs[0]
    adders: list[Adder] = []
    outputs: list[Tap] = []
    for graph, place in zip(graphs, places, strict=True):
        offset = size + len(adders)
        where = [*place, *range(offset, offset + len(graph.adders))]
        adders += [
            replace(adder, left=where[adder.left], right=where[adder.right])
            for adder in graph.adders
        ]
        outputs += [
            tap if tap.value < 0 else replace(tap, value=where[tap.value]) for tap in graph.outputs
        ]
    return AdderGraph((source,) * size, tuple(adders), tuple(outputs))
