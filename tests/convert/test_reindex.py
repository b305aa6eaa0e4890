"""Operators that repeat what is there: the judge is qonnx with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from onnx_models import Graph
from semifreddo.convert import from_qonnx, run_qonnx
from semifreddo.sim import reference


def repeated(graph: Graph, op: str, source: str, values: list[int]) -> str:
    return graph.node(op, source, graph.constant("values", np.array(values)))


REPEATED: dict[str, tuple[Callable[[Graph], str], tuple[int, int, int]]] = {
    "channels twice": (lambda g: repeated(g, "Tile", g.image(), [1, 2, 1, 1]), (4, 4, 4)),
    "a mean for every pixel": (
        lambda g: repeated(g, "Expand", g.node("GlobalAveragePool", g.image()), [1, 2, 3, 2]),
        (3, 2, 2),
    ),
}


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_repeated(tmp_path: Path, name: str) -> None:
    build, shape = REPEATED[name]
    graph = Graph()
    path = graph.save(tmp_path / "a.onnx", graph.node("Relu", build(graph)))
    net = from_qonnx(path, "net")
    images = np.random.default_rng(5).integers(0, 256, (3, 4, 4, 2))
    answers = reference.run(net, images)
    assert net.output.shape == shape and len(np.unique(answers)) > 3
    assert np.array_equal(run_qonnx(path, net, images), answers)
