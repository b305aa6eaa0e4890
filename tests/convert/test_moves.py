"""Views that move values between pixels, and transposed convolutions: random shapes, exactly.

Each network is compared with its file, executed by qonnx in single precision or by onnx in double.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_models import Graph
from semifreddo.convert import convert, run_qonnx, trace_qonnx
from semifreddo.convert.load import CHANNELS_LAST_DOMAIN
from semifreddo.convert.moves import as_blocks, as_windows
from semifreddo.convert.singles import compare_single
from semifreddo.convert.values import Signal
from semifreddo.core.errors import ConversionError
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import AvgPool, Conv, Linear, MaxPool, Stream, Upsample
from semifreddo.ir.net import StreamNet
from semifreddo.sim import reference


def same(graph: Graph, output: str, folder: Path) -> StreamNet:
    """The network of a graph, which gives what the file gives."""
    path = graph.save(folder / "model.onnx", output)
    net = convert(path, "net")
    images = np.random.default_rng(1).integers(0, 256, (3, *net.input.shape))
    assert np.array_equal(run_qonnx(path, net, images), reference.run(net, images))
    return net


def kinds(net: StreamNet) -> list[type]:
    return [type(layer) for layer in net.layers]


def sliced(graph: Graph, source: str, parts: list[slice]) -> str:
    """Height and width, sliced."""
    tag = f"slice{len(graph.nodes)}"
    given = {
        "starts": [part.start for part in parts],
        "ends": [part.stop for part in parts],
        "axes": [2, 3],
        "steps": [part.step for part in parts],
    }
    names = [graph.constant(f"{tag}/{key}", np.array(value)) for key, value in given.items()]
    return graph.node("Slice", source, *names, name=f"/{tag}/Slice")


def random_view(graph: Graph, source: str, rng: np.random.Generator, shape: list[int]) -> str:
    """One random movement; ``shape`` becomes that of the result."""
    channels, height, width = shape
    way = rng.integers(6)
    tag = f"/move{len(graph.nodes)}"
    if way == 0:
        high, wide = (int(n) for n in rng.integers(1, 4, 2))
        scales = graph.constant(f"{tag}/scales", np.array([1.0, 1.0, high, wide]))
        mode, nearest = [
            ("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"),
            ("tf_half_pixel_for_nn", "floor"), ("half_pixel", "round_prefer_ceil"),
        ][rng.integers(4)]  # fmt: skip
        shape[1:] = [height * high, width * wide]
        return graph.node(
            "Resize", source, "", scales, name=f"{tag}/Resize", mode="nearest",
            coordinate_transformation_mode=mode, nearest_mode=nearest,
        )  # fmt: skip
    if way == 1 and channels % 4 == 0:
        shape[:] = [channels // 4, height * 2, width * 2]
        mode = str(rng.choice(["DCR", "CRD"]))
        return graph.node("DepthToSpace", source, name=f"{tag}/D", blocksize=2, mode=mode)
    if way == 2 and height % 2 == 0 and width % 2 == 0 and channels <= 4:
        shape[:] = [channels * 4, height // 2, width // 2]
        return graph.node("SpaceToDepth", source, name=f"{tag}/S", blocksize=2)
    if way == 3 and min(height, width) > 2:
        parts = []
        for axis, size in ((1, height), (2, width)):
            first, last = int(rng.integers(0, 2)), size - int(rng.integers(0, 2))
            step = int(rng.integers(1, 3))
            parts.append(slice(first, last, step))
            shape[axis] = len(range(first, last, step))
        return sliced(graph, source, parts)
    if way == 4 and min(height, width) > 2:
        pads = rng.integers(-1, 2, 4)
        shape[1:] = [height + int(pads[0] + pads[2]), width + int(pads[1] + pads[3])]
        given = graph.constant(f"{tag}/pads", np.array([0, 0, *pads[:2], 0, 0, *pads[2:]]))
        return graph.node("Pad", source, given, name=f"{tag}/Pad")
    pads = [int(count) for count in rng.integers(0, 3, 2)]
    shape[0] = channels + sum(pads)
    given = graph.constant(f"{tag}/pads", np.array([0, pads[0], 0, 0, 0, pads[1], 0, 0]))
    return graph.node("Pad", source, given, name=f"{tag}/Pad")


@pytest.mark.parametrize("seed", range(24))
def test_random_movements(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    shape = [int(n) for n in (rng.choice([1, 2, 4]), *rng.integers(2, 6, 2))]
    graph = Graph(shape=(1, *shape))
    value = graph.image()
    for _ in range(3):
        if shape[0] * shape[1] * shape[2] < 300:
            value = random_view(graph, value, rng, shape)
    weight = graph.weight("conv.weight", (2, shape[0], 1, 1))
    same(graph, graph.node("Conv", value, weight, name="/conv/Conv"), tmp_path)


@pytest.mark.parametrize("seed", range(24))
def test_random_transposed_convolutions(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2]))
    inputs, outputs = 2 * groups, int(rng.integers(1, 3))
    size = rng.integers(1, 5, 2)
    kernel, strides, dilations = rng.integers(1, 5, 2), rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    spans = (kernel - 1) * dilations + 1
    pads = [int(rng.integers(0, span)) for span in (*spans, *spans)]
    more = [int(rng.integers(0, max(step, 1))) for step in strides]
    for axis in (0, 1):
        length = (size[axis] - 1) * strides[axis] + spans[axis] + more[axis]
        if length - pads[axis] - pads[axis + 2] < 1:
            pads[axis] = pads[axis + 2] = 0
    scale = 0.125 if rng.random() < 0.5 else 0.11  # the latter in double precision
    graph = Graph(shape=(1, inputs, *(int(n) for n in size)))
    weight = graph.weight("up.weight", (inputs, outputs, *(int(n) for n in kernel)), scale)
    value = graph.node(
        "ConvTranspose", graph.image(), weight, name="/up/ConvTranspose", group=groups,
        strides=strides.tolist(), dilations=dilations.tolist(), pads=pads, output_padding=more,
    )  # fmt: skip
    value = graph.quant(graph.node("Relu", value), 0.25, signed=0)
    net = same(graph, value, tmp_path)
    assert Linear not in kinds(net)


def test_a_transposed_convolution_has_one_multiplication_per_tap(tmp_path: Path) -> None:
    """Kernel 4, stride 2: four kernels of 2x2, with padding of one column for two of the phases."""
    graph = Graph(shape=(1, 2, 4, 4))
    weight = graph.weight("up.weight", (2, 3, 4, 4))
    value = graph.node(
        "ConvTranspose", graph.image(), weight, name="/up/ConvTranspose", strides=[2, 2],
        pads=[1, 1, 1, 1],
    )  # fmt: skip
    net = same(graph, value, tmp_path)
    assert kinds(net) == [Conv, Upsample]
    block = net.block["up.weight"]
    assert block.raw.shape == (3, 3, 2, 12)
    assert np.count_nonzero(block.raw) <= 2 * 3 * 16


def test_the_spelling_of_a_pixel_shuffle_does_not_matter(tmp_path: Path) -> None:
    nets = []
    for way in ("CRD", "reshapes"):
        graph = Graph(shape=(1, 4, 3, 2))
        value = graph.image()
        if way == "CRD":
            value = graph.node("DepthToSpace", value, name="/a/D", blocksize=2, mode="CRD")
        else:
            shapes = [
                graph.constant(f"shape{len(sizes)}", np.array(sizes))
                for sizes in ((1, 1, 2, 2, 3, 2), (1, 1, 6, 4))
            ]
            value = graph.node("Reshape", value, shapes[0])
            value = graph.node("Transpose", value, perm=[0, 1, 4, 2, 5, 3])
            value = graph.node("Reshape", value, shapes[1])
        weight = graph.weight("conv.weight", (2, 1, 1, 1))
        nets.append(same(graph, graph.node("Conv", value, weight, name="/c/Conv"), tmp_path))
    assert nets[0].layers[0].indices == nets[1].layers[0].indices == (0, 1, 2, 3)
    assert [layer.factor for layer in (nets[0].layers[0], nets[1].layers[0])] == [(2, 2)] * 2


def test_every_second_pixel_is_a_pool_of_one_pixel(tmp_path: Path) -> None:
    graph = Graph(shape=(1, 2, 5, 6))
    value = sliced(graph, graph.image(), [slice(0, 9, 2), slice(0, 9, 3)])
    weight = graph.weight("conv.weight", (2, 2, 1, 1))
    net = same(graph, graph.node("Conv", value, weight, name="/conv/Conv"), tmp_path)
    assert kinds(net) == [MaxPool, Conv]


def test_a_permutation_in_front_of_a_linear_layer_is_an_order_of_weights(tmp_path: Path) -> None:
    graph = Graph(shape=(1, 4, 2, 2))
    value = graph.node("DepthToSpace", graph.image(), name="/a/D", blocksize=2)
    value = graph.node("Flatten", value)
    head = graph.weight("head.weight", (3, 16))
    net = same(graph, graph.node("Gemm", value, head, transB=1), tmp_path)
    assert kinds(net) == [Linear]


def test_signals_of_one_dimension(tmp_path: Path) -> None:
    """A file whose input is ``(1, channels, length)``."""
    graph = Graph(shape=(1, 2, 12))
    weight = graph.weight("conv.weight", (4, 2, 3))
    value = graph.node(
        "Conv", graph.image(), weight, name="/conv/Conv", strides=[2], pads=[1, 0], dilations=[2]
    )
    value = graph.quant(graph.node("Relu", value), 0.1, signed=0)
    value = graph.node("MaxPool", value, kernel_shape=[2], strides=[1])
    up = graph.weight("up.weight", (4, 3, 4), 0.07)
    value = graph.node("ConvTranspose", value, up, name="/up/C", strides=[2], pads=[1, 1])
    value = graph.quant(value, 0.3)
    value = graph.node("GlobalAveragePool", value)
    value = graph.quant(graph.node("Flatten", value), 0.05)
    head = graph.weight("head.weight", (3, 3), 0.2)
    net = same(graph, graph.node("Gemm", value, head, transB=1), tmp_path)
    assert net.input.shape == (1, 12, 2)
    assert {Conv, MaxPool, AvgPool, Upsample} <= set(kinds(net)) | {Upsample}


def test_views_are_recognised_by_what_they_are() -> None:
    stream = Stream("x", (4, 6, 2), FixedType.exact(8, 0, signed=True))
    whole = Signal.image(stream, "").index

    def view(index: np.ndarray) -> Signal:
        return Signal(stream, index)

    doubled = view(whole.repeat(2, axis=2).repeat(3, axis=3)[:, :, 1:7, 2:])
    blocks = as_blocks(doubled)
    assert blocks is not None
    assert (blocks.factor, blocks.origin, blocks.size) == ((2, 3), (1, 2), (6, 16))
    assert as_windows(doubled) is None
    windows = as_windows(view(whole[:, ::-1, 1::2, 3:]))
    assert windows is not None
    assert (windows.stride, windows.size) == ((2, 1), (2, 3))
    assert windows.channels.tolist() == [1, 0]
    for odd in (whole[:, :, ::-1], whole.transpose(0, 1, 3, 2), whole[:, :, [0, 0, 1, 2, 2, 2]]):
        assert as_blocks(view(odd)) is None and as_windows(view(odd)) is None


def test_a_flipped_image_is_refused_by_its_reader(tmp_path: Path) -> None:
    graph = Graph()
    value = sliced(graph, graph.image(), [slice(-1, -99, -1), slice(0, 9, 1)])
    path = graph.save(tmp_path / "a.onnx", graph.conv(value))
    with pytest.raises(ConversionError, match=r"\(Conv\): .*other orders are none"):
        convert(path, "net")


def test_what_scales_moved_values_is_frozen_as_their_weights_are(tmp_path: Path) -> None:
    """Through blocks of pixels, wiring, pools and convolutions that only choose values."""
    graph = Graph(shape=(1, 2, 4, 4))
    first = graph.weight("first.weight", (2, 2, 1, 1), 0.11)
    second = graph.weight("second.weight", (2, 2, 1, 1), 0.11)
    sides = [
        graph.node("Conv", graph.image(), weight, name=f"/{name}/Conv")
        for name, weight in (("first", first), ("second", second))
    ]
    value = graph.node("Concat", *sides, name="/c/Concat", axis=1)
    value = graph.node("SpaceToDepth", value, name="/s/S", blocksize=2)
    value = graph.node("MaxPool", value, kernel_shape=[1, 1])
    value = graph.quant(graph.node("Relu", value), 0.3, signed=0)
    path = graph.save(tmp_path / "a.onnx", value)
    net = convert(path, "net", frozen=("first.*",))
    factor = next(block for block in net.blocks if block.name.endswith("factor"))
    assert factor.frozen == (True, True, False, False) * 4
    images = np.random.default_rng(1).integers(0, 256, (5, *net.input.shape))
    assert np.array_equal(run_qonnx(path, net, images), reference.run(net, images))


def test_a_shape_in_which_zero_would_be_a_size(tmp_path: Path) -> None:
    """Newer exporters say so, and the batch is kept all the same."""
    graph = Graph()
    shape = graph.constant("shape", np.array([1, 32]))
    value = graph.node("Reshape", graph.image(), shape, allowzero=1)
    head = graph.weight("head.weight", (3, 32), 0.11)
    same(graph, graph.quant(graph.node("Gemm", value, head, transB=1), 0.3), tmp_path)


def around(graph: Graph, source: str, pads: list[int]) -> str:
    """A Pad node: top, left, bottom, right."""
    tag = f"pad{len(graph.nodes)}"
    given = graph.constant(f"{tag}/pads", np.array([0, 0, *pads[:2], 0, 0, *pads[2:]]))
    return graph.node("Pad", source, given, name=f"/{tag}/Pad")


def test_the_shape_of_a_padded_image(tmp_path: Path) -> None:
    """Another number of pixels more on each side and axis, which a view takes from the file."""
    graph = Graph(shape=(1, 2, 4, 5))
    padded = around(graph, graph.image(), [1, 0, 2, 1])
    view = graph.node("Reshape", padded, graph.node("Shape", padded))
    net = same(graph, graph.quant(graph.conv(view), 0.25, 4.0), tmp_path)
    assert net.output.shape == (5, 4, 3)


WINDOWS = {
    "Conv": {},
    "MaxPool": {"kernel_shape": [3, 2]},
    "AveragePool": {"kernel_shape": [3, 2], "count_include_pad": 1},
}


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("scale", [0.25, 0.23])
@pytest.mark.parametrize("op", WINDOWS)
def test_automatic_padding(op: str, scale: float, mode: str, tmp_path: Path) -> None:
    if (op, mode) == ("MaxPool", "SAME_LOWER"):
        pytest.skip("onnx' own evaluator gives a row too few")
    graph = Graph(shape=(1, 2, 5, 4))
    value = graph.quant(graph.image(), scale, 5.0)
    inputs = [value]
    if op == "Conv":
        inputs.append(graph.weight("conv.weight", (3, 2, 3, 2), scale))
    value = graph.node(op, *inputs, name=f"/x/{op}", auto_pad=mode, strides=[2, 1], **WINDOWS[op])
    same(graph, graph.quant(value, 0.3), tmp_path)


@pytest.mark.parametrize("scale", [0.25, 0.23])
def test_zeros_in_front_of_a_pool_of_signed_values(scale: float, tmp_path: Path) -> None:
    graph = Graph(shape=(1, 2, 5, 4))
    weight = graph.weight("conv.weight", (3, 2, 1, 1))
    value = graph.node("Conv", graph.image(), weight, name="/conv/Conv")
    value = around(graph, graph.quant(value, scale, 5.0), [1, 0, 2, 1])
    value = graph.node(
        "MaxPool", value, kernel_shape=[2, 2], pads=[1, 1, 0, 0], strides=[2, 2], name="/p/MaxPool"
    )
    net = same(graph, graph.quant(value, 0.3, 6.0), tmp_path)
    assert MaxPool in kinds(net)


def test_an_average_of_chosen_channels(tmp_path: Path) -> None:
    """Of an area that is no power of two, behind a crop of some channels."""
    graph = Graph(shape=(1, 4, 5, 6))
    value = sliced(graph, graph.image(), [slice(1, 9, 1), slice(0, 6, 1)])
    order = graph.constant("order", np.array([3, 1]))
    value = graph.node("Gather", value, order, axis=1)
    value = graph.node("AveragePool", value, kernel_shape=[3, 3], strides=[1, 1], name="/a/A")
    same(graph, graph.quant(value, 0.05), tmp_path)


def test_the_largest_value_of_an_image(tmp_path: Path) -> None:
    graph = Graph()
    value = graph.quant(graph.conv(graph.image()), 0.3)
    net = same(graph, graph.node("GlobalMaxPool", value, name="/g/G"), tmp_path)
    assert net.output.shape == (1, 1, 3)


def test_quantizers_of_a_file_with_channels_last_are_compared(tmp_path: Path) -> None:
    graph = Graph(shape=(1, 4, 5, 2))
    fields = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1]}
    fields |= {"group": 1, "domain": CHANNELS_LAST_DOMAIN}  # qonnx wants all of them
    weight = graph.weight("conv.weight", (3, 2, 2, 2), 0.11)
    value = graph.node("Conv", graph.image(), weight, name="/conv/Conv", **fields)
    value = graph.quant(graph.node("Relu", value), 0.3, signed=0, name="/first/Quant")
    value = graph.quant(graph.node("LeakyRelu", value), 0.5, name="/second/Quant")
    weight = graph.weight("last.weight", (2, 2, 2, 3), 0.13)
    value = graph.node("Conv", value, weight, name="/last/Conv", **fields)
    value = graph.quant(value, 0.7, name="/last/Quant")
    path = graph.save(tmp_path / "a.onnx", value)
    net = convert(path, "net")
    images = np.random.default_rng(1).integers(0, 256, (5, *net.input.shape))
    found, expected = trace_qonnx(path, net, images), reference.trace(net, images)
    assert len(found) == 3
    for name, values in found.items():
        assert np.array_equal(values, expected[name]), name
    single = compare_single(path, images)  # by qonnx, which infers no shape in front of such nodes
    assert single.values > sum(values.size for values in found.values())
    assert not single.unexplained
