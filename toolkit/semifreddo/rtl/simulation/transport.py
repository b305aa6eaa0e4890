"""The RTL simulation as a device behind the runtime's Transport protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import ToolError, TransportError
from semifreddo.ir.bus import ALL_ERRORS, IDENTITY, BusFormat
from semifreddo.ir.layers import Shape
from semifreddo.rtl.simulation.cosim import Exchange, Simulation, Stalls
from semifreddo.runtime.transport import DeviceInfo


class RtlTransport:
    """A device that is a verilated design; started with the first call and after any error.

    Attributes:
        last: What the last :meth:`run` saw: cycles of latency and between results.
    """

    def __init__(
        self,
        executable: Path,
        info: DeviceInfo,
        *,
        image_shape: Shape,
        outputs: int,
        words: int,
        stalls: Stalls | None = None,
    ) -> None:
        """Describe the device.

        Args:
            executable: What :func:`semifreddo.rtl.simulation.verilator.build` made of a design.
            info: Identity that the device must confirm.
            image_shape: ``(height, width, channels)``.
            outputs: Values per result.
            words: 32-bit words of a task.
            stalls: Random stalls on both streams; none if left out.
        """
        self._executable = executable
        self._info = info
        self._bus = BusFormat.unread(
            info.net,
            info.device_digest,
            image_shape=image_shape,
            outputs=outputs,
            task_words=words,
        )
        self._stalls = stalls or Stalls()
        self._task: npt.NDArray[np.uint32] | None = None
        self._simulation: Simulation | None = None
        self.last: Exchange | None = None

    @property
    def info(self) -> DeviceInfo:
        """Identity of the device."""
        return self._info

    def load(self, words: npt.NDArray[np.uint32], timeout_s: float) -> None:
        """Make the device use new task words from the next frame on.

        Before the first task all loadable values are zero.

        Raises:
            TaskError: Wrong number or type of words, or the device refused them.
            TransportError: The simulation failed. The next call starts it again, with the task
                that was confirmed last.
        """
        self._info.check_task(words, self._bus.task_words)
        if not words.size:
            return
        deadline = time.monotonic() + timeout_s
        simulation = self._started(timeout_s)

        def left() -> float:
            return max(0.0, deadline - time.monotonic())

        try:
            # What happened before is no fault of this task.
            simulation.write("errors", ALL_ERRORS, left())
            simulation.exchange([simulation.bus.task_packet(words)], 0, left())
            simulation.check_errors(left())
            self._task = words.copy()
        except BaseException:  # which task it has is in doubt; the next call starts one anew
            simulation.abort()
            raise

    def run(self, images: npt.NDArray[np.integer], timeout_s: float) -> npt.NDArray[np.int64]:
        """Stream raw images ``(n, height, width, channels)``; give raw results ``(n, outputs)``.

        Raises:
            DataError: The images do not have the device's shape or are no integers.
            TransportTimeoutError: Names the stream that stalled.
            TransportError: The simulation failed; the next call starts it again.
        """
        self._info.check_images(images, self._bus.image_shape)
        if not len(images):
            return np.zeros((0, self._bus.outputs), np.int64)
        deadline = time.monotonic() + timeout_s
        simulation = self._started(timeout_s)
        packet = simulation.bus.image_packet(images)
        left = max(0.0, deadline - time.monotonic())
        self.last = simulation.exchange([packet], len(images), left)
        return self.last.results

    def close(self) -> None:
        """End the simulation. Closing twice is allowed."""
        if self._simulation is not None:
            self._simulation.abort()
        self._simulation = None

    def __enter__(self) -> RtlTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self, timeout_s: float) -> Simulation:
        """The running simulation, with the task that was loaded last."""
        if self._simulation is not None and self._simulation.alive:
            return self._simulation
        deadline = time.monotonic() + timeout_s

        def left() -> float:
            return max(0.0, deadline - time.monotonic())

        try:
            simulation = Simulation(self._executable, self._bus)
        except ToolError as error:
            raise TransportError(str(error)) from error
        try:
            self._identify(simulation, left)
            simulation.configure(self._stalls, left())
            if self._task is not None:
                packet = simulation.bus.task_packet(self._task)
                simulation.exchange([packet], 0, left())
                simulation.check_errors(left())
        except BaseException:  # Ctrl-C, too: a simulation without its task must not be used
            simulation.abort()
            raise
        self._simulation = simulation
        return simulation

    def _identify(self, simulation: Simulation, left: Callable[[], float]) -> None:
        """Prove that the simulation is the device, and learn its bus format."""
        found = simulation.read("identity", left()), simulation.read("device", left())
        expected = IDENTITY, simulation.bus.digest_word
        words = simulation.read("task_words", left())
        if found != expected or words != self._bus.task_words:
            raise TransportError(
                f"{self._executable}: simulates device {found[1]:08x} with {words} task words, "
                f"expected {self._info.net} {expected[1]:08x} with {self._bus.task_words}; build "
                "the RTL simulation again"
            )
        simulation.bus = simulation.bus.with_register(simulation.read("format", left()))


def open_rtl(
    executable: Path,
    info: DeviceInfo,
    *,
    image_shape: Shape,
    outputs: int,
    words: int,
    stalls: Stalls | None = None,
) -> RtlTransport:
    """Open a verilated design as a device; see :class:`RtlTransport`."""
    return RtlTransport(
        executable, info, image_shape=image_shape, outputs=outputs, words=words, stalls=stalls
    )
