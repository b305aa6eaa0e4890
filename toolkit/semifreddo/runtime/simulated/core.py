"""Models of what stands behind a board's DMA: packets and registers of an open-RTL core."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from semifreddo.core.hls_registers import (
    CONTROL,
    FRAMES,
    IDLE,
    LOAD_TASK,
    START,
    TASK_MEMORY,
    registers,
)
from semifreddo.ir.bus import (
    ERRORS,
    IDENTITY,
    IMAGES,
    REGISTERS,
    TASK,
    BusFormat,
    Words,
)
from semifreddo.ir.layers import Stream
from semifreddo.ir.net import StreamNet
from semifreddo.runtime.transport import DeviceInfo, Transport

_NAMES = {address: name for name, address in REGISTERS.items()}
_COUNTERS = ("images_in", "images_out", "tasks")
_LOADED = 1
_GRANTED = 2
_NOTHING: Words = np.zeros(0, np.uint32)


class PacketCore:
    """A core in front of any transport: a C simulation, the RTL, or a reference.

    It keeps the rules of ``docs/rtl.md`` ("Buses"): a damaged task changes nothing, a short image
    is completed with zeros, TLAST ends every ``batch``-th result.
    """

    def __init__(self, net: StreamNet, device: Transport, *, timeout_s: float = 60.0) -> None:
        """Put a core around a device.

        Args:
            net: The network it computes; says how images and results look.
            device: What computes.
            timeout_s: For one packet.
        """
        self.bus = BusFormat.of(net)
        self._input: Stream = net.input
        self._device = device
        self._timeout_s = timeout_s
        self.registers: dict[str, int] = {}
        self._results: deque[Words] = deque()
        self._images_left = 0
        self._lite: list[int] = []
        self.reset()

    def reset(self) -> None:
        """Start as after configuration: no task, nothing on its way."""
        self.registers = dict.fromkeys(REGISTERS, 0) | {
            "identity": IDENTITY,
            "device": self.bus.digest_word,
            "task_words": self.bus.task_words,
            "batch": 1,
            "format": self.bus.register,
        }
        self._results.clear()
        self._in_batch = 0

    def read(self, address: int) -> int:
        """Read a register."""
        return self.registers.get(_NAMES.get(address, ""), 0)

    def write(self, address: int, value: int) -> None:
        """Write a register."""
        name = _NAMES.get(address, "")
        if name == "errors":
            self.registers["errors"] &= ~value
        elif name == "batch":
            self.registers["batch"] = value & 0xFFFF
        elif name == "task_control":
            self._lite = []
            self.registers["status"] &= ~_GRANTED
            self.registers["status"] |= _GRANTED * (value & 1)
        elif name == "task_data":
            self._lite.append(value)
            if len(self._lite) == self.bus.task_words + 3:
                self._load(np.array(self._lite, np.uint32))

    def send(self, words: Words) -> None:
        """Take a packet."""
        kind = int(words[0]) if len(words) else 0
        if kind == IMAGES:
            self._take_images(words[1:])
        elif kind == TASK and self.bus.task_words:
            self._load(words[1:])
        else:
            self._flag(0)

    def receive(self, most: int) -> tuple[Words, bool]:
        """Give result words up to a TLAST."""
        found: list[Words] = []
        last = False
        while self._results and not last and most > 0:
            image = self._results.popleft()
            if len(image) > most:
                self._results.appendleft(image[most:])
                image = image[:most]
                last = False
            else:
                self._in_batch += 1
                last = self._in_batch >= max(1, self.registers["batch"])
                self._in_batch = 0 if last else self._in_batch
            most -= len(image)
            found.append(image)
        return (np.concatenate(found) if found else _NOTHING), last

    def _flag(self, bit: int) -> None:
        self.registers["errors"] |= 1 << bit

    def _take_images(self, words: Words) -> None:
        if not len(words):
            return
        count = int(words[0])
        octets = words[1:].astype("<u4").view(np.uint8)
        size = self._input.pixels * self.bus.pixel_bytes
        if -(-count * size // 4) != len(words) - 1:
            self._flag(ERRORS.index("image packet of a wrong length"))
        whole = min(count, -(-len(octets) // size))
        if not self.registers["tasks"] and self.bus.task_words:
            self._flag(ERRORS.index("images before the first task"))
            self._device.load(np.zeros(self.bus.task_words, np.uint32), self._timeout_s)
        data = np.zeros(whole * size, np.uint8)
        data[: len(octets)] = octets[: len(data)]
        self._answer(self._unpack(data.reshape(whole, size)))

    def _unpack(self, octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        count, width = len(octets), self.bus.value_bytes
        wide = np.zeros((octets.size // width, 8), np.uint8)
        wide[:, :width] = octets.reshape(-1, width)
        values = wide.view("<i8")[:, 0]
        if self._input.type.signed:
            shift = 64 - 8 * width
            values = values << shift >> shift
        return values.reshape(count, *self._input.shape)

    def _answer(self, images: npt.NDArray[np.int64]) -> None:
        raw = self._device.run(images, self._timeout_s)
        self.registers["images_in"] += len(images)
        self.registers["images_out"] += len(images)
        words = raw.astype("<i8").view("<u4").reshape(len(raw), -1, 2)
        self._results.extend(words[:, :, : self.bus.result_words].reshape(len(raw), -1))

    def _load(self, words: Words) -> None:
        """Digest, words and checksums of a task."""
        need = self.bus.task_words + 3
        if len(words) != need:
            short = len(words) < need
            self._flag(ERRORS.index(f"task packet too {'short' if short else 'long'}"))
            return
        payload = self.bus.task_payload(words[1:-2])
        if words[0] != payload[0]:
            self._flag(ERRORS.index("task made for another device"))
        if (words[-2:] != payload[-2:]).any():
            self._flag(ERRORS.index("task checksum wrong"))
        elif words[0] == payload[0]:
            self._device.load(words[1:-2].copy(), self._timeout_s)
            self.registers["tasks"] += 1
            self.registers["status"] |= _LOADED


class HlsCore:
    """A core that HLS made, in front of any transport.

    A start is so many frames as ``frames`` says at that moment, and TLAST ends the last of them.
    What is written to the control register while the core runs is lost.
    """

    def __init__(self, net: StreamNet, device: Transport, *, timeout_s: float = 60.0) -> None:
        """Put a core around a device.

        Args:
            net: The network it computes.
            device: What computes.
            timeout_s: For the frames of one transfer.
        """
        self._net = net
        self._device = device
        self._timeout_s = timeout_s
        self._bus = BusFormat.of(net)
        self._task_words = self._bus.task_words
        self._offsets = registers(self._task_words)
        self._places = {offset: name for name, offset in self._offsets.items()}
        width = net.input.type.width
        self._lane = next(size for size in (1, 2, 4, 8) if 8 * size >= width)
        self._frame_words = -(-net.input.pixels * net.input.channels * self._lane // 4)
        self.reset()

    def reset(self) -> None:
        """Start as after configuration."""
        self._words = self._results = _NOTHING
        self._registers = {FRAMES: 0, LOAD_TASK: 0}
        self._frames_left = self._results_left = 0
        self._memory = np.zeros(self._task_words, np.uint32)

    def read(self, address: int) -> int:
        """Read a register: the first one tells of a start that has not been answered, or idle."""
        values = {CONTROL: START if self._results_left else IDLE} | self._registers
        return values.get(self._places.get(address, ""), 0)

    def write(self, address: int, value: int) -> None:
        """Write a register or a word of the task memory."""
        name = self._places.get(address)
        if name == CONTROL:
            if value & START and not self._results_left:
                self._start()
        elif name in self._registers:
            self._registers[name] = value
        elif self._task_words:
            word = (address - self._offsets[TASK_MEMORY]) // 4
            if 0 <= word < self._task_words:
                self._memory[word] = value

    def send(self, words: Words) -> None:
        """Take words; TLAST is not looked at."""
        self._words = np.concatenate([self._words, words])
        self._compute()

    def receive(self, most: int) -> tuple[Words, bool]:
        """Give result words up to the end of a start."""
        found, self._results = np.split(self._results, [min(most, len(self._results))])
        self._results_left -= len(found)
        return found, bool(len(found)) and not self._results_left

    def _start(self) -> None:
        self._frames_left = self._registers[FRAMES]
        self._results_left = self._frames_left * self._bus.output_cycles
        if self._registers[LOAD_TASK] & 1:
            self._device.load(self._memory.copy(), self._timeout_s)
        self._compute()

    def _compute(self) -> None:
        count = min(self._frames_left, len(self._words) // self._frame_words)
        if not count:
            return
        words, self._words = np.split(self._words, [count * self._frame_words])
        self._frames_left -= count
        kind = f"<i{self._lane}" if self._net.input.type.signed else f"<u{self._lane}"
        octets = words.astype("<u4").view(np.uint8).reshape(count, -1)[:, : self._size]
        values = np.ascontiguousarray(octets).view(kind).astype(np.int64)
        images = values.reshape(count, *self._net.input.shape)
        raw = self._device.run(images, self._timeout_s).astype("<i8").view("<u4").reshape(-1, 2)
        found = raw[:, : self._bus.result_words].reshape(-1)
        self._results = np.concatenate([self._results, found])

    @property
    def _size(self) -> int:
        return self._net.input.pixels * self._net.input.channels * self._lane


class LoopbackCore(PacketCore):
    """Gives the words of the last packet back, as many as are asked for: costs no device time."""

    def __init__(self, net: StreamNet) -> None:
        """Take identity and formats from a network; nothing is computed."""
        self._words = _NOTHING
        self._waiting = False
        super().__init__(net, _Nothing())

    def send(self, words: Words) -> None:
        """Take a packet."""
        if len(words) and words[0] == TASK:
            self.registers["tasks"] += 1
            return
        self._words, self._waiting = words, True

    def receive(self, most: int) -> tuple[Words, bool]:
        """Give words back."""
        if not self._waiting:
            return _NOTHING, False
        self._waiting = False
        return np.resize(self._words, most - 1), True


class _Nothing:
    """The device of a core that does not compute."""

    info = DeviceInfo("", "", "loopback")

    def load(self, words: Words, timeout_s: float) -> None:
        """Nothing to load."""
        del words, timeout_s

    def run(self, images: npt.NDArray[np.integer], timeout_s: float) -> npt.NDArray[np.int64]:
        """Nothing to compute."""
        del timeout_s
        return np.zeros((len(images), 0), np.int64)

    def close(self) -> None:
        """Nothing to release."""
