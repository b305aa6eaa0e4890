"""The AXI DMA of an overlay, driven through ``pynq.lib.dma``, with waits that end.

PYNQ starts the transfers. Its ``wait`` has no time-out and reads the status five times, so waiting
is done here; its ``start`` loops until the engine runs, so that is proven first.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from semifreddo.core.errors import TransportError

_CONTROL, _STATUS, _LENGTH = 0x00, 0x04, 0x28
_RECEIVE_OFFSET = 0x30
_RUN, _RESET, _INTERRUPTS = 1 << 0, 1 << 2, 0x5000
_HALTED, _IDLE, _ERRORS = 1 << 0, 1 << 1, 0x770
_CLEAR_INTERRUPTS = 0x7000
_RESET_TIMEOUT_S = 1.0
_SPINS = 50
_PAUSE_S = 5e-5
_INTERRUPT_SLICE_S = 0.1

_BITS = {
    0: "halted",
    1: "idle",
    4: "internal error",
    5: "slave error",
    6: "decode error",
    8: "scatter-gather internal error",
    9: "scatter-gather slave error",
    10: "scatter-gather decode error",
    12: "completion interrupt",
    14: "error interrupt",
}
_CAUSES = {
    4: "the core sent more words than were asked for, or a transfer had no length",
    5: "memory refused the access: is the processor's HP port enabled in the block design?",
    6: "the buffer lies where the DMA cannot reach: is DDR in its address map?",
}

T = TypeVar("T")


def describe_status(status: int) -> str:
    """A status register in words, e.g. ``0x00000012 (idle, internal error)``."""
    found = [text for bit, text in _BITS.items() if status >> bit & 1]
    if not status & (_HALTED | _IDLE):
        found.insert(0, "running")
    return f"0x{status:08X} ({', '.join(found)})"


def likely_cause(status: int) -> str | None:
    """What usually leads to the error bits of a status register, if one is set."""
    return next((text for bit, text in _CAUSES.items() if status >> bit & 1), None)


class InterruptLoop:
    """An event loop in a thread of its own, in which PYNQ delivers interrupts.

    PYNQ ties an interrupt to the loop of the thread that makes the driver, and keeps the tie for
    the life of the process. With one loop of our own interrupts work in any thread, in a notebook
    and under ``asyncio.run``.
    """

    _shared: InterruptLoop | None = None

    @classmethod
    def shared(cls) -> InterruptLoop:
        """The loop of this process, started with the first call."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(
            target=self._loop.run_forever, name="semifreddo-interrupts", daemon=True
        ).start()

    def call(self, function: Callable[[], T], timeout_s: float) -> T:
        """Run a function inside the loop."""

        async def inside() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(timeout_s)

    def wait(self, interrupt: Any, timeout_s: float) -> bool:
        """Wait for an interrupt; whether it came."""

        async def inside() -> None:
            await asyncio.wait_for(interrupt.wait(), timeout_s)

        try:
            asyncio.run_coroutine_threadsafe(inside(), self._loop).result(timeout_s + 1.0)
        except (asyncio.TimeoutError, concurrent.futures.TimeoutError):
            return False
        return True


class Channel:
    """One direction of a DMA.

    Attributes:
        name: How messages call it.
    """

    def __init__(
        self, driver: Any, mmio: Any, loop: InterruptLoop | None, *, receives: bool
    ) -> None:
        """Take over a channel that is at rest.

        Args:
            driver: ``sendchannel`` or ``recvchannel`` of ``pynq.lib.dma.DMA``.
            mmio: The DMA's registers.
            loop: Where its interrupts arrive; None polls.
            receives: Which of the two it is.
        """
        self.name = "from the device (S2MM)" if receives else "to the device (MM2S)"
        self._driver = driver
        self._mmio = mmio
        self._offset = _RECEIVE_OFFSET if receives else 0
        self._interrupt = getattr(driver, "_interrupt", None) if loop is not None else None
        self._loop = loop
        if self._interrupt is not None:  # errors wake us too
            mmio.write(self._offset + _CONTROL, _RUN | _INTERRUPTS)

    @property
    def status(self) -> int:
        """The status register."""
        return int(self._mmio.read(self._offset + _STATUS))

    def start(self, buffer: Any) -> None:
        """Begin to transfer a whole ``PynqBuffer``; it must not be touched until the end."""
        self._mmio.write(self._offset + _STATUS, _CLEAR_INTERRUPTS)
        try:
            self._driver.transfer(buffer)
        except (RuntimeError, ValueError) as error:
            status = describe_status(self.status)
            raise TransportError(
                f"pynq: channel {self.name} does not start: {error}; status {status}; does another "
                "program use the board?"
            ) from error

    def wait(self, deadline: float) -> int:
        """Wait until the transfer has ended or failed, at most until ``deadline``.

        Returns:
            The status register then; see :func:`ended`.
        """
        for _ in range(_SPINS):
            status = self.status
            if status & (_IDLE | _ERRORS | _HALTED):
                return status
        while time.monotonic() < deadline:
            left = max(0.0, deadline - time.monotonic())
            came = self._rest(min(left, _INTERRUPT_SLICE_S))
            status = self.status
            if status & (_IDLE | _ERRORS | _HALTED):
                if not came:
                    self._lost()
                return status
        return self.status

    def _rest(self, most_s: float) -> bool:
        if self._interrupt is None or self._loop is None:
            time.sleep(_PAUSE_S)
            return True
        return self._loop.wait(self._interrupt, most_s)

    def _lost(self) -> None:
        """The transfer has ended, but no interrupt came."""
        if self._loop is not None and self._loop.wait(self._interrupt, _INTERRUPT_SLICE_S):
            return
        self._interrupt = None
        warnings.warn(
            f"pynq: channel {self.name}: the transfer ended but its interrupt did not come; "
            "polling from now on (is axi_intc_0 wired, is its UIO device in the image?)",
            RuntimeWarning,
            stacklevel=2,
        )

    def moved(self) -> int:
        """Bytes that the transfer has moved, after :meth:`wait` has seen its end."""
        return int(self._mmio.read(self._offset + _LENGTH))


def ended(status: int) -> bool:
    """Whether a status says that the transfer has ended well."""
    return bool(status & _IDLE) and not status & (_ERRORS | _HALTED)


def reset(mmio: Any) -> None:
    """Abort both channels and bring them to rest, so that no buffer is touched any more.

    Raises:
        TransportError: The DMA does not react.
    """
    mmio.write(_CONTROL, _RESET)
    deadline = time.monotonic() + _RESET_TIMEOUT_S
    while mmio.read(_CONTROL) & _RESET:
        if time.monotonic() > deadline:
            raise TransportError("pynq: the DMA does not come out of reset; is its clock running?")


def check_starts(mmio: Any) -> None:
    """Prove that both channels can be started, which PYNQ's driver waits for without an end.

    Raises:
        TransportError: One does not start.
    """
    for offset in (0, _RECEIVE_OFFSET):
        mmio.write(offset + _CONTROL, _RUN)
        deadline = time.monotonic() + _RESET_TIMEOUT_S
        while mmio.read(offset + _STATUS) & _HALTED:
            if time.monotonic() > deadline:
                status = describe_status(mmio.read(offset + _STATUS))
                raise TransportError(f"pynq: the DMA does not start, status {status}")
