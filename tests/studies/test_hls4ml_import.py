"""What hls4ml makes of a file must not end the measurement that asks."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

from semifreddo.core.errors import ToolError
from semifreddo.studies import hls4ml_import


def ends(*_: object) -> None:
    """As a failed assertion of compiled C++ does."""
    os._exit(134)


def test_a_process_that_ends_is_the_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls4ml_import, "_asked", ends)
    found = hls4ml_import.with_hls4ml(tmp_path / "a.onnx", np.zeros(1), np.zeros(1), tmp_path)
    assert found["step"] == "run" and found["reason"] == "its compiled C++ ends the process"
    assert found["version"]


def test_a_file_that_is_refused_is_the_finding(tmp_path: Path) -> None:
    found = hls4ml_import.with_hls4ml(tmp_path / "a.onnx", np.zeros(1), np.zeros(1), tmp_path)
    assert found["step"] == "convert" and "a.onnx" in found["reason"]


class Model:
    """As hls4ml's converted model: its input has a shape, and it answers with the first values."""

    def __init__(self, shape: tuple[int, ...], answers: int = 3, fails: str = "") -> None:
        self.shape, self.answers, self.fails = shape, answers, fails

    def get_input_variables(self) -> list[Any]:
        return [SimpleNamespace(shape=self.shape)]

    def compile(self) -> None:
        sys.stdout.write("a compiler speaks")
        if self.fails == "compile":
            raise RuntimeError("\n  g++ is not there\nand more\n")

    def predict(self, images: np.ndarray) -> np.ndarray:
        if self.fails == "run":
            raise ValueError
        assert images.flags["C_CONTIGUOUS"]
        return images.reshape(len(images), -1)[:, : self.answers].astype(np.float32)


IMAGES = np.arange(24.0).reshape(2, 2, 3, 2)


def asked(monkeypatch: pytest.MonkeyPatch, model: Model, answers: np.ndarray) -> dict[str, Any]:
    monkeypatch.setattr(hls4ml_import, "_converted", lambda *_: model)
    found = hls4ml_import._asked(Path("a.onnx"), IMAGES, answers, Path("x"))
    assert found.pop("version")
    return found


def test_answers_are_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many have another largest one, and the largest error as a share of all answers' range."""
    right = IMAGES.reshape(2, -1)[:, :3]
    model = Model((2, 3, 2))
    assert asked(monkeypatch, model, right) == {"images": 2, "another": 0, "worst": 0.0}
    wrong = right.copy()
    wrong[1] = (18, 13, 14)
    assert asked(monkeypatch, model, wrong) == {"images": 2, "another": 1, "worst": 6 / 18}
    same = np.full((2, 3), 5.0)
    assert asked(monkeypatch, model, same)["worst"] == 9.0, "a range of nothing counts as one"
    assert capsys.readouterr().out == ""


def test_where_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = np.zeros((2, 3))
    assert asked(monkeypatch, Model((2, 3, 2), fails="compile"), answers) == {
        "step": "compile",
        "reason": "RuntimeError: g++ is not there",
    }
    assert asked(monkeypatch, Model((2, 3, 2), fails="run"), answers) == {
        "step": "run",
        "reason": "ValueError: ValueError()",
    }
    assert asked(monkeypatch, Model((2, 3, 2), answers=4), answers) == {
        "step": "run",
        "reason": "answers of shape (4,), expected (3,)",
    }
    monkeypatch.setattr(Model, "compile", lambda _: 1 / 0)
    monkeypatch.setattr(hls4ml_import, "_REASON", 12)
    assert asked(monkeypatch, Model((2, 3, 2)), answers)["reason"] == "ZeroDivision"


@pytest.mark.parametrize(
    ("shape", "stored"),
    [
        ((2, 3, 2), IMAGES),
        ((2, 2, 3), IMAGES.transpose(0, 3, 1, 2)),
        ((12,), IMAGES.transpose(0, 3, 1, 2).reshape(2, 12)),
        ((2, 6), IMAGES.transpose(0, 3, 1, 2).reshape(2, 2, 6)),
    ],
)
def test_the_order_that_a_model_takes(shape: tuple[int, ...], stored: np.ndarray) -> None:
    assert np.array_equal(hls4ml_import._stored(Model(shape), IMAGES), stored)


def test_without_hls4ml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "hls4ml", None)
    with pytest.raises(ToolError, match=r"^needs hls4ml and qonnx \(.*\); in the clone: pip inst"):
        hls4ml_import.with_hls4ml(tmp_path / "a.onnx", IMAGES, IMAGES, tmp_path)
