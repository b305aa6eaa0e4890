"""How large an adder graph is: one that is solved, or will be.

A graph that is not solved yet is predicted from its matrix.

How many adders it takes is predicted in :mod:`semifreddo.adders.size`; how wide and how deep they
are was fitted to the same graphs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol

import numpy as np

from semifreddo.adders import AdderGraph
from semifreddo.adders.pieces import signed_digit_count
from semifreddo.adders.size import predicted_adders
from semifreddo.core.fixed import FixedType
from semifreddo.ir.exact import product_bounds
from semifreddo.ir.layers import WeightBlock
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.numbers import signed_bits

DEEPER = 4
"""Adders by which nine of ten solved graphs are no deeper than predicted."""


class Adders(Component, Protocol):
    """The adders of frozen channels: a module that is generated, not one of the library."""

    @property
    def latency(self) -> int:
        """Cycles from the last digit of the window to the sums."""

    def inside(self) -> Iterator[Component]:
        """Every instance of a library module in it, as far as its graph is known."""


@dataclass(frozen=True)
class GraphSize:
    """Size of a graph.

    Attributes:
        taps: Inputs that are used.
        adders: Two-input adders.
        adder_bits: Sum of their widths.
        depth: Adders between an input and a sum.
    """

    taps: int
    adders: float
    adder_bits: float
    depth: int

    @classmethod
    def of(cls, graph: AdderGraph) -> GraphSize:
        """Size of a graph that is solved."""
        levels = [0] * len(graph.inputs)
        read: set[int] = {tap.value for tap in graph.outputs}
        for adder in graph.adders:
            levels.append(1 + max(levels[adder.left], levels[adder.right]))
            read |= {adder.left, adder.right}
        return cls(
            taps=sum(value in read for value in range(len(graph.inputs))),
            adders=len(graph.adders),
            adder_bits=sum(adder.range.format[0] for adder in graph.adders),
            depth=max(levels, default=0),
        )

    def latency(self, digit: int, *, folded: bool) -> int:
        """Cycles from the taps to the sums, with digits of so many bits; 0 is all bits at once.

        Only the passes of a folded repeat wait for this latency. For them the prediction is not too
        short in nine of ten graphs.
        """
        depth = self.depth + (DEEPER if folded else 0)
        if not digit:
            return max(1, (depth + 1) // 2)
        return depth // 2 + 2 if digit == 1 else depth + 2

    def pipeline(self, input_bits: int) -> Parts:
        """Adders of all bits at once, with the registers of their pipeline."""
        parts = Parts.of("adder_bit", self.adder_bits)
        parts.add("pipeline_bit", self.adder_bits)
        parts.add("waiting_bit", self.taps * input_bits)
        return parts

    def digits(self, digit: int, constants: int, input_bits: int, weight_bits: int) -> Parts:
        """Adders that are a digit wide, with their delays; constants; digits of the inputs.

        Args:
            digit: Bits of a digit.
            constants: Outputs to which a constant is added.
            input_bits: Of an input.
            weight_bits: Of a weight.
        """
        adders = self.adders + constants
        if digit == 1:
            parts = Parts.of("bit_adder", adders)
        else:
            parts = Parts.of("digit_adder", adders)
            parts.add("digit_bit", adders * digit)
        parts.add("constant_bit", constants * digit)
        parts.add("mark", self.depth * weight_bits / digit)
        inputs = -(-input_bits // digit)
        parts.add("picked_bit", self.taps * digit * max(1.0, (inputs - 1) / 3))
        parts.add("word_bit", self.taps * digit)
        return parts


@dataclass(frozen=True)
class PredictedAdders:
    """Adders whose graph is not solved.

    Attributes:
        size: Predicted size of the graph.
        digit: Bits of a digit; 0 is all bits at once.
        constants: Outputs to which a constant is added.
        input_bits: Of an input.
        weight_bits: Of a weight.
        folded: Whether passes of a repeat wait for the latency.
    """

    module: ClassVar[str] = "graph"
    size: GraphSize
    digit: int
    constants: int
    input_bits: int
    weight_bits: int
    folded: bool

    @property
    def latency(self) -> int:
        """Cycles from the last digit of the window to the sums."""
        return self.size.latency(self.digit, folded=self.folded)

    def parameters(self) -> Mapping[str, int | str]:
        """None: the module is made for its place."""
        return {}

    def counts(self) -> Parts:
        if not self.digit:
            return self.size.pipeline(self.input_bits)
        return self.size.digits(self.digit, self.constants, self.input_bits, self.weight_bits)

    def inside(self) -> Iterator[Component]:
        """Unknown before the graph is solved, and counted with the adders."""
        return iter(())


@lru_cache(maxsize=256)
def graph_size(weight: WeightBlock, source: FixedType, *, depthwise: bool) -> GraphSize:
    """Size of the graph of a block's frozen channels."""
    matrix = weight.matrix[:, weight.frozen_channels]
    low, high = (bound[weight.frozen_channels] for bound in product_bounds(source, weight))
    sums = [signed_bits(int(a), int(b)) for a, b in zip(low, high, strict=True)]
    ors = np.bitwise_or.reduce(matrix, axis=0, initial=0)
    live = [bool(value) for value in ors]
    digits = signed_digit_count(matrix).sum(axis=0)
    rows = int(matrix.any(axis=1).sum())
    adders = predicted_adders(matrix, depthwise=depthwise)
    mean_sum = float(np.mean([bits for bits, used in zip(sums, live, strict=True) if used] or [1]))
    width = 1.4 * source.width**0.34 * mean_sum**0.57 * max(rows, 1) ** -0.05
    terms = int(digits.max()) if len(digits) else 1
    return GraphSize(
        taps=int((matrix != 0).sum()) if depthwise else rows,
        adders=adders,
        adder_bits=adders * width,
        depth=(max(terms, 1) - 1).bit_length() + int(terms > 2),
    )
