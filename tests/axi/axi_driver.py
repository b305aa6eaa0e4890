"""Runs inside the simulator: AXI masters and a sink written by other people drive the design.

``traffic.npz`` in SEMIFREDDO_AXI has the words of every packet and how many results to wait for;
``answers.npz`` gets what came out of the result stream and the registers.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

REGISTERS = {
    "identity": 0x00,
    "errors": 0x0C,
    "images_in": 0x10,
    "images_out": 0x14,
    "batch": 0x2C,
    "tasks": 0x30,
}


def pauses(seed: int, per_mille: int) -> Iterator[int]:
    """Random cycles in which a side does not take part."""
    chance = random.Random(seed)  # noqa: S311 -- stalls, no secrets
    while True:
        yield chance.randrange(1000) < per_mille


@cocotb.test()
async def every_frame_is_answered(dut: object) -> None:
    """Send all packets under stalls, read registers meanwhile, collect all results."""
    folder = Path(os.environ["SEMIFREDDO_AXI"])
    traffic = np.load(folder / "traffic.npz")
    sizes, words = traffic["sizes"], traffic["words"]
    Clock(dut.aclk, 10, "ns").start()
    dut.aresetn.value = 0
    await ClockCycles(dut.aclk, 8)
    wires = (dut.aclk, dut.aresetn, False)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *wires)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), *wires)
    lite = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), *wires)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 8)
    await lite.write_dword(REGISTERS["batch"], 1)
    source.set_pause_generator(pauses(1, int(traffic["offered"])))
    sink.set_pause_generator(pauses(2, int(traffic["taken"])))
    start = 0
    for size in sizes:
        packet = words[start : start + size]
        await source.send(AxiStreamFrame(packet.astype("<u4").tobytes()))
        start += size
    frames = []
    for count in range(int(traffic["images"])):
        frame = await with_timeout(sink.recv(), 1, "ms")
        frames.append(np.frombuffer(bytes(frame.tdata), "<u4"))
        if count % 97 == 0:  # the other bus is used while results come
            assert await lite.read_dword(REGISTERS["identity"]) == int(traffic["identity"])
    await ClockCycles(dut.aclk, 200)
    assert sink.empty()
    registers = {
        name: await lite.read_dword(REGISTERS[name])
        for name in ("errors", "images_in", "images_out", "tasks")
    }
    lengths = np.array([len(frame) for frame in frames])
    np.savez(folder / "answers.npz", words=np.concatenate(frames), lengths=lengths, **registers)
