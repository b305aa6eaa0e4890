"""A batch on its way through a board: DMA transfers, overlapped with packing and unpacking."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import TransportError, TransportTimeoutError
from semifreddo.runtime.dma import Channel, describe_status, ended, likely_cause
from semifreddo.runtime.overlay import HlsControl, OpenOverlay


@dataclass(frozen=True)
class Patience:
    """How long to wait, and what to say when it was not enough.

    Attributes:
        name: How messages call the device.
        deadline: End of all waiting, on the monotonic clock.
        timeout_s: The seconds that were allowed.
        after: What an error says of the next call.
    """

    name: str
    deadline: float
    timeout_s: float
    after: str

    def failure(
        self, channel: Channel, status: int, what: str, where: tuple[str, str]
    ) -> TransportError:
        """The error of a transfer that did not end well.

        Args:
            channel: Its channel.
            status: DMA status at the end.
            what: What was moved.
            where: How far the core is, and what that usually means if nothing else is known.
        """
        state = f"channel {channel.name}, {what}: DMA status {describe_status(status)}"
        cause = likely_cause(status)
        if cause is not None:
            return TransportError(f"{self.name}: {state}; {where[0]}; {cause}{self.after}")
        return TransportTimeoutError(
            f"{self.name}: nothing more within {self.timeout_s:g} s on {state}; {where[0]}; "
            f"{where[1]}{self.after}"
        )

    def cut_short(self, channel: Channel, what: str, moved: int, wanted: int) -> TransportError:
        """The error of a result packet that ended too early."""
        return TransportError(
            f"{self.name}: channel {channel.name}, {what}: the core ended its packet after "
            f"{moved} of {wanted} bytes, so results were lost{self.after}"
        )


@dataclass(frozen=True)
class Job:
    """A batch and what it needs.

    Attributes:
        overlay: The device.
        into: Two buffers of words to the device.
        out_of: Two buffers of words from it.
        images: Raw images ``(n, height, width, channels)``, at least one.
        most: Most frames per transfer; the buffers hold them.
        patience: How long it may take.
    """

    overlay: OpenOverlay
    into: Sequence[Any]
    out_of: Sequence[Any]
    images: npt.NDArray[np.integer]
    most: int
    patience: Patience


class BatchStream(ABC):
    """A batch in parts of equal size: two of them are on their way at a time.

    The next frames are packed, and the last results are unpacked, while the device works. The last
    part is filled up with black frames, whose results are dropped.
    """

    def __init__(self, job: Job, words_in: int) -> None:
        """Take the parts of the job's buffers that are needed.

        Args:
            job: What to do.
            words_in: Words to the device for a part of :func:`part_frames` frames.
        """
        self._patience = job.patience
        self._overlay = job.overlay
        self._images = job.images
        self._bus = job.overlay.bus
        self._size = part_frames(job)
        self._parts = -(-len(job.images) // self._size)
        self._words_out = self._size * self._bus.output_cycles
        self._into = [buffer[:words_in] for buffer in job.into]
        self._out_of = [buffer[: self._words_out] for buffer in job.out_of]
        self._plain_into = [np.asarray(buffer) for buffer in self._into]
        self._plain_out_of = [np.asarray(buffer) for buffer in self._out_of]
        self._results = np.empty((len(job.images), self._bus.outputs), np.int64)

    def run(self) -> npt.NDArray[np.int64]:
        """Pack, send, receive and unpack, overlapping; raw results ``(n, outputs)``."""
        send, receive = self._overlay.send, self._overlay.receive
        self._pack(0)
        self._begin(0)
        receive.start(self._out_of[0])
        send.start(self._into[0])
        for part in range(self._parts):
            following = part + 1 < self._parts
            if following:
                self._pack(part + 1)
            self._wait(send, part)
            if following:
                send.start(self._into[(part + 1) % 2])
            self._wait(receive, part)
            if following:
                self._begin(part + 1)
                receive.start(self._out_of[(part + 1) % 2])
            self._unpack(part)
        return self._results

    @abstractmethod
    def _write(self, images: npt.NDArray[np.integer], out: npt.NDArray[np.uint32]) -> None:
        """Write a part as the core takes it."""

    @abstractmethod
    def _begin(self, part: int) -> None:
        """Make the core ready for a part; the results of the one before have come."""

    @abstractmethod
    def _where(self, channel: Channel, part: int) -> tuple[str, str]:
        """How far the core is, and what that usually means."""

    def _frames(self, part: int) -> slice:
        return slice(part * self._size, min((part + 1) * self._size, len(self._images)))

    def _pack(self, part: int) -> None:
        images = self._images[self._frames(part)]
        missing = self._size - len(images)
        if missing:
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        self._write(images, self._plain_into[part % 2])

    def _unpack(self, part: int) -> None:
        frames = self._frames(part)
        self._out_of[part % 2].invalidate()
        found = self._bus.results(self._plain_out_of[part % 2])
        self._results[frames] = found[: frames.stop - frames.start]

    def _what(self, part: int) -> str:
        frames = self._frames(part)
        return f"frames {frames.start}..{frames.stop - 1} of {len(self._images)}"

    def _wait(self, channel: Channel, part: int) -> None:
        status = channel.wait(self._patience.deadline)
        what = self._what(part)
        if not ended(status):
            raise self._patience.failure(channel, status, what, self._where(channel, part))
        if channel is not self._overlay.receive:
            return
        moved = channel.moved()
        if moved != 4 * self._words_out:
            raise self._patience.cut_short(channel, what, moved, 4 * self._words_out)


class PacketStream(BatchStream):
    """Frames in packets, for an open-RTL core."""

    def __init__(self, job: Job) -> None:
        """Every part is a packet."""
        super().__init__(job, job.overlay.bus.packet_words(part_frames(job)))

    def run(self) -> npt.NDArray[np.int64]:
        """Raw results ``(n, outputs)``; the core's counters are expected to have counted them."""
        results = super().run()
        self._overlay.frames += self._parts * self._size
        return results

    def _write(self, images: npt.NDArray[np.integer], out: npt.NDArray[np.uint32]) -> None:
        self._bus.pack_images(images, out)

    def _begin(self, part: int) -> None:
        del part
        self._overlay.set_batch(self._size)  # of all parts: packets may be inside the core

    def _where(self, channel: Channel, part: int) -> tuple[str, str]:
        taken, given = self._overlay.progress()
        need = (part + 1) * self._size
        seen = f"the core took {taken} and answered {given} frames of {self._parts * self._size}"
        if channel is self._overlay.receive and given >= need:
            return seen, "results are stuck in front of the DMA, or TLAST was lost"
        if taken >= need:
            return seen, f"frame {given} is inside it: its layers stand still, or need longer"
        return seen, f"frame {taken} does not go in: the stream to the core stands still"


class FrameStream(BatchStream):
    """Frames for a core made by HLS: one start, and one result packet, per part."""

    def __init__(self, job: Job, control: HlsControl) -> None:
        """Every frame begins with a word of its own."""
        super().__init__(job, part_frames(job) * frame_words(job.overlay))
        self._control = control

    def run(self) -> npt.NDArray[np.int64]:
        """Raw results ``(n, outputs)``."""
        results = super().run()
        self._control.taken()
        return results

    def _write(self, images: npt.NDArray[np.integer], out: npt.NDArray[np.uint32]) -> None:
        lane = self._bus.value_bytes
        octets = out.view(np.uint8).reshape(len(images), -1)
        size = prod(self._bus.image_shape) * lane
        octets[:, size:] = 0
        values = np.ascontiguousarray(images.reshape(len(images), -1)).astype(f"<i{lane}")
        octets[:, :size] = values.view(np.uint8)

    def _begin(self, part: int) -> None:
        while not self._control.idle:  # it ends some cycles behind its last result
            if time.monotonic() > self._patience.deadline:
                receive = self._overlay.receive
                where = self._where(receive, part)
                raise self._patience.failure(receive, receive.status, self._what(part), where)
        if part:
            self._control.taken()
        self._control.start(self._size)

    def _where(self, channel: Channel, part: int) -> tuple[str, str]:
        del channel
        seen = f"the core answered {part * self._size} frames"
        status = f"its control register is 0x{self._control.status:02X}"
        return seen, f"{status}: it stands still, or needs longer"


def part_frames(job: Job) -> int:
    """Frames of each part of a batch: all parts are equal."""
    parts = -(-len(job.images) // job.most)
    return -(-len(job.images) // parts)


def frame_words(overlay: OpenOverlay) -> int:
    """Words of a frame that starts with a word of its own."""
    return -(-prod(overlay.bus.image_shape) * overlay.bus.value_bytes // 4)
