"""What a simulated board's DMA sees of a design; ``tests/pynq_board`` runs a verilated one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nets import blended
from semifreddo.core.errors import TransportError
from semifreddo.ir.bus import IMAGES, REGISTERS, BusFormat, Words
from semifreddo.rtl.simulation.board_core import SimulatedRtl

NET = blended()
BUS = BusFormat.of(NET)


class Simulation:
    """Answers with the number of the image, and with numbers below zero; notes what it is asked."""

    def __init__(self, bus: Any = BUS, batch: int = 2) -> None:
        self.bus, self.batch = bus, batch
        self.asked: list[tuple[Any, ...]] = []

    def read(self, name: str) -> int:
        self.asked.append(("read", name))
        return self.batch

    def write(self, name: str, value: int) -> None:
        self.asked.append(("write", name, value))

    def exchange(self, packets: list[Words], images: int, timeout_s: float) -> SimpleNamespace:
        self.asked.append((len(packets), images, timeout_s))
        numbers = [(image, -image - 1, 1 << 40 | image) for image in range(images)]
        return SimpleNamespace(results=np.array(numbers, np.int64).reshape(images, 3))


def packet(kind: int, count: int) -> Words:
    return np.array([kind, count, 7, 7], np.uint32)


def test_registers_are_asked_by_name() -> None:
    simulation = Simulation()
    core = SimulatedRtl(simulation)  # type: ignore[arg-type]
    for name, address in REGISTERS.items():
        assert core.read(address) == 2
        core.write(address, 5)
        assert simulation.asked[-2:] == [("read", name), ("write", name, 5)]


def test_results_come_by_batches() -> None:
    """A word each, low one first; nothing before a batch is complete, and not more than asked."""
    simulation = Simulation()
    core = SimulatedRtl(simulation, timeout_s=9.0)  # type: ignore[arg-type]
    assert (BUS.result_words, BUS.output_cycles) == (1, 3)
    words, last = core.receive(100)
    assert not words.size and not last
    core.send(packet(IMAGES + 1, 3))
    assert simulation.asked[-1] == (1, 0, 9.0), "a task has no answers"
    core.send(packet(IMAGES, 3))
    assert simulation.asked[-1] == (1, 3, 9.0)
    expected = [0, 0xFFFFFFFF, 0, 1, 0xFFFFFFFE, 1, 2, 0xFFFFFFFD, 2]
    words, last = core.receive(4)
    assert (words.tolist(), last) == (expected[:4], False)
    words, last = core.receive(100)
    assert not words.size and not last, "five words are no batch of six"
    core.send(packet(IMAGES, 1))
    words, last = core.receive(100)
    assert (words.tolist(), last) == ([*expected[4:], 0], True)


def test_no_batch_is_a_batch_of_one() -> None:
    simulation = Simulation(batch=0)
    core = SimulatedRtl(simulation)  # type: ignore[arg-type]
    core.send(packet(IMAGES, 1))
    words, last = core.receive(3)
    assert (words.size, last) == (3, True)
    assert simulation.asked[0] == (1, 1, 60.0)


def test_results_of_two_words() -> None:
    bus = SimpleNamespace(result_words=2, output_cycles=6)
    core = SimulatedRtl(Simulation(bus, batch=1))  # type: ignore[arg-type]
    core.send(packet(IMAGES, 2))
    words, last = core.receive(6)
    assert (words.tolist(), last) == ([0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0, 256], True)


def test_it_is_configured_once() -> None:
    core = SimulatedRtl(Simulation())  # type: ignore[arg-type]
    core.reset()
    core.reset()
    core.send(packet(IMAGES, 1))
    message = r"^an RTL simulation cannot be configured again; start another one$"
    with pytest.raises(TransportError, match=message):
        core.reset()
