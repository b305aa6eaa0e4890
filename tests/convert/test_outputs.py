"""Files with several outputs: one result with the channels of all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_models import Graph
from semifreddo.convert import read_converted, run_qonnx
from semifreddo.core.errors import ConversionError
from semifreddo.sim import reference


@pytest.mark.parametrize("scale", [0.125, 0.113])
def test_two_heads_are_one_result(scale: float, tmp_path: Path) -> None:
    graph = Graph()
    value = graph.conv(graph.image(), pads=[1, 1, 1, 1])
    value = graph.quant(graph.node("Relu", value), 0.25, 4.0, signed=0)
    value = graph.node("Flatten", graph.node("GlobalAveragePool", value))
    value = graph.quant(value, 0.07)
    first = graph.node(
        "Gemm", value, graph.weight("first.weight", (5, 3), scale), name="/first/Gemm", transB=1
    )
    second = graph.node(
        "Gemm", value, graph.weight("second.weight", (2, 3), scale / 3), name="/b/Gemm", transB=1
    )
    graph.outputs.append(second)
    path = graph.save(tmp_path / "a.onnx", first)
    converted = read_converted(path, "net")
    net = converted.net
    assert converted.outputs == ((first, 5), (second, 2))
    assert converted.labels == (
        *(f"{first}.{place}" for place in range(5)), f"{second}.0", f"{second}.1"
    )  # fmt: skip
    assert net.output.shape == (1, 1, 7)
    images = np.random.default_rng(1).integers(0, 256, (50, *net.input.shape))
    assert np.array_equal(run_qonnx(path, net, images), reference.run(net, images))


@pytest.mark.parametrize("octaves", [20, 24, 26, 27, 40, 60])
def test_answers_whose_order_needs_too_many_bits(octaves: int, tmp_path: Path) -> None:
    """Scales per channel so far apart that no factors of 62 bits have their order."""
    graph = Graph()
    value = graph.quant(graph.node("Flatten", graph.conv(graph.image())), 0.07)
    scale = np.array([[0.11], [0.113], [0.117], [0.119 * 2.0**-octaves]])
    weight = graph.weight("w", (4, 12), scale)
    path = graph.save(tmp_path / "a.onnx", graph.node("Gemm", value, weight, transB=1, name="/h/G"))
    if octaves > 24:
        with pytest.raises(ConversionError, match="per channel that need more than 62 bits toge"):
            read_converted(path, "net")
        return
    # Such integers have more bits than the file's numbers in double precision, so only these count.
    assert 53 < read_converted(path, "net").net.output.type.width <= 62


def test_two_images_of_one_size(tmp_path: Path) -> None:
    graph = Graph()
    value = graph.conv(graph.image())
    graph.outputs.append(graph.node("Relu", value, name="/r/Relu"))
    path = graph.save(tmp_path / "a.onnx", value)
    converted = read_converted(path, "net")
    assert [count for _, count in converted.outputs] == [3, 3]
    images = np.random.default_rng(1).integers(0, 256, (20, *converted.net.input.shape))
    expected = reference.run(converted.net, images)
    assert np.array_equal(run_qonnx(path, converted.net, images), expected)
    both = expected.reshape(20, -1, 6)
    assert np.array_equal(both[..., 3:], np.maximum(both[..., :3], 0))


def test_what_orders_the_channels_of_an_output_is_left_out(tmp_path: Path) -> None:
    """The outputs keep their names, and their integers are those in front of it."""

    def saved(name: str, *, ordered: bool) -> Path:
        graph = Graph()
        value = graph.quant(graph.node("Flatten", graph.conv(graph.image())), 0.07)
        heads = [
            graph.node(
                "Gemm", value, graph.weight(f"{n}.w", (n, 12), 0.113), name=f"/{n}", transB=1
            )
            for n in (5, 2)
        ]
        if ordered:
            heads[0] = graph.node("Softmax", heads[0], name="/soft", axis=1)
            heads[1] = graph.node("Sigmoid", heads[1], name="/gate")
        graph.outputs.append(heads[1])
        return graph.save(tmp_path / name, heads[0])

    plain, ordered = (read_converted(saved(f"{n}.onnx", ordered=n), "net") for n in (False, True))
    assert [name for name, _ in ordered.outputs] == ["/soft_output_0", "/gate_output_0"]
    images = np.random.default_rng(1).integers(0, 256, (20, *plain.net.input.shape))
    expected = reference.run(plain.net, images)
    assert np.array_equal(reference.run(ordered.net, images), expected)
    assert np.array_equal(run_qonnx(tmp_path / "True.onnx", ordered.net, images), expected)
