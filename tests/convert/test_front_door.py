"""Files as tools and users write them, one feature each: how many convert and are exact.

Together with the models of ``user_models``, which ``test_any_scale`` compares one by one, these are
the lists of features that somebody else's network may have.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from onnx_models import QONNX, Graph
from semifreddo.convert import run_qonnx
from semifreddo.convert.from_qonnx import read_converted
from semifreddo.core.errors import ConversionError
from semifreddo.sim import reference

Change = Callable[[onnx.ModelProto], None]


def body(g: Graph, x: str, last: Callable[[Graph, str], str] | None = None) -> onnx.ModelProto:
    """A convolution with a float scale, ReLU, quantizer, pool, and a linear layer."""
    weight = g.weight("conv.weight", (3, 2, 3, 3), 0.113)
    x = g.node("Conv", x, weight, name="/conv/Conv", pads=[1, 1, 1, 1])
    x = g.quant(g.node("Relu", x, name="/act/Relu"), 0.0371, 6.0, signed=0, name="/act/Quant")
    x = g.node("MaxPool", x, name="/pool/MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    x = g.node("Flatten", x, name="/flat/Flatten", axis=1)
    x = g.node("Gemm", x, g.weight("head.weight", (5, 12), 0.07), name="/head/Gemm", transB=1)
    return g.model(last(g, x) if last else x)


def plain(change: Change | None = None) -> onnx.ModelProto:
    model = body(g := Graph(), g.image())
    if change is not None:
        change(model)
    return model


def entrance(build: Callable[[Graph, str], str], shape: tuple[object, ...]) -> onnx.ModelProto:
    """Something in front of the input's quantizer."""
    g = Graph(shape=shape)
    return body(g, g.quant(build(g, "image"), 2.0**-7, 8.0, name="/input/Quant"))


def head(build: Callable[[Graph, str], str]) -> onnx.ModelProto:
    """Something behind the last layer."""
    return body(g := Graph(), g.image(), build)


def without_imports(model: onnx.ModelProto) -> None:
    del model.opset_import[:]


def without_qonnx(model: onnx.ModelProto) -> None:
    kept = [entry for entry in model.opset_import if entry.domain != QONNX]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def domain(name: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        without_qonnx(model)
        for node in model.graph.node:
            node.domain = name if node.domain else ""

    return change


def older(version: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = version

    return change


def renamed(operator: str, other: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.op_type = other if node.op_type == operator else node.op_type

    return change


def without_names(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.name = ""


def one_name(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.name = "node"


def batch(size: int | str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        dim = model.graph.input[0].type.tensor_type.shape.dim[0]
        if isinstance(size, int):
            dim.dim_value = size
        else:
            dim.dim_param = size

    return change


def weights_as_inputs(model: onnx.ModelProto) -> None:
    """As files of the first versions of ONNX have it."""
    for tensor in model.graph.initializer:
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(value)


def weights_as_nodes(model: onnx.ModelProto) -> None:
    nodes = [
        helper.make_node(
            "Constant", [], [tensor.name], name=f"{tensor.name}/Constant", value=tensor
        )
        for tensor in model.graph.initializer
    ]
    del model.graph.initializer[:]
    others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *others])


def unread_nodes(model: onnx.ModelProto) -> None:
    node = helper.make_node("Sin", ["/act/Relu_output_0"], ["nobody"], name="/unread/Sin")
    model.graph.node.append(node)


def with_shapes(model: onnx.ModelProto) -> None:
    inferred = onnx.shape_inference.infer_shapes(model)
    model.graph.value_info.extend(inferred.graph.value_info)


def signal(g: Graph, x: str) -> onnx.ModelProto:
    weight = g.weight("conv.weight", (4, 3, 3), 0.113)
    x = g.node("Conv", x, weight, name="/conv/Conv", pads=[1, 1])
    x = g.quant(g.node("Relu", x), 0.0371, 6.0, signed=0)
    x = g.node("Flatten", g.node("MaxPool", x, kernel_shape=[2], strides=[2]), axis=1)
    return g.model(g.node("Gemm", x, g.weight("head.weight", (5, 16), 0.07), transB=1))


def vector(g: Graph, *, gemm: bool) -> onnx.ModelProto:
    x = g.image()
    first = g.weight("a.weight", (8, 6) if gemm else (6, 8), 0.113)
    bias = g.constant("a.bias", np.linspace(-1, 1, 8))
    x = g.node("Gemm", x, first, bias, transB=1) if gemm else g.node("MatMul", x, first)
    x = g.quant(g.node("Relu", x if gemm else g.node("Add", x, bias)), 0.0371, 6.0, signed=0)
    return g.model(g.node("MatMul", x, g.weight("b.weight", (8, 5), 0.07)))


def channels_last() -> onnx.ModelProto:
    """qonnx' wrappers, whose tensors have their channels last."""
    g = Graph(shape=(1, 4, 4, 2))
    last = "qonnx.custom_op.channels_last"
    weight = g.weight("conv.weight", (3, 3, 3, 2), 0.113)
    x = g.node("Conv", g.image(), weight, name="/conv/Conv", domain=last, kernel_shape=[3, 3],
               strides=[1, 1], pads=[1, 1, 1, 1], dilations=[1, 1], group=1)  # fmt: skip
    columns = [g.constant(f"norm.{n}", np.linspace(0.5, 1.5, 3)) for n in ("g", "b", "m", "v")]
    x = g.node("BatchNormalization", x, *columns, domain=last)
    x = g.quant(g.node("Relu", x), 0.0371, 6.0, signed=0)
    x = g.node("MaxPool", x, domain=last, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0])
    x = g.quant(g.node("Relu", x), 0.07, 6.0, signed=0)
    model = g.model(x)
    model.opset_import.append(helper.make_opsetid(last, 1))
    return model


def qcdq(*, per_channel: bool) -> onnx.ModelProto:
    """QuantizeLinear, Clip, DequantizeLinear; weights stored as integers."""
    g = Graph()

    def stored(name: str, value: np.ndarray) -> str:
        g.constants[name] = value
        return name

    def pair(x: str, scale: float, tag: str, bits: int, zero: int = 0) -> str:
        kind = np.uint8
        names = [stored(f"{tag}.scale", np.float32(scale)), stored(f"{tag}.zero", kind(zero))]
        x = g.node("QuantizeLinear", x, *names, name=f"/{tag}/QuantizeLinear")
        if bits < 8:
            ends = [stored(f"{tag}.{n}", kind(v)) for n, v in (("l", 0), ("h", 2**bits - 1))]
            x = g.node("Clip", x, *ends, name=f"/{tag}/Clip")
        return g.node("DequantizeLinear", x, *names, name=f"/{tag}/DequantizeLinear")

    raw = np.random.default_rng(1).integers(-100, 101, (3, 2, 3, 3)).astype(np.int8)
    scales = np.array([0.01, 0.02, 0.03] if per_channel else 0.0123, np.float32)
    zeros = np.zeros(scales.shape, np.int8)
    weight = g.node(
        "DequantizeLinear", stored("w", raw), stored("w.scale", scales), stored("w.zero", zeros),
        name="/w/DequantizeLinear", **({"axis": 0} if per_channel else {}),
    )  # fmt: skip
    x = g.node("Conv", pair("image", 1 / 255, "input", 8), weight, name="/conv/Conv")
    return g.model(pair(g.node("Relu", x), 0.0371, "act", 6))


def normed(g: Graph, x: str) -> str:
    values = {"scale": [1.5, 0.7], "bias": [0.1, -0.2], "mean": [0.4, 0.5], "variance": [0.9, 0.3]}
    columns = [g.constant(f"norm.{name}", value) for name, value in values.items()]
    return g.node("BatchNormalization", x, *columns)


def times(value: object, op: str = "Mul") -> Callable[[Graph, str], str]:
    return lambda g, x: g.node(op, x, g.constant(f"constant{len(g.nodes)}", value))


def chain(*builds: Callable[[Graph, str], str]) -> Callable[[Graph, str], str]:
    def build(g: Graph, x: str) -> str:
        for each in builds:
            x = each(g, x)
        return x

    return build


def op(name: str, **fields: object) -> Callable[[Graph, str], str]:
    return lambda g, x: g.node(name, x, **fields)


def reshape(*sizes: int) -> Callable[[Graph, str], str]:
    return lambda g, x: g.node("Reshape", x, g.constant(f"sizes{len(g.nodes)}", sizes))


def two_outputs() -> onnx.ModelProto:
    g = Graph()
    x = g.quant(g.node("Flatten", g.node("GlobalAveragePool", g.conv(g.image()))), 0.07)
    first, second = (
        g.node("Gemm", x, g.weight(f"{n}.weight", (n, 3), 0.113 / n), name=f"/{n}/Gemm", transB=1)
        for n in (5, 2)
    )
    g.outputs.append(second)
    return g.model(first)


FILES: dict[str, Callable[[], onnx.ModelProto]] = {
    "plain": plain,
    "no import of QONNX": lambda: plain(without_qonnx),
    "no imports": lambda: plain(without_imports),
    "domain of Brevitas": lambda: plain(domain("onnx.brevitas")),
    "domain of FINN": lambda: plain(domain("finn.custom_op.general")),
    "operator set 13": lambda: plain(older(13)),
    "operator set 22": lambda: plain(older(22)),
    "IntQuant": lambda: plain(renamed("Quant", "IntQuant")),
    "nodes without names": lambda: plain(without_names),
    "nodes of one name": lambda: plain(one_name),
    "symbolic batch": lambda: plain(batch("N")),
    "batch of 16": lambda: plain(batch(16)),
    "weights among the inputs": lambda: plain(weights_as_inputs),
    "weights as Constant nodes": lambda: plain(weights_as_nodes),
    "nodes that nobody reads": lambda: plain(unread_nodes),
    "shapes of all tensors": lambda: plain(with_shapes),
    "vector and Gemm": lambda: vector(Graph(shape=(1, 6)), gemm=True),
    "vector and MatMul": lambda: vector(Graph(shape=("N", 6)), gemm=False),
    "signal of one dimension": lambda: signal(g := Graph(shape=(1, 3, 8)), g.image()),
    "channels last": channels_last,
    "QCDQ": lambda: qcdq(per_channel=False),
    "QCDQ by channel": lambda: qcdq(per_channel=True),
    "2x - 1": lambda: entrance(chain(times(2.0), times(1.0, "Sub")), (1, 2, 4, 4)),
    "x / 255": lambda: entrance(times(255.0, "Div"), (1, 2, 4, 4)),
    "mean and deviation by channel": lambda: entrance(
        chain(times([[[0.4]], [[0.5]]], "Sub"), times([[[0.2]], [[0.3]]], "Div")), (1, 2, 4, 4)
    ),
    "batch norm of the image": lambda: entrance(normed, (1, 2, 4, 4)),
    "vector that becomes an image": lambda: entrance(reshape(1, 2, 4, 4), (1, 32)),
    "image with channels last": lambda: entrance(op("Transpose", perm=[0, 3, 1, 2]), (1, 4, 4, 2)),
    "cast image": lambda: entrance(op("Cast", to=1), (1, 2, 4, 4)),
    "Softmax": lambda: head(op("Softmax", axis=1)),
    "LogSoftmax": lambda: head(op("LogSoftmax", axis=1)),
    "ArgMax": lambda: head(op("ArgMax", axis=1)),
    "TopK": lambda: head(
        lambda g, x: g.node("TopK", x, g.constant("k", [1]), outputs=2, axis=1)
    ),
    "factor of the logits": lambda: head(times(0.317)),
    "temperature and Softmax": lambda: head(chain(times(1.7, "Div"), op("Softmax", axis=1))),
    "affine logits": lambda: head(
        chain(times(np.linspace(0.5, 1, 5)), times(np.linspace(-1, 1, 5), "Add"))
    ),
    "Sigmoid at the end": lambda: head(op("Sigmoid")),
    "quantized answers": lambda: head(lambda g, x: g.quant(x, 0.19, 8.0)),
    "reshaped answers": lambda: head(reshape(1, 5)),
    "answers without Identity": lambda: head(op("Identity")),
    "two outputs": two_outputs,
}  # fmt: skip


def difference(name: str, folder: Path) -> str:
    """What keeps a file from being exact; empty if nothing does."""
    path = folder / "model.onnx"
    path.write_bytes(FILES[name]().SerializeToString())
    try:
        net = read_converted(path, "net").net
    except ConversionError as error:
        return str(error).removeprefix(f"{path}: ")
    low, high = net.input.type.min_raw, net.input.type.max_raw
    images = np.random.default_rng(1).integers(low, high + 1, (30, *net.input.shape))
    answers = reference.run(net, images)
    if len(np.unique(answers)) < 4:
        return "gives almost the same answer to all images"
    return "" if np.array_equal(run_qonnx(path, net, images), answers) else "answers differ"


def test_all_files_convert_and_are_exact(tmp_path: Path) -> None:
    found = {name: difference(name, tmp_path) for name in FILES}
    wrong = {name: reason for name, reason in found.items() if reason}
    assert not wrong, f"{len(found) - len(wrong)} of {len(found)} files are exact"


def test_the_lists_are_those_of_the_issue() -> None:
    """At least 52 models with a feature each; all are compared one by one in test_any_scale."""
    models = pytest.importorskip("user_models", exc_type=ImportError).MODELS
    assert len(models) >= 52
    assert len({*models, *FILES}) == len(models) + len(FILES)
