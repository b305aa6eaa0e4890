"""The C simulation as a device: one or more worker programs behind the Transport protocol."""

from __future__ import annotations

import queue
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import (
    DataError,
    TaskError,
    ToolError,
    ToolTimeoutError,
    TransportError,
    TransportTimeoutError,
)
from semifreddo.hls.csim import build_csim, read_description
from semifreddo.runtime.transport import DeviceInfo
from semifreddo.tools.runner import PipeProcess

_LOAD, _RUN, _TRACE, _IDENTIFY = 1, 2, 3, 4
_ANSWER = b"SEDF"
_DIGEST_CHARACTERS = 64
_CHUNK_FRAMES = 64
_START_TIMEOUT_S = 20.0


class CSimTransport:
    """A device made of simulation processes; frames are shared out between them."""

    def __init__(self, program: Path, description: dict[str, Any], *, workers: int = 1) -> None:
        """Prepare the device; processes start with the first call.

        Args:
            program: Built by :func:`~semifreddo.hls.csim.build_csim`.
            description: The project's ``semifreddo.json``.
            workers: Number of processes.
        """
        self._program = program
        self._info = DeviceInfo(description["net"], description["device_digest"], "csim")
        self._image_shape = tuple(description["input"]["shape"])
        self._outputs = int(np.prod(description["output"]["shape"]))
        self._task_words = int(description["task_words"])
        self._streams = {
            stream["name"]: tuple(stream["shape"]) for stream in description["streams"]
        }
        self._task: npt.NDArray[np.uint32] | None = None
        self._workers: list[PipeProcess | None] = [None] * max(1, workers)
        self._loaded = [False] * max(1, workers)

    @property
    def info(self) -> DeviceInfo:
        """Identity of the device."""
        return self._info

    def load(self, words: npt.NDArray[np.uint32], timeout_s: float) -> None:
        """Make the device use new task words from the next frame on.

        Raises:
            TaskError: Wrong number of words.
            TransportError: A worker failed.
        """
        if words.shape != (self._task_words,) or words.dtype != np.uint32:
            raise TaskError(
                f"{self._info.net}: task has {words.size} words of {words.dtype}, the device "
                f"needs {self._task_words} of uint32"
            )
        self._task = words.copy()
        self._loaded = [False] * len(self._workers)
        deadline = time.monotonic() + timeout_s
        for index in range(len(self._workers)):
            self._ready(index, deadline)

    def run(self, images: npt.NDArray[np.integer], timeout_s: float) -> npt.NDArray[np.int64]:
        """Stream raw images ``(n, height, width, channels)``; give raw results ``(n, outputs)``.

        Raises:
            DataError: The images do not have the device's shape.
            TransportTimeoutError: Names the worker and the frames that stalled.
            TransportError: A worker failed; the next call starts it again.
        """
        return self._frames(_RUN, images, self._outputs, timeout_s)

    def trace(
        self, images: npt.NDArray[np.integer], timeout_s: float
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Every layer's raw stream ``(n, height, width, channels)``, by name, in layer order.

        Needs a program built with ``trace=True``. Raises like :meth:`run`.
        """
        sizes = [int(np.prod(shape)) for shape in self._streams.values()]
        data = self._frames(_TRACE, images, sum(sizes), timeout_s)
        parts = np.split(data, np.cumsum(sizes)[:-1], axis=1)
        return {
            name: part.reshape(len(images), *shape)
            for (name, shape), part in zip(self._streams.items(), parts, strict=True)
        }

    def close(self) -> None:
        """End all workers. Closing twice is allowed."""
        for index in range(len(self._workers)):
            self._drop(index)

    def __enter__(self) -> CSimTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _frames(
        self, code: int, images: npt.NDArray[np.integer], values: int, timeout_s: float
    ) -> npt.NDArray[np.int64]:
        if images.ndim != 4 or images.shape[1:] != self._image_shape:
            raise DataError(
                f"{self._info.net}: images have shape {images.shape}, expected (n, "
                f"{', '.join(map(str, self._image_shape))})"
            )
        deadline = time.monotonic() + timeout_s
        count = len(images)
        step = min(_CHUNK_FRAMES, max(1, -(-count // len(self._workers))))
        results = np.zeros((count, values), np.int64)
        idle: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(len(self._workers)):
            idle.put(index)

        def work(start: int) -> None:
            index = idle.get()
            try:
                part = images[start : start + step]
                results[start : start + step] = self._chunk(
                    index, code, part, start, values, deadline
                )
            finally:
                idle.put(index)

        with ThreadPoolExecutor(len(self._workers)) as pool:
            futures = [pool.submit(work, start) for start in range(0, count, step)]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return results

    def _chunk(
        self,
        index: int,
        code: int,
        images: npt.NDArray[np.integer],
        start: int,
        values: int,
        deadline: float,
    ) -> npt.NDArray[np.int64]:
        worker = self._ready(index, deadline)
        request = struct.pack("<II", code, len(images))
        request += np.ascontiguousarray(images, "<i8").tobytes()
        what = f"frames {start}..{start + len(images) - 1}"
        data = self._exchange(index, worker, request, 8 * values * len(images), deadline, what)
        return np.frombuffer(data, "<i8").reshape(len(images), values)

    def _ready(self, index: int, deadline: float) -> PipeProcess:
        """A running worker with the present task."""
        worker = self._workers[index]
        if worker is None or not worker.alive:
            self._drop(index)
            worker = self._start(index)
        if self._task is not None and not self._loaded[index]:
            request = (
                struct.pack("<II", _LOAD, self._task.size) + self._task.astype("<u4").tobytes()
            )
            self._exchange(index, worker, request, 0, deadline, "the task words")
            self._loaded[index] = True
        return worker

    def _start(self, index: int) -> PipeProcess:
        name = f"csim worker {index} of {self._info.net}"
        try:
            worker = PipeProcess([self._program], name=name)
        except ToolError as error:
            raise TransportError(str(error)) from error
        self._workers[index] = worker
        self._loaded[index] = False
        deadline = time.monotonic() + _START_TIMEOUT_S
        request = struct.pack("<II", _IDENTIFY, 0)
        answer = self._exchange(
            index, worker, request, _DIGEST_CHARACTERS, deadline, "its identity"
        )
        if answer.decode("ascii", "replace") != self._info.device_digest:
            self._drop(index)
            raise TransportError(
                f"{self._program}: simulates another device than the project beside it; build the "
                "C simulation again"
            )
        return worker

    def _exchange(
        self,
        index: int,
        worker: PipeProcess,
        request: bytes,
        answer_bytes: int,
        deadline: float,
        what: str,
    ) -> bytes:
        try:
            left = max(0.0, deadline - time.monotonic())
            answer = worker.exchange(request, len(_ANSWER) + answer_bytes, left)
        except ToolTimeoutError as error:
            self._drop(index)
            raise TransportTimeoutError(f"stalled on {what}: {error}") from error
        except ToolError as error:
            self._drop(index)
            raise TransportError(f"failed on {what}: {error}") from error
        except BaseException:
            self._drop(index)
            raise
        if answer[: len(_ANSWER)] != _ANSWER:
            self._drop(index)
            raise TransportError(f"{worker.name}: answered nonsense to {what}")
        return answer[len(_ANSWER) :]

    def _drop(self, index: int) -> None:
        worker = self._workers[index]
        if worker is not None:
            worker.close()
        self._workers[index] = None
        self._loaded[index] = False


def open_csim(
    project_dir: Path, *, workers: int = 1, jobs: int = 2, trace: bool = False
) -> CSimTransport:
    """Build the C simulation of a project if needed, and open it as a device.

    Raises:
        ProjectError: No such project.
        ToolError: g++ is missing or failed.
    """
    description = read_description(project_dir)
    program = build_csim(project_dir, jobs=jobs, trace=trace)
    return CSimTransport(program, description, workers=workers)
