"""What the demo says of a stream of images; the README's first command runs the whole of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from semifreddo.core.errors import LadderError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow import demo
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
