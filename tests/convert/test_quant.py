"""Quant nodes against qonnx's own implementation; names and scopes."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qonnx.custom_op.general.quant import quant

from onnx_models import QONNX, Graph
from semifreddo.convert import from_qonnx, run_qonnx
from semifreddo.convert.functions import Affine
from semifreddo.convert.names import Names, Scopes
from semifreddo.convert.node import Node
from semifreddo.convert.quant import ROUNDINGS, QuantNode
from semifreddo.convert.steps import steps_of
from semifreddo.convert.values import Constant
from semifreddo.sim import reference


@given(
    st.sampled_from([mode for mode in ROUNDINGS if mode != "ROUND_TO_ZERO"]),
    st.integers(2, 8),
    st.integers(-3, 8),
    st.sampled_from([(0, 0), (1, 0), (1, 1)]),
    st.integers(-5000, 5000),
)
def test_quantizers_are_those_of_qonnx(
    mode: str, bits: int, frac: int, kind: tuple[int, int], start: int
) -> None:
    signed, narrow = kind
    scale, zero, width = 2.0**-frac, np.float64(0), np.float64(bits)
    node = Node(
        "q", "Quant", (), ("y",), {"signed": signed, "narrow": narrow, "rounding_mode": mode}
    )
    operands = [Constant("parameter", np.asarray(value)) for value in (scale, zero, width)]
    step = QuantNode(node, operands, "q")
    raw = np.arange(start, start + 200)
    values = raw * 2.0**-10
    expected = quant(values, np.float64(scale), zero, width, signed, narrow, mode)
    kind = step.type()
    if kind is not None:
        assert (kind.to_real(kind.cast(raw, 10)) == expected).all()
    else:
        assert mode in ("CEIL", "UP")
    functions = (Affine.scale(Fraction(1, 1 << 10), 1),)
    steps = steps_of(functions, 0, step.quantizer(), range(-5000, 5201))
    assert [steps(int(value)) * scale for value in raw] == expected.tolist()
    assert (step.apply(Constant("x", values)).values == expected).all()


@pytest.mark.parametrize(
    ("node", "path", "call", "name"),
    [
        ("/conv/Conv", "conv", 0, "conv"),
        ("/cores.0.1/conv/Conv", "cores.0.1.conv", 0, "cores_0_1_conv"),
        ("/layers/layers.0/conv/Conv", "layers.0.conv", 0, "layers_0_conv"),
        ("/block/conv_2/Conv", "block.conv", 2, "block_conv_call3"),
        ("/block/known_1/Conv", "block.known_1", 0, "block_known_1_conv"),
        ("/act/act_quant/export_handler/Quant", "act", 0, "act_quant"),
        ("/act/act_quant/export_handler_1/Quant", "act", 1, "act_quant_call2"),
        ("/Add_1", "", 0, "add_1"),
        ("Conv_0", "", 0, "conv_0"),
        ("/0/Conv", "0", 0, "n0_conv"),
    ],
)
def test_scopes(node: str, path: str, call: int, name: str) -> None:
    scope = Scopes(["block.known_1.weight"]).read(node)
    assert (scope.path, scope.call, scope.stream_name) == (path, call, name)


@given(st.lists(st.text(max_size=12), max_size=12))
def test_stream_names_are_unique_identifiers(nodes: list[str]) -> None:
    scopes, names = Scopes([]), Names({"image"})
    found = [names.unique(scopes.read(node).stream_name) for node in nodes]
    assert len({"image", *found}) == len(found) + 1
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in found)


@pytest.mark.parametrize(
    ("fields", "signs"), [({}, True), ({"dilations": [2, 2]}, False), ({"group": 2}, True)]
)
def test_bipolar_weights_are_signs_unless_zeros_are_filled_in(
    fields: dict[str, Any], signs: bool, tmp_path: Path
) -> None:
    graph = Graph()
    shape = (4, 2 // fields.get("group", 1), 2, 2)
    drawn = np.random.default_rng(0).normal(size=shape)
    parameters = graph.constant("w", drawn), graph.constant("scale", 0.25)
    weight = graph.node("BipolarQuant", *parameters, name="/w/BipolarQuant", domain=QONNX)
    value = graph.node("Conv", graph.image(), weight, name="/a/Conv", **fields)
    path = graph.save(tmp_path / "model.onnx", graph.quant(value, 2.0**-3, name="/last/Quant"))
    net = from_qonnx(path, "net", frozen="none")
    (block,) = net.blocks
    assert (block.bits, block.frac, block.signs) == (2, (2,) * 4, signs)
    images = np.random.default_rng(1).integers(0, 256, (20, *net.input.shape))
    assert np.array_equal(run_qonnx(path, net, images), reference.run(net, images))
