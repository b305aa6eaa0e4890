"""The example runs as a user runs it, and the README quotes it."""

from __future__ import annotations

import runpy
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from brevitas_models import calibrated, zoo
from semifreddo.cli.main import main
from semifreddo.convert import convert, export_qonnx, export_vectors, read_info
from semifreddo.core.errors import DataError, ToolError
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.freeze import FreezePlan
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.reports.report import BuildReport
from semifreddo.sim import reference
from semifreddo.train.data import load_dataset

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_model.py"


def test_the_readme_quotes_the_example() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    quoted = textwrap.dedent(text.split("    # [snippet]\n")[1].split("    # [/snippet]\n")[0])
    assert f"```python\n{quoted}```\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_quotes_the_design() -> None:
    design = runpy.run_path(str(EXAMPLE))["DESIGN"]
    assert f"```toml\n{design}```\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def run_example(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *arguments])
    runpy.run_path(str(EXAMPLE), run_name="__main__")


def labels(printed: str, task: str) -> list[str]:
    """The answers that the example printed for a task."""
    (line,) = [line for line in printed.splitlines() if line.startswith(f"{task}:")]
    return line.split()[1:]


def test_the_example_runs_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained for an epoch, and on a machine without Verilator: that takes half a minute."""

    def absent() -> None:
        raise ToolError("verilator is not installed")

    monkeypatch.setattr("semifreddo.flow.stages.cosim.find_verilator", absent)
    run_example(monkeypatch, str(tmp_path), "--epochs", "1")
    net = convert(tmp_path / "model.onnx", "my_design")
    vectors = VectorSet.load(tmp_path / "vectors.npz")
    images = load_dataset("digits").test.images[:64]
    assert np.array_equal(vectors.images, images)
    assert np.array_equal(reference.run(net, vectors.images), vectors.expected)
    info = read_info(tmp_path / "model.onnx")
    assert info.labels == tuple("0123456789")
    frozen = {tensor.name: tensor.channels for tensor in info.plan.tensors}
    assert frozen["features.0.weight"] == (True, True, False, False)
    assert "classifier.weight" not in frozen

    report = BuildReport.load(tmp_path / "build" / "report.json")
    rungs = {rung.name: rung.status for rung in report.ladder}
    assert [rungs[name] for name in ("torch", "qonnx", "streamnet", "csim")] == ["equal"] * 4
    assert report.task is not None and report.task.test_accuracy is not None
    printed = capsys.readouterr().out
    assert "168 of 1626 weights frozen, accuracy" in printed
    assert labels(printed, "digits") == [str(k) for k in vectors.expected[:8].argmax(1)]
    parity = Task.load(tmp_path / "parity.json").apply(load_net(tmp_path / "build" / "net.json"))
    answers = reference.run(parity, images[:8])[:, :2].argmax(1)
    assert labels(printed, "parity") == [("even", "odd")[k] for k in answers]


@pytest.mark.slow
def test_the_example_with_the_rtl_simulation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_example(monkeypatch, str(tmp_path))
    report = BuildReport.load(tmp_path / "build" / "report.json")
    rungs = {rung.name: rung.status for rung in report.ladder}
    assert [rungs[name] for name in ("torch", "csim", "rtl")] == ["equal"] * 3
    assert report.task is not None and (report.task.test_accuracy or 0) > 0.95
    assert main(["check", str(tmp_path)]) == 0
    low = tmp_path / "low.json"
    assert main(["retarget", str(tmp_path), "--classes", "0-4", "-o", str(low)]) == 0
    bundle, scans = str(tmp_path / "build" / "my_design.sfb"), tmp_path / "scans.npy"
    np.save(scans, load_dataset("digits").test.images[:20])
    assert main(["run", bundle, "--task", str(low), "--images", str(scans), "--verify"]) == 0


def test_the_example_stops_before_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_example(monkeypatch, str(tmp_path / "a"), "--epochs", "1", "--export-only")
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "design.toml", "own_model.py", "model.onnx", "model.safetensors", "vectors.npz"
    }  # fmt: skip


def test_export_without_a_plan_freezes_nothing(tmp_path: Path) -> None:
    model = calibrated(zoo(), (3, 8, 8))
    export_qonnx(model, tmp_path / "a.onnx", input_shape=(3, 8, 8))
    assert read_info(tmp_path / "a.onnx").plan == FreezePlan()


@pytest.mark.parametrize(
    "images", [np.zeros((0, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3)), np.zeros((8, 8), np.uint8)]
)
def test_vectors_need_stored_images(images: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="golden vectors need at least one uint8 image"):
        export_vectors(torch.nn.Identity(), images, tmp_path / "v.npz")
    assert not list(tmp_path.iterdir())
