"""The device as its user meets it: packets, registers, errors, time-outs, the Transport."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nets import blended, images, same_conv
from rtl.conftest import Build
from rtl.random_nets import other_task
from semifreddo.core.errors import (
    DataError,
    TaskError,
    ToolError,
    TransportError,
    TransportTimeoutError,
)
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.bus import IDENTITY, TASK
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.design import layers
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.simulation.transport import RtlTransport, open_rtl
from semifreddo.rtl.timing.fifos import Sized, size_fifos
from semifreddo.rtl.timing.pace import Pace
from semifreddo.runtime.transport import DeviceInfo
from semifreddo.sim import reference

NET = blended()
OTHER = other_task(NET, 5)
BUS = make_design(NET).bus
START = (1 << 33) - 3000
"""Where the cycle counter of this file's device starts, so that its low half overflows soon."""


def _old_device() -> RtlDesign:
    design, name = make_design(NET), "sf_registers.sv"
    reset = "            cycles <= '0;\n"
    assert design.files[name].count(reset) == 1
    text = design.files[name].replace(reset, reset.replace("'0", f"64'd{START}"))
    return replace(design, files={**design.files, name: text})


DESIGN = _old_device()


def words(net: StreamNet) -> np.ndarray:
    return AddressMap.of(net).pack(net)


@pytest.fixture
def simulation(simulate: Build):
    found = Simulation(simulate(DESIGN), BUS)
    found.configure(Stalls(watchdog_cycles=5000))
    yield found
    found.close()


@pytest.fixture
def loaded(simulation: Simulation) -> Simulation:
    simulation.exchange([BUS.task_packet(words(NET))], 0, 10)
    return simulation


def test_registers_tell_who_it_is_and_what_it_did(loaded: Simulation) -> None:
    pictures = images(NET, 5)
    found = loaded.exchange([BUS.image_packet(pictures)], 5, 10)
    assert np.array_equal(found.results, reference.run(NET, pictures))
    assert loaded.read("identity") == IDENTITY
    assert f"{loaded.read('device'):08x}" == NET.device_digest[:8]
    assert loaded.read("task_words") == AddressMap.of(NET).words
    assert (loaded.read("images_in"), loaded.read("images_out")) == (5, 5)
    assert (loaded.read("tasks"), loaded.read("errors")) == (1, 0)
    assert loaded.read("status") & 1
    before = loaded.read("cycles")
    loaded.idle(1000)
    assert 1000 <= (loaded.read("cycles") - before) % (1 << 32) < 1020
    assert loaded.read("task_control") == 0 and loaded.read("batch") == 1
    loaded.write("batch", 0x12345)
    assert loaded.read("batch") == 0x2345
    assert loaded.read("format") == BUS.register


def test_the_cycle_counter_is_read_in_two_halves(simulation: Simulation) -> None:
    """The high half is that of the moment in which the low half was read."""
    low = simulation.read("cycles")
    assert START & 0xFFFFFFFF <= low < 1 << 32
    simulation.idle(4000)  # the low half overflows
    assert simulation.read("cycles_high") == 1
    assert simulation.read("cycles_high") == 1
    for other in ("images_in", "tasks", "batch"):
        simulation.read(other)
    assert simulation.read("cycles_high") == 1
    wrapped = simulation.read("cycles")
    assert wrapped < 4000
    assert simulation.read("cycles_high") == 2
    assert 4000 <= (2 << 32 | wrapped) - (1 << 32 | low) < 4100


def test_task_data_without_a_granted_request(loaded: Simulation) -> None:
    """The word goes nowhere, and the device says so, whatever else it does."""
    pictures = images(NET, 2)
    assert loaded.read("status") & 2 == 0
    loaded.write("task_data", 0xFFFFFFFF)
    assert loaded.read("errors") == 1 << 7
    with pytest.raises(TaskError, match=r"reports: task data written without a granted request$"):
        loaded.check_errors()
    assert loaded.read("errors") == 0
    loaded.load_over_registers(words(OTHER))
    loaded.write("task_data", 1)  # what belongs to the packet has all been taken
    with pytest.raises(TaskError, match=r"reports: task data written without a granted request$"):
        loaded.check_errors()
    found = loaded.exchange([BUS.image_packet(pictures)], 2, 10)
    assert np.array_equal(found.results, reference.run(OTHER, pictures))


def test_a_request_that_ends_before_its_task(loaded: Simulation) -> None:
    """As a packet that ends early: flagged, and the task before stays in force."""
    pictures = images(NET, 2)
    loaded.write("task_control", 1)
    assert loaded.read("task_control") == 1
    loaded.idle(10)
    assert loaded.read("status") & 2
    for word in BUS.task_payload(words(OTHER))[:3]:
        loaded.write("task_data", int(word))
    loaded.write("task_control", 0)
    with pytest.raises(TaskError, match=r"reports: task packet too short$"):
        loaded.check_errors()
    assert loaded.read("status") & 2 == 0
    found = loaded.exchange([BUS.image_packet(pictures)], 2, 10)
    assert np.array_equal(found.results, reference.run(NET, pictures))
    assert loaded.read("tasks") == 1


def test_each_error_is_cleared_by_its_own_bit(loaded: Simulation) -> None:
    loaded.write("task_data", 0)
    loaded.exchange([damaged("device"), damaged("sum")], 0, 10)
    loaded.idle(10)
    assert loaded.read("errors") == 1 << 7 | 1 << 5 | 1 << 4
    loaded.write("errors", 1 << 5)
    assert loaded.read("errors") == 1 << 7 | 1 << 4
    loaded.write("errors", 1 << 7 | 1 << 2)
    assert loaded.read("errors") == 1 << 4
    loaded.write("errors", 0)
    assert loaded.read("errors") == 1 << 4


def test_batches_end_with_one_last_mark(loaded: Simulation) -> None:
    loaded.write("batch", 3)
    found = loaded.exchange([BUS.image_packet(images(NET, 6))], 6, 10)
    assert len(found.end_cycles) == 2


def test_task_over_registers(loaded: Simulation) -> None:
    loaded.load_over_registers(words(OTHER))
    found = loaded.exchange([BUS.image_packet(images(NET, 3))], 3, 10)
    assert np.array_equal(found.results, reference.run(OTHER, images(NET, 3)))
    assert loaded.read("tasks") == 2


def test_tasks_without_images_between_them(loaded: Simulation) -> None:
    pictures = images(NET, 4)
    sequence = [NET, OTHER, NET, OTHER]
    packets = [BUS.image_packet(pictures), *(BUS.task_packet(words(net)) for net in sequence)]
    found = loaded.exchange([*packets, BUS.image_packet(pictures)], 8, 10)
    assert np.array_equal(found.results[:4], reference.run(NET, pictures))
    assert np.array_equal(found.results[4:], reference.run(OTHER, pictures))


def damaged(kind: str) -> np.ndarray:
    packet = BUS.task_packet(words(OTHER))
    if kind == "short":
        return packet[:-3]
    if kind == "long":
        return np.append(packet, packet[-1])
    if kind == "header":
        return np.append(np.uint32(TASK ^ 0x100), packet[1:])
    packet[{"device": 1, "word": 5, "sum": -1, "swapped": 3}[kind]] ^= 1
    if kind == "swapped":
        packet[4] ^= 1
    return packet


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("short", "task packet too short"),
        ("long", "task packet too long"),
        ("header", "bad packet header"),
        ("device", "task made for another device"),
        ("word", "task checksum wrong"),
        ("sum", "task checksum wrong"),
        ("swapped", "task checksum wrong"),
    ],
)
def test_a_damaged_task_changes_nothing(loaded: Simulation, kind: str, message: str) -> None:
    pictures = images(NET, 2)
    packets = [BUS.image_packet(pictures), damaged(kind), BUS.image_packet(pictures)]
    found = loaded.exchange(packets, 4, 10)
    assert np.array_equal(found.results, np.tile(reference.run(NET, pictures), (2, 1)))
    assert loaded.read("tasks") == 1
    with pytest.raises(TaskError, match=rf"^blended \(RTL\): the device reports: {message}$"):
        loaded.check_errors()
    loaded.check_errors()


@pytest.mark.parametrize("kind", ["device", "sum", "long"])
def test_a_damaged_task_is_told_at_once(loaded: Simulation, kind: str) -> None:
    """With nothing behind it: the last word's judgement is waited for."""
    loaded.exchange([damaged(kind)], 0, 10)
    with pytest.raises(TaskError, match="the device reports: task "):
        loaded.check_errors()


def test_a_short_image_packet_does_not_shift_later_images(loaded: Simulation) -> None:
    pictures = images(NET, 2)
    packet = BUS.image_packet(pictures)
    found = loaded.exchange([packet[:-1], packet], 4, 10)
    cut = pictures.copy()
    cut[1].reshape(-1)[-4:] = 0
    expected = np.concatenate([reference.run(NET, cut), reference.run(NET, pictures)])
    assert np.array_equal(found.results, expected)
    with pytest.raises(TaskError, match="image packet of a wrong length"):
        loaded.check_errors()


def test_images_before_the_first_task_see_zeros_and_are_flagged(simulation: Simulation) -> None:
    zeros = NET.with_values(
        {
            block.name: np.zeros((block.rows, len(block.configurable_channels)), np.int64)
            for block in NET.configurable_blocks
        }
    )
    found = simulation.exchange([BUS.image_packet(images(NET, 2))], 2, 10)
    assert np.array_equal(found.results, reference.run(zeros, images(NET, 2)))
    with pytest.raises(TaskError, match="images before the first task"):
        simulation.check_errors()


def test_traffic_is_counted(loaded: Simulation) -> None:
    loaded.exchange([BUS.image_packet(images(NET, 2))], 2, 10)
    traffic = loaded.close()
    assert {name: found.words for name, found in traffic.items()} == {
        layer.name: 2 * layer.output.pixels for layer in NET.layers
    }
    assert traffic["core"].stalled_cycles > 0  # it waits for the slower adapter


def test_a_hang_names_the_stream(simulate: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_small(pace: Pace) -> Sized:
        enough = size_fifos(pace)
        assert enough.depths["sum", 1] > 8
        return replace(enough, depths={("sum", 1): 1})

    monkeypatch.setattr(layers, "size_fifos", too_small)
    design = skipping()
    found = Simulation(simulate(design), design.bus)
    found.configure(Stalls(watchdog_cycles=500))
    with pytest.raises(
        TransportTimeoutError,
        match=r"^RTL simulation of skip: nothing moved for 500 cycles; took \d+ of 18 words and "
        r"gave 0 of 64 result words; words wait on the streams of pass$",
    ):
        found.exchange([design.bus.image_packet(images(design.net, 1))], 1, 10)
    with pytest.raises(TransportError, match="has ended; start it anew"):
        found.read("status")


def skipping() -> RtlDesign:
    """A convolution that is added to its own input."""
    from nets import ACT, IMAGE, block
    from semifreddo.ir.layers import Add, Cast, Stream

    rng = np.random.default_rng(0)
    shape = (8, 8, 1)
    weight = block(rng, "w", (3, 3, 1, 1), 1)
    layers = (
        Cast(inputs=("image",), output=Stream("pass", shape, IMAGE)),
        same_conv(Stream("conv", shape, ACT), source="pass"),
        Add(inputs=("conv", "pass"), output=Stream("sum", shape, ACT)),
    )
    return make_design(StreamNet("skip", Stream("image", shape, IMAGE), layers, (weight,)))


def open_device(executable: Path, digest: str = NET.device_digest) -> RtlTransport:
    info = DeviceInfo(NET.name, digest, "rtl")
    return open_rtl(
        executable, info, image_shape=NET.input.shape, outputs=3, words=AddressMap.of(NET).words
    )


def test_transport(simulate: Build) -> None:
    pictures = images(NET, 4)
    with open_device(simulate(DESIGN)) as device:
        device.load(words(NET), 10)
        assert np.array_equal(device.run(pictures, 10), reference.run(NET, pictures))
        device.load(words(OTHER), 10)
        assert np.array_equal(device.run(pictures, 10), reference.run(OTHER, pictures))
        assert device.run(pictures[:0], 10).shape == (0, 3)
        with pytest.raises(DataError, match=r"images have shape \(4, 4\)"):
            device.run(pictures[0, :, :, 0], 10)
        with pytest.raises(TaskError, match="task has 1 words of uint32, the device needs"):
            device.load(words(NET)[:1], 10)
        assert np.array_equal(device.run(pictures, 10), reference.run(OTHER, pictures))
        device._simulation.close()  # it dies: the next call starts it, with its task
        assert np.array_equal(device.run(pictures, 10), reference.run(OTHER, pictures))
    device.close()


def test_the_words_of_a_task_are_copied(simulate: Build) -> None:
    """What the caller does with the array later is no new task, also after a restart."""
    pictures = images(NET, 4)
    given = words(OTHER)
    with open_device(simulate(DESIGN)) as device:
        device.load(given, 10)
        given[:] = 0
        assert device._simulation is not None
        device._simulation.close()
        assert np.array_equal(device.run(pictures, 10), reference.run(OTHER, pictures))


@pytest.mark.parametrize("where", ["configure", "exchange", "check_errors"])
def test_a_restart_that_is_interrupted_does_not_lose_the_task(
    simulate: Build, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Ctrl-C while a dead simulation starts again: the next call starts it, with its task."""
    pictures = images(NET, 3)
    with open_device(simulate(DESIGN)) as device:
        device.load(words(OTHER), 10)
        device._simulation.close()

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Simulation, where, interrupted)
            with pytest.raises(KeyboardInterrupt):
                device.run(pictures, 10)
        assert np.array_equal(device.run(pictures, 10), reference.run(OTHER, pictures))


def test_a_load_that_is_interrupted_leaves_the_task_before(
    simulate: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are in the device, but nobody has confirmed them."""
    pictures = images(NET, 3)
    with open_device(simulate(DESIGN)) as device:
        device.load(words(NET), 10)

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Simulation, "check_errors", interrupted)
            with pytest.raises(KeyboardInterrupt):
                device.load(words(OTHER), 10)
        assert np.array_equal(device.run(pictures, 10), reference.run(NET, pictures))


def test_half_a_reply_ends_the_simulation(simulate: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = images(NET, 3)
    with open_device(simulate(DESIGN)) as device:
        device.load(words(OTHER), 10)
        whole = Simulation._exchange

        def head_only(self: Simulation, request: bytes, size: int, timeout_s: float) -> bytes:
            if not request:  # between the head of a reply and the rest
                raise KeyboardInterrupt
            return whole(self, request, size, timeout_s)

        with monkeypatch.context() as patch:
            patch.setattr(Simulation, "_exchange", head_only)
            with pytest.raises(KeyboardInterrupt):
                device.run(pictures, 10)
        assert np.array_equal(device.run(pictures, 10), reference.run(OTHER, pictures))


def test_a_simulation_that_hangs_is_ended(simulate: Build) -> None:
    """SIGSTOP: every call keeps its time-out, and close ends the process without an error."""
    device = open_device(simulate(DESIGN))
    device.load(words(NET), 10)
    assert device._simulation is not None and device._simulation._process is not None
    child = device._simulation._process._process
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(TransportTimeoutError):
        device.load(words(OTHER), 0.2)
    assert child.poll() is not None
    device.close()
    stopped = Simulation(simulate(DESIGN), DESIGN.bus)
    assert stopped._process is not None
    child = stopped._process._process
    os.kill(child.pid, signal.SIGSTOP)
    stopped.close()
    assert child.poll() is not None


def test_a_simulation_that_is_silent_from_its_start(tmp_path: Path) -> None:
    """The time-out of the call counts from its beginning, the start included."""
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    device = open_device(silent)
    with pytest.raises(TransportTimeoutError, match=r"within 0\.\d+ s"):
        device.load(words(NET), 0.5)
    device.close()


def test_transport_refuses_another_device(simulate: Build) -> None:
    with pytest.raises(TransportError, match=r"simulates device .* expected blended ffffffff"):
        open_device(simulate(DESIGN), "f" * 64).run(images(NET, 1), 10)


def test_waveforms_need_a_build_with_them(simulation: Simulation, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="built without waveforms; build it with waves=True"):
        simulation.dump(tmp_path / "wave.vcd")
