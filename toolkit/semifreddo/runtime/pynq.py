"""A board as a device behind the runtime's Transport protocol: PYNQ's overlay, AXI DMA, packets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import (
    DataError,
    TaskError,
    TransportError,
    TransportTimeoutError,
)
from semifreddo.ir.bus import ALL_ERRORS, ERRORS, BusFormat, Words, error_texts
from semifreddo.ir.layers import Shape
from semifreddo.runtime.dma import ended
from semifreddo.runtime.overlay import OpenOverlay
from semifreddo.runtime.stream import FrameStream, Job, PacketStream, Patience, frame_words
from semifreddo.runtime.transport import DeviceInfo

DEFAULT_BUFFER_FRAMES = 256
_BUFFER_BYTES = 1 << 20
_BEFORE_TASK = 1 << ERRORS.index("images before the first task")


class PynqTransport:
    """A semifreddo core on a PYNQ board.

    Frames go in packets over one of two buffers, results come into one of two: while the DMA works
    on a pair, the next frames are packed and the last results are unpacked. A batch of any size is
    cut into equal parts (the last one is filled up with black frames, whose results are dropped).

    After a time-out or a DMA error the state of the core is unknown. The DMA is reset at once, so
    that no memory is overwritten; the next call loads the bitstream and the task again, and polls.

    Not thread-safe: :class:`~semifreddo.runtime.Accelerator` serialises all calls.
    """

    def __init__(
        self,
        bitstream: Path,
        info: DeviceInfo,
        *,
        image_shape: Shape,
        outputs: int,
        words: int,
        buffer_frames: int = DEFAULT_BUFFER_FRAMES,
        interrupts: bool = True,
        download: bool = True,
    ) -> None:
        """Load the bitstream and identify the core.

        Args:
            bitstream: The ``.bit`` file; the ``.hwh`` of the same build lies beside it.
            info: Identity that the core must confirm.
            image_shape: ``(height, width, channels)``.
            outputs: Values per result.
            words: 32-bit words of a task.
            buffer_frames: Most frames per DMA transfer.
            interrupts: Whether long waits use the DMA's interrupts, where they are wired; short
                ones poll.
            download: False takes the bitstream that is loaded already, and cannot recover from a
                time-out.

        Raises:
            TransportError: No board, wrong files, or another device.
        """
        if buffer_frames < 1:
            raise DataError(f"buffer_frames is {buffer_frames}, expected 1 or more")
        self._bitstream = bitstream
        self._info = info
        self._bus = BusFormat.unread(
            info.net,
            info.device_digest,
            image_shape=image_shape,
            outputs=outputs,
            task_words=words,
        )
        self._frames = buffer_frames
        self._interrupts = interrupts
        self._download = download
        self._task: Words | None = None
        self._abandoned: list[Any] = []
        self._overlay: OpenOverlay | None = None
        self._open(download=download)

    @property
    def info(self) -> DeviceInfo:
        """Identity of the device."""
        return self._info

    @property
    def buffer_frames(self) -> int:
        """Most frames per DMA transfer."""
        return self._frames

    def load(self, words: Words, timeout_s: float) -> None:
        """Make the device use new task words from the next frame on.

        Raises:
            TaskError: Wrong number or type of words, or the core refused them.
            TransportError: The transfer failed; the next call starts from the bitstream.
        """
        self._info.check_task(words, self._bus.task_words)
        if not words.size:
            return
        overlay = self._ready()
        self._send_task(overlay, words, self._patience(timeout_s))
        self._task = words.copy()

    def run(self, images: npt.NDArray[np.integer], timeout_s: float) -> npt.NDArray[np.int64]:
        """Stream raw images ``(n, height, width, channels)``; give raw results ``(n, outputs)``.

        Raises:
            DataError: The images do not have the device's shape or are no integers.
            TransportTimeoutError: Names channel, frames, DMA status and the likely cause.
            TransportError: The DMA or the core reports an error.
        """
        self._info.check_images(images, self._bus.image_shape)
        if not len(images):
            return np.zeros((0, self._bus.outputs), np.int64)
        patience = self._patience(timeout_s)
        overlay = self._ready()
        if self._task is not None and not overlay.tasks:
            self._send_task(overlay, self._task, patience)
        try:
            buffers = self._into, self._out_of
            job = Job(overlay, *buffers, images, self._frames, patience)
            if overlay.hls is not None:
                return FrameStream(job, overlay.hls).run()
            results = PacketStream(job).run()
        except BaseException:
            self._abandon()
            raise
        self._check_errors(overlay)
        return results

    def close(self) -> None:
        """Stop the DMA and give the buffers back. Closing twice is allowed."""
        if self._overlay is not None:
            self._abandon()

    def __enter__(self) -> PynqTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, *, download: bool) -> None:
        overlay = OpenOverlay(
            self._bitstream, self._info, self._bus, download=download, interrupts=self._interrupts
        )
        try:
            bus = overlay.bus
            per_frame = 4 * max(bus.output_cycles, bus.packet_words(1), frame_words(overlay))
            fit = max(1, min(_BUFFER_BYTES, overlay.most_bytes) // per_frame)
            self._frames = min(self._frames, fit, 0xFFFF)
            into = max(bus.packet_words(self._frames), self._frames * frame_words(overlay))
            into = into if overlay.hls is not None else max(into, bus.task_words + 4)
            if 4 * into > overlay.most_bytes:
                raise TransportError(
                    f"{self._info.net}: a frame or a task has {4 * into} bytes, the DMA moves at "
                    f"most {overlay.most_bytes} at once"
                )
            self._into = [overlay.allocate(into) for _ in range(2)]
            out_of = self._frames * bus.output_cycles
            self._out_of = [overlay.allocate(out_of) for _ in range(2)]
        except BaseException:
            overlay.close()
            raise
        self._overlay = overlay

    def _patience(self, timeout_s: float) -> Patience:
        after = "; the next call loads the bitstream again" if self._download else ""
        return Patience(self._info.net, time.monotonic() + timeout_s, timeout_s, after)

    def _ready(self) -> OpenOverlay:
        """The open overlay; loads the bitstream again after a failure."""
        if self._overlay is None:
            if not self._download:
                raise TransportError(
                    f"{self._info.net}: the core stands in the middle of a frame since the last "
                    "error; it must be reloaded: open the device again with download=True"
                )
            self._open(download=True)
        assert self._overlay is not None
        if not self._overlay.loaded:
            self._overlay = None
            raise TransportError(
                f"{self._info.net}: another bitstream has been loaded on this board since; the "
                "next call loads this one again"
            )
        return self._overlay

    def _abandon(self) -> None:
        """Stop the DMA; the buffers are given back only if it has stopped."""
        self._interrupts = False  # PYNQ may keep waiting for a lost one in front of later ones
        overlay, self._overlay = self._overlay, None
        if overlay is not None:
            buffers = [*self._into, *self._out_of]
            self._into, self._out_of = [], []
            try:
                overlay.close()
            except TransportError:
                self._abandoned += buffers  # the DMA may still write into them

    def _send_task(self, overlay: OpenOverlay, words: Words, patience: Patience) -> None:
        if overlay.hls is not None:
            overlay.hls.load(words)
            overlay.tasks += 1
            return
        packet = overlay.bus.task_packet(words)
        overlay.write("errors", ALL_ERRORS)  # what happened before is no fault of this task
        before = overlay.tasks
        try:
            buffer = self._into[0][: packet.size]
            np.asarray(buffer)[:] = packet
            overlay.send.start(buffer)
            status = overlay.send.wait(patience.deadline)
            if not ended(status):
                where = (
                    f"the core has accepted {before} tasks",
                    "it waits until earlier frames left",
                )
                raise patience.failure(overlay.send, status, "a task", where)
            while overlay.read("tasks") == before and not overlay.read("errors"):
                if time.monotonic() > patience.deadline:
                    raise TransportTimeoutError(
                        f"{self._info.net}: the core took a task but did not confirm it within "
                        f"{patience.timeout_s:g} s; it waits until earlier frames have left"
                    )
        except BaseException:
            self._abandon()
            raise
        overlay.tasks = overlay.read("tasks")
        flags = _flags(overlay)
        if flags:
            raise TaskError(f"{self._info.net}: the core refused the task: {flags}")

    def _check_errors(self, overlay: OpenOverlay) -> None:
        flags = _flags(overlay, known=_BEFORE_TASK if self._task is None else 0)
        if flags:
            self._abandon()
            raise TransportError(
                f"{self._info.net}: the core reports: {flags}; the answers are not to be trusted "
                "and were dropped. Words were lost or changed on the way; the next call starts "
                "from the bitstream"
            )


def _flags(overlay: OpenOverlay, known: int = 0) -> str:
    """The core's error flags in words but for known ones, cleared; empty if there are none."""
    flags = overlay.read("errors")
    if flags:
        overlay.write("errors", flags)
    return error_texts(flags & ~known)


def open_pynq(
    bitstream: Path,
    info: DeviceInfo,
    *,
    image_shape: Shape,
    outputs: int,
    words: int,
) -> PynqTransport:
    """Open a bitstream on this board; see :class:`PynqTransport`."""
    return PynqTransport(bitstream, info, image_shape=image_shape, outputs=outputs, words=words)
