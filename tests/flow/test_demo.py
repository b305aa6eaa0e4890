"""What the demo says of a stream of images; the README's first command runs the whole of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from semifreddo.core.errors import ConfigError, LadderError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow import demo
from semifreddo.flow.demo_design import prepare
from semifreddo.train.data import Split

TASK = SimpleNamespace(name="a", labels=("x", "y", "z"), payload_bytes=12)
EXPECTED = np.array([[3, 1, 0], [0, 9, 1], [0, 1, 2], [5, 0, 0]])
IMAGES = np.zeros((4, 2, 2, 1), np.uint8)


def device(raw: np.ndarray) -> Any:
    answers = [SimpleNamespace(raw=row, index=int(row.argmax())) for row in raw]
    return SimpleNamespace(task=TASK, stream=lambda images: iter(answers[: len(images)]))


def test_a_stream_has_a_speed_on_each_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", iter([10.0, 12.0, 20.0, 20.5]).__next__)
    split = Split(IMAGES, np.array([0, 1, 2, 1]))
    found = demo._stream(
        {"csim": device(EXPECTED), "rtl": device(EXPECTED)}, split, VectorSet(IMAGES, EXPECTED), ()
    )
    assert found.frames_per_second == {"csim": 2.0, "rtl": 8.0}
    assert (found.accuracy, found.images, found.classes) == (0.75, 4, 3)


def test_a_device_that_answers_something_else_ends_the_demo() -> None:
    other = EXPECTED.copy()
    other[3, 2] += 1
    split = Split(IMAGES, np.zeros(4, np.int64))
    with pytest.raises(LadderError, match="task a: answers streamed by rtl differ from torch's"):
        demo._stream(
            {"csim": device(EXPECTED), "rtl": device(other)}, split, VectorSet(IMAGES, EXPECTED), ()
        )


def test_seconds_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", iter([10.0, 12.34, 20.0, 20.06]).__next__)
    said: list[str] = []
    clock = demo._Clock(said.append)
    for name, what in (("train", "a core"), ("build", "a device")):
        with clock.step(name, what):
            assert said[-1] == f"== {name}: {what}"
    assert clock.seconds == {"train": 2.3, "build": 0.1}


def test_the_folder_of_the_demo(tmp_path: Path) -> None:
    """It is made, found again, and left alone if it holds something else."""
    folder = tmp_path / "demo"
    first = prepare(folder)
    text = (folder / "design.toml").read_text()
    (folder / "more").write_text("kept")
    assert prepare(folder).root == first.root
    (folder / "design.toml").write_text(text + "\n")
    with pytest.raises(ConfigError) as error:
        prepare(folder)
    assert str(error.value) == f"{folder}: holds another design; choose another folder with --out"
    (folder / "design.toml").unlink()
    with pytest.raises(ConfigError) as error:
        prepare(folder)
    assert str(error.value) == f"{folder}: is not empty and no demo; choose another with --out"
    assert [path.name for path in folder.iterdir()] == ["more"]
