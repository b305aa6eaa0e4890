"""Which layers a quantizer behind a bent line becomes; ``test_any_scale.py`` has the answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_models import Graph
from semifreddo.convert import from_qonnx, run_qonnx
from semifreddo.sim import reference

SLOPES = np.array([0.3, 0.2, 0.1])


def bent(graph: Graph, slopes: np.ndarray | float, *, signed: int = 1) -> str:
    """A leaky line with a slope for all channels, or one for each."""
    source = graph.quant(graph.conv(graph.image(), pads=[1] * 4), 2.0**-5, 6.0)
    if isinstance(slopes, float):
        value = graph.node("LeakyRelu", source, alpha=slopes)
    else:
        value = graph.node("PRelu", source, graph.constant("slope", slopes))
    return graph.quant(value, 0.037, 6.0, signed=signed)


@pytest.mark.parametrize(
    ("slopes", "signed", "kinds"),
    [
        (0.3, 1, ["Conv"] * 5 + ["Add"]),
        (SLOPES.reshape(3, 1, 1), 1, ["Conv"] * 5 + ["Add"]),
        (SLOPES.reshape(1, 3, 1, 1), 1, ["Conv"] * 5 + ["Add"]),
        (0.3, 0, ["Conv"]),
    ],
    ids=["one", "one per channel", "with the batch", "unsigned"],
)
def test_a_bent_line_is_two_scalers_and_a_sum(
    tmp_path: Path, slopes: np.ndarray | float, signed: int, kinds: list[str]
) -> None:
    """What is above zero minus what is below, of which nothing is left without a sign."""
    graph = Graph()
    path = graph.save(tmp_path / "a.onnx", bent(graph, slopes, signed=signed))
    net = from_qonnx(path, "net")
    assert [layer.kind for layer in net.layers] == ["Conv", "Cast", *kinds]
    images = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 2))
    answers = reference.run(net, images)
    assert len(np.unique(answers)) > 8
    assert np.array_equal(run_qonnx(path, net, images), answers)
