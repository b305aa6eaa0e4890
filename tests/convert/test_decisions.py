"""How near an accumulator comes to a boundary, and whether an error moves it across."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from onnx_models import Graph
from semifreddo.convert import read_converted
from semifreddo.convert.decisions import Decision


def decided(tmp_path: Path, op: str) -> Decision:
    graph = Graph()
    source = graph.quant(graph.conv(graph.image(), pads=[1] * 4), 2.0**-5, 6.0)
    path = graph.save(tmp_path / "a.onnx", graph.quant(graph.node(op, source), 0.037, 6.0))
    return read_converted(path, "net").decisions[-1]


def test_an_error_as_large_as_the_smallest_distance_matters(tmp_path: Path) -> None:
    """Of a function with a minimum, for errors of either sign."""
    decision = decided(tmp_path, "HardSwish")
    for channel in range(decision.channels):
        nearest = min(float(distance) for *_, distance in decision.nearest(channel))
        assert nearest > 0
        assert decision.clear(channel, nearest * 0.99)
        assert not decision.clear(channel, nearest * 1.01)


def test_a_function_that_only_rises_is_nearest_beside_its_steps(tmp_path: Path) -> None:
    """Which :meth:`nearest` gives, so there is nothing else to look at."""
    decision = decided(tmp_path, "LeakyRelu")
    found = list(decision.nearest(0))
    assert decision.clear(0, 1e9)
    first, last = int(decision.arguments[0]), int(decision.arguments[-1])
    levels = [decision.quantizer.levels.index(level) for level, *_ in found]
    assert levels == sorted(levels)
    for level, argument, distance in found:
        assert first <= argument <= last
        assert distance == decision.distance(0, level, argument)
        others = [decision.distance(0, level, each) for each in (argument - 1, argument + 1)]
        assert distance < max(others)


@pytest.mark.parametrize("op", ["LeakyRelu", "HardSwish"])
def test_no_other_integer_is_nearer(tmp_path: Path, op: str) -> None:
    decision = decided(tmp_path, op)
    found: Callable[[int], set[int]] = lambda level: {  # noqa: E731
        argument for known, argument, _ in decision.nearest(1) if known == level
    }
    for level in {level for level, *_ in decision.nearest(1)}:
        distances = {each: decision.distance(1, level, each) for each in decision.arguments}
        assert min(distances, key=distances.__getitem__) in found(level)
