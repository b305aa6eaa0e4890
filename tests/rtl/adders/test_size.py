"""Sizes of solved graphs, counted in the graph, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest

from semifreddo import adders
from semifreddo.core.fixed import FixedType
from semifreddo.rtl.adders.digits import DigitAdders
from semifreddo.rtl.adders.pipelined import PipelinedAdders
from semifreddo.rtl.adders.size import DEEPER, GraphSize

pytest.importorskip("da4ml", reason="needs the rtl extra", exc_type=ImportError)

SOURCE = FixedType.exact(8, 0, signed=False)


def solved(*rows: list[int]) -> adders.AdderGraph:
    """A graph of a matrix ``(inputs, outputs)``."""
    return adders.solve(np.array(rows), SOURCE)


def bits(low: int, high: int) -> int:
    """The fewest that hold two numbers, with a sign if one is below zero."""
    if low >= 0:
        return high.bit_length()
    return next(n for n in range(1, 64) if -(1 << n - 1) <= low and high < 1 << n - 1)


def test_a_graph_of_one_adder() -> None:
    """The sum of two inputs; the third is not read, and an output of zero needs nothing."""
    graph = solved([1, 0], [1, 0], [0, 0])
    size = GraphSize.of(graph)
    assert size == GraphSize(taps=2, adders=1, adder_bits=9, depth=1)
    assert GraphSize.of(solved([0], [0])) == GraphSize(0, 0, 0, 0)
    wires = GraphSize.of(solved([1, 0], [0, 2]))
    assert (wires.taps, wires.adders, wires.depth) == (2, 0, 0)


def test_a_graph_of_many_adders() -> None:
    """Depth is that of the longest way; each adder is as wide as its numbers need."""
    matrix = np.random.default_rng(1).integers(-7, 8, (5, 4))
    graph = adders.solve(matrix, SOURCE)
    size = GraphSize.of(graph)
    assert size.taps == np.count_nonzero(matrix.any(axis=1)) and size.adders == len(graph.adders)
    count = len(graph.inputs)

    def depth(value: int) -> int:
        if value < count:
            return 0
        adder = graph.adders[value - count]
        return 1 + max(depth(adder.left), depth(adder.right))

    assert size.depth == max(depth(count + index) for index in range(len(graph.adders)))
    assert size.adder_bits == sum(bits(adder.range.low, adder.range.high) for adder in graph.adders)


@pytest.mark.parametrize(
    ("depth", "digit", "folded", "cycles"),
    [
        (0, 0, False, 1),
        (1, 0, False, 1),
        (2, 0, False, 1),
        (3, 0, False, 2),
        (3, 0, True, (3 + DEEPER + 1) // 2),
        (3, 1, False, 3),
        (4, 1, False, 4),
        (3, 2, False, 5),
        (3, 2, True, 5 + DEEPER),
    ],
)
def test_cycles_to_the_sums(depth: int, digit: int, folded: bool, cycles: int) -> None:
    assert GraphSize(1, 1, 9, depth).latency(digit, folded=folded) == cycles


def test_what_solved_graphs_cost() -> None:
    graph = solved([1, 3], [1, 5])
    size = GraphSize.of(graph)
    whole = PipelinedAdders(graph, 8, False)
    assert whole.size == size and whole.counts().counts == size.pipeline(8).counts
    assert size.pipeline(8).counts == {
        "adder_bit": size.adder_bits,
        "pipeline_bit": size.adder_bits,
        "waiting_bit": 2 * 8,
    }
    sums = tuple(2 + 8 + 3 for _ in graph.outputs)
    for digit in (1, 2):
        made = DigitAdders(graph, 8, False, 4, sums, (0, 5), digit)
        assert made.counts().counts == size.digits(digit, 1, 8, 4).counts
    cost = size.digits(2, 1, 8, 4).counts
    assert cost["digit_adder"] == size.adders + 1 and cost["digit_bit"] == 2 * (size.adders + 1)
    assert (cost["constant_bit"], cost["mark"]) == (2, size.depth * 4 / 2)
    assert (cost["picked_bit"], cost["word_bit"]) == (2 * 2 * 1.0, 4)
    bitwise = size.digits(1, 0, 8, 4).counts
    assert (bitwise["bit_adder"], bitwise["picked_bit"]) == (size.adders, 2 * 7 / 3)
