"""What the exported file holds, and that a failed export leaves nothing behind."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import brevitas.nn as qnn
import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_onnx_qcdq
from torch import Tensor, nn

from brevitas_models import calibrated, image_input, zoo
from semifreddo.convert import (
    ModelInfo,
    convert,
    export_qonnx,
    export_vectors,
    read_info,
    run_qonnx,
)
from semifreddo.convert.trace import trace
from semifreddo.core.errors import CheckpointError, ConversionError, DataError
from semifreddo.ir.freeze import FreezePlan, IntegerTensor
from semifreddo.nn.backbone import Backbone
from semifreddo.nn.config import BackboneConfig, SemifreddoConfig
from semifreddo.nn.fold import fold_batch_norm
from semifreddo.nn.integers import integer_tensor, quantized_tensor_names
from semifreddo.nn.model import SemifreddoNet
from semifreddo.nn.pin import pin_scales
from semifreddo.nn.powers import powers_quants
from semifreddo.sim import reference
from user_models import trained

SHAPE = (3, 8, 8)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return calibrated(zoo(), SHAPE)


def test_file_holds_parameters_by_name_and_the_metadata(model: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "model.onnx"
    plan = FreezePlan.of(
        {"conv1.weight": np.ones(6, bool)}, lambda name: integer_tensor(model, name)
    )
    repeats = (("a", "b"), ("a", "c"))
    export_qonnx(
        model,
        path,
        input_shape=SHAPE,
        plan=plan,
        labels=("zero", "один"),
        repeats=repeats,
        info={"seed": "1"},
    )
    file = onnx.load(path)
    assert set(quantized_tensor_names(model)) <= {item.name for item in file.graph.initializer}
    names = {item.name for item in file.graph.initializer}
    assert [item.name for item in file.graph.input if item.name not in names] == ["image"]
    assert [item.name for item in file.graph.output] == ["result"]
    info = read_info(path)
    assert info == ModelInfo(plan, ("zero", "один"), repeats, {"seed": "1"})
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("terms", [1, 2])
def test_powers_of_two_are_promised(terms: int, tmp_path: Path) -> None:
    """Of the blocks' weights, not of the classifier's, and the same after more training."""
    config = BackboneConfig((1, 6, 6), 3, (4, 4), (2, 1), weights="powers_of_two", terms=terms)
    image = torch.rand(4, 1, 6, 6).mul(255).round() / 256
    model = Backbone(config)
    with torch.no_grad():
        model.train()(image)
    fold_batch_norm(model)
    pin_scales(model.eval(), image)
    path = tmp_path / "model.onnx"
    export_qonnx(model, path, input_shape=(1, 6, 6))
    names = {"blocks.0.conv.weight": terms, "blocks.1.conv.weight": terms}
    assert read_info(path).terms == names
    net = convert(path, "net", frozen="none")
    assert {block.name: block.terms for block in net.blocks if block.terms} == names
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.flip(0))
    export_qonnx(model, path, input_shape=(1, 6, 6))
    changed = convert(path, "net", frozen="none")
    assert changed.device_digest == net.device_digest and changed.task_digest != net.task_digest


def test_all_passes_of_a_repeat_have_one_promise(tmp_path: Path) -> None:
    """The one that holds for each: hardware that is built once has the weights of every pass."""
    config = SemifreddoConfig(
        (1, 4, 4),
        3,
        (2, 2),
        (1, 1),
        repeats=2,
        shared_repeats=False,
        trainable_weights="powers_of_two",
        terms="learned",
    )
    model = SemifreddoNet(config)
    image = torch.rand(4, 1, 4, 4).mul(255).round() / 256
    with torch.no_grad():
        model.train()(image)
    fold_batch_norm(model)
    pin_scales(model.eval(), image)
    for name, _, quant in powers_quants(model):
        quant.filter_terms.count.fill_(1 if name.startswith(("cores.1.2", "cores.2.1")) else 2)
    path = tmp_path / "model.onnx"
    export_qonnx(model, path, input_shape=(1, 4, 4), repeats=model.repeats())
    promised = read_info(path).terms
    assert promised["cores.1.1.conv.weight"] == 2 and promised["cores.1.2.conv.weight"] == 1
    net = convert(path, "net", frozen="none")
    assert len(net.repeats) == 1
    found = {name: net.block[name].terms for name in promised}
    assert found == dict.fromkeys(promised, 2)


def test_exporting_twice_gives_the_same_bytes(model: nn.Module, tmp_path: Path) -> None:
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path in paths:
        export_qonnx(model, path, input_shape=SHAPE, plan=FreezePlan())
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert not model.training


def test_training_mode_is_refused(model: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model.train()
    try:
        with pytest.raises(ConversionError) as caught:
            export_qonnx(model, path, input_shape=SHAPE, plan=FreezePlan())
    finally:
        model.eval()
    assert str(caught.value) == f"{path}: the model is in training mode; call model.eval() first"
    assert not path.exists()


def test_plan_of_another_model_is_refused_and_the_old_file_stays(
    model: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("old")
    tensor = IntegerTensor(np.ones((2, 2), np.int64), (0, 0))
    plan = FreezePlan.of({"gone.weight": np.array([True, False])}, lambda name: tensor)
    with pytest.raises(CheckpointError) as caught:
        export_qonnx(model, path, input_shape=SHAPE, plan=plan)
    assert str(caught.value) == (
        f"{path}: the model does not use 'gone.weight', which the freeze plan freezes; make the "
        "plan from this model"
    )
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_input_shape_is_one_line(model: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(ConversionError) as caught:
        export_qonnx(model, path, input_shape=(1, 8, 8), plan=FreezePlan())
    message = str(caught.value)
    assert message.startswith(
        f"{path}: the model cannot be exported for images of shape (1, 8, 8): "
    )
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []
    export_qonnx(model, path, input_shape=SHAPE, plan=FreezePlan())


def test_an_operator_without_onnx_form_is_one_line(tmp_path: Path) -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return torch.linalg.eigh(x)

    with pytest.raises(ConversionError, match="cannot be exported for images of shape"):
        export_qonnx(Fails().eval(), tmp_path / "a.onnx", input_shape=SHAPE, plan=FreezePlan())


def test_stock_float_scales_go_the_same_way(tmp_path: Path) -> None:
    model = calibrated(nn.Sequential(image_input(), qnn.QuantConv2d(3, 4, 3, bias=False)), SHAPE)
    path = tmp_path / "model.onnx"
    export_qonnx(model, path, input_shape=SHAPE, plan=FreezePlan())
    ours = convert(path, "net")
    path.write_bytes(trace(model, path, SHAPE).SerializeToString())  # as another exporter would
    assert convert(path, "net", frozen="none").device_digest == ours.device_digest


@pytest.mark.parametrize("name", ["per-channel weights", "4-bit activations", "float bias"])
def test_qcdq_export_of_brevitas_is_the_same_network(name: str, tmp_path: Path) -> None:
    own = trained(name)
    other, path = tmp_path / "qcdq.onnx", tmp_path / "model.onnx"
    export_qonnx(own, path, input_shape=(3, 10, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_onnx_qcdq(own, args=torch.zeros(1, 3, 10, 10), export_path=str(other), dynamo=False)
    images = np.random.default_rng(1).integers(0, 256, (30, 10, 10, 3))
    net = convert(other, "net", frozen="none")
    expected = reference.run(convert(path, "net", frozen="none"), images)
    assert np.array_equal(reference.run(net, images), expected)
    assert np.array_equal(run_qonnx(other, net, images), expected)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((0, 8, 8, 1), np.uint8),
        np.zeros((8, 8, 1), np.uint8),
        np.zeros((1, 8, 8, 1), np.float32),
        np.zeros((1, 8, 8, 1), np.int64),
    ],
)
def test_golden_vectors_of_what_are_no_pixels(
    model: nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        export_vectors(model, images, tmp_path / "v.npz")
    assert str(error.value) == (
        f"{tmp_path}/v.npz: golden vectors need at least one uint8 image (n, h, w, c), got "
        f"{images.dtype} of shape {images.shape}"
    )
    assert not (tmp_path / "v.npz").exists()
