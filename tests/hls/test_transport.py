"""The simulation as a device, with workers that hang, crash and talk nonsense."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semifreddo.core.errors import (
    DataError,
    ProjectError,
    TaskError,
    ToolError,
    TransportError,
    TransportTimeoutError,
)
from semifreddo.hls import transport
from semifreddo.hls.csim import build_csim, read_description
from semifreddo.hls.transport import _LOAD, CSimTransport, _all_of, _Worker, open_csim
from semifreddo.runtime.transport import DeviceInfo

FAKE = Path(__file__).parents[1] / "fake_tools" / "csim_worker"
INFO = DeviceInfo("fake", "d" * 64, "csim")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return Path(shutil.copy(FAKE, tmp_path / "worker"))


def device(program: Path, workers: int = 1, info: DeviceInfo = INFO) -> CSimTransport:
    return open_csim(program, info, image_shape=(2, 2, 1), outputs=2, words=3, workers=workers)


def images(count: int) -> np.ndarray:
    return np.arange(4 * count, dtype=np.uint8).reshape(count, 2, 2, 1)


def answers(data: np.ndarray, word: int) -> np.ndarray:
    total = data.astype(np.int64).sum(axis=(1, 2, 3)) + word
    return np.stack([total, -total], axis=1)


@pytest.mark.parametrize(("workers", "mood"), [(1, "refuse 7"), (3, "refuse 7"), (3, "accept 7")])
@pytest.mark.parametrize("before", [None, 5])
def test_a_task_that_a_worker_did_not_confirm_answers_no_frame(
    program: Path, workers: int, mood: str, before: int | None
) -> None:
    with device(program, workers) as found:
        if before is not None:
            found.load(np.array([before, 0, 0], np.uint32), 20)
        found.run(images(300), 20)  # all workers are up
        program.with_suffix(".mood").write_text(mood)
        with pytest.raises(TransportError, match="task words"):
            found.load(np.array([7, 0, 0], np.uint32), 20)
        for _ in range(2):
            assert np.array_equal(found.run(images(300), 20), answers(images(300), before or 0))
        found.load(np.array([7, 0, 0], np.uint32), 20)
        assert np.array_equal(found.run(images(300), 20), answers(images(300), 7))


@pytest.mark.parametrize("workers", [1, 3])
def test_frames_come_back_in_order(program: Path, workers: int) -> None:
    with device(program, workers) as found:
        assert found.info == INFO
        for word in (5, 7):
            found.load(np.array([word, 0, 0], np.uint32), 20)
            for count in (0, 1, 2, 300):
                data = images(count)
                assert np.array_equal(found.run(data, 20), answers(data, word))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_is_sent_once(program: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To each worker; what follows are images alone."""
    sent, ask = [], _Worker.ask

    def asked(worker: _Worker, code: int, *rest: Any) -> bytes:
        sent.append((id(worker), code))
        return ask(worker, code, *rest)

    monkeypatch.setattr(_Worker, "ask", asked)
    with device(program, workers) as found:
        found.load(np.array([5, 0, 0], np.uint32), 20)
        for _ in range(3):
            assert np.array_equal(found.run(images(300), 20), answers(images(300), 5))
    loads = Counter(worker for worker, code in sent if code == _LOAD)
    assert set(loads.values()) == {1} and len(loads) <= workers


def test_results_are_copies(program: Path) -> None:
    with device(program) as found:
        first = found.run(images(2), 20)
        first[:] = 0
        assert np.array_equal(found.run(images(2), 20), answers(images(2), 0))


@pytest.mark.timeout(45)  # the call's own limit is a second
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("mood", "error", "message"),
    [
        (
            "hang",
            TransportTimeoutError,
            r"^stalled on frames \d+\.\.\d+ of 100: csim worker \d of ",
        ),
        (
            "crash",
            TransportError,
            r"^failed on frames .* of fake ended with exit code 1\n  worker: something broke$",
        ),
        ("nonsense", TransportError, r"^csim worker \d of fake: answered nonsense to frames"),
    ],
)
def test_after_an_error_the_next_call_works(
    program: Path, mood: str, error: type[Exception], message: str, workers: int
) -> None:
    with device(program, workers) as found:
        found.load(np.array([3, 0, 0], np.uint32), 20)
        program.with_suffix(".mood").write_text(mood)
        with pytest.raises(error, match=message):
            found.run(images(100), 1.0)
        program.with_suffix(".mood").unlink()
        assert np.array_equal(found.run(images(100), 20), answers(images(100), 3))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_words_of_a_task_are_copied(program: Path, workers: int) -> None:
    """What the caller does with the array later is no new task, also after a restart."""
    words = np.array([3, 0, 0], np.uint32)
    with device(program, workers) as found:
        found.load(words, 20)
        words[:] = 9
        assert np.array_equal(found.run(images(100), 20), answers(images(100), 3))
        for worker in found._workers:
            worker.close()
        assert np.array_equal(found.run(images(100), 20), answers(images(100), 3))


def test_closing_twice_and_using_it_again(program: Path) -> None:
    found = device(program)
    found.load(np.array([1, 0, 0], np.uint32), 20)
    found.close()
    found.close()
    assert np.array_equal(found.run(images(1), 20), answers(images(1), 1))
    found.close()


def test_wrong_input_is_refused(program: Path) -> None:
    found = device(program)
    with pytest.raises(DataError, match=r"^fake: images have shape \(3, 2, 2\), expected \(n, 2"):
        found.run(np.zeros((3, 2, 2), int), 1)
    with pytest.raises(DataError, match=r"^fake: images are float64, expected integers"):
        found.run(np.zeros((3, 2, 2, 1)), 1)
    with pytest.raises(TaskError, match=r"^fake: task has 2 words of uint32, the device needs 3"):
        found.load(np.zeros(2, np.uint32), 1)


def test_another_device_is_refused(program: Path) -> None:
    with pytest.raises(TransportError, match=r"worker: simulates device dddddddddddd, expected"):
        device(program, info=DeviceInfo("fake", "e" * 64, "csim")).run(images(1), 20)


def test_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"^worker cannot be started: No such file"):
        device(tmp_path / "worker").run(images(1), 20)


def test_a_missing_compiler_or_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProjectError, match=r"semifreddo.json: not an HLS project"):
        read_description(tmp_path)
    (tmp_path / "semifreddo.json").write_text('{"format": "semifreddo-hls/1", "net": "x"}')
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ToolError, match=r"^no-such-compiler not found; install a C\+\+ compiler"):
        build_csim(tmp_path, tmp_path / "program")
    assert not (tmp_path / "program").exists()


def test_a_compiler_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "semifreddo.json").write_text('{"format": "semifreddo-hls/1", "net": "x"}')
    (tmp_path / "csim").mkdir()
    (tmp_path / "csim" / "main.cpp").write_text("int main() { return 0 }")
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "x.cpp").write_text("")
    out = tmp_path / "out"
    with pytest.raises(ToolError, match=r"failed with exit code 1; see [^$]*error: expected"):
        build_csim(tmp_path, out / "program")
    assert {path.name for path in out.iterdir()} == {"program.main.log", "program.x.log"}


def test_an_error_cancels_what_has_not_started() -> None:
    started, free = [], threading.Event()

    def work(part: slice) -> None:
        started.append(part.start)
        if part.start == 0:
            raise TransportError("the first part fails")
        free.wait(20)

    release = threading.Timer(0.5, free.set)
    release.start()
    try:
        with pytest.raises(TransportError, match="the first part fails"):
            _all_of(work, [slice(first, first + 1) for first in range(100)], 2)
    finally:
        release.cancel()
        free.set()
    assert len(started) <= 3, "two that ran, and one that began before the error was seen"


def test_one_process_unless_more_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = []
    monkeypatch.setattr(transport, "CSimTransport", lambda *_, workers, **__: made.append(workers))
    for more in ({}, {"workers": 3}):
        open_csim(tmp_path, INFO, image_shape=(2, 2, 1), outputs=2, words=3, **more)
    assert made == [1, 3]
