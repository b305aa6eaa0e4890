"""The verilated design, with its own bus front end, as the core behind a simulated board's DMA."""

from __future__ import annotations

import numpy as np

from semifreddo.core.errors import TransportError
from semifreddo.ir.bus import IMAGES, REGISTERS, Words
from semifreddo.rtl.simulation.cosim import Simulation

_NAMES = {address: name for name, address in REGISTERS.items()}
_NOTHING: Words = np.zeros(0, np.uint32)


class SimulatedRtl:
    """A core behind the simulated DMA whose registers and packets are the design's.

    It is a :class:`~semifreddo.runtime.simulated.dma.DeviceCore`.

    The bitstream cannot be loaded twice: a simulation starts configured, so :meth:`reset` works
    only before anything has gone in.
    """

    def __init__(self, simulation: Simulation, *, timeout_s: float = 60.0) -> None:
        """Stand in front of a running simulation.

        Args:
            simulation: Of a design; it stays the caller's to close.
            timeout_s: For one packet.
        """
        self._simulation = simulation
        self._timeout_s = timeout_s
        self._results = _NOTHING
        self._used = False

    def reset(self) -> None:
        """Start as after configuration.

        Raises:
            TransportError: The simulation has taken packets already.
        """
        if self._used:
            raise TransportError("an RTL simulation cannot be configured again; start another one")

    def read(self, address: int) -> int:
        """Read a register."""
        return self._simulation.read(_NAMES[address])

    def write(self, address: int, value: int) -> None:
        """Write a register."""
        self._simulation.write(_NAMES[address], value)

    def send(self, words: Words) -> None:
        """Put a packet on the stream and collect the results it leads to."""
        self._used = True
        bus = self._simulation.bus
        images = int(words[1]) if words[0] == IMAGES else 0
        found = self._simulation.exchange([words], images, self._timeout_s)
        raw = found.results.astype("<i8").view("<u4").reshape(-1, 2)[:, : bus.result_words]
        self._results = np.concatenate([self._results, raw.reshape(-1)])

    def receive(self, most: int) -> tuple[Words, bool]:
        """Give result words up to the end of a batch."""
        size = max(1, self._simulation.read("batch")) * self._simulation.bus.output_cycles
        if len(self._results) < size:
            return _NOTHING, False
        found = self._results[: min(size, most)]
        self._results = self._results[len(found) :]
        return found, len(found) == size
