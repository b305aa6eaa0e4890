"""A device behind a serial port: packets, registers and results as messages of bytes.

The protocol heads ``rtl/library/sf_serial.sv``, the other end of the line.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import DataError, TaskError, TransportError, TransportTimeoutError
from semifreddo.ir.bus import (
    ALL_ERRORS,
    IDENTITY,
    REGISTERS,
    BusFormat,
    Words,
    error_texts,
)
from semifreddo.ir.layers import Shape
from semifreddo.runtime.transport import DeviceInfo

_LINE_ERRORS = ("bytes were lost", "a byte without stop bit", "an unknown message")
_MESSAGE_BYTES = 5
_QUIET_S = 0.05
_START_TIMEOUT_S = 5.0


class Port(Protocol):
    """A serial port with 8 data bits, no parity and one stop bit."""

    name: str

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    def read(self, count: int, timeout_s: float) -> bytes:
        """Up to ``count`` bytes; fewer, or none, if no more come in time."""
        ...

    def send_break(self) -> None:
        """Hold the line low for longer than a byte."""
        ...

    def close(self) -> None:
        """Release the port."""
        ...


class TtyPort:
    """A serial port of this machine."""

    def __init__(self, path: str | Path, baud: int) -> None:
        """Open it.

        Raises:
            TransportError: It is not there, is no serial port, or does not know the rate.
        """
        self.name = str(path)
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise TransportError(f"{path}: {baud} bits per second is no rate of this system")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            raise TransportError(f"{path}: cannot open the serial port: {error.strerror}") from None
        try:
            tty.setraw(self._file)
            settings = termios.tcgetattr(self._file)
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._file, termios.TCSANOW, settings)
        except termios.error as error:
            os.close(self._file)
            raise TransportError(f"{path}: is no serial port: {error.args[-1]}") from None

    def write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise TransportError(f"{self.name}: cannot send: {error.strerror}") from None

    def read(self, count: int, timeout_s: float) -> bytes:
        try:
            if not select.select([self._file], [], [], max(0.0, timeout_s))[0]:
                return b""
            return os.read(self._file, count)
        except OSError as error:
            raise TransportError(f"{self.name}: cannot receive: {error.strerror}") from None

    def send_break(self) -> None:
        termios.tcsendbreak(self._file, 0)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._file)


class SerialTransport:
    """A device behind a serial port, as a :class:`~semifreddo.runtime.transport.Transport`."""

    def __init__(
        self, port: Port, info: DeviceInfo, *, image_shape: Shape, outputs: int, words: int
    ) -> None:
        """Describe the device; the first call reads the identity of the real one.

        Args:
            port: Where it is; closed with the transport.
            info: Identity that the device must confirm.
            image_shape: ``(height, width, channels)``.
            outputs: Values per result.
            words: 32-bit words of a task.
        """
        self._port = port
        self._info = info
        self._bus = BusFormat.unread(
            info.net,
            info.device_digest,
            image_shape=image_shape,
            outputs=outputs,
            task_words=words,
        )
        self._known = False
        self._bytes = b""

    @property
    def info(self) -> DeviceInfo:
        """Identity of the device."""
        return self._info

    def load(self, words: npt.NDArray[np.uint32], timeout_s: float) -> None:
        """Make the device use new task words from the next frame on.

        Raises:
            TaskError: Wrong number or type of words, or the device refused them.
            TransportError: The device is not there, is another one, or lost bytes.
        """
        self._info.check_task(words, self._bus.task_words)
        if not words.size:
            return
        with self._conversation():
            end = self._start(timeout_s)
            self._write("errors", ALL_ERRORS, end)
            before = self._read("tasks", end)
            self._send(self._bus.task_packet(words))
            while self._read("tasks", end) == before:
                if flags := self._read("errors", end):
                    raise TaskError(f"{self._info.net}: the device reports: {error_texts(flags)}")
            self._check_line(end)

    def run(self, images: npt.NDArray[np.integer], timeout_s: float) -> npt.NDArray[np.int64]:
        """Stream raw images ``(n, height, width, channels)``; give raw results ``(n, outputs)``.

        Raises:
            DataError: The images do not have the device's shape or are no integers.
            TransportTimeoutError: Not all results came in time; says how many words did.
            TransportError: The device is not there, is another one, or lost bytes.
        """
        shape = self._bus.image_shape
        if images.ndim != 4 or images.shape[1:] != shape or images.dtype.kind not in "iu":
            raise DataError(
                f"{self._info.net}: images are {images.dtype} of shape {images.shape}, expected "
                f"integers (n, {', '.join(map(str, shape))})"
            )
        with self._conversation():
            end = self._start(timeout_s)
            per_image = self._bus.outputs * self._bus.result_words
            # If answers take longer on the line than images, images must wait for them.
            line_bytes = 4 * (self._bus.packet_words(1) - 2)
            step = len(images) if per_image * _MESSAGE_BYTES <= line_bytes else 1
            found: list[int] = []
            for begin in range(0, len(images), max(1, step)):
                part = images[begin : begin + step]
                self._send(self._bus.image_packet(part))
                found += [self._answer(b"dl", end) for _ in range(len(part) * per_image)]
            self._check_line(end)
        return self._bus.results(np.array(found, np.uint32))

    def close(self) -> None:
        """Release the port. Closing twice is allowed."""
        self._port.close()
        self._known = False

    @contextlib.contextmanager
    def _conversation(self) -> Iterator[None]:
        """A call that ends early (Ctrl-C, too) may leave half a message on the line."""
        try:
            yield
        except BaseException:
            self._known = False  # the next call starts with a break, which ends every message
            raise

    def _start(self, timeout_s: float) -> float:
        """The deadline of a call, after the device has proven who it is."""
        end = time.monotonic() + timeout_s
        if not self._known:
            self._resynchronise()
            known = min(end, time.monotonic() + _START_TIMEOUT_S)
            found = self._read("identity", known), self._read("device", known)
            words = self._read("task_words", known)
            if found != (IDENTITY, self._bus.digest_word) or words != self._bus.task_words:
                raise TransportError(
                    f"{self._port.name}: there is device {found[1]:08x} with {words} task words, "
                    f"expected {self._info.net} {self._bus.digest_word:08x} with "
                    f"{self._bus.task_words}; load its bitstream"
                )
            self._bus = self._bus.with_register(self._read("format", known))
            self._known = True
        return end

    def _resynchronise(self) -> None:
        """End whatever message was on its way, and forget what is still coming."""
        self._port.send_break()
        while self._port.read(1 << 12, _QUIET_S):
            pass
        self._bytes = b""
        self._port.write(b"S")
        self._answer(b"s", time.monotonic() + _START_TIMEOUT_S)

    def _send(self, words: Words) -> None:
        self._port.write(b"P" + struct.pack("<I", words.size) + words.astype("<u4").tobytes())

    def _write(self, register: str, value: int, end: float) -> None:
        self._port.write(struct.pack("<cBI", b"W", REGISTERS[register], value))
        self._answer(b"w", end)

    def _read(self, register: str, end: float) -> int:
        self._port.write(struct.pack("<cB", b"R", REGISTERS[register]))
        return self._answer(b"r", end)

    def _check_line(self, end: float) -> None:
        self._port.write(b"S")
        flags = self._answer(b"s", end)
        if flags:
            self._known = False
            found = ", ".join(text for bit, text in enumerate(_LINE_ERRORS) if flags >> bit & 1)
            raise TransportError(f"{self._port.name}: the device saw: {found}; use a lower rate")

    def _answer(self, tags: bytes, end: float) -> int:
        """The word of the next message, which must have one of some tags."""
        while len(self._bytes) < _MESSAGE_BYTES:
            more = self._port.read(1 << 16, end - time.monotonic())
            if not more:
                self._known = False
                raise TransportTimeoutError(
                    f"{self._port.name}: {self._info.net} did not answer in time"
                )
            self._bytes += more
        message, self._bytes = self._bytes[:_MESSAGE_BYTES], self._bytes[_MESSAGE_BYTES:]
        if message[0] not in tags:
            self._known = False
            raise TransportError(
                f"{self._port.name}: message {message[:1]!r} came, expected one of {tags!r}"
            )
        return int.from_bytes(message[1:], "little")
