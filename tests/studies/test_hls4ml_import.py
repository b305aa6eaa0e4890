"""What hls4ml makes of a file must not end the measurement that asks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hls4ml", reason="needs the hls extra", exc_type=ImportError)

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
