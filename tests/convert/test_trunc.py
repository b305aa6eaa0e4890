"""QONNX' Trunc in both versions: equal to what qonnx computes, for random formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_models import QONNX, Graph
from semifreddo.convert import convert, trace_qonnx
from semifreddo.convert.quant import ROUNDINGS
from semifreddo.sim import reference

MODES = [mode for mode in ROUNDINGS if mode not in ("UP", "ROUND_TO_ZERO")]
"""The first is no scaler on both sides of zero, the second is unknown to qonnx' Trunc."""


@pytest.mark.parametrize("mode", [*MODES, "floor"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("scale", [0.25, 0.23])
def test_truncated_sums(mode: str, version: int, scale: float, tmp_path: Path) -> None:
    graph = Graph(shape=(1, 2, 3, 5))
    weight = graph.weight("conv.weight", (4, 2, 2, 2), 0.125)
    value = graph.node("Conv", graph.image(), weight, name="/conv/Conv")
    value = graph.quant(value, scale, 7.0)
    value = graph.node("AveragePool", value, kernel_shape=[2, 3], strides=[1, 1])
    fine = scale / 6
    given = [fine, 0.0, 10.0, *([] if version == 1 else [fine * 8]), 7.0 if version == 1 else 5.0]
    names = [graph.constant(f"t{slot}", each) for slot, each in enumerate(given)]
    signed = {} if version == 1 else {"signed": 1}
    value = graph.node(
        "Trunc", value, *names, name="/t/Trunc", domain=QONNX, rounding_mode=mode, **signed
    )
    path = graph.save(tmp_path / "a.onnx", value)
    net = convert(path, "net")
    images = np.random.default_rng(1).integers(0, 256, (50, *net.input.shape))
    found, expected = trace_qonnx(path, net, images), reference.trace(net, images)
    assert "trunc" in " ".join(found)
    for name, values in found.items():
        assert np.array_equal(values, expected[name]), name
    assert len(np.unique(expected[net.output.name])) > 4
