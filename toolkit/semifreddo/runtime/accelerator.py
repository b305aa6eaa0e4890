"""The runtime: one class that drives a board, a remote board or a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError, TaskError, TransportError
from semifreddo.core.pixels import reads_pixels
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.runtime.bundle import Bundle
from semifreddo.runtime.packing import Layout, nearest_raw, pack_images
from semifreddo.runtime.plugins import open_transport
from semifreddo.runtime.results import CheckReport, Prediction, Predictions
from semifreddo.runtime.transport import Transport
from semifreddo.runtime.turns import Turns

DEFAULT_TIMEOUT_S = 60.0
MAX_BATCH = 512
"""Frames handed to a device at once: bounds memory, and gives the time-out a meaning."""


class Accelerator:
    """A device that answers images with the classes of its current task.

    It may be shared by threads: every access to the device waits for its turn, in the order of
    arrival, so a batch of ``predict`` is answered by one task even while another thread loads the
    next. After an error the
    accelerator stays usable; if loading a task failed, the task before it is loaded again.

    Example::

        with Accelerator.open("build/digits.sfb") as accelerator:
            print(accelerator.predict(images).labels)
            accelerator.load_task("odd-even.task.json")
    """

    def __init__(
        self, bundle: Bundle, transport: Transport, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        if not timeout_s > 0:
            raise DataError(f"timeout_s is {timeout_s}, expected seconds above zero")
        info = transport.info
        if info.device_digest != bundle.net.device_digest:
            raise TransportError(
                f"the {info.backend} device is {info.net} {info.device_digest[:12]}, the bundle is "
                f"for {bundle.net.name} {bundle.net.device_digest[:12]}; open the bundle it was "
                "built with"
            )
        self._bundle = bundle
        self._transport = transport
        self._timeout_s = timeout_s
        self._lock = Turns()
        self._tasks = dict(bundle.tasks)
        self._task = bundle.default_task
        self._loaded: Task | None = None
        self._open = True

    @classmethod
    def open(
        cls,
        bundle: Bundle | Path | str,
        transport: Transport | str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Accelerator:
        """Open a built device and load its first task.

        Args:
            bundle: A bundle or the path of one.
            transport: A transport, the name of one (``csim``), or None for the first transport of
                the bundle that is installed here.
            timeout_s: Seconds that one exchange with the device may take (at most 512 frames).

        Raises:
            BundleError: The bundle or its device file is missing or damaged.
            TransportError: The device does not open, or is another one.
        """
        if not isinstance(bundle, Bundle):
            bundle = Bundle.load(Path(bundle))
        if transport is None or isinstance(transport, str):
            transport = open_transport(bundle, transport)
        try:
            accelerator = cls(bundle, transport, timeout_s=timeout_s)
            with accelerator._lock:
                accelerator._ready()
        except BaseException:
            transport.close()
            raise
        return accelerator

    @property
    def net(self) -> StreamNet:
        """The network of the device; its loadable values are those of the bundle's first task."""
        return self._bundle.net

    @property
    def task(self) -> Task:
        """The current task."""
        return self._task

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that can be loaded by name: the bundle's and those loaded since."""
        return tuple(self._tasks)

    @property
    def vectors(self) -> VectorSet:
        """The bundle's golden vectors of the current task.

        Raises:
            DataError: There are none.
        """
        return self._find_vectors(None)

    @property
    def backend(self) -> str:
        """What kind of device answers, e.g. ``csim``."""
        return self._transport.info.backend

    def load_task(self, task: Task | Path | str) -> Task:
        """Teach the device another task; frames from now on are answered by it.

        Args:
            task: A task, the path of a task file, or the name of a known task.

        Returns:
            The task that is now current.

        Raises:
            TaskError: The task is unknown, damaged, or made for another device. The current task
                stays.
            TransportError: The device did not take it. The task before it stays current.
        """
        found = self._find_task(task)
        found.check(self.net.name, self.net.device_digest, self.net.output.channels)
        AddressMap.of(self.net).unpack(found.words)  # refuses a wrong length and values
        with self._lock:
            self._check_open()
            self._loaded = None  # until the device has confirmed, its memory is in doubt
            self._transport.load(found.words, self._timeout_s)
            self._loaded = self._task = found
            self._tasks = {**self._tasks, found.name: found}  # others read it without a turn
        return found

    def _find_task(self, task: Task | Path | str) -> Task:
        if isinstance(task, Task):
            return task
        known = self._tasks
        if isinstance(task, str) and task in known:
            return known[task]
        path = Path(task)
        if isinstance(task, str) and not path.is_file() and path.name == task and not path.suffix:
            raise TaskError(
                f"no task is named {task!r}; known: {', '.join(self._tasks)}, or give a task file"
            )
        return Task.load(path)

    def predict(self, images: npt.ArrayLike, *, layout: Layout = "nhwc") -> Predictions:
        """Answer a batch of any size, including none.

        Args:
            images: See :func:`~semifreddo.runtime.packing.pack_images`: ``(n, h, w, c)`` or, for
                one channel, ``(n, h, w)``; usually ``uint8``.
            layout: ``nchw`` for ``(n, c, h, w)``.

        Returns:
            The answers, all by the same task, in new arrays.

        Raises:
            DataError: The images do not fit the device, or can only be meant as values before
                the task's preprocessing.
            TransportError: The device failed; a time-out names what stalled.
        """
        raw = pack_images(images, self.net.input, layout)
        with self._lock:
            step = self._task.preprocessing.step
            if step and np.asarray(images).dtype.kind == "f":
                raise DataError(
                    f"images: a raw 1 of the device's input means {step:g} to the model, so real "
                    "values cannot be packed exactly; give raw integers, or accelerator.raw_of("
                    "pixels)"
                )
            self._check_meaning(raw)
            results = self._run(raw)
            task = self._task
        return self._interpret(results, task)

    def raw_of(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.integer[Any]]:
        """What the device reads of stored pixels, as the current task was trained, or of values.

        Args:
            pixels: uint8 ``(n, height, width, channels)``; or the real values that the model reads,
                as floating-point numbers, of which the nearest raw integers are taken.

        Returns:
            Raw integers of the same shape, for :meth:`predict`.

        Raises:
            DataError: Neither of both, or another number of channels than the task's means.
        """
        kind = self.net.input.type
        with self._lock:
            made = self._task.preprocessing
        if pixels.dtype.kind == "f":
            return nearest_raw(pixels, kind, made.step or kind.scale)
        return made.raw(pixels, kind.width, 2.0**-kind.frac, signed=kind.signed)

    def _check_meaning(self, raw: npt.NDArray[np.integer[Any]]) -> None:
        made, kind = self._task.preprocessing, self.net.input.type
        if made.normalises or reads_pixels(kind.width, signed=kind.signed):
            made.check(raw, kind.width, 2.0**-kind.frac, signed=kind.signed)

    async def predict_async(self, images: npt.ArrayLike, *, layout: Layout = "nhwc") -> Predictions:
        """:meth:`predict` for ``await``: the event loop goes on while the device works.

        The device is waited for in a thread. Cancelling the ``await`` does not stop the device: the
        batch ends in the background, and the next call waits for it.
        """
        import asyncio  # a third of the runtime's import time

        return await asyncio.to_thread(self.predict, images, layout=layout)

    def stream(self, images: Iterable[npt.ArrayLike], *, batch: int = 64) -> Iterator[Prediction]:
        """Answer images one by one, in order, without holding them all.

        At most ``batch`` images are taken from the iterable ahead of the answers. A task that is
        loaded meanwhile answers from the next batch on.

        Args:
            images: Single images ``(h, w, c)`` or, for one channel, ``(h, w)``.
            batch: Images per exchange with the device, 1 to 512.

        Yields:
            One answer per image.

        Raises:
            DataError: ``batch`` is out of range, or an image does not fit; its position is named.
            TransportError: The device failed.
        """
        if not 1 <= batch <= MAX_BATCH:
            raise DataError(f"batch is {batch}, expected 1..{MAX_BATCH}")
        return self._stream(iter(images), batch)

    def _stream(self, images: Iterator[npt.ArrayLike], batch: int) -> Iterator[Prediction]:
        position = 0
        while group := list(islice(images, batch)):
            packed = [self._pack_one(image, position + i) for i, image in enumerate(group)]
            position += len(group)
            predictions = self.predict(np.concatenate(packed))
            yield from (predictions[index] for index in range(len(predictions)))

    def _pack_one(self, image: npt.ArrayLike, position: int) -> npt.NDArray[np.integer[Any]]:
        try:
            return pack_images(np.asarray(image)[None], self.net.input)
        except (DataError, ValueError) as error:
            raise DataError(f"image {position} of the stream: {error}") from error

    def check(self, vectors: VectorSet | Path | str | None = None) -> CheckReport:
        """Compare the device's answers with expected raw integers, exactly.

        Args:
            vectors: A vector set, the path of one, or None for the bundle's golden vectors of the
                current task.

        Raises:
            DataError: There are no vectors for this task, or they do not fit the device.
            TransportError: The device failed.
        """
        with self._lock:
            found = self._find_vectors(vectors)
            outputs = self.net.output.pixels * self.net.output.channels
            if found.expected.shape[1] != outputs:
                raise DataError(
                    f"vectors: {found.expected.shape[1]} expected outputs per image, "
                    f"the device has {outputs}"
                )
            raw = pack_images(found.images, self.net.input)
            return CheckReport.compare(found.expected, self._run(raw))

    def _find_vectors(self, vectors: VectorSet | Path | str | None) -> VectorSet:
        if isinstance(vectors, VectorSet):
            return vectors
        if vectors is not None:
            return VectorSet.load(Path(vectors))
        if self._task.name not in self._bundle.vectors:
            raise DataError(
                f"the bundle has no vectors for task {self._task.name!r}; give a vector file"
            )
        return self._bundle.vectors[self._task.name]

    def _check_open(self) -> None:
        if not self._open:
            raise TransportError("the accelerator is closed; open it again")

    def _ready(self) -> None:
        """Make sure that the device holds the current task. Called with the lock held."""
        self._check_open()
        if self._loaded is not self._task:
            self._transport.load(self._task.words, self._timeout_s)
            self._loaded = self._task

    def _run(self, raw: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
        """Raw results of packed images, as a new array. Called with the lock held."""
        self._ready()
        outputs = self.net.output.pixels * self.net.output.channels
        results = np.empty((len(raw), outputs), np.int64)
        for start in range(0, len(raw), MAX_BATCH):
            part = raw[start : start + MAX_BATCH]
            answer = self._transport.run(part, self._timeout_s)
            if answer.shape != (len(part), outputs) or answer.dtype.kind not in "iu":
                raise TransportError(
                    f"the {self.backend} device answered {answer.dtype} {answer.shape} to "
                    f"{len(part)} images, expected integers ({len(part)}, {outputs})"
                )
            if not self.net.output.type.holds(answer):
                raise TransportError(
                    f"the {self.backend} device answered {answer.min()}..{answer.max()}, outside "
                    f"{self.net.output.type}"
                )
            results[start : start + len(part)] = answer
        return results

    def _interpret(self, raw: npt.NDArray[np.int64], task: Task) -> Predictions:
        logits = self.net.output.type.to_real(raw)
        if self.net.output.pixels > 1:  # an image has no class
            none = np.full(len(raw), -1, np.int64)
            return Predictions(raw, logits, none, task.name, (), places=task.places)
        heads = task.answers_of_heads(raw)
        return Predictions(
            raw, logits, task.answers(raw), task.name, task.labels, heads, task.places
        )

    def close(self) -> None:
        """Release the device; closing twice is allowed."""
        with self._lock:
            if self._open:
                self._open = False
                self._transport.close()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
