"""A model of the AXI DMA in simple mode: registers, memory behind a cache, faults on demand.

Register behaviour is that of Xilinx PG021. A transfer takes effect late: it is done when its status
has been read a few times, so that a driver that touches a buffer too early gets wrong data.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from semifreddo.core.block_design import DMA_ADDRESS_BITS, DMA_LENGTH_BITS
from semifreddo.ir.bus import Words

Octets = npt.NDArray[np.uint8]
Direction = Literal["send", "receive"]
FaultKind = Literal[
    "internal error",
    "slave error",
    "decode error",
    "stall",
    "short transfer",
    "bit flip",
    "lost interrupt",
]

CONTROL, STATUS, ADDRESS, ADDRESS_HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
RECEIVE_OFFSET = 0x30
RUN, RESET = 1 << 0, 1 << 2
HALTED, IDLE, COMPLETE, FAILED = 1 << 0, 1 << 1, 1 << 12, 1 << 14
ERROR_BITS = {"internal error": 1 << 4, "slave error": 1 << 5, "decode error": 1 << 6}
_CLEARED_BY_WRITING = 0x7000
_GARBAGE = 0xA5
_SMALL_BYTES = 4096
_FIRST_ADDRESS, _HIGH_ADDRESS = 0x1000_0000, 0x8_0000_0000


class DeviceCore(Protocol):
    """What is behind the DMA: a register file, a stream in, a stream out."""

    def reset(self) -> None:
        """Start as after configuration."""
        ...

    def read(self, address: int) -> int:
        """Read a register."""
        ...

    def write(self, address: int, value: int) -> None:
        """Write a register."""
        ...

    def send(self, words: Words) -> None:
        """Take a packet, which ends with TLAST."""
        ...

    def receive(self, most: int) -> tuple[Words, bool]:
        """Give up to ``most`` result words, none beyond a TLAST, and whether TLAST was reached."""
        ...


@dataclass
class Fault:
    """Something that goes wrong once.

    Attributes:
        kind: What.
        direction: On which channel.
        after: Transfers of that channel that go well before.
    """

    kind: FaultKind
    direction: Direction = "receive"
    after: int = 0


class Block:
    """Memory of one buffer, as the processor's cache and as the device see it."""

    def __init__(self, address: int, size: int) -> None:
        self.address = address
        self.host: Octets = np.full(size, _GARBAGE, np.uint8)
        self.device: Octets = np.full(size, _GARBAGE, np.uint8)


class Memory:
    """Buffers by physical address; a buffer without a reference is gone.

    Small buffers of a 64-bit processor get addresses beyond 32 bits, as on boards.
    """

    def __init__(self, *, high: bool) -> None:
        self._high = high
        self._next = _FIRST_ADDRESS
        self._blocks: weakref.WeakValueDictionary[int, Block] = weakref.WeakValueDictionary()

    def allocate(self, size: int) -> Block:
        """A new buffer, full of garbage."""
        base = _HIGH_ADDRESS if self._high and size <= _SMALL_BYTES else 0
        block = Block(base + self._next, size)
        self._next += -(-max(size, 1) // _SMALL_BYTES) * _SMALL_BYTES
        self._blocks[block.address] = block
        return block

    def find(self, address: int, size: int) -> Octets | None:
        """What the device sees at an address, or None if there is no buffer."""
        for block in list(self._blocks.values()):
            start = address - block.address
            if start >= 0 and start + size <= len(block.device):
                return block.device[start : start + size]
        return None


@dataclass
class _Channel:
    """Registers and the transfer under way of one channel."""

    control: int = 0
    status: int = HALTED
    address: int = 0
    length: int = 0
    busy: bool = False
    polls: int = 0
    ready_at: float = 0.0
    stalled: bool = False
    silent: bool = False
    got: list[Words] = field(default_factory=list)


class AxiDma:
    """The DMA between a memory and a core.

    Attributes:
        faults: What is to go wrong; a fault that has happened is removed.
        transfers: Transfers started, by direction.
    """

    def __init__(
        self, memory: Memory, core: DeviceCore, latency_polls: int = 3, latency_s: float = 0.0
    ) -> None:
        """Connect it.

        Args:
            memory: Where buffers are.
            core: What takes and gives words.
            latency_polls: Status reads before a transfer can be done.
            latency_s: Seconds before it can be done.
        """
        self._memory = memory
        self._core = core
        self._latency = latency_polls, latency_s
        self._lock = threading.RLock()
        self._channels: dict[Direction, _Channel] = {"send": _Channel(), "receive": _Channel()}
        self.faults: list[Fault] = []
        self.transfers: dict[Direction, int] = {"send": 0, "receive": 0}
        self.on_start: Callable[[], None] = lambda: None

    def read(self, offset: int) -> int:
        """Read a register."""
        with self._lock:
            channel, register = self._decode(offset)
            if register == STATUS:
                self.advance()
                return channel.status
            values = {CONTROL: channel.control, LENGTH: channel.length}
            values |= {ADDRESS: channel.address & 0xFFFFFFFF, ADDRESS_HIGH: channel.address >> 32}
            return values.get(register, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        with self._lock:
            channel, register = self._decode(offset)
            if register == CONTROL:
                self._control(channel, value)
            elif register == STATUS:
                channel.status &= ~(value & _CLEARED_BY_WRITING)
            elif register == ADDRESS:
                channel.address = channel.address & ~0xFFFFFFFF | value
            elif register == ADDRESS_HIGH:
                channel.address = channel.address & 0xFFFFFFFF | value << 32
            elif register == LENGTH:
                self._start(channel, value & (1 << DMA_LENGTH_BITS) - 1)
                self.on_start()

    @property
    def busy(self) -> bool:
        """Whether a transfer is under way."""
        return any(channel.busy for channel in self._channels.values())

    def advance(self) -> None:
        """Let time pass: a status was read."""
        with self._lock:
            for channel in self._channels.values():
                channel.polls -= 1
            moved = True
            while moved:
                moved = any(self._step(direction) for direction in ("send", "receive"))

    def lines(self) -> int:
        """Interrupt lines: bit 0 of the sending, bit 1 of the receiving channel."""
        with self._lock:
            return sum(
                1 << index
                for index, channel in enumerate(self._channels.values())
                if channel.status & channel.control & _CLEARED_BY_WRITING and not channel.silent
            )

    def _decode(self, offset: int) -> tuple[_Channel, int]:
        if offset >= RECEIVE_OFFSET:
            return self._channels["receive"], offset - RECEIVE_OFFSET
        return self._channels["send"], offset

    def _control(self, channel: _Channel, value: int) -> None:
        if value & RESET:
            self._channels = {"send": _Channel(), "receive": _Channel()}
            return
        channel.control = value
        if value & RUN:
            channel.status &= ~HALTED
        else:
            channel.status |= HALTED
            channel.busy = False

    def _direction(self, channel: _Channel) -> Direction:
        return "send" if channel is self._channels["send"] else "receive"

    def _start(self, channel: _Channel, length: int) -> None:
        if channel.status & HALTED or channel.busy:
            return
        direction = self._direction(channel)
        self.transfers[direction] += 1
        channel.length, channel.busy, channel.got = length, True, []
        channel.polls, channel.ready_at = self._latency[0], time.monotonic() + self._latency[1]
        channel.status &= ~IDLE
        channel.silent = channel.stalled = False
        if not length:
            self._fail(channel, "internal error")
        if not any(self._latency):
            self.advance()

    def _step(self, direction: Direction) -> bool:
        """Finish a transfer whose time has come; whether anything moved."""
        channel = self._channels[direction]
        if not channel.busy or channel.stalled or channel.polls > 0:
            return False
        if time.monotonic() < channel.ready_at:
            return False
        memory = self._memory.find(channel.address & (1 << DMA_ADDRESS_BITS) - 1, channel.length)
        if memory is None:
            self._fail(channel, "decode error")
            return True
        if direction == "send":
            return self._send(channel, memory)
        return self._receive(channel, memory)

    def _send(self, channel: _Channel, memory: Octets) -> bool:
        words = memory.view("<u4").copy()
        fault = self._fault("send")
        if not self._hurt(channel, fault, words):
            self._core.send(words)
            self._done(channel)
        return True

    def _receive(self, channel: _Channel, memory: Octets) -> bool:
        place = channel.length // 4 - sum(map(len, channel.got))
        words, last = self._core.receive(place + 1)
        if len(words) > place:
            self._fail(channel, "internal error")  # the packet is longer than the buffer
            return True
        channel.got.append(words)
        if not last:
            return False
        found = np.concatenate(channel.got).astype("<u4")
        fault = self._fault("receive")
        if self._hurt(channel, fault, found):
            return True
        if fault == "short transfer":
            found = found[: len(found) // 2]
        memory[: found.nbytes] = found.view(np.uint8)
        channel.length = found.nbytes
        self._done(channel)
        return True

    def _fault(self, direction: Direction) -> FaultKind | None:
        for fault in self.faults:
            if fault.direction == direction:
                fault.after -= 1
                if fault.after < 0:
                    self.faults.remove(fault)
                    return fault.kind
        return None

    def _hurt(self, channel: _Channel, fault: FaultKind | None, words: Words) -> bool:
        """Apply a fault; whether the transfer does not come to its end."""
        if fault in ERROR_BITS:
            self._fail(channel, str(fault))
        elif fault == "stall":
            channel.stalled = True
        elif fault == "bit flip":
            words[len(words) // 2] ^= np.uint32(1 << 5)
        channel.silent = fault == "lost interrupt"
        return fault in ERROR_BITS or fault == "stall"

    def _fail(self, channel: _Channel, kind: str) -> None:
        channel.status |= ERROR_BITS[kind] | HALTED | FAILED
        channel.control &= ~RUN
        channel.busy = False

    def _done(self, channel: _Channel) -> None:
        channel.status |= IDLE | COMPLETE
        channel.busy = False
