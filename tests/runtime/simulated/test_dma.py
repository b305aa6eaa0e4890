"""The model of the AXI DMA: what PG021 says of simple mode, and memory behind a cache."""

from __future__ import annotations

import numpy as np
import pytest

from semifreddo.runtime.dma import describe_status, likely_cause
from semifreddo.runtime.simulated.dma import AxiDma, Block, Fault, Memory

HALTED, IDLE, COMPLETE, FAILED = 1, 2, 1 << 12, 1 << 14


class Echo:
    """A core that gives every packet back."""

    def __init__(self) -> None:
        self.words: list[np.ndarray] = []

    def reset(self) -> None:
        self.words = []

    def read(self, address: int) -> int:
        return 0

    def write(self, address: int, value: int) -> None:
        pass

    def send(self, words: np.ndarray) -> None:
        self.words.append(words)

    def receive(self, most: int) -> tuple[np.ndarray, bool]:
        if not self.words:
            return np.zeros(0, np.uint32), False
        return self.words.pop(0)[:most], True


class Setup:
    """A DMA with two buffers, started."""

    def __init__(self, latency: int = 0) -> None:
        self.memory = Memory(high=False)
        self.dma = AxiDma(self.memory, Echo(), latency)
        self.into, self.out_of = self.memory.allocate(64), self.memory.allocate(64)
        self.into.device[:] = np.arange(64)
        for offset in (0x00, 0x30):
            self.dma.write(offset, 0x1001)

    def transfer(self, offset: int, block: Block, size: int = 64) -> None:
        self.dma.write(offset + 0x18, block.address & 0xFFFFFFFF)
        self.dma.write(offset + 0x1C, block.address >> 32)
        self.dma.write(offset + 0x28, size)


def test_there_and_back() -> None:
    setup = Setup()
    assert setup.dma.read(0x04) == 0  # started, and not idle before the first transfer
    setup.transfer(0x30, setup.out_of)
    setup.transfer(0x00, setup.into, 32)
    assert setup.dma.read(0x04) == setup.dma.read(0x34) == IDLE | COMPLETE
    assert setup.dma.read(0x58) == 32  # what came, not what there was place for
    assert np.array_equal(setup.out_of.device[:32], np.arange(32))
    assert (setup.out_of.host == 0xA5).all()  # nobody invalidated
    assert setup.dma.lines() == 3
    setup.dma.write(0x04, 0x7000)
    assert setup.dma.read(0x04) == IDLE
    assert setup.dma.lines() == 2


def test_a_transfer_takes_its_time() -> None:
    setup = Setup(latency=3)
    setup.transfer(0x00, setup.into)
    assert [setup.dma.read(0x04) & IDLE for _ in range(4)] == [0, 0, IDLE, IDLE]


def test_a_stopped_channel_ignores_transfers() -> None:
    setup = Setup()
    setup.dma.write(0x00, 0)
    setup.transfer(0x00, setup.into)
    assert setup.dma.read(0x04) == HALTED
    assert not setup.dma.busy


@pytest.mark.parametrize(
    ("size", "address", "bit"),
    [(0, 0, 4), (64, 0x40, 6), (128, 0, 6)],
    ids=["no length", "no buffer", "beyond the buffer"],
)
def test_errors_halt_until_reset(size: int, address: int, bit: int) -> None:
    setup = Setup()
    block = setup.into if not address else Block(address, 64)
    setup.transfer(0x00, block, size)
    status = setup.dma.read(0x04)
    assert status == HALTED | FAILED | 1 << bit
    assert likely_cause(status)
    setup.dma.write(0x00, 4)
    assert setup.dma.read(0x00) & 4 == 0
    assert setup.dma.read(0x04) == HALTED


def test_a_packet_longer_than_the_buffer() -> None:
    setup = Setup()
    setup.transfer(0x30, setup.out_of, 32)
    setup.transfer(0x00, setup.into)
    assert setup.dma.read(0x34) == HALTED | FAILED | 1 << 4


def test_an_address_beyond_32_bits_is_cut() -> None:
    setup = Setup()
    high = Memory(high=True)
    block = high.allocate(64)
    assert block.address >> 32
    setup.transfer(0x00, block)
    found = setup.memory.find(block.address & 0xFFFFFFFF, 64)
    assert found is not None  # another buffer's bytes go out: the trap of small buffers


def test_freed_memory_is_gone() -> None:
    memory = Memory(high=False)
    block = memory.allocate(8)
    address = block.address
    assert memory.find(address, 8) is not None
    del block
    assert memory.find(address, 8) is None


def test_a_fault_happens_once_and_after_its_turn() -> None:
    setup = Setup()
    setup.dma.faults.append(Fault("bit flip", "send", after=1))
    for expected in (0, 1, 0):
        setup.transfer(0x30, setup.out_of)
        setup.transfer(0x00, setup.into)
        changed = np.unpackbits(setup.out_of.device ^ setup.into.device).sum()
        assert changed == expected
    assert not setup.dma.faults


def test_status_in_words() -> None:
    assert describe_status(0) == "0x00000000 (running)"
    assert describe_status(0x1002) == "0x00001002 (idle, completion interrupt)"
    assert describe_status(0x4041) == "0x00004041 (halted, decode error, error interrupt)"
    assert likely_cause(0x1002) is None
