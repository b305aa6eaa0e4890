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
from semifreddo.convert import convert, export_qonnx, export_vectors, read_info
from semifreddo.core.errors import DataError
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.freeze import FreezePlan
from semifreddo.sim import reference
from semifreddo.train.data import load_dataset

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_model.py"


def test_the_readme_quotes_the_example() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    quoted = textwrap.dedent(text.split("    # [snippet]\n")[1].split("    # [/snippet]\n")[0])
    assert f"```python\n{quoted}```\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_exports_what_the_integer_network_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(tmp_path), "--epochs", "1"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
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
