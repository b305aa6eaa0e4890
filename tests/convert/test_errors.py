"""Everything conversion refuses, by message."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_models import QONNX, Graph, small
from semifreddo.convert import convert, from_qonnx, read_info
from semifreddo.core.errors import (
    CheckpointError,
    ConversionError,
    FrozenTensorChangedError,
    SemifreddoError,
)
from semifreddo.ir.freeze import FreezePlan, IntegerTensor


def refuses(path: Path, message: str, error: type[SemifreddoError] = ConversionError) -> None:
    """The file is refused with exactly ``<path>: <message>``, on one line."""
    with pytest.raises(error) as caught:
        from_qonnx(path, "net")
    assert str(caught.value) == f"{path}: {message}"


HINT = "export the model with semifreddo.convert.export_qonnx"


def test_missing_file(tmp_path: Path) -> None:
    refuses(tmp_path / "no.onnx", f"no such file; {HINT}")


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"{}"])
def test_not_an_onnx_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(ConversionError, match=rf"^{re.escape(str(path))}: not an ONNX model \("):
        from_qonnx(path, "net")


def test_empty_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"")
    refuses(path, f"not an ONNX model (no graph in it); {HINT}")


def test_missing_external_data(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    onnx.save_model(small(), path, save_as_external_data=True, location="a.data", size_threshold=0)
    assert from_qonnx(path, "net").output.channels == 5
    (tmp_path / "a.data").unlink()
    with pytest.raises(ConversionError) as caught:
        from_qonnx(path, "net")
    assert "its external data cannot be read" in str(caught.value)
    assert str(caught.value).endswith(
        "keep the data file beside the model or export it as one file"
    )


def test_half_a_quantizer(tmp_path: Path) -> None:
    graph = Graph()
    scale, zero = graph.constant("s", 0.5), graph.constant("z", 0)
    x = graph.node("DequantizeLinear", graph.image(), scale, zero, name="/q/DequantizeLinear")
    with pytest.raises(ConversionError, match=r"\(DequantizeLinear\): reads no QuantizeLinear"):
        from_qonnx(graph.save(tmp_path / "a.onnx", x), "net")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (1, 2, None, 4),
            "input 'image' has a dynamic shape (dimension 2 is 'unknown'); export with a fixed "
            "input shape",
        ),
        (
            (1, 2, 3, 4, 4),
            "input 'image' has shape (1, 2, 3, 4, 4), expected one image (1, channels, height, "
            "width) or a vector (1, values)",
        ),
        (
            (1, 3, 4096, 4096),
            "input 'image' has shape (1, 3, 4096, 4096), more than 4194304 values; use smaller "
            "images",
        ),
    ],
)
def test_input_shape(tmp_path: Path, shape: tuple[object, ...], message: str) -> None:
    graph = Graph(shape)
    refuses(graph.save(tmp_path / "a.onnx", graph.image()), message)


def test_input_is_not_float(tmp_path: Path) -> None:
    graph = Graph(kind=onnx.TensorProto.UINT8)
    refuses(
        graph.save(tmp_path / "a.onnx", graph.image()),
        f"input 'image' is not a float tensor; {HINT}",
    )


def test_two_outputs_of_different_sizes(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.conv(graph.image())
    graph.outputs.append(graph.node("MaxPool", x, name="/p/MaxPool", kernel_shape=[2, 2]))
    refuses(
        graph.save(tmp_path / "a.onnx", x),
        "node 'the outputs' (Concat): concatenates images of different sizes; a device gives one "
        "result, so keep one of '/conv/Conv_output_0', '/p/MaxPool_output_0', or make them vectors",
    )


def test_nothing_between_input_and_output(tmp_path: Path) -> None:
    graph = Graph()
    refuses(graph.save(tmp_path / "a.onnx", graph.image()), "the model does nothing with its input")


def test_bad_net_name(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(small().SerializeToString())
    with pytest.raises(ConversionError, match=r"net name 'my net' is not an identifier"):
        from_qonnx(path, "my net")


Build = Callable[[Graph], str]


def relu_quant(graph: Graph) -> str:
    return graph.quant(graph.node("Relu", graph.conv(graph.image())), signed=0)


def resized(graph: Graph, scales: list[float], mode: str) -> str:
    factors = graph.constant("scales", np.array(scales))
    return graph.node("Resize", graph.image(), "", factors, name="/r/Resize", mode=mode)


def padded(graph: Graph, source: str, pads: list[int]) -> str:
    return graph.node("Pad", source, graph.constant("pads", np.array(pads)), name="/pad/Pad")


def blend_with(graph: Graph, alpha: str) -> str:
    f, t = relu_quant(graph), graph.quant(graph.conv(graph.image()))
    rest = graph.node("Sub", graph.constant("one", 1.0), alpha)
    left, right = graph.node("Mul", f, alpha), graph.node("Mul", t, rest)
    return graph.node("Add", left, right, name="/mix/Add")


def float_weight(graph: Graph) -> str:
    weight = graph.constant("conv.weight", np.ones((3, 2, 3, 3)))
    return graph.node("Conv", graph.image(), weight, name="/conv/Conv")


def float_bias(graph: Graph) -> str:
    weight = graph.weight("conv.weight", (3, 2, 3, 3))
    bias = graph.constant("conv.bias", np.ones(3))
    return graph.node("Conv", graph.image(), weight, bias, name="/conv/Conv")


def short_bias(graph: Graph) -> str:
    weight = graph.weight("conv.weight", (3, 2, 3, 3))
    bias = graph.weight("conv.bias", (2,))
    return graph.node("Conv", graph.image(), weight, bias, name="/conv/Conv")


def nan_weight(graph: Graph) -> str:
    values = np.ones((3, 2, 3, 3))
    values[0, 0, 0, 0] = np.nan
    weight = graph.quant(graph.constant("conv.weight", values), name="/wq/Quant")
    return graph.node("Conv", graph.image(), weight, name="/conv/Conv")


def input_channel_scale(graph: Graph) -> str:
    scale = np.array([0.5, 0.25]).reshape(1, 2, 1, 1)
    weight = graph.weight("conv.weight", (3, 2, 3, 3), scale)
    return graph.node("Conv", graph.image(), weight, name="/conv/Conv")


def part_of_a_weight(graph: Graph) -> str:
    whole = graph.weight("conv.weight", (4, 2, 3, 3))
    ends = [graph.constant(name, np.array([n])) for name, n in (("a", 0), ("b", 3), ("c", 0))]
    return graph.node("Conv", graph.image(), graph.node("Slice", whole, *ends), name="/conv/Conv")


def shared_in_two_layouts(graph: Graph) -> str:
    weight = graph.weight("fc.weight", (2, 2))
    x = graph.node("Flatten", graph.node("GlobalAveragePool", graph.image()), axis=1)
    x = graph.quant(graph.node("Gemm", x, weight, transB=1))
    return graph.node("MatMul", x, weight, name="/fc/MatMul")


def late_bias(graph: Graph) -> str:
    bias = graph.weight("late.bias", (1, 3, 1, 1))
    return graph.node("Add", relu_quant(graph), bias, name="/late/Add")


def missing_input(graph: Graph) -> str:
    return graph.node("Relu", "nowhere", name="/r/Relu")


def flat(graph: Graph) -> str:
    return graph.node("Flatten", graph.image(), axis=1)


def wide_accumulator(graph: Graph) -> str:
    source = graph.quant(graph.node("Relu", graph.conv(graph.image())), bits=32.0, signed=0)
    weight = graph.quant(graph.constant("w", np.full((3, 3, 1, 1), 2.0**27)), 2.0**-3, 32.0)
    return graph.node("Conv", source, weight, name="/big/Conv")


def transposed(graph: Graph, shape: tuple[int, ...] = (3, 2, 2, 2), **fields: Any) -> str:
    weight = graph.weight("t.weight", shape)
    return graph.node("ConvTranspose", relu_quant(graph), weight, name="/t/ConvTranspose", **fields)


def truncated(graph: Graph, scale: Any = 0.5, inputs: int = 5, **fields: Any) -> str:
    """Scale, zero point, bits before, scale behind and bits."""
    values = (scale, 0.0, 8.0, 1.0, 4.0)[:inputs]
    names = [graph.constant(f"t{index}", value) for index, value in enumerate(values)]
    return graph.node("Trunc", graph.image(), *names, name="/t/Trunc", domain=QONNX, **fields)


def dequantized(
    graph: Graph, scale: float = 0.5, other: float = 0.5, ends: tuple[int, int] | None = None
) -> str:
    zero = graph.constant("zero", 0)
    value = graph.node("QuantizeLinear", graph.image(), graph.constant("s", scale), zero)
    if ends is not None:
        limits = [graph.constant(f"end{index}", end) for index, end in enumerate(ends)]
        value = graph.node("Clip", value, *limits)
    return graph.node(
        "DequantizeLinear", value, graph.constant("o", other), zero, name="/q/DequantizeLinear"
    )


def clipped(graph: Graph, low: Any, high: Any) -> str:
    ends = graph.constant("low", low), graph.constant("high", high)
    return graph.node("Clip", relu_quant(graph), *ends, name="/c/Clip")


def scaled_channels(graph: Graph) -> str:
    factors = graph.constant("k", np.array([0.3, 0.7, 0.9]).reshape(1, 3, 1, 1))
    value = graph.node("Mul", relu_quant(graph), factors)
    return graph.node("Conv", value, graph.weight("w", (3, 3, 1, 1)), name="/after/Conv")


IMAGE_HINT = (
    "reads the image before it has a number format; add a QuantIdentity (8 bits, unsigned, scale "
    "1/256) at the input, or name its bits and scale in [input] of design.toml"
)
DEFAULT = "replace it by convolutions, pools, additions, ReLU and linear layers"

REFUSED: dict[str, tuple[Build, str]] = {
    "no input quantizer": (
        lambda g: g.conv("image"),
        f"node '/conv/Conv' (Conv): {IMAGE_HINT}",
    ),
    "two input formats": (
        lambda g: g.node("Add", g.image(), g.quant("image", 0.5, name="/b/Quant")),
        "node '/b/Quant' (Quant): quantizes the input in another way than an earlier node; use one "
        "QuantIdentity for the input",
    ),
    "negative scale": (
        lambda g: g.quant(g.image(), -0.5, name="/act/Quant"),
        "node '/act/Quant' (Quant): scale -0.5 is not a positive number; export again",
    ),
    "nan scale": (
        lambda g: g.quant(g.image(), float("nan"), name="/act/Quant"),
        "node '/act/Quant' (Quant): scale nan is not a positive number; export again",
    ),
    "zero point": (
        lambda g: g.quant(g.image(), zero=0.5, name="/act/Quant"),
        "node '/act/Quant' (Quant): zero point 0.5 is not a whole number; train with integer zero "
        "points",
    ),
    "bits": (
        lambda g: g.quant(g.image(), bits=1.0, name="/act/Quant"),
        "node '/act/Quant' (Quant): bit width 1 is not supported; use 2 to 32 bits",
    ),
    "fraction of bits": (
        lambda g: g.quant(g.image(), bits=2.5, name="/act/Quant"),
        "node '/act/Quant' (Quant): the bit width is not one whole number",
    ),
    "rounding": (
        lambda g: g.quant(g.image(), mode="NEAREST", name="/act/Quant"),
        "node '/act/Quant' (Quant): rounding mode NEAREST is not supported; use one of ROUND, "
        "HALF_EVEN, FLOOR, DOWN, ROUND_TO_ZERO, HALF_UP, HALF_DOWN, CEIL, UP",
    ),
    "activation scale per channel": (
        lambda g: g.quant(g.image(), [[[[0.5]], [[0.25]]]], name="/act/Quant"),
        "node '/act/Quant' (Quant): activations with a scale per channel are not supported; use a "
        "per-tensor activation quantizer",
    ),
    "truncation": (
        lambda g: g.node(
            "Trunc",
            g.image(),
            *[g.constant(f"t{i}", v) for i, v in enumerate((0.5, 1.0, 8.0, 4.0))],
            name="/t/Trunc",
            domain=QONNX,
        ),
        "node '/t/Trunc' (Trunc): a zero point is not supported; use zero point 0",
    ),
    "softmax": (
        lambda g: g.node("Relu", g.node("Softmax", relu_quant(g), name="/s/Softmax")),
        "node '/s/Softmax' (Softmax): operator Softmax is supported as the last one only; leave it "
        "out",
    ),
    "softmax of rows": (
        lambda g: g.node("Softmax", relu_quant(g), name="/s/Softmax", axis=2),
        "node '/s/Softmax' (Softmax): works along axis 2; answers are compared along the channels",
    ),
    "the smallest answers": (
        lambda g: g.node(
            "TopK",
            relu_quant(g),
            g.constant("k", np.array([2])),
            name="/t/TopK",
            outputs=2,
            axis=1,
            largest=0,
        ),
        "node '/t/TopK' (TopK): looks for the smallest answers; look for the largest",
    ),
    "batch norm of the batch": (
        lambda g: g.node(
            "BatchNormalization",
            relu_quant(g),
            *[g.constant(f"bn.{i}", np.ones(3)) for i in range(4)],
            name="/bn/BatchNormalization",
            training_mode=1,
        ),
        "node '/bn/BatchNormalization' (BatchNormalization): normalises with the batch itself; "
        "export the model in evaluation mode",
    ),
    "unknown operator": (
        lambda g: g.node("Atan", relu_quant(g), name="/e/Atan"),
        f"node '/e/Atan' (Atan): operator Atan is not supported; {DEFAULT}",
    ),
    "one dimension": (
        lambda g: g.node("Conv", g.image(), g.weight("w", (3, 2, 3)), name="/conv/Conv"),
        "node '/conv/Conv' (Conv): has a 1-dimensional window; only images are supported",
    ),
    "channels do not match": (
        lambda g: g.conv(g.image(), inputs=3),
        "node '/conv/Conv' (Conv): weight shape (3, 3, 3, 3) does not match 2 input channels",
    ),
    "empty result": (
        lambda g: g.node(
            "Conv", g.image(), g.weight("conv.weight", (3, 2, 7, 7)), name="/conv/Conv"
        ),
        "node '/conv/Conv' (Conv): its result would have shape (-2, -2, 3); check kernel and "
        "padding",
    ),
    "float weight": (
        float_weight,
        "node '/conv/Conv' (Conv): weight 'conv.weight' is not quantized; use a Brevitas layer "
        "with a weight quantizer",
    ),
    "bias of another size": (
        short_bias,
        "node '/conv/Conv' (Conv): bias shape (2,) does not match 3 output channels",
    ),
    "nan": (
        nan_weight,
        "node '/wq/Quant' (Quant): 'conv.weight' has NaN or infinite values; training diverged, so "
        "load an earlier checkpoint",
    ),
    "scale per input channel": (
        input_channel_scale,
        "node '/conv/Conv' (Conv): the scales of 'conv.weight' vary inside an output channel; use "
        "one scale per tensor or per output channel",
    ),
    "weight from the image": (
        lambda g: g.node("Conv", g.image(), g.image(), name="/conv/Conv"),
        "node '/conv/Conv' (Conv): its weight is not a constant; only fixed weights are supported",
    ),
    "part of a weight": (
        part_of_a_weight,
        "node '/conv/Conv' (Conv): only a part of parameter 'conv.weight' is used; use all of it",
    ),
    "one parameter in two layouts": (
        shared_in_two_layouts,
        "node '/fc/MatMul' (MatMul): parameter 'fc.weight' is also used in another layout or "
        "format; give each use its own parameter",
    ),
    "matrix product of images": (
        lambda g: g.node("MatMul", g.image(), g.weight("w", (4, 4)), name="/m/MatMul"),
        "node '/m/MatMul' (MatMul): multiplies shapes (1, 2, 4, 4) and (4, 4); flatten the image "
        "to (1, values) before a linear layer",
    ),
    "scaled Gemm": (
        lambda g: g.node(
            "Gemm", g.node("Flatten", g.image()), g.weight("w", (32, 4)), name="/m/Gemm", alpha=0.5
        ),
        "node '/m/Gemm' (Gemm): alpha, beta and transA must be 1, 1 and 0; use a plain linear "
        "layer",
    ),
    "padded average": (
        lambda g: g.node(
            "AveragePool", g.image(), name="/p/AveragePool", kernel_shape=[2, 2], pads=[1] * 4
        ),
        "node '/p/AveragePool' (AveragePool): averages fewer values at the edge, where it is "
        "padded; pad before it, or count the padding",
    ),
    "ceil mode of an average": (
        lambda g: g.node(
            "AveragePool",
            g.image(),
            name="/p/AveragePool",
            kernel_shape=[3, 3],
            strides=[2, 2],
            ceil_mode=1,
        ),
        "node '/p/AveragePool' (AveragePool): ceil_mode averages fewer values at the edge; set "
        "ceil_mode=False",
    ),
    "dilated pool": (
        lambda g: g.node(
            "MaxPool", g.image(), name="/p/MaxPool", kernel_shape=[2, 2], dilations=[2, 2]
        ),
        "node '/p/MaxPool' (MaxPool): dilation (2, 2) is not supported; use dilation 1",
    ),
    "mean over channels": (
        lambda g: g.node("ReduceMean", g.image(), name="/m/ReduceMean", axes=[1]),
        "node '/m/ReduceMean' (ReduceMean): only the mean over height and width is supported",
    ),
    "pad with ones": (
        lambda g: g.node(
            "Pad",
            g.image(),
            g.constant("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1])),
            g.constant("fill", 1.0),
            name="/pad/Pad",
        ),
        "node '/pad/Pad' (Pad): pads with another value than 0; pad with zeros",
    ),
    "reflection": (
        lambda g: g.node(
            "Pad",
            g.image(),
            g.constant("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1])),
            name="/pad/Pad",
            mode="reflect",
        ),
        "node '/pad/Pad' (Pad): mode reflect is not supported; pad with zeros",
    ),
    "padded batch": (
        lambda g: padded(g, g.image(), [1, 0, 0, 0, 0, 0, 0, 0]),
        "node '/pad/Pad' (Pad): pads the batch; pad channels, height and width only",
    ),
    "transposed image": (
        lambda g: g.conv(g.node("Transpose", g.image(), perm=[0, 1, 3, 2])),
        "node '/conv/Conv' (Conv): reads a stream reshaped to (1, 2, 4, 4), which moves values "
        "between pixels; selections of channels, crops, strides, depth-to-space and whole repeats "
        "are layers, other orders are none",
    ),
    "interpolation": (
        lambda g: resized(g, [1.0, 1.0, 2.0, 2.0], "linear"),
        "node '/r/Resize' (Resize): mode linear computes values between pixels; use "
        "nearest-neighbour resizing, or a transposed convolution",
    ),
    "uneven resizing": (
        lambda g: resized(g, [1.0, 1.0, 1.5, 1.5], "nearest"),
        "node '/r/Resize' (Resize): repeats some rows or columns more often than others; resize by "
        "a whole factor",
    ),
    "resized channels": (
        lambda g: resized(g, [1.0, 2.0, 1.0, 1.0], "nearest"),
        "node '/r/Resize' (Resize): resizes batch or channels; resize height and width only",
    ),
    "concatenated rows": (
        lambda g: g.node("Concat", g.image(), g.image(), name="/c/Concat", axis=2),
        "node '/c/Concat' (Concat): only concatenation of channels (axis 1) is supported",
    ),
    "images of different sizes": (
        lambda g: g.node("Concat", g.image(), relu_quant(g), name="/c/Concat", axis=1),
        "node '/c/Concat' (Concat): concatenates images of different sizes",
    ),
    "sum of different shapes": (
        lambda g: g.node("Add", g.image(), g.node("GlobalAveragePool", g.image()), name="/a/Add"),
        "node '/a/Add' (Add): adds shapes (1, 2, 4, 4) and (1, 2, 1, 1); both streams must have "
        "the same",
    ),
    "product of streams": (
        lambda g: g.node("Mul", relu_quant(g), g.image(), name="/m/Mul"),
        "node '/m/Mul' (Mul): multiplies two streams, which is not supported; one must be a "
        "constant",
    ),
    "factor per pixel": (
        lambda g: g.node(
            "Relu", g.node("Mul", g.image(), g.constant("k", np.ones((1, 1, 4, 4))), name="/m/Mul")
        ),
        "node '/m/Mul' (Mul): factor shape (1, 1, 4, 4) is not one value per channel (2 channels); "
        "multiply by a (1, 2, 1, 1) constant",
    ),
    "divisor": (
        lambda g: g.node("Div", g.image(), g.constant("k", 0.0), name="/d/Div"),
        "node '/d/Div' (Div): divides by zero; export the model again",
    ),
    "blend factors in sixteenths": (
        lambda g: blend_with(
            g,
            g.quant(g.constant("mix.alpha", np.full((1, 3, 1, 1), 0.5)), 2.0**-4, 5.0, signed=0),
        ),
        "node '/mix/Add' (Add): blend factors 'mix.alpha' are not k/8 with k from 0 to 8; quantize "
        "them to 4 unsigned bits with scale 1/8",
    ),
    "one blend factor": (
        lambda g: blend_with(g, g.quant(g.constant("mix.alpha", 0.5), 2.0**-3, 4.0, signed=0)),
        "node '/mix/Add' (Add): blends shapes (2, 2, 3) and (2, 2, 3) with factors of shape (); "
        "use one factor per channel",
    ),
    "a padding below zero": (
        lambda g: g.node(
            "MaxPool", g.image(), name="/p/MaxPool", kernel_shape=[2, 2], pads=[-1, 0, 0, 0]
        ),
        "node '/p/MaxPool' (MaxPool): window [2, 2], stride [1, 1], pads [-1, 0, 0, 0] is "
        "malformed",
    ),
    "a pool of one dimension": (
        lambda g: g.node("MaxPool", g.image(), name="/p/MaxPool", kernel_shape=[2]),
        "node '/p/MaxPool' (MaxPool): has a 1-dimensional window; only images are supported",
    ),
    "inputs do not match": (
        lambda g: g.node("Gemm", flat(g), g.weight("w", (31, 4)), name="/m/Gemm"),
        "node '/m/Gemm' (Gemm): weight shape (31, 4) does not match 32 inputs",
    ),
    "groups do not match": (
        lambda g: g.conv(g.image(), group=2),
        "node '/conv/Conv' (Conv): weight shape (3, 1, 3, 3) does not match 2 input channels",
    ),
    "an image that is a constant": (
        lambda g: g.conv(g.weight("x", (1, 2, 4, 4))),
        "node '/conv/Conv' (Conv): its data input '/x/Quant_output_0' is a constant; expected an "
        "image",
    ),
    "an accumulator of too many bits": (
        wide_accumulator,
        "node '/big/Conv' (Conv): big_conv (Conv): its exact result needs 63 bits, at most 62 are "
        "computed; bring its inputs closer together, or make them narrower; use fewer bits or "
        "inputs",
    ),
    "channels of different scales": (
        scaled_channels,
        "node '/after/Conv' (Conv): reads channels of different scales; put a quantizer with one "
        "scale in front",
    ),
    "a transposed convolution of other channels": (
        lambda g: transposed(g, (2, 3, 2, 2)),
        "node '/t/ConvTranspose' (ConvTranspose): weight shape (2, 3, 2, 2) does not match 3 input "
        "channels",
    ),
    "a transposed convolution of other groups": (
        lambda g: transposed(g, group=2),
        "node '/t/ConvTranspose' (ConvTranspose): weight shape (3, 2, 2, 2) does not match 3 input "
        "channels",
    ),
    "a transposed convolution of one dimension": (
        lambda g: transposed(g, (3, 2, 2)),
        "node '/t/ConvTranspose' (ConvTranspose): has a 1-dimensional window; only images are "
        "supported",
    ),
    "padding that follows from a shape": (
        lambda g: transposed(g, auto_pad="SAME_UPPER"),
        "node '/t/ConvTranspose' (ConvTranspose): its padding follows from an output shape; give "
        "explicit pads",
    ),
    "an output shape": (
        lambda g: transposed(g, output_shape=[5, 5]),
        "node '/t/ConvTranspose' (ConvTranspose): its padding follows from an output shape; give "
        "explicit pads",
    ),
    "a transposed convolution without a stride": (
        lambda g: transposed(g, strides=[0, 1]),
        "node '/t/ConvTranspose' (ConvTranspose): stride [0, 1], pads [0, 0, 0, 0] and output "
        "padding [0, 0] are wrong",
    ),
    "pads as large as the kernel": (
        lambda g: transposed(g, pads=[2, 2, 2, 2]),
        "node '/t/ConvTranspose' (ConvTranspose): pads [2, 2, 2, 2] are not smaller than the "
        "kernel [2, 2]; pad less",
    ),
    "a crop that is resized": (
        lambda g: g.node(
            "Resize",
            g.image(),
            "",
            "",
            g.constant("sizes", np.array([1, 2, 8, 8])),
            name="/r/Resize",
            coordinate_transformation_mode="tf_crop_and_resize",
        ),
        "node '/r/Resize' (Resize): tf_crop_and_resize with round_prefer_floor is not supported; "
        "use asymmetric with floor",
    ),
    "resizing to no size": (
        lambda g: g.node("Resize", g.image(), name="/r/Resize"),
        "node '/r/Resize' (Resize): has neither scales nor sizes; export the model again",
    ),
    "pads of half the axes": (
        lambda g: padded(g, g.image(), [0, 0, 1, 1]),
        "node '/pad/Pad' (Pad): pads [0, 0, 1, 1] of a tensor with 4 axes; pad an image",
    ),
    "pads of a vector": (
        lambda g: padded(g, flat(g), [0, 1, 0, 1]),
        "node '/pad/Pad' (Pad): pads [0, 1, 0, 1] of a tensor with 2 axes; pad an image",
    ),
    "a crop of what is padded": (
        lambda g: g.node(
            "Pad",
            padded(g, g.image(), [0, 0, 1, 1, 0, 0, 1, 1]),
            g.constant("crop", np.array([0, 0, -1, 0, 0, 0, 0, 0])),
            name="/crop/Pad",
        ),
        "node '/crop/Pad' (Pad): crops a padded image; crop before padding",
    ),
    "images and vectors": (
        lambda g: g.node("Concat", g.image(), flat(g), name="/c/Concat", axis=1),
        "node '/c/Concat' (Concat): concatenates tensors of different ranks; export the model "
        "again",
    ),
    "a constant image beside an image": (
        lambda g: g.node(
            "Concat",
            g.image(),
            g.constant("k", np.arange(16.0).reshape(1, 1, 4, 4)),
            name="/c/Concat",
            axis=1,
        ),
        "node '/c/Concat' (Concat): 'k' differs between the pixels of a channel; use one value per "
        "channel",
    ),
    "two scales of one quantizer": (
        lambda g: dequantized(g, 0.5, 0.25),
        "node '/q/DequantizeLinear' (DequantizeLinear): has another scale than its QuantizeLinear; "
        "use one",
    ),
    "a range of no bit width": (
        lambda g: dequantized(g, ends=(0, 100)),
        "node '/q/DequantizeLinear' (DequantizeLinear): clips to 0..100, which is the range of no "
        "bit width",
    ),
    "truncation per channel": (
        lambda g: truncated(g, np.array([0.5, 0.25])),
        "node '/t/Trunc' (Trunc): its scale differs by channel; use one for all",
    ),
    "truncation without its bits": (
        lambda g: truncated(g, inputs=3),
        "node '/t/Trunc' (Trunc): input 3 of node '/t/Trunc' is missing",
    ),
    "truncation of a negative scale": (
        lambda g: truncated(g, -0.5),
        "node '/t/Trunc' (Trunc): scale -0.5 is not a positive number; export again",
    ),
    "truncation to the nearest": (
        lambda g: truncated(g, rounding_mode="NEAREST"),
        "node '/t/Trunc' (Trunc): rounding mode NEAREST is not supported; use one of ROUND, "
        "HALF_EVEN, FLOOR, DOWN, ROUND_TO_ZERO, HALF_UP, HALF_DOWN, CEIL, UP",
    ),
    "signs of a scale per channel": (
        lambda g: g.node(
            "BipolarQuant",
            g.conv(g.image()),
            g.constant("s", np.array([0.5, 0.25, 0.5]).reshape(1, 3, 1, 1)),
            name="/b/BipolarQuant",
            domain=QONNX,
        ),
        "node '/b/BipolarQuant' (BipolarQuant): activations with a scale per channel are not "
        "supported; use a per-tensor activation quantizer",
    ),
    "ends of a clip that are exchanged": (
        lambda g: clipped(g, 1.0, 0.0),
        "node '/c/Clip' (Clip): its lower end is above its upper one; exchange them",
    ),
    "a clip per channel": (
        lambda g: clipped(g, np.zeros(3), 1.0),
        "node '/c/Clip' (Clip): its min has 3 values; use Min and Max",
    ),
    "an image that is folded": (
        lambda g: g.node("LeakyRelu", "image", name="/l/LeakyRelu", alpha=-0.5),
        "node '/l/LeakyRelu' (LeakyRelu): a negative slope folds the image; put a quantizer in "
        "front of it",
    ),
    "an exponential below zero": (
        lambda g: g.node("Elu", relu_quant(g), name="/e/Elu", alpha=-1.0),
        "node '/e/Elu' (Elu): alpha is -1; use a positive one",
    ),
    "the larger of two images": (
        lambda g: g.node("Max", "image", g.image(), name="/m/Max"),
        "node '/m/Max' (Max): compares images; put a quantizer in front of it",
    ),
    "a negative variance": (
        lambda g: g.quant(
            g.node(
                "BatchNormalization",
                relu_quant(g),
                *[
                    g.constant(f"bn.{i}", np.full(3, v))
                    for i, v in enumerate((1.0, 0.0, 0.0, -1.0))
                ],
                name="/bn/BatchNormalization",
            )
        ),
        "node '/bn/BatchNormalization' (BatchNormalization): is malformed (ArithmeticError('a "
        "variance of -0.99999')); export the model again",
    ),
    "a quantizer without its bits": (
        lambda g: g.node(
            "Quant",
            g.image(),
            *[g.constant(f"q{i}", value) for i, value in enumerate((0.5, 0.0))],
            name="/q/Quant",
            domain=QONNX,
        ),
        "node '/q/Quant' (Quant): input 2 of node '/q/Quant' is missing",
    ),
    "input computed by nothing": (
        missing_input,
        "not a valid ONNX model (Nodes in a graph must be topologically sorted, however input "
        f"'nowhere' of node: ); {HINT}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path: Path, name: str) -> None:
    build, message = REFUSED[name]
    graph = Graph()
    refuses(graph.save(tmp_path / "a.onnx", build(graph)), message)


def test_a_result_of_too_many_values(tmp_path: Path) -> None:
    graph = Graph((1, 1, 1024, 1024))
    value = graph.node("Conv", graph.image(), graph.weight("w", (5, 1, 1, 1)), name="/c/Conv")
    refuses(
        graph.save(tmp_path / "a.onnx", value),
        "node '/c/Conv' (Conv): its result would have shape (1024, 1024, 5), more than 4194304 "
        "values; use smaller images or fewer channels",
    )


@pytest.mark.parametrize("eighths", [0, 8, 9, 12, 15, -1])
def test_blend_factors_lie_between_nought_and_one(tmp_path: Path, eighths: int) -> None:
    """Four bits hold fifteen eighths, a blend takes eight; one channel is enough to be wrong."""
    graph = Graph()
    values = np.array([4, eighths, 4]).reshape(1, 3, 1, 1) / 8
    signed = int(eighths < 0)
    alpha = graph.quant(
        graph.constant("mix.alpha", values), 2.0**-3, 4.0 + signed, signed=signed, name="/a/Quant"
    )
    path = graph.save(tmp_path / "a.onnx", blend_with(graph, alpha))
    if 0 <= eighths <= 8:
        net = from_qonnx(path, "net")
        assert net.block["mix.alpha"].raw.tolist() == [4, eighths, 4]
        return
    refuses(
        path,
        "node '/mix/Add' (Add): blend factors 'mix.alpha' are not k/8 with k from 0 to 8; "
        "quantize them to 4 unsigned bits with scale 1/8",
    )


def weights(path: Path) -> dict[str, IntegerTensor]:
    net = from_qonnx(path, "net", frozen="none")
    return {
        block.name: IntegerTensor(
            block.raw.transpose((3, 2, 0, 1)) if block.raw.ndim == 4 else block.raw.T, block.frac
        )
        for block in net.blocks
    }


def planned(path: Path, plan: str) -> Path:
    graph = Graph(props={"semifreddo.freeze": plan})
    path.write_bytes(small(graph).SerializeToString())
    return path


def test_plan_is_checked_against_the_integers(tmp_path: Path) -> None:
    path = planned(tmp_path / "a.onnx", FreezePlan().to_json())
    flags = {"conv.weight": np.array([True, False, True])}
    plan = FreezePlan.of(flags, weights(path).__getitem__)
    net = from_qonnx(planned(path, plan.to_json()), "net")
    assert net.block["conv.weight"].frozen == (True, False, True)
    assert net.block["head.weight"].residency == "configurable"
    other = FreezePlan.of(
        {"conv.weight": np.array([True, True, True])},
        lambda name: IntegerTensor(np.zeros((3, 2, 3, 3), np.int64), (3, 3, 3)),
    )
    with pytest.raises(FrozenTensorChangedError, match=r"^frozen tensors changed: conv\.weight; "):
        from_qonnx(planned(path, other.to_json()), "net")


def test_plan_of_another_model(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    ones = IntegerTensor(np.ones((2, 2), np.int64), (0, 0))
    gone = FreezePlan.of({"old.weight": np.array([True, True])}, lambda name: ones)
    with pytest.raises(FrozenTensorChangedError, match=r"old\.weight \(missing\)"):
        from_qonnx(planned(path, gone.to_json()), "net")
    short = FreezePlan.of({"conv.weight": np.array([True, True])}, lambda name: ones)
    with pytest.raises(CheckpointError, match="has 3 output channels, the plan was made for 2"):
        from_qonnx(planned(path, short.to_json()), "net")


def test_damaged_metadata(tmp_path: Path) -> None:
    path = planned(tmp_path / "a.onnx", "{}")
    with pytest.raises(CheckpointError, match="not a semifreddo-freeze/1 text"):
        read_info(path)
    for props in (
        {"semifreddo.labels": "3"},
        {"semifreddo.terms": "[1]"},
        {"semifreddo.terms": '{"conv.weight": 3}'},
        {"semifreddo.terms": '{"conv.weight": "all"}'},
    ):
        path.write_bytes(small(Graph(props=props)).SerializeToString())
        with pytest.raises(ConversionError, match="the semifreddo metadata is damaged"):
            read_info(path)


def test_weights_that_are_not_the_powers_that_they_are_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    graph = Graph(props={"semifreddo.terms": '{"conv.weight": 1}'})
    path.write_bytes(small(graph).SerializeToString())
    refuses(
        path,
        "node '/conv/Conv' (Conv): conv.weight: values -7..7 are outside -4..4, the sums of at "
        "most 1 signed powers of two that the file's metadata promise; export the model again",
    )


def test_repeats_that_do_not_match_the_layers(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    graph = Graph(props={"semifreddo.repeats": '[["conv"], ["conv"]]'})
    path.write_bytes(small(graph).SerializeToString())
    refuses(path, "repeated module 'conv' has 1 layers for 2 passes; export the model again")


def test_repeats_of_unequal_layers(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    graph = Graph(props={"semifreddo.repeats": '[["conv"], ["relu3"]]'})
    x = graph.node("Relu", graph.conv(graph.image()), name="/relu3/Relu")
    x = graph.quant(x, name="/relu3/Quant")
    graph.save(path, x)
    refuses(path, "the passes of the repeated block have 1, 2 layers; export the model again")
    graph.props["semifreddo.repeats"] = '[["conv"], []]'
    graph.save(path, x)
    refuses(
        path,
        "the semifreddo metadata is damaged (ValueError('repeats of different lengths')); export "
        "the model again",
    )


def test_a_model_without_plan_is_frozen_with_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(small().SerializeToString())
    net = from_qonnx(path, "net")
    assert all(block.residency == "frozen" for block in net.blocks)
    assert caplog.messages == [f"{path} has no freeze plan: every weight becomes hardware"]
    free = from_qonnx(path, "net", frozen="none")
    assert all(block.residency == "configurable" for block in free.blocks)


def test_the_graph_that_tests_start_from_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(VALID)
    assert [layer.name for layer in convert(path, "net").layers] == [
        "conv", "maxpool5_maxpool", "gemm8_gemm",
    ]  # fmt: skip
    assert read_info(path).labels == ("a", "b")


VALID = small(Graph(props={"semifreddo.labels": '["a", "b"]'})).SerializeToString()


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """Protobuf gives such a name as bytes."""
    graph = onnx.load_from_string(VALID).graph
    node = next(node for node in graph.node if "Quant" in node.op_type)
    names = [node.op_type, node.domain, node.output[0], node.attribute[0].name]
    names += [graph.input[0].name, graph.initializer[0].name]
    for name in names:
        written = name.encode()
        damaged = VALID.replace(written, b"\xff" + written[1:])
        assert damaged != VALID, name
        path = tmp_path / "damaged.onnx"
        path.write_bytes(damaged)
        with pytest.raises(ConversionError, match="not a"):
            convert(path, "net")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_bytes_never_end_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    damaged = bytearray(VALID)
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(VALID) - 1))] = data.draw(st.integers(0, 255))
    keep = data.draw(st.one_of(st.just(len(VALID)), st.integers(0, len(VALID))))
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(damaged[:keep])
    try:
        convert(path, "net")
    except SemifreddoError as error:
        assert "\n" not in str(error)


def test_a_node_without_name_is_called_after_its_output(tmp_path: Path) -> None:
    graph = Graph()
    model = graph.model(graph.node("Sin", graph.image(), name="/odd/Sin"))
    model.graph.node[-1].name = ""
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ConversionError, match=r"node '/odd/Sin_output_0' \(Sin\): "):
        convert(path, "net")
