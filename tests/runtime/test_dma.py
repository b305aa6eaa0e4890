"""How long the driver waits for a DMA channel, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from semifreddo.core.errors import TransportError
from semifreddo.runtime import dma

RUNNING, HALTED, IDLE = 0x0, 0x1, 0x2
START_S = 100.0


class Clock:
    """Stands for the module ``time``: only sleeping moves it."""

    def __init__(self) -> None:
        self.now = START_S

    def monotonic(self) -> float:
        self.now += 1e-6
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Registers:
    """A DMA whose status registers change at a time."""

    def __init__(self, clock: Clock, until: float = float("inf"), then: int = IDLE) -> None:
        self._clock, self._until, self._then = clock, until, then
        self.before = RUNNING

    def read(self, _offset: int) -> int:
        return self._then if self._clock.now >= self._until else self.before

    def write(self, _offset: int, _value: int) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(dma, "time", made)
    return made


def channel(registers: Registers) -> Any:
    """A channel without interrupts."""
    return dma.Channel(None, registers, None, receives=True)


def test_waiting_ends_with_the_deadline(clock: Clock) -> None:
    status = channel(Registers(clock)).wait(START_S + 3.0)
    assert status == RUNNING and not dma.ended(status)
    assert START_S + 3.0 <= clock.now < START_S + 3.01


def test_waiting_ends_with_the_transfer(clock: Clock) -> None:
    status = channel(Registers(clock, START_S + 1.0)).wait(START_S + 3.0)
    assert dma.ended(status)
    assert START_S + 1.0 <= clock.now < START_S + 1.01


def test_a_reset_that_never_ends_is_given_up(clock: Clock) -> None:
    registers = Registers(clock)
    registers.before = 0x4
    with pytest.raises(TransportError, match="does not come out of reset"):
        dma.reset(registers)
    assert START_S < clock.now < START_S + 1.5


def test_a_channel_that_stays_halted_is_given_up(clock: Clock) -> None:
    registers = Registers(clock)
    registers.before = HALTED
    with pytest.raises(TransportError, match="does not start, status"):
        dma.check_starts(registers)
    assert START_S < clock.now < START_S + 1.5
