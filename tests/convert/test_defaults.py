"""An attribute that is left out means what ONNX says, not what is handy here.

The judge is qonnx with ONNX Runtime, which executes the same file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from onnx_models import Graph
from semifreddo.convert import from_qonnx, run_qonnx
from semifreddo.core.errors import ConversionError
from semifreddo.ir.net import StreamNet
from semifreddo.sim import reference


def signed_image(graph: Graph) -> str:
    return graph.quant(graph.conv(graph.image(), pads=[1] * 4), 2.0**-5, 6.0)


def mean(graph: Graph, **fields: object) -> str:
    return graph.node("ReduceMean", signed_image(graph), axes=[2, 3], **fields)


def added_mean(graph: Graph, **fields: object) -> str:
    """Only a mean that keeps its dimensions has the shape of a global average."""
    image = signed_image(graph)
    kept = graph.node("ReduceMean", image, axes=[2, 3], **fields)
    return graph.node("Add", kept, graph.node("GlobalAveragePool", image), name="/a/Add")


def pooled(op: str, **fields: object) -> Callable[[Graph], str]:
    def build(graph: Graph) -> str:
        return graph.node(op, signed_image(graph), kernel_shape=[2, 2], **fields)

    return build


def flattened(graph: Graph, **fields: object) -> str:
    flat = graph.node("Flatten", signed_image(graph), **fields)
    return graph.node("Gemm", flat, graph.weight("head.weight", (48, 4)))


def split(graph: Graph, **fields: object) -> str:
    parts = graph.node("Split", signed_image(graph), axis=1, outputs=3, **fields)
    return graph.node("Concat", parts.replace("_output_0", "_output_2"), parts, axis=1)


def sliced(graph: Graph) -> str:
    ends = [
        graph.constant(name, np.array(values))
        for name, values in (("starts", [1]), ("ends", [3]), ("axes", [1]))
    ]
    return graph.node("Relu", graph.node("Slice", signed_image(graph), *ends), name="/r/Relu")


def squeezed(graph: Graph) -> str:
    mean = graph.node("GlobalAveragePool", signed_image(graph))
    flat = graph.node("Squeeze", mean, graph.constant("axes", np.array([2, 3])))
    return graph.node("Gemm", flat, graph.weight("head.weight", (3, 4)))


def fine(graph: Graph, op: str, *more: str, **fields: object) -> str:
    """An operator behind the signed image, in steps that show what its constants are."""
    return graph.quant(graph.node(op, signed_image(graph), *more, **fields), 2.0**-9, 12.0)


def normalised(graph: Graph, **fields: object) -> str:
    """By variances as small as the epsilon."""
    values = (2.0**-8, 0.5, 0.25, 1e-5)
    constants = [graph.constant(f"bn.{place}", np.full(3, v)) for place, v in enumerate(values)]
    return fine(graph, "BatchNormalization", *constants, **fields)


def spread(graph: Graph, **fields: object) -> str:
    wide = graph.quant(graph.conv(graph.image(), outputs=8), 2.0**-5, 6.0)
    return graph.node("DepthToSpace", wide, blocksize=2, **fields)


DEFAULTS: dict[str, Callable[[Graph], str]] = {
    "ReduceMean keeps its dimensions": added_mean,
    "ReduceMean, said": lambda g: added_mean(g, keepdims=1),
    "ReduceMean drops them": lambda g: g.node(
        "Gemm", mean(g, keepdims=0), g.weight("head.weight", (4, 3)), transB=1
    ),
    "ReduceMean, axes from behind": lambda g: g.node(
        "ReduceMean", signed_image(g), axes=[-1, -2], name="/m/ReduceMean"
    ),
    "MaxPool steps by one": pooled("MaxPool"),
    "AveragePool steps by one": pooled("AveragePool"),
    "MaxPool, stride said": pooled("MaxPool", strides=[1, 2]),
    "AveragePool, no ceil": pooled("AveragePool", strides=[2, 1], ceil_mode=0),
    "Conv, nothing said": lambda g: g.conv(g.image()),
    "Conv, all said": lambda g: g.conv(
        g.image(), strides=[1, 1], pads=[0] * 4, dilations=[1, 1], group=1, auto_pad="NOTSET"
    ),
    "Conv, valid": lambda g: g.conv(g.image(), auto_pad="VALID"),
    "Conv, padding of each side": lambda g: g.conv(g.image(), pads=[0, 1, 2, 3]),
    "Flatten behind the batch": flattened,
    "Flatten, said": lambda g: flattened(g, axis=1),
    "Gemm, not transposed": lambda g: g.node(
        "Gemm",
        g.node("Flatten", g.node("GlobalAveragePool", signed_image(g))),
        g.weight("head.weight", (3, 3)),
    ),
    "Gemm, transposed": lambda g: g.node(
        "Gemm",
        g.node("Flatten", g.node("GlobalAveragePool", signed_image(g))),
        g.weight("head.weight", (3, 3)),
        transB=1,
    ),
    "Split evenly": split,
    "Slice by ones": sliced,
    "Squeeze": squeezed,
    "LeakyRelu": lambda g: fine(g, "LeakyRelu"),
    "LeakyRelu, said": lambda g: fine(g, "LeakyRelu", alpha=0.01),
    "Elu": lambda g: fine(g, "Elu"),
    "Selu": lambda g: fine(g, "Selu"),
    "HardSigmoid": lambda g: fine(g, "HardSigmoid"),
    "HardSwish": lambda g: fine(g, "HardSwish"),
    "BatchNormalization": normalised,
    "BatchNormalization, said": lambda g: normalised(g, epsilon=1e-5),
    "DepthToSpace": spread,
    "DepthToSpace, said": lambda g: spread(g, mode="DCR"),
    "DepthToSpace, the other way": lambda g: spread(g, mode="CRD"),
    "ConvTranspose": lambda g: g.node(
        "ConvTranspose", signed_image(g), g.weight("t.weight", (3, 2, 2, 2))
    ),
    "ConvTranspose, said": lambda g: g.node(
        "ConvTranspose",
        signed_image(g),
        g.weight("t.weight", (3, 2, 2, 2)),
        strides=[1, 1],
        pads=[0] * 4,
        output_padding=[0, 0],
        group=1,
        auto_pad="NOTSET",
    ),
    "Quant, signed and rounded": lambda g: g.node(
        "Quant",
        g.conv(g.image()),
        *(g.constant(f"q{place}", value) for place, value in enumerate((2.0**-4, 0.0, 5.0))),
        domain="qonnx.custom_op.general",
        signed=1,
        narrow=0,
    ),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_is_left_out(tmp_path: Path, name: str) -> None:
    graph = Graph()
    path = graph.save(tmp_path / "a.onnx", DEFAULTS[name](graph))
    net = from_qonnx(path, "net")
    images = np.random.default_rng(3).integers(0, 256, (7, 4, 4, 2))
    answers = reference.run(net, images)
    assert len(np.unique(answers)) > 3
    assert np.array_equal(run_qonnx(path, net, images), answers)


def test_a_quantizer_of_which_nothing_is_said(tmp_path: Path) -> None:
    """As QONNX has it; qonnx itself executes no such file."""

    def net(**fields: object) -> StreamNet:
        graph = Graph()
        operands = [graph.constant(f"q{i}", value) for i, value in enumerate((2.0**-4, 0.0, 5.0))]
        domain = "qonnx.custom_op.general"
        value = graph.node("Quant", graph.conv(graph.image()), *operands, domain=domain, **fields)
        return from_qonnx(graph.save(tmp_path / "a.onnx", value), "net")

    said: dict[str, object] = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
    assert net() == net(**said)
    for name, other in (("signed", 0), ("narrow", 1), ("rounding_mode", "FLOOR")):
        assert net() != net(**said | {name: other})


@pytest.mark.parametrize("fields", [{}, {"keepdims": 1}])
def test_a_mean_with_its_dimensions_is_no_vector(tmp_path: Path, fields: dict[str, int]) -> None:
    graph = Graph()
    product = graph.node(
        "Gemm", mean(graph, **fields), graph.weight("head.weight", (4, 3)), transB=1
    )
    with pytest.raises(ConversionError, match=r"multiplies shapes \(1, 3, 1, 1\) and \(3, 4\)"):
        from_qonnx(graph.save(tmp_path / "a.onnx", product), "net")


MODES = ["ROUND", "HALF_EVEN", "FLOOR", "DOWN", "HALF_UP", "HALF_DOWN"]


@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize("mode", MODES)
def test_ties_of_streams_and_of_weights(tmp_path: Path, mode: str, narrow: int) -> None:
    """Every half from -6 to 6, as pixels and as weights, also beyond the range of 4 bits."""
    graph = Graph((1, 1, 1, 25))
    pixels = graph.quant("image", 2.0**-1, 8.0, name="/input/Quant")
    stream = graph.quant(pixels, 1.0, 3.0, mode=mode, narrow=narrow, name="/act/Quant")
    halves = np.arange(-12, 13) / 2
    weight = graph.quant(
        graph.constant("conv.weight", halves.reshape(25, 1, 1, 1)),
        1.0,
        3.0,
        mode=mode,
        narrow=narrow,
        name="/w/Quant",
    )
    path = graph.save(tmp_path / "a.onnx", graph.node("Conv", stream, weight, name="/conv/Conv"))
    net = from_qonnx(path, "net")
    images = np.arange(-12, 13).reshape(1, 1, 25, 1)
    answers = reference.run(net, images)
    assert answers.min() < 0 < answers.max()
    assert np.array_equal(run_qonnx(path, net, images), answers)
