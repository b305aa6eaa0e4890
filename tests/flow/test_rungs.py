from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from brevitas_models import conv, image_input, relu
from nets import blended
from semifreddo.convert.layerwise import Layerwise
from semifreddo.core.errors import CheckpointError, ConversionError
from semifreddo.core.fixed import FixedType
from semifreddo.flow import check, rungs
from semifreddo.flow.build import BACKENDS
from semifreddo.flow.rungs import qonnx_rung, torch_rung
from semifreddo.flow.trained import checkpoint_kind
from semifreddo.ir.freeze import FreezePlan
from semifreddo.ir.task import Task
from semifreddo.nn.pin import pin_scales
from semifreddo.sim.ladder import Counted
from semifreddo.train.checkpoint import TrainedModel, save_checkpoint

DIGITS = Path(__file__).parents[2] / "hls_projects" / "digits" / "model.safetensors"


def test_a_checkpoint_of_ones_own_model_is_no_rung_and_no_error(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(image_input(), conv(1, 2), relu()).eval()
    pin_scales(model, torch.rand(2, 1, 8, 8))
    path = tmp_path / "model.safetensors"
    save_checkpoint(TrainedModel(model, None, FreezePlan(), ("a", "b"), {}, (1, 8, 8)), path)
    assert checkpoint_kind(path) == "user"
    rung = torch_rung(path)
    assert rung.run is None
    assert "holds a model of your own, which only your code can build" in rung.reason


def test_a_checkpoint_of_ours_is_a_rung() -> None:
    assert checkpoint_kind(DIGITS) == "semifreddo"
    assert torch_rung(DIGITS).run is not None


@pytest.mark.parametrize(("signed", "width", "held"), [(True, 54, True), (False, 54, False)])
def test_answers_that_no_double_holds_are_not_compared(
    signed: bool, width: int, held: bool, tmp_path: Path
) -> None:
    """They would differ, and nothing would be wrong with the network."""
    (tmp_path / "model.onnx").touch()
    net = SimpleNamespace(output=SimpleNamespace(type=FixedType.exact(width, 0, signed=signed)))
    rung = qonnx_rung(tmp_path / "model.onnx", net)
    assert (rung.run is not None) == held
    assert held or rung.reason == "answers have 54 bits, more than double precision"


def test_rungs_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, gone = blended(), tmp_path / "gone.onnx"
    for rung, reason in (
        (torch_rung(None), "a bundle holds no checkpoint; check the design's folder"),
        (torch_rung(gone), "needs the checkpoint gone.onnx, which is not there"),
        (qonnx_rung(None, net), "a bundle holds no model; check the design's folder"),
        (qonnx_rung(gone, net), "needs the model gone.onnx, which is not there"),
    ):
        assert (rung.run, rung.count, rung.reason) == (None, None, reason)
    gone.touch()
    monkeypatch.setattr(rungs, "_absent", lambda *names: f"needs {', '.join(names)}")
    for rung, name, reason in (
        (torch_rung(gone), "torch", "needs torch, brevitas, safetensors"),
        (qonnx_rung(gone, net), "qonnx", "needs qonnx, onnx, onnxruntime"),
        (rungs.single_rung(gone), "qonnx32", "needs qonnx, onnx, onnxruntime"),
    ):
        assert (rung.name, rung.run, rung.count, rung.reason) == (name, None, None, reason)


def test_what_a_comparison_layer_by_layer_gave() -> None:
    wrong = [SimpleNamespace(image=image) for image in (3, 3, 5)]
    found = SimpleNamespace(values=70, differences=[*wrong, 0, 0], unexplained=wrong)
    told = Counted(70, 5, 3, 2, str(wrong[0]))
    assert rungs._counted(lambda: found) == told  # type: ignore[arg-type, return-value]
    fine = SimpleNamespace(values=70, differences=[0], unexplained=[])
    assert rungs._counted(lambda: fine) == Counted(70, 1, 0, 0, "")  # type: ignore[arg-type, return-value]

    def refused() -> Layerwise:
        raise ConversionError("qonnx cannot execute it")

    assert rungs._counted(refused) == Counted(0, 0, 0, 0, "qonnx cannot execute it")


@pytest.mark.parametrize("order", [1, -1])
def test_every_backend_with_a_device_has_a_rung(
    order: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stands among those that have none."""
    monkeypatch.setattr(check, "BACKENDS", BACKENDS[::order])
    config = SimpleNamespace(build_dir=tmp_path, root=tmp_path)
    net = blended()
    with check._design_devices(config, net, Task.of(net, "task", ("a", "b", "c"))) as rungs:
        found = {rung.name for rung in rungs}
    assert found == {"csim", "rtl"} and all(rung.run is None for rung in rungs)


@pytest.mark.parametrize("content", [b"", b"text", DIGITS.read_bytes()[:200]])
def test_a_damaged_checkpoint_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a checkpoint, or damaged"):
        torch_rung(tmp_path / "model.safetensors")
