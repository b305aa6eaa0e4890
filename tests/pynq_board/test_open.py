"""Opening a board: what users meet most, each in one line."""

from __future__ import annotations

import gc
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from nets import blended
from semifreddo.core.block_design import ZYNQ7
from semifreddo.core.errors import DataError, TransportError, TransportTimeoutError
from semifreddo.runtime import Accelerator, DeviceInfo
from semifreddo.runtime.overlay import LEAST_BUFFER_BYTES
from semifreddo.runtime.pynq import PynqTransport
from semifreddo.runtime.simulated.dma import Fault
from semifreddo.runtime.simulated.hwh import handoff

NET = blended()
INFO = DeviceInfo(NET.name, NET.device_digest, "pynq")


def transport(bitstream: Path, **options: object) -> PynqTransport:
    return PynqTransport(
        bitstream,
        INFO,
        image_shape=NET.input.shape,
        outputs=3,
        words=options.pop("words", 23),
        **options,
    )


def files(folder: Path, handoff_text: str | None) -> Path:
    (folder / "net.bit").write_bytes(b"bits")
    if handoff_text is not None:
        (folder / "net.hwh").write_text(handoff_text)
    return folder / "net.bit"


def test_no_handoff(board, tmp_path: Path) -> None:
    board()
    with pytest.raises(TransportError, match=r"net\.bit: there is no net\.hwh beside it; PYNQ"):
        transport(files(tmp_path, None))


def test_a_damaged_handoff(board, tmp_path: Path) -> None:
    board()
    with pytest.raises(TransportError, match=r"net\.bit: PYNQ cannot load it \(.*: .*\); is it"):
        transport(files(tmp_path, "<no xml"))


def test_somebody_elses_handoff(board, tmp_path: Path) -> None:
    board()
    text = handoff("zynq_ultra_ps_e", "x").replace("semifreddo_0", "matmul_0")
    with pytest.raises(TransportError, match=r"net\.hwh: there is no semifreddo_0 in it, only"):
        transport(files(tmp_path, text))


def test_scatter_gather(board, tmp_path: Path) -> None:
    board()
    text = handoff("zynq_ultra_ps_e", "x").replace(
        'NAME="c_include_sg" VALUE="0"', 'NAME="c_include_sg" VALUE="1"'
    )
    with pytest.raises(TransportError, match="axi_dma_0 has scatter-gather; it must be in simple"):
        transport(files(tmp_path, text))


def test_a_task_that_does_not_fit_the_dma(board, opened, monkeypatch) -> None:
    board()
    monkeypatch.setattr("semifreddo.runtime.simulated.hwh.design.DMA_LENGTH_BITS", 6)
    with pytest.raises(TransportError, match=r"a frame or a task has \d+ bytes, the DMA moves at"):
        opened(NET)


def test_zynq_7000_under_pynq_4(board, tmp_path: Path) -> None:
    if not metadata.version("pynq").startswith("4"):
        pytest.skip("PYNQ 3.1 drives Zynq-7000")
    board(ps=ZYNQ7)
    with pytest.raises(TransportError, match=r"is for Zynq-7000, which pynq 4\.0\.0 no longer"):
        transport(files(tmp_path, handoff(ZYNQ7, "x")))


def test_small_buffers_lie_high_and_are_not_used(board, opened) -> None:
    made = board()
    assert made.allocate((1024,), np.uint32).device_address >= 1 << 32
    accelerator = opened(NET, buffer_frames=1)
    assert accelerator.check().ok
    addresses = [buffer.device_address for buffer in accelerator._transport._into]
    assert max(addresses) < 1 << 32


def test_memory_that_only_lies_high(board, opened, monkeypatch) -> None:
    made = board()
    monkeypatch.setattr("semifreddo.runtime.simulated.dma._SMALL_BYTES", 1 << 30)
    with pytest.raises(TransportError, match=r"a buffer lies at 0x810000000, the DMA has 32"):
        opened(NET)
    assert not made.dma.busy


def test_a_buffer_at_the_end_of_what_the_dma_reaches(board, opened) -> None:
    made = board()
    overlay = opened(NET)._transport._overlay
    last = (1 << 32) - LEAST_BUFFER_BYTES
    made._memory._next = last
    buffer = overlay.allocate(LEAST_BUFFER_BYTES // 4)
    assert (buffer.device_address, buffer.nbytes) == (last, LEAST_BUFFER_BYTES)
    made._memory._next = last + 4096  # its first half can be reached
    with pytest.raises(TransportError, match=r"a buffer lies at 0xFFFFF000, the DMA has 32 addr"):
        overlay.allocate(LEAST_BUFFER_BYTES // 4)


def test_no_memory(board, opened, monkeypatch) -> None:
    made = board()

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("bad allocation")

    monkeypatch.setattr(made, "allocate", full)
    with pytest.raises(TransportError, match=r"no \d+ bytes of contiguous memory \(bad alloc"):
        opened(NET)


def test_another_bitstream_in_between(board, opened, bundle) -> None:
    import pynq

    board()
    accelerator = opened(NET)
    assert accelerator.check().ok
    pynq.Overlay(str(bundle(blended(seed=1)).device_file("pynq")))
    with pytest.raises(TransportError, match="another bitstream has been loaded on this board"):
        accelerator.check()
    assert accelerator.check().ok


def test_another_program_uses_the_dma(board, opened) -> None:
    made = board()
    accelerator = opened(NET)
    made.dma._latency = (3, 5.0)
    dma = made.dma
    block = made._memory.allocate(64)
    for offset, value in ((0x18, block.address), (0x28, 64)):
        dma.write(offset, value)
    with pytest.raises(
        TransportError,
        match=r"\(MM2S\) does not start: DMA channel not idle; stat"
        r"us 0x00000000 .*; does another program use the board\?",
    ):
        accelerator.check()
    made.dma._latency = (3, 0.0)
    assert accelerator.check().ok


def test_no_frames(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="buffer_frames is 0, expected 1 or more"):
        transport(tmp_path / "x.bit", buffer_frames=0)


def test_buffers_are_given_back(board, opened) -> None:
    made = board()
    for _ in range(3):
        opened(NET).close()
    gc.collect()
    assert not list(made._memory._blocks)


@pytest.mark.parametrize("how", ["time-out", "close"])
def test_buffers_of_a_dma_that_does_not_stop_are_kept(board, opened, monkeypatch, how) -> None:
    """It may still write into them: nobody else must get that memory."""
    made = board()
    monkeypatch.setattr("semifreddo.runtime.dma._RESET_TIMEOUT_S", 0.05)
    accelerator = opened(NET, timeout_s=0.2)
    transport = accelerator._transport
    addresses = {buffer.device_address for buffer in [*transport._into, *transport._out_of]}
    assert len(addresses) == 4
    read = made.dma.read
    made.dma.read = lambda offset: 4 if offset == 0 else read(offset)
    if how == "close":
        transport.close()
    else:
        made.dma.faults.append(Fault("stall", "receive"))
        with pytest.raises(TransportTimeoutError):
            accelerator.check()
    gc.collect()
    assert set(made._memory._blocks) == addresses
    made.dma.read = read
    transport.close()
    gc.collect()
    assert set(made._memory._blocks) == addresses


def test_context_manager(board, bundle) -> None:
    board()
    found = bundle(NET)
    words = int(found.default_task.words.size)
    with (
        transport(found.device_file("pynq"), words=words) as device,
        Accelerator.open(found, device) as accelerator,
    ):
        assert accelerator.check().ok
    with pytest.raises(TransportError, match="the accelerator is closed; open it again"):
        accelerator.check()
