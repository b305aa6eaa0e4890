"""Serial ports of this machine; tests/rtl/test_ecp5.py has the protocol."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from semifreddo.core.errors import TransportError
from semifreddo.runtime.serial_line import TtyPort


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
    with pytest.raises(TransportError, match="file: is no serial port: "):
        TtyPort(tmp_path / "file", 115200)
    with pytest.raises(TransportError, match="12345 bits per second is no rate of this system"):
        TtyPort(tmp_path / "file", 12345)
