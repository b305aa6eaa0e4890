"""Trials of a verilated design: its speed, tasks swapped in mid-stream, every layer's words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import LadderError
from semifreddo.core.fixed import IntArray
from semifreddo.core.vectors import VectorSet
from semifreddo.ir.bus import BusFormat, Words
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.rtl.simulation.cosim import Exchange, Simulation, Stalls, Traffic
from semifreddo.sim import reference

_SEED = 0


_REST = 16
"""Cycles after which a device that has taken a task is at rest."""


@dataclass(frozen=True)
class Measured:
    """What a simulation without stalls showed.

    Attributes:
        exchange: Results and cycles.
        seconds: Wall time of the images.
        traffic: By layer.
    """

    exchange: Exchange
    seconds: float
    traffic: Mapping[str, Traffic]


@dataclass(frozen=True)
class Trials:
    """A simulation that is started afresh for every trial.

    Attributes:
        executable: What :func:`semifreddo.rtl.simulation.verilator.build` made of a design.
        net: The network it computes.
        timeout_s: Seconds that a trial may take.
    """

    executable: Path
    net: StreamNet
    timeout_s: float = 600.0

    @property
    def _bus(self) -> BusFormat:
        return BusFormat.of(self.net)

    def _load(self, task: Task) -> list[Words]:
        """The packet that loads a task; none if the device has nothing to load."""
        return [self._bus.task_packet(task.words)] if task.words.size else []

    def measure(self, task: Task, vectors: VectorSet) -> Measured:
        """Send all images one after the other, nothing stalled.

        Raises:
            LadderError: A result is wrong.
        """
        bus = self._bus
        with Simulation(self.executable, bus) as simulation:
            simulation.exchange(self._load(task), 0, self.timeout_s)
            simulation.idle(_REST)  # the task's end is still checked
            packet = bus.image_packet(vectors.images)
            start = time.perf_counter()
            exchange = simulation.exchange([packet], len(vectors), self.timeout_s)
            seconds = time.perf_counter() - start
            traffic = simulation.close()
        if not np.array_equal(exchange.results, vectors.expected):
            raise LadderError(f"{self.net.name}: RTL simulation without stalls: results are wrong")
        return Measured(exchange, seconds, traffic)

    def swap_tasks(self, task: Task, images: npt.NDArray[np.integer], stalls: Stalls) -> int:
        """Change tasks while images are on their way, without a pause.

        The first and the last third of the images belong to the task, the others to random values.

        Returns:
            The number of images; 0 if the device has nothing to load.

        Raises:
            LadderError: An image was not answered with the task that was sent before it.
        """
        if not task.words.size:
            return 0
        bus = self._bus
        tasks = [task, random_task(self.net), task]
        packets: list[Words] = []
        expected: list[IntArray] = []
        for sent, third in zip(tasks, np.array_split(images, len(tasks)), strict=True):
            packets += [bus.task_packet(sent.words), bus.image_packet(third)]
            expected.append(reference.run(sent.apply(self.net), third))
        with Simulation(self.executable, bus) as simulation:
            simulation.configure(stalls)
            found = simulation.exchange(packets, len(images), self.timeout_s).results
        wrong = (found != np.concatenate(expected)).any(axis=1)
        if wrong.any():
            raise LadderError(
                f"{self.net.name}: RTL simulation: image {int(np.argmax(wrong))} of {len(images)} "
                "is wrong after a task was swapped in mid-stream"
            )
        return len(images)

    def trace(self, task: Task, images: npt.NDArray[np.integer]) -> dict[str, IntArray]:
        """Raw words of every layer's stream, ``(words, channels)`` by layer."""
        bus = self._bus
        with Simulation(self.executable, bus, probe=True) as simulation:
            packets = [*self._load(task), bus.image_packet(images)]
            simulation.exchange(packets, len(images), self.timeout_s)
            return simulation.trace(self.net)

    def waves(
        self, task: Task, images: npt.NDArray[np.integer], stalls: Stalls, path: Path
    ) -> None:
        """Write waveforms of images; the executable was built with ``waves=True``."""
        bus = self._bus
        with Simulation(self.executable, bus) as simulation:
            simulation.configure(stalls)
            simulation.dump(path)
            packets = [*self._load(task), bus.image_packet(images)]
            simulation.exchange(packets, len(images), self.timeout_s)
            simulation.dump(None)


def random_task(net: StreamNet) -> Task:
    """A task of a network with random values, always the same."""
    rng = np.random.default_rng(_SEED)
    values = {
        block.name: block.drawn(rng, (block.rows, len(block.configurable_channels)))
        for block in net.configurable_blocks
    }
    labels = tuple(str(index) for index in range(net.output.channels))
    return Task.of(net.with_values(values), "random", labels)
