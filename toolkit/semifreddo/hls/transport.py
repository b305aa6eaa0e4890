"""The C simulation as a device: one or more worker programs behind the Transport protocol."""

from __future__ import annotations

import contextlib
import queue
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import (
    ToolError,
    ToolTimeoutError,
    TransportError,
    TransportTimeoutError,
)
from semifreddo.hls.csim import build_csim, read_description
from semifreddo.ir.layers import Shape
from semifreddo.runtime.transport import DeviceInfo
from semifreddo.tools.runner import PipeProcess

_LOAD, _RUN, _TRACE, _IDENTIFY = 1, 2, 3, 4
_ANSWER = b"SEDF"
_DIGEST_CHARACTERS = 64
_CHUNK_FRAMES = 64
_START_TIMEOUT_S = 20.0


class _Worker:
    """One simulation process, started when it is needed and again after a failure."""

    def __init__(self, program: Path, info: DeviceInfo, index: int) -> None:
        self._program = program
        self._info = info
        self._name = f"csim worker {index} of {info.net}"
        self._process: PipeProcess | None = None
        self._task: npt.NDArray[np.uint32] | None = None

    def prepare(self, task: npt.NDArray[np.uint32] | None, deadline: float) -> None:
        """Run, and have the task loaded."""
        if self._process is None or not self._process.alive:
            self.close()
            self._start()
        if task is not None and task is not self._task:
            self.ask(_LOAD, task.size, task.astype("<u4").tobytes(), 0, deadline, "the task words")
            self._task = task

    def _start(self) -> None:
        try:
            self._process = PipeProcess([self._program], name=self._name)
            deadline = time.monotonic() + _START_TIMEOUT_S
            answer = self.ask(_IDENTIFY, 0, b"", _DIGEST_CHARACTERS, deadline, "its identity")
            found = answer.decode("ascii", "replace")
            if found != self._info.device_digest:
                raise TransportError(
                    f"{self._program}: simulates device {found[:12]}, expected {self._info.net} "
                    f"{self._info.device_digest[:12]}; build the C simulation again"
                )
        except ToolError as error:
            raise TransportError(str(error)) from error
        except BaseException:  # Ctrl-C, too: the process is not confirmed to be ours
            self.close()
            raise

    def ask(  # noqa: PLR0917
        self, code: int, count: int, data: bytes, answer_bytes: int, deadline: float, what: str
    ) -> bytes:
        """One command and its answer; the process is gone after any error."""
        assert self._process is not None
        request = struct.pack("<II", code, count) + data
        left = max(0.0, deadline - time.monotonic())
        try:
            answer = self._process.exchange(request, len(_ANSWER) + answer_bytes, left)
        except ToolTimeoutError as error:
            raise TransportTimeoutError(f"stalled on {what}: {error}") from error
        except ToolError as error:
            raise TransportError(f"failed on {what}: {error}") from error
        if answer[: len(_ANSWER)] != _ANSWER:
            self.close()
            raise TransportError(f"{self._name}: answered nonsense to {what}")
        return answer[len(_ANSWER) :]

    def end_unless(self, task: npt.NDArray[np.uint32] | None) -> None:
        """End the process if it holds another task."""
        if self._task is not task:
            self.close()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
        self._process = None
        self._task = None


class CSimTransport:
    """A device made of simulation processes; frames are shared out between them."""

    def __init__(
        self,
        program: Path,
        info: DeviceInfo,
        *,
        image_shape: Shape,
        outputs: int,
        words: int,
        workers: int = 1,
        streams: Mapping[str, Shape] | None = None,
    ) -> None:
        """Describe the device; processes start with the first call.

        Args:
            program: Built by :func:`~semifreddo.hls.csim.build_csim`.
            info: Identity that the program must confirm.
            image_shape: ``(height, width, channels)``.
            outputs: Values per result.
            words: 32-bit words of a task.
            workers: Number of processes.
            streams: Shape of every layer's stream, in layer order; needed by :meth:`trace` only.
        """
        self._info = info
        self._image_shape = tuple(image_shape)
        self._outputs = outputs
        self._words = words
        self._streams = dict(streams or {})
        self._task: npt.NDArray[np.uint32] | None = None
        self._workers = [_Worker(program, info, index) for index in range(max(1, workers))]

    @property
    def info(self) -> DeviceInfo:
        """Identity of the device."""
        return self._info

    def load(self, words: npt.NDArray[np.uint32], timeout_s: float) -> None:
        """Make the device use new task words from the next frame on.

        Before the first task all loadable values are zero.

        Raises:
            TaskError: Wrong number or type of words.
            TransportError: A worker failed. The next call starts it again, with the task that all
                workers confirmed last.
        """
        self._info.check_task(words, self._words)
        deadline = time.monotonic() + timeout_s
        task = words.copy() if words.size else self._task
        try:
            for worker in self._workers:
                worker.prepare(task, deadline)
        except BaseException:  # some have the new task, and no frame may be answered by it
            for worker in self._workers:
                worker.end_unless(self._task)
            raise
        self._task = task

    def run(self, images: npt.NDArray[np.integer], timeout_s: float) -> npt.NDArray[np.int64]:
        """Stream raw images ``(n, height, width, channels)``; give raw results ``(n, outputs)``.

        Raises:
            DataError: The images do not have the device's shape or are no integers.
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
        sizes = [prod(shape) for shape in self._streams.values()]
        data = self._frames(_TRACE, images, sum(sizes), timeout_s)
        parts = np.split(data, np.cumsum(sizes)[:-1], axis=1)
        return {
            name: part.reshape(len(images), *shape)
            for (name, shape), part in zip(self._streams.items(), parts, strict=True)
        }

    def close(self) -> None:
        """End all workers. Closing twice is allowed."""
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> CSimTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _frames(
        self, code: int, images: npt.NDArray[np.integer], values: int, timeout_s: float
    ) -> npt.NDArray[np.int64]:
        """Share frames out to the workers in chunks."""
        self._info.check_images(images, self._image_shape)
        deadline = time.monotonic() + timeout_s
        count = len(images)
        results = np.zeros((count, values), np.int64)
        idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            idle.put(worker)

        def work(part: slice) -> None:
            frames = images[part]
            with _taken(idle) as worker:
                worker.prepare(self._task, deadline)
                data = worker.ask(
                    code,
                    len(frames),
                    np.ascontiguousarray(frames, "<i8").tobytes(),
                    8 * values * len(frames),
                    deadline,
                    f"frames {part.start}..{part.start + len(frames) - 1} of {count}",
                )
            results[part] = np.frombuffer(data, "<i8").reshape(len(frames), values)

        step = min(_CHUNK_FRAMES, max(1, -(-count // len(self._workers))))
        parts = [slice(start, start + step) for start in range(0, count, step)]
        _all_of(work, parts, len(self._workers))
        return results


@contextlib.contextmanager
def _taken(idle: queue.SimpleQueue[_Worker]) -> Iterator[_Worker]:
    worker = idle.get()
    try:
        yield worker
    finally:
        idle.put(worker)


def _all_of(work: Callable[[slice], None], parts: list[slice], workers: int) -> None:
    """Do all parts at the same time; the first error cancels what has not started."""
    if workers == 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, part) for part in parts]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def open_csim(
    program: Path,
    info: DeviceInfo,
    *,
    image_shape: Shape,
    outputs: int,
    words: int,
    workers: int = 1,
) -> CSimTransport:
    """Open a compiled C simulation as a device; see :class:`CSimTransport`."""
    return CSimTransport(
        program, info, image_shape=image_shape, outputs=outputs, words=words, workers=workers
    )


def open_project(
    project_dir: Path, *, workers: int = 1, jobs: int = 2, trace: bool = False, exact: bool = False
) -> CSimTransport:
    """Compile the C simulation of a written project, if needed, and open it.

    Args:
        project_dir: The project.
        workers: Number of simulation processes.
        jobs: Number of compiler processes.
        trace: Make :meth:`CSimTransport.trace` available.
        exact: See :func:`~semifreddo.hls.csim.build_csim`.

    Raises:
        ProjectError: No such project.
        ToolError: g++ is missing or failed.
    """
    data = read_description(project_dir)
    return CSimTransport(
        build_csim(project_dir, jobs=jobs, trace=trace, exact=exact),
        DeviceInfo(data["net"], data["device_digest"], "csim"),
        image_shape=data["input"]["shape"],
        outputs=prod(data["output"]["shape"]),
        words=data["task_words"],
        workers=workers,
        streams={stream["name"]: stream["shape"] for stream in data["streams"]},
    )
