"""Bitstreams whose core was made by HLS: the same accelerator, another way of streaming."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from board_nets import coloured, frozen, loadable, resnet, wide
from fakes import bundle_of, other_task, vectors_of
from hls.builders import demo
from hls_interface import export, top_function
from nets import blended
from semifreddo.core.errors import TransportError, TransportTimeoutError
from semifreddo.core.hls_registers import FRAMES, IDLE, START, control_bytes, registers
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.net import StreamNet
from semifreddo.runtime import Accelerator, Bundle, DeviceFiles, DeviceInfo
from semifreddo.runtime.simulated.core import HlsCore
from semifreddo.runtime.simulated.dma import Fault
from semifreddo.sim import reference
from semifreddo.sim.device import ReferenceDevice

NET = blended()
VECTORS = vectors_of(NET, 40)


@pytest.fixture
def hls(tmp_path: Path):
    """Open a network on a simulated board whose core is made by HLS."""
    from semifreddo.runtime.simulated.board import SimulatedBoard
    from semifreddo.runtime.simulated.hwh import simulated_files

    boards = []

    def make(
        net: StreamNet = NET,
        name: str | None = None,
        most: int | None = None,
        places: dict[str, int] | None = None,
    ) -> tuple[Accelerator, SimulatedBoard]:
        named = net if name is None else dataclasses.replace(net, name=name)
        words = AddressMap.of(net).words
        places = registers(words) if places is None else places
        size = control_bytes(words)
        made = simulated_files(named, registers=places, control_bytes=size)
        files = {file.replace(named.name, net.name): data for file, data in made.items()}
        bundle = dataclasses.replace(bundle_of(net), transports={"pynq": DeviceFiles(files)})
        board = SimulatedBoard(HlsCore(net, ReferenceDevice(net)))
        board.activate()
        boards.append(board)
        if most is None:
            return Accelerator.open(bundle, "pynq", timeout_s=1), board
        from semifreddo.runtime.pynq import PynqTransport

        transport = PynqTransport(
            bundle.device_file("pynq"),
            DeviceInfo(
                net.name, net.device_digest, "pynq", formats=(net.input.type, net.output.type)
            ),
            image_shape=net.input.shape,
            outputs=net.output.pixels * net.output.channels,
            words=words,
            buffer_frames=most,
        )
        return Accelerator.open(bundle, transport, timeout_s=1), board

    yield make
    for board in boards:
        board.deactivate()


@pytest.mark.parametrize("net", [blended(), coloured(), wide(), frozen()], ids=lambda net: net.name)
def test_exact(hls, net: StreamNet) -> None:
    accelerator, _ = hls(net)
    assert accelerator.check().ok
    vectors = vectors_of(net, 300 if net == NET else 20)  # 300: two transfers
    assert np.array_equal(accelerator.predict(vectors.images).raw, vectors.expected)
    assert len(accelerator.predict(vectors.images[:0])) == 0


TOOLS = [("vivado", "2020.1"), ("vitis", "2024.1")]
SIZES = [(demo(), 990), (loadable("clothes"), 6272), (resnet(), 9344)]


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")
@pytest.mark.parametrize(("tool", "version"), TOOLS, ids=["vivado_hls", "vitis_hls"])
@pytest.mark.parametrize(("net", "words"), SIZES, ids=["digits", "clothes", "resnet"])
def test_tasks_of_any_size_are_loaded_over_the_registers_that_hls_made(
    hls, net: StreamNet, words: int, tool: Any, version: str, tmp_path: Path
) -> None:
    """Above 4,096 words, a ``load_task`` behind the memory would lie outside the mapped range."""
    assert AddressMap.of(net).words == words
    made = export(net.name, top_function(net), tmp_path / "project", tool, version)
    check_tasks(hls, net, made.registers)


def test_names_that_vivado_hls_gives_to_types_of_its_own(hls) -> None:
    places = registers(AddressMap.of(NET).words)
    check_tasks(hls, NET, {f"{n}_V" if n != "CTRL" else n: at for n, at in places.items()})


def check_tasks(hls, net: StreamNet, places: dict[str, int]) -> None:
    accelerator, _ = hls(net, places=places)
    vectors = vectors_of(net, 3)
    assert np.array_equal(accelerator.predict(vectors.images).raw, vectors.expected)
    other = other_task(net)
    changed = net.with_values(AddressMap.of(net).unpack(other.words))
    accelerator.load_task(other)
    found = accelerator.predict(vectors.images).raw
    assert np.array_equal(found, reference.run(changed, vectors.images))


def test_a_start_is_a_batch(hls, monkeypatch) -> None:
    """Register accesses do not grow with the frames: one start and one result transfer a part."""
    accelerator, board = hls(most=100)
    offsets, written, write = registers(AddressMap.of(NET).words), [], HlsCore.write
    names = {at: name for name, at in offsets.items()}
    monkeypatch.setattr(
        HlsCore,
        "write",
        lambda core, at, value: (written.append((names.get(at), value)), write(core, at, value)),
    )
    before = board.dma.transfers["receive"]
    for count in (1, 80, 250, 250):
        vectors = vectors_of(NET, count)
        assert np.array_equal(accelerator.predict(vectors.images).raw, vectors.expected)
    assert board.dma.transfers["receive"] - before == 1 + 1 + 3 + 3
    assert written == [
        *[("frames", 1), ("CTRL", 1), ("load_task", 0)],
        *[("frames", 80), ("CTRL", 1)],
        *[("frames", 84), *[("CTRL", 1)] * 3],
        *[("CTRL", 1)] * 3,
    ]


def test_a_core_is_waited_for_behind_its_last_result(hls, monkeypatch) -> None:
    """It ends some cycles later: the next part of a batch starts when it says so."""
    accelerator, _ = hls(most=10)
    read, polls = HlsCore.read, itertools.count(1)

    def late(core: HlsCore, address: int) -> int:
        value = read(core, address)
        return START if value == IDLE and next(polls) % 4 else value

    monkeypatch.setattr(HlsCore, "read", late)
    assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)
    assert next(polls) > 4 * 4


def test_a_core_in_the_middle_of_a_frame_is_not_used(hls, monkeypatch) -> None:
    at = registers(0)[FRAMES]
    monkeypatch.setattr(
        HlsCore, "reset", lambda core: (_reset(core), core.write(at, 1), core.write(0, 1))
    )
    with pytest.raises(TransportError, match=r"the core is in the middle of a frame .*0x01"):
        hls()


_reset = HlsCore.reset


def test_buffers_are_flushed_before_the_first_transfer(hls, monkeypatch) -> None:
    from pynq.buffer import PynqBuffer

    calls: list[str] = []
    for name in ("flush", "invalidate"):
        old = getattr(PynqBuffer, name)
        monkeypatch.setattr(
            PynqBuffer, name, lambda b, old=old, name=name: (calls.append(name), old(b))
        )
    hls()
    assert calls == ["flush", "invalidate"] * 4


def test_tasks_are_swapped_between_frames(hls) -> None:
    accelerator, _ = hls()
    other = other_task(NET)
    net = NET.with_values(AddressMap.of(NET).unpack(other.words))
    for _ in range(20):
        accelerator.load_task(other)
        found = accelerator.predict(VECTORS.images[:3]).raw
        assert np.array_equal(found, reference.run(net, VECTORS.images[:3]))
        accelerator.load_task("shapes")
        assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "stall",
            r"S2MM\), frames 200..299 of 300: .*; the core answered 200 frames; its control",
        ),
        ("decode error", r"S2MM\), frames 200..299 of 300: .*decode error.*the buffer lies where"),
        ("short transfer", r"frames 200..299 of 300: the core ended its packet after 600 of 1200"),
    ],
)
def test_faults(hls, kind: str, message: str) -> None:
    accelerator, board = hls(most=100)
    assert accelerator.check().ok
    board.dma.faults.append(Fault(kind, "receive", after=2))
    with pytest.raises(TransportError, match=message) as caught:
        accelerator.predict(vectors_of(NET, 300).images)
    assert isinstance(caught.value, TransportTimeoutError) == (kind == "stall")
    assert np.array_equal(accelerator.predict(VECTORS.images).raw, VECTORS.expected)
    assert board.downloads == 2


@pytest.mark.parametrize("name", ["other", "a_core"])
def test_another_core(hls, name: str) -> None:
    expected = f"holds the core {name}, expected blended; load the"
    with pytest.raises(TransportError, match=expected):
        hls(name=name)


def test_a_bundle_is_needed_for_the_formats(hls) -> None:
    from semifreddo.runtime.pynq import open_pynq

    accelerator, _ = hls()
    bundle: Bundle = accelerator._bundle
    with pytest.raises(TransportError, match="a core made by HLS needs the formats of its values"):
        open_pynq(
            bundle.device_file("pynq"),
            DeviceInfo(NET.name, NET.device_digest, "pynq"),
            image_shape=NET.input.shape,
            outputs=3,
            words=23,
        )
