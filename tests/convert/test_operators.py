"""Operators of ONNX between two quantizers, one at a time, as nodes of a file.

Each stands behind the accumulators of a convolution with a float scale, behind a quantized stream
and behind one whose scale is a power of two. The integers are compared with the file in double
precision, which is proven to decide as real numbers do, and in single precision layer by layer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_models import Graph
from onnx_operators import OPERATORS, Build, built, chain, op, times, with_constants
from semifreddo.convert import read_converted, run_qonnx, trace_qonnx
from semifreddo.convert.proof import prove
from semifreddo.convert.singles import compare_single
from semifreddo.core.errors import ConversionError
from semifreddo.sim import reference

PLACES = ("accumulators", pytest.param("integers", marks=pytest.mark.slow), "power of two")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_exact(name: str, place: str, tmp_path: Path) -> None:
    path = built(name, place).save(tmp_path / "model.onnx", "/last/Quant_output_0")
    converted = read_converted(path, "net")
    net = converted.net
    images = np.random.default_rng(1).integers(0, 256, (40, *net.input.shape))
    expected = reference.trace(net, images)
    found = trace_qonnx(path, net, images)
    for layer, values in found.items():
        assert np.array_equal(values, expected[layer]), layer
    answers = reference.run(net, images)
    assert np.array_equal(run_qonnx(path, net, images), answers)
    assert len(np.unique(answers)) > 2 or name == "Sign"
    assert prove(converted).holds
    assert not compare_single(path, images[:10]).unexplained


def by_hand(g: Graph, x: str) -> str:
    """A quantizer of 8 bits, spelled as models without a library do."""
    scale = g.constant("scale", 0.0417)
    x = g.node("Clip", g.node("Round", g.node("Div", x, scale)), g.constant("l", 0.0), high(g))
    return g.node("Mul", x, scale)


def high(g: Graph) -> str:
    return g.constant("high", 255.0)


@pytest.mark.parametrize(
    ("between", "casts"),
    [
        (by_hand, 1),
        (chain(by_hand, op("Relu")), 1),
        (op("Relu"), 1),
        (chain(op("Relu"), times(0.3)), 1),
    ],
    ids=["a quantizer by hand", "and ReLU", "ReLU", "ReLU and a factor"],
)
def test_whole_steps_need_no_quantizer(between: Build, casts: int, tmp_path: Path) -> None:
    """A clip at whole steps leaves whole steps, which a convolution can read."""
    graph = Graph()
    first = graph.weight("a.weight", (3, 2, 3, 3), 0.113)
    value = between(graph, graph.node("Conv", graph.image(), first, name="/a/Conv"))
    second = graph.weight("b.weight", (4, 3, 1, 1), 0.07)
    value = graph.quant(graph.node("Conv", value, second, name="/b/Conv"), 0.2, name="/last/Quant")
    path = graph.save(tmp_path / "model.onnx", value)
    converted = read_converted(path, "net")
    net = converted.net
    assert sum(layer.kind == "Cast" for layer in net.layers) == casts
    images = np.random.default_rng(1).integers(0, 256, (40, *net.input.shape))
    answers = reference.run(net, images)
    assert np.array_equal(run_qonnx(path, net, images), answers)
    assert len(np.unique(answers)) > 3
    assert prove(converted).holds
    assert not compare_single(path, images[:10]).unexplained


def test_a_clip_that_two_layers_read_is_one_cast(tmp_path: Path) -> None:
    graph = Graph()
    first = graph.weight("a.weight", (3, 2, 3, 3), 0.113)
    value = graph.node("Relu", graph.node("Conv", graph.image(), first, name="/a/Conv"))
    branches = []
    for name, scale in (("b", 0.2), ("c", 0.3)):
        weight = graph.weight(f"{name}.weight", (4, 3, 1, 1), 0.07)
        made = graph.node("Conv", value, weight, name=f"/{name}/Conv")
        branches.append(graph.quant(made, scale))
    path = graph.save(tmp_path / "model.onnx", graph.quant(graph.node("Add", *branches), 0.4))
    net = read_converted(path, "net").net
    assert [layer.kind for layer in net.layers].count("Cast") == 1
    images = np.random.default_rng(1).integers(0, 256, (40, *net.input.shape))
    assert np.array_equal(run_qonnx(path, net, images), reference.run(net, images))


def test_a_sum_whose_branch_has_a_channel_of_zeros(tmp_path: Path) -> None:
    """A batch norm's factor of zero: the channel's step is the other branch's alone."""
    graph = Graph()
    one, other = (graph.quant(graph.conv(graph.image()), scale, 6.0) for scale in (0.11, 0.07))
    factor = graph.constant("gamma", np.array([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1))
    value = graph.node("Add", one, graph.node("Mul", other, factor))
    path = graph.save(tmp_path / "model.onnx", graph.quant(value, 0.2, 6.0, name="/last/Quant"))
    net = read_converted(path, "net").net
    images = np.random.default_rng(1).integers(0, 256, (40, *net.input.shape))
    answers = reference.run(net, images)
    assert np.array_equal(run_qonnx(path, net, images), answers)
    assert len(np.unique(answers)) > 10


def test_the_difference_of_two_streams(tmp_path: Path) -> None:
    """Outside of a blend, too, and of scales that are powers of two."""
    graph = Graph()
    one, other = (
        graph.quant(graph.conv(graph.image()), scale, 6.0) for scale in (2.0**-4, 2.0**-3)
    )
    value = graph.quant(graph.node("Sub", one, other), 2.0**-3, 6.0, name="/last/Quant")
    path = graph.save(tmp_path / "model.onnx", value)
    net = read_converted(path, "net").net
    images = np.random.default_rng(1).integers(0, 256, (40, *net.input.shape))
    answers = reference.run(net, images)
    assert np.array_equal(run_qonnx(path, net, images), answers)
    assert len(np.unique(answers)) > 10


PARTS = "write what it is a part of as Sigmoid, Tanh, Softplus, Softsign or Pow"
CHOICE = "write the choice as Relu, PRelu, Clip, Min or Max, which do not jump"
STATISTICS = "it divides by what it measures in each image; train with BatchNormalization"


REFUSED: dict[str, tuple[Build, str]] = {
    **{
        name: (op(name), f"operator {name} is not supported; {PARTS}")
        for name in ("Exp", "Log", "Sqrt", "Reciprocal")
    },
    "ThresholdedRelu": (
        op("ThresholdedRelu", alpha=0.6),
        f"operator ThresholdedRelu is not supported; {CHOICE}",
    ),
    "Shrink": (op("Shrink", lambd=0.4), f"operator Shrink is not supported; {CHOICE}"),
    "Mod": (with_constants("Mod", 1.0, fmod=1), f"operator Mod is not supported; {CHOICE}"),
    "Greater": (with_constants("Greater", 0.0), f"operator Greater is not supported; {CHOICE}"),
    "LRN": (op("LRN", size=3), f"operator LRN is not supported; {STATISTICS}"),
    "LpNormalization": (
        op("LpNormalization"),
        f"operator LpNormalization is not supported; {STATISTICS}",
    ),
    "InstanceNormalization": (
        with_constants("InstanceNormalization", [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
        f"operator InstanceNormalization is not supported; {STATISTICS}",
    ),
    "Sin": (op("Sin"), "operator Sin is not supported; no curve of a few steps equals it"),
    "Atan": (op("Atan"), "operator Atan is not supported; replace it by convolutions"),
    "Pow": (with_constants("Pow", 0.5), "raises to another power than 1 to 8; use a whole one"),
    "Clip": (
        with_constants("Clip", 1.0, -1.0),
        "its lower end is above its upper one; exchange them",
    ),
    "Cast": (op("Cast", to=7), "makes other numbers than real ones; use a Quant node"),
    "Round": (
        chain(times(3e4), op("Round")),
        "gives whole numbers of 19 bits, at most 16 are built; limit what comes in by a Clip",
    ),
    "Max": (
        lambda g, x: g.node("Max", x, g.quant(g.conv(g.image(), pads=[1] * 4), 0.07)),
        "compares two streams, which is not supported; concatenate them and use a max pool",
    ),
    "Mul": (
        lambda g, x: g.node("Mul", x, g.quant(g.conv(g.image(), pads=[1] * 4), 0.07)),
        "multiplies two streams, which is not supported; one must be a constant",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_meaning_is_refused_by_its_node(name: str, tmp_path: Path) -> None:
    build, reason = REFUSED[name]
    graph = Graph(opset=22)
    value = graph.node("Conv", graph.image(), graph.weight("w", (3, 2, 3, 3), 0.113), pads=[1] * 4)
    path = graph.save(tmp_path / "model.onnx", graph.quant(build(graph, value), 0.03))
    with pytest.raises(ConversionError) as caught:
        read_converted(path, "net")
    assert f"({name}): {reason}" in str(caught.value)
