"""What a graph has to be before anything is converted, and constants in all their spellings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnx_models import Graph, small
from semifreddo.convert import from_qonnx, run_qonnx
from semifreddo.core.errors import ConversionError, DataError
from semifreddo.sim import reference


def sparse(model: onnx.ModelProto) -> None:
    values = helper.make_tensor("kept", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("places", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [3]))


def text(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("k", TensorProto.STRING, [1], [b"one"]))


def second_input(model: onnx.ModelProto) -> None:
    value = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 2])
    model.graph.input.append(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (sparse, "sparse weights are not supported; export dense ones"),
        (text, "initializer 'k' is damaged (tensor 'k' holds object, not numbers)"),
        (second_input, "the model has 2 inputs ('image', 'mask'); exactly one is supported"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    model, path = small(), tmp_path / "a.onnx"
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ConversionError) as error:
        from_qonnx(path, "net")
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    "given",
    [
        {"value": onnx.numpy_helper.from_array(np.array([0.5], np.float32))},
        {"value": onnx.numpy_helper.from_array(np.array(0.5, np.float64))},
        {"value_float": 0.5},
        {"value_floats": [0.5]},
    ],
)
def test_spellings_of_a_constant(tmp_path: Path, given: dict[str, object]) -> None:
    """Half of an image is the image with a scale of half."""
    graph = Graph()
    node = helper.make_node("Constant", [], ["half"], name="/half/Constant", **given)
    graph.nodes.append(node)
    value = graph.quant(graph.node("Mul", graph.conv(graph.image()), "half"), 2.0**-5)
    path = graph.save(tmp_path / "a.onnx", value)
    net = from_qonnx(path, "net")
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 2))
    answers = reference.run(net, images)
    whole = Graph()
    value = whole.quant(whole.conv(whole.image()), 2.0**-4)
    same = from_qonnx(whole.save(tmp_path / "b.onnx", value), "net")
    assert np.array_equal(answers, reference.run(same, images)) and len(np.unique(answers)) > 3


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((2, 4, 4, 2), np.float32),
    ],
)
def test_images_that_are_not_executed(tmp_path: Path, images: np.ndarray) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(small().SerializeToString())
    net = from_qonnx(path, "net")
    with pytest.raises(DataError) as error:
        run_qonnx(path, net, images)
    assert str(error.value) == (
        f"net: images are {images.dtype} of shape {images.shape}, expected integers (n, 4, 4, 2)"
    )


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(RuntimeError("\n first line\nsecond"), "first line"), (KeyError(), "KeyError")],
)
@pytest.mark.parametrize("late", [False, True])
def test_what_another_tool_says_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, reason: str, late: bool
) -> None:
    """Whether it fails when it gets the model or when it gets the images."""
    path = tmp_path / "a.onnx"
    path.write_bytes(small().SerializeToString())
    net = from_qonnx(path, "net")

    def fails(*_: object) -> None:
        raise failure

    monkeypatch.setattr("semifreddo.convert.execute._single", lambda _: fails if late else fails())
    with pytest.raises(ConversionError) as error:
        run_qonnx(path, net, np.zeros((1, 4, 4, 2), np.uint8))
    assert str(error.value) == f"{path}: qonnx cannot execute the model: {reason}"
