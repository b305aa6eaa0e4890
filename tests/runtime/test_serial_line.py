"""Serial ports of this machine; tests/rtl/synthesis/test_ecp5.py has the protocol."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nets import blended
from semifreddo.core.errors import TransportError, TransportTimeoutError
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.bus import IDENTITY, REGISTERS
from semifreddo.runtime.serial_line import SerialTransport, TtyPort
from semifreddo.runtime.transport import DeviceInfo


def test_bytes_through_a_terminal() -> None:
    ours, theirs = os.openpty()
    port = TtyPort(os.ttyname(theirs), 115200)
    port.write(b"R\x00\r\n\xff")
    assert os.read(ours, 100) == b"R\x00\r\n\xff"
    assert port.read(5, 0.01) == b""
    os.write(ours, b"r\n\r\x03\x04")
    assert port.read(5, 5) == b"r\n\r\x03\x04"
    port.send_break()
    port.close()
    port.close()
    for file in (ours, theirs):
        os.close(file)


def test_ports_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="cannot open the serial port: No such file"):
        TtyPort(tmp_path / "none", 115200)
    (tmp_path / "file").touch()
    with pytest.raises(TransportError, match=r"file: is no serial port: [A-Z]"):
        TtyPort(tmp_path / "file", 115200)
    with pytest.raises(TransportError, match="12345 bits per second is no rate of this system"):
        TtyPort(tmp_path / "file", 12345)


class DeadPort:
    """Takes everything and never answers; Ctrl-C comes while the device is waited for."""

    name = "dead"

    def __init__(self) -> None:
        self.breaks = 0

    def write(self, data: bytes) -> None:
        pass

    def read(self, count: int, timeout_s: float) -> bytes:
        if self.breaks == 0:
            raise KeyboardInterrupt
        return b""

    def send_break(self) -> None:
        self.breaks += 1

    def close(self) -> None:
        pass


@pytest.mark.parametrize("call", ["load", "run"])
def test_an_interrupted_call_is_followed_by_a_break(call: str) -> None:
    """Half a message may be on the line: the next call must not read it as an answer."""
    net = blended()
    port = DeadPort()
    info = DeviceInfo(net.name, net.device_digest, "serial")
    words = np.zeros(AddressMap.of(net).words, np.uint32)
    device = SerialTransport(port, info, image_shape=net.input.shape, outputs=3, words=words.size)
    device._known = True
    arguments = words if call == "load" else np.zeros((1, *net.input.shape), np.int64)
    with pytest.raises(KeyboardInterrupt):
        getattr(device, call)(arguments, 1.0)
    assert not port.breaks
    with pytest.raises(TransportTimeoutError, match="did not answer in time"):
        getattr(device, call)(arguments, 0.1)
    assert port.breaks == 1


class Registers(DeadPort):
    """Answers what it is asked for, and whatever a message is with no error."""

    def __init__(self, **registers: int) -> None:
        self.registers = {REGISTERS[name]: value for name, value in registers.items()}
        self.answers = b""

    def write(self, data: bytes) -> None:
        value = self.registers[data[1]] if data[:1] == b"R" else 0
        self.answers += data[:1].lower() + value.to_bytes(4, "little")

    def read(self, count: int, timeout_s: float) -> bytes:
        given, self.answers = self.answers[:count], self.answers[count:]
        return given

    def send_break(self) -> None:
        self.answers = b""


@pytest.mark.parametrize("register", ["identity", "device", "task_words"])
@pytest.mark.parametrize("change", [-1, 1])
def test_another_device_is_refused(register: str, change: int) -> None:
    """Whether what it says of itself is smaller or larger."""
    net = blended()
    info = DeviceInfo(net.name, net.device_digest, "serial")
    words = AddressMap.of(net).words
    own = {"identity": IDENTITY, "device": int(net.device_digest[:8], 16), "task_words": words}
    own[register] += change
    device = SerialTransport(
        Registers(**own), info, image_shape=net.input.shape, outputs=3, words=words
    )
    with pytest.raises(TransportError, match=r"dead: there is device .*; load its bitstream"):
        device.run(np.zeros((1, *net.input.shape), np.int64), 5.0)
