"""Everything that goes wrong says what, within its time-out, and the next call works."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from fakes import vectors_of
from nets import blended
from semifreddo.core.errors import TransportError, TransportTimeoutError
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.bus import ERRORS
from semifreddo.runtime.simulated.dma import Fault

NET = blended()
VECTORS = vectors_of(NET, 50)
AGAIN = "; the next call loads the bitstream again$"
SEND = r"^blended: channel to the device \(MM2S\), frames 7\.\.13 of 50: DMA status 0x000040"
RECEIVE = r"^blended: channel from the device \(S2MM\), frames 7\.\.13 of 50: DMA status 0x000040"
LATE = r"^blended: nothing more within 1\.5 s on channel "
COUNTS = r"; the core took \d+ and answered \d+ frames of 56; "

FAULTS = [
    ("internal error", "send", f"{SEND}11 .halted, internal error.*{COUNTS}the core sent more"),
    ("internal error", "receive", f"{RECEIVE}11 .halted, internal error.*the core sent more words"),
    ("slave error", "send", f"{SEND}21 .halted, slave error.*memory refused the access: is the"),
    ("slave error", "receive", f"{RECEIVE}21 .halted, slave error.*memory refused the access"),
    ("decode error", "send", f"{SEND}41 .halted, decode error.*buffer lies where the DMA cannot"),
    ("decode error", "receive", f"{RECEIVE}41 .halted, decode error.*buffer lies where the DMA"),
    (
        "stall",
        "send",
        rf"{LATE}to the device \(MM2S\), frames 7\.\.13 of 50: DMA status 0x00000000 "
        rf"\(running\){COUNTS}frame 7 does not go in: the stream to the core stands still",
    ),
    (
        "stall",
        "receive",
        rf"{LATE}from the device \(S2MM\), frames 7\.\.13 of 50: DMA status 0x00000000 "
        rf"\(running\){COUNTS}results are stuck in front of the DMA, or TLAST was lost",
    ),
    (
        "short transfer",
        "receive",
        r"^blended: channel from the device \(S2MM\), frames 7\.\.13 of 50: the core ended its "
        r"packet after 40 of 84 bytes, so results were lost",
    ),
]


@pytest.mark.parametrize("latency_s", [0.0, 0.002], ids=["polled", "interrupts"])
@pytest.mark.parametrize(("kind", "direction", "message"), FAULTS)
def test_fault(board, opened, kind, direction, message, latency_s) -> None:
    made = board(latency_s=latency_s)
    timeout_s = 1.5 if kind == "stall" else 10.0
    accelerator = opened(NET, buffer_frames=7, timeout_s=timeout_s)
    made.dma.faults.append(Fault(kind, direction, after=1))
    with pytest.raises(TransportError, match=message + ".*" + AGAIN) as caught:
        accelerator.predict(VECTORS.images)
    assert isinstance(caught.value, TransportTimeoutError) == (kind == "stall")
    assert not made.dma.busy  # nothing writes into memory any more
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)
    assert made.downloads == 2


@pytest.mark.parametrize("fault", [None, "lost interrupt"])
def test_interrupts(board, opened, fault) -> None:
    made = board(latency_s=0.02)
    accelerator = opened(NET, buffer_frames=25)
    if fault is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert accelerator.predict(VECTORS.images).raw.tolist() == VECTORS.expected.tolist()
        return
    made.dma.faults.append(Fault("lost interrupt", "send"))
    with pytest.warns(
        RuntimeWarning,
        match=r"to the device \(MM2S\): the transfer ended but its "
        r"interrupt did not come; polling from now on \(is axi_intc_0 wired",
    ):
        assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)


def test_a_design_without_interrupts(board, bundle) -> None:
    from semifreddo.runtime import Accelerator, DeviceInfo
    from semifreddo.runtime.pynq import open_pynq

    board(latency_s=0.01)
    found = bundle(NET, interrupts=False)
    transport = open_pynq(
        found.device_file("pynq"),
        DeviceInfo(NET.name, NET.device_digest, "pynq"),
        image_shape=NET.input.shape,
        outputs=3,
        words=int(found.default_task.words.size),
    )
    with Accelerator.open(found, transport) as accelerator:
        assert accelerator.check().ok


def test_a_flipped_result_bit_is_found_by_check(board, opened) -> None:
    made = board()
    accelerator = opened(NET)
    made.dma.faults.append(Fault("bit flip", "receive"))
    report = accelerator.check()
    assert str(report).startswith(
        "1 of 8 images differ (1 values); first: image 4, output 0: expected"
    )
    assert accelerator.check().ok


def test_a_core_that_has_forgotten_its_task_is_reported(board, opened) -> None:
    """Images before the first task are nothing new without a task; behind one they are a fault."""
    made = board()
    accelerator = opened(NET)
    accelerator.predict(VECTORS.images)
    flag = 1 << ERRORS.index("images before the first task")
    core = made._core
    send = core.send

    def forgets(words: np.ndarray) -> None:
        send(words)
        core.registers["errors"] |= flag

    core.send = forgets
    with pytest.raises(TransportError, match="the core reports: images before the first task; the"):
        accelerator.predict(VECTORS.images)
    core.send = send


def test_a_flipped_header_is_reported_by_the_core(board, opened) -> None:
    """Word 1 of 2+4: the number of images; the packet's length no longer fits."""
    made = board()
    accelerator = opened(NET)
    made.dma.faults.append(Fault("bit flip", "send"))
    images = np.zeros((1, *NET.input.shape), np.uint8)
    core = made._core
    send, core.send = core.send, lambda words: send(np.append(words, words[-1:]))
    with pytest.raises(
        TransportError, match="the core reports: image packet of a wrong length; the"
    ):
        accelerator.predict(images)
    core.send = send
    assert accelerator.check().ok


def test_a_dead_core_at_opening(board, opened) -> None:
    made = board()
    made._core.read = lambda address: 0
    with pytest.raises(TransportError, match=r"semifreddo_0 answers 0x00000000 where an open-RTL"):
        opened(NET)


@pytest.mark.parametrize("register", ["device", "task_words"])
def test_another_device(board, opened, register: str) -> None:
    made = board()
    reset, words = made._core.reset, AddressMap.of(NET).words
    digest = NET.device_digest[:8]

    def wrong() -> None:
        reset()
        made._core.registers[register] = 0xBAD

    made._core.reset = wrong
    found = f"00000bad with {words}" if register == "device" else f"{digest} with {0xBAD}"
    with pytest.raises(
        TransportError,
        match=rf"holds device {found} task words, expected blended {digest} with {words}; "
        r"load the bitstream of this bundle$",
    ):
        opened(NET)


def test_a_dma_that_stays_in_reset(board, opened, monkeypatch) -> None:
    made = board()
    monkeypatch.setattr("semifreddo.runtime.dma._RESET_TIMEOUT_S", 0.05)
    read = made.dma.read
    made.dma.read = lambda offset: 4 if offset == 0 else read(offset)
    with pytest.raises(TransportError, match="the DMA does not come out of reset; is its clock"):
        opened(NET)


def test_a_dma_that_does_not_start(board, opened, monkeypatch) -> None:
    made = board()
    monkeypatch.setattr("semifreddo.runtime.dma._RESET_TIMEOUT_S", 0.05)
    read = made.dma.read
    made.dma.read = lambda offset: 1 if offset == 4 else read(offset)
    with pytest.raises(TransportError, match=r"does not start, status 0x00000001 \(halted\)"):
        opened(NET)


def test_without_download_an_error_says_reload(board, opened) -> None:
    made = board()
    opened(NET).close()  # somebody has loaded it
    accelerator = opened(NET, download=False, timeout_s=0.2)
    assert accelerator.check().ok
    assert made.downloads == 1
    made.dma.faults.append(Fault("stall", "send"))
    with pytest.raises(TransportTimeoutError, match=r"stands still$"):
        accelerator.check()
    with pytest.raises(
        TransportError, match=r"it must be reloaded: open the device again with dow"
    ):
        accelerator.check()


def test_an_interrupted_call_stops_the_dma(board, opened, monkeypatch) -> None:
    made = board()
    accelerator = opened(NET, buffer_frames=7)
    with monkeypatch.context() as patch:
        patch.setattr(
            "semifreddo.runtime.stream.PacketStream._unpack",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            accelerator.predict(VECTORS.images)
    assert not made.dma.busy
    assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)
