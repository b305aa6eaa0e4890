"""The model of a core keeps the rules of hardware (tests/rtl/simulation/test_transport.py)."""

from __future__ import annotations

import numpy as np
import pytest

from board_nets import wide
from fakes import other_task, vectors_of
from nets import blended
from semifreddo.core.hls_registers import registers
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.bus import ALL_ERRORS, ERRORS, REGISTERS, TASK
from semifreddo.ir.net import StreamNet
from semifreddo.runtime.simulated.core import HlsCore, LoopbackCore, PacketCore
from semifreddo.sim import reference
from semifreddo.sim.device import ReferenceDevice

NET = blended()
WORDS = AddressMap.of(NET).pack(NET)
OTHER = other_task(NET)
VECTORS = vectors_of(NET, 6)


@pytest.fixture
def core() -> PacketCore:
    made = PacketCore(NET, ReferenceDevice(NET))
    made.send(made.bus.task_packet(WORDS))
    return made


def read(core: PacketCore, name: str) -> int:
    return core.read(REGISTERS[name])


def flags(core: PacketCore) -> list[str]:
    found = read(core, "errors")
    core.write(REGISTERS["errors"], ALL_ERRORS)
    return [text for bit, text in enumerate(ERRORS) if found >> bit & 1]


def results(core: PacketCore, images: int) -> np.ndarray:
    words, _ = core.receive(images * core.bus.output_cycles)
    return core.bus.results(words)


def test_images_and_tlast(core: PacketCore) -> None:
    core.write(REGISTERS["batch"], 4)
    core.send(core.bus.image_packet(VECTORS.images))
    words, last = core.receive(100)
    assert (len(words), last) == (4 * 3, True)
    rest, last = core.receive(4)
    assert (len(rest), last) == (4, False)
    tail, last = core.receive(100)
    assert (len(tail), last) == (2, False)
    found = core.bus.results(np.concatenate([words, rest, tail]))
    assert np.array_equal(found, VECTORS.expected)
    assert (read(core, "images_in"), read(core, "images_out"), read(core, "tasks")) == (6, 6, 1)
    assert not flags(core)


def damaged(kind: str, core: PacketCore) -> np.ndarray:
    packet = core.bus.task_packet(OTHER.words)
    if kind == "short":
        return packet[:-3]
    if kind == "long":
        return np.append(packet, packet[-1])
    if kind == "header":
        return np.append(np.uint32(TASK ^ 0x100), packet[1:])
    packet[{"device": 1, "word": 5, "sum": -1}[kind]] ^= 1
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
    ],
)
def test_a_damaged_task_changes_nothing(core: PacketCore, kind: str, message: str) -> None:
    core.send(damaged(kind, core))
    core.write(REGISTERS["batch"], 6)
    core.send(core.bus.image_packet(VECTORS.images))
    assert np.array_equal(results(core, 6), VECTORS.expected)
    assert flags(core) == [message]
    assert read(core, "tasks") == 1


def test_a_short_image_is_completed_with_zeros(core: PacketCore) -> None:
    core.write(REGISTERS["batch"], 2)
    core.send(core.bus.image_packet(VECTORS.images[:2])[:-1])
    cut = VECTORS.images[:2].copy()
    cut[1].reshape(-1)[-4:] = 0
    assert np.array_equal(results(core, 2), reference.run(NET, cut))
    assert flags(core) == ["image packet of a wrong length"]


def test_images_before_the_first_task() -> None:
    core = PacketCore(NET, ReferenceDevice(NET))
    core.send(core.bus.image_packet(VECTORS.images[:1]))
    assert flags(core) == ["images before the first task"]
    assert results(core, 1).shape == (1, 3)


def test_a_task_over_registers(core: PacketCore) -> None:
    core.write(REGISTERS["task_control"], 1)
    assert read(core, "status") & 2
    for word in core.bus.task_payload(OTHER.words):
        core.write(REGISTERS["task_data"], int(word))
    core.write(REGISTERS["task_control"], 0)
    assert read(core, "tasks") == 2
    core.send(core.bus.image_packet(VECTORS.images[:1]))
    net = NET.with_values(AddressMap.of(NET).unpack(OTHER.words))
    assert np.array_equal(results(core, 1), reference.run(net, VECTORS.images[:1]))


def test_signed_inputs_and_two_words_per_result() -> None:
    net = wide()
    core = PacketCore(net, ReferenceDevice(net))
    core.send(core.bus.task_packet(AddressMap.of(net).pack(net)))
    core.write(REGISTERS["batch"], 5)
    vectors = vectors_of(net, 5)
    core.send(core.bus.image_packet(vectors.images))
    assert np.array_equal(results(core, 5), vectors.expected)


def test_reset_forgets_everything(core: PacketCore) -> None:
    core.send(core.bus.image_packet(VECTORS.images[:1]))
    core.reset()
    assert read(core, "tasks") == read(core, "images_in") == 0
    assert len(core.receive(100)[0]) == 0


def test_loopback() -> None:
    core = LoopbackCore(NET)
    core.send(np.arange(10, dtype=np.uint32))
    words, last = core.receive(5)
    assert (words.tolist(), last) == ([0, 1, 2, 3], True)
    assert core.receive(5)[1] is False


@pytest.mark.parametrize("net", [NET, wide()], ids=["8 bits", "12 signed bits"])
def test_a_core_made_by_hls(net: StreamNet) -> None:
    """A start is ``frames`` frames; new values are taken before them while load_task is 1."""
    core = HlsCore(net, ReferenceDevice(net))
    places = registers(AddressMap.of(net).words)
    for index, word in enumerate(AddressMap.of(net).pack(net)):
        core.write(places["Memory_task_memory"] + 4 * index, int(word))
    core.write(places["load_task"], 1)
    vectors = vectors_of(net, 5)
    lane = "<i2" if net.input.type.width > 8 else "u1"
    octets = vectors.images.astype(lane).reshape(5, -1).view(np.uint8)
    padded = np.zeros((5, -(-octets.shape[1] // 4) * 4), np.uint8)
    padded[:, : octets.shape[1]] = octets
    core.send(padded.view("<u4").reshape(-1))
    assert core.receive(100)[1] is False  # not started
    core.write(places["CTRL"], 1)
    assert core.read(places["CTRL"]) == 4  # no frames were asked for
    for frames in (slice(0, 2), slice(2, 5)):
        core.write(places["frames"], frames.stop - frames.start)
        core.write(places["CTRL"], 1)
        core.write(places["CTRL"], 1)  # lost: it runs
        core.write(places["load_task"], 0)
        size = len(vectors.expected[0]) * (2 if net.output.type.width > 32 else 1)
        first, last = core.receive(size)
        assert len(first) == size and not last
        rest, last = core.receive(100)
        assert last and core.read(places["CTRL"]) == 4
        words = np.concatenate([first, rest])
        found = words.view("<i8") if net.output.type.width > 32 else words.view("<i4")
        assert np.array_equal(found, vectors.expected[frames].reshape(-1))
    core.write(places["CTRL"], 1)
    assert core.read(places["CTRL"]) == 1  # waits for its frames
    assert core.receive(100)[1] is False
