"""Co-simulation: packets to a verilated design and results back, with stalls and a watchdog."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from semifreddo.core import scratch
from semifreddo.core.errors import (
    TaskError,
    ToolError,
    ToolTimeoutError,
    TransportError,
    TransportTimeoutError,
)
from semifreddo.core.fixed import IntArray
from semifreddo.ir.bus import REGISTERS, BusFormat, Words, error_texts
from semifreddo.ir.layers import Stream
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.components.verilog import quoted
from semifreddo.tools.runner import PipeProcess

_QUIT_TIMEOUT_S = 2.0
"""For a simulation to end after its command to quit; then it is killed."""

_SETTLES = 8
"""Cycles after which a word that was taken has been judged and its flag can be read."""


@dataclass(frozen=True)
class Stalls:
    """How often source and sink stall, and when a stop counts as a hang.

    Attributes:
        input_per_mille: Share of cycles in which the source offers nothing.
        output_per_mille: Share of cycles in which the sink takes nothing.
        seed: Of the random stalls.
        watchdog_cycles: Cycles without any movement on either stream that count as a hang.
    """

    input_per_mille: int = 0
    output_per_mille: int = 0
    seed: int = 1
    watchdog_cycles: int = 200_000


@dataclass(frozen=True)
class Exchange:
    """What came of sending packets.

    Attributes:
        results: Raw results, ``(images, outputs)``.
        first_cycle: Cycle in which the first word was taken.
        end_cycles: For each image, the cycle in which its last result word left.
    """

    results: IntArray
    first_cycle: int
    end_cycles: IntArray

    @property
    def latency_cycles(self) -> int:
        """From the first word in to the first image's last result word out."""
        return int(self.end_cycles[0]) - self.first_cycle

    @property
    def interval_cycles(self) -> IntArray:
        """Between the results of consecutive images."""
        return np.diff(self.end_cycles)


@dataclass(frozen=True)
class Traffic:
    """What happened on a layer's stream.

    Attributes:
        words: Words that passed.
        stalled_cycles: Cycles in which a word waited for its reader.
        starved_cycles: Cycles in which the reader waited for a word.
        waiting: Whether a word was waiting at the end.
    """

    words: int
    stalled_cycles: int
    starved_cycles: int
    waiting: bool


class Simulation:
    """A running simulation of one design.

    After a hang or any other transport error it has ended and must be started anew.
    """

    def __init__(self, executable: Path, bus: BusFormat, *, probe: bool = False) -> None:
        """Start it.

        Args:
            executable: What :func:`semifreddo.rtl.simulation.verilator.build` made of a design.
            bus: How the design's buses look.
            probe: Whether every word of every layer is recorded for :meth:`trace`.

        Raises:
            ToolError: It cannot be started.
        """
        self.bus = bus
        self._scratch = scratch.folder("rtl")
        self._watchdog_cycles = Stalls().watchdog_cycles
        folder = Path(self._scratch.name)
        self._states, self._recorded = folder / "states", folder / "words"
        command = [str(executable), f"+states={self._states}"]
        if probe:
            command.append(f"+probe={self._recorded}")
        self._name = f"RTL simulation of {bus.name}"
        self.traffic: Mapping[str, Traffic] = {}
        self._words: Mapping[str, list[int]] = {}
        self._process: PipeProcess | None = PipeProcess(command, name=self._name)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.alive

    def configure(self, stalls: Stalls, timeout_s: float = 10) -> None:
        """Set stalls and watchdog."""
        self._watchdog_cycles = stalls.watchdog_cycles
        self._ask(
            [
                _CONFIGURE,
                stalls.input_per_mille,
                stalls.output_per_mille,
                stalls.seed,
                stalls.watchdog_cycles,
            ],
            4,
            timeout_s,
        )

    def exchange(self, packets: Sequence[Words], images: int, timeout_s: float) -> Exchange:
        """Send packets and wait until all are taken and the results of ``images`` are there.

        Raises:
            TransportTimeoutError: Nothing moved for the watchdog's cycles, naming the stream that
                stalled; or the time-out passed.
            TransportError: The design broke the stream protocol, or the simulation died.
        """
        per_image = self.bus.output_cycles
        request = [_EXCHANGE, len(packets), images * per_image]
        data = struct.pack(f"<{len(request)}I", *request)
        for packet in packets:
            data += struct.pack("<I", packet.size) + packet.astype("<u4").tobytes()
        deadline = time.monotonic() + timeout_s
        try:
            head = self._exchange(data, 40, timeout_s)
            status, got, taken, ends, _, first, _ = struct.unpack("<4I3Q", head)
            left = max(0.0, deadline - time.monotonic())
            rest = self._exchange(b"", 4 * got + 8 * ends, left)
        except BaseException:  # Ctrl-C, too: half a reply would be taken for the next one's head
            self.abort()
            raise
        if status:
            total = sum(packet.size for packet in packets)
            self._stopped(
                status,
                f"took {taken} of {total} words and gave {got} of "
                f"{images * per_image} result words",
            )
        stops = np.frombuffer(rest[4 * got :], "<u8").astype(np.int64)
        return Exchange(self.bus.results(np.frombuffer(rest[: 4 * got], "<u4")), first, stops)

    def write(self, register: str, data: int, timeout_s: float = 10) -> None:
        """Write a register by name."""
        reply = self._ask([_WRITE, REGISTERS[register], data], 4, timeout_s)
        if reply != bytes(4):
            self._stopped(1, f"register {register} did not take a value")

    def read(self, register: str, timeout_s: float = 10) -> int:
        """Read a register by name."""
        status, data = struct.unpack("<2I", self._ask([_READ, REGISTERS[register]], 8, timeout_s))
        if status:
            self._stopped(1, f"register {register} did not answer")
        return int(data)

    def idle(self, cycles: int, timeout_s: float = 60) -> None:
        """Let the clock run with both streams at rest."""
        self._ask([_IDLE, cycles], 4, timeout_s)

    def dump(self, path: Path | None) -> None:
        """Start writing waveforms to a file, or stop.

        Raises:
            ToolError: The simulation was built without waveforms.
        """
        name = b"" if path is None else str(path).encode()
        data = struct.pack("<2I", _DUMP, len(name)) + name
        if self._exchange(data, 4, 10) != bytes(4):
            raise ToolError(
                f"RTL simulation of {self.bus.name}: built without waveforms; build it "
                "with waves=True"
            )

    def load_over_registers(self, words: Words) -> None:
        """Load a task through the AXI4-Lite registers.

        Raises:
            TaskError: The device refused it; says why.
        """
        self.write("task_control", 1)
        for _ in range(self._watchdog_cycles):
            if self.read("status") & 2:
                break
        for word in self.bus.task_payload(words):
            self.write("task_data", int(word))
        self.write("task_control", 0)
        self.check_errors()

    def check_errors(self, timeout_s: float = 10) -> None:
        """Raise and clear the device's error flags.

        Raises:
            TaskError: Names every raised flag.
        """
        self.idle(_SETTLES, timeout_s)
        flags = self.read("errors", timeout_s)
        if flags:
            self.write("errors", flags, timeout_s)
            raise TaskError(f"{self.bus.name} (RTL): the device reports: {error_texts(flags)}")

    def close(self) -> Mapping[str, Traffic]:
        """End the simulation. Closing twice is allowed, and so is closing one that hangs.

        Returns:
            What happened on every layer's stream, by layer name; nothing if it did not answer.
        """
        with contextlib.suppress(ToolError):
            if self._process is not None and self._process.alive:
                self._process.exchange(struct.pack("<I", _QUIT), 4, _QUIT_TIMEOUT_S)
        self.abort()
        return self.traffic

    def abort(self) -> None:
        """End the simulation at once, whatever it does, and free everything."""
        if self._process is not None:
            self._process.close()
            self._process = None
            self.traffic = _read_traffic(self._states)
            self._words = _read_words(self._recorded)
            self._scratch.cleanup()

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def trace(self, net: StreamNet) -> dict[str, IntArray]:
        """End the simulation and give every layer's raw words, ``(words, channels)`` by layer."""
        self.close()
        return {
            layer.name: _unpack(self._words.get(quoted(layer.name)[1:-1], []), layer.output)
            for layer in net.layers
        }

    def _ask(self, words: Sequence[int], answer_bytes: int, timeout_s: float) -> bytes:
        return self._exchange(struct.pack(f"<{len(words)}I", *words), answer_bytes, timeout_s)

    def _exchange(self, request: bytes, answer_bytes: int, timeout_s: float) -> bytes:
        if self._process is None:
            raise TransportError(f"{self._name}: has ended; start it anew")
        try:
            return self._process.exchange(request, answer_bytes, timeout_s)
        except ToolTimeoutError as error:
            self.abort()
            raise TransportTimeoutError(str(error)) from error
        except ToolError as error:
            self.abort()
            raise TransportError(str(error)) from error

    def _stopped(self, status: int, what: str) -> NoReturn:
        """Report a hang or a protocol error, naming the streams on which words wait."""
        traffic = self.close()
        if status == _PROTOCOL:
            raise TransportError(
                f"{self._name}: the result stream dropped or changed a word; {what}"
            )
        waiting = [name for name, found in traffic.items() if found.waiting]
        where = f"words wait on the streams of {', '.join(waiting)}" if waiting else "no word waits"
        raise TransportTimeoutError(
            f"{self._name}: nothing moved for {self._watchdog_cycles} cycles; {what}; {where}"
        )


_QUIT, _CONFIGURE, _EXCHANGE, _WRITE, _READ, _IDLE, _DUMP = range(7)
_PROTOCOL = 2


def _read_traffic(path: Path) -> dict[str, Traffic]:
    found = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            _, words, stalled, starved, valid, ready, name = line.split(" ", 6)
            waiting = valid == "1" and ready == "0"
            found[name] = Traffic(int(words), int(stalled), int(starved), waiting)
    return found


def _read_words(path: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            _, word, name = line.split(" ", 2)
            found.setdefault(name, []).append(int(word, 16))
    return found


def _unpack(words: Sequence[int], stream: Stream) -> IntArray:
    """Stream words to raw values ``(words, channels)``."""
    width = stream.type.width
    mask = (1 << width) - 1
    values = [
        [word >> (channel * width) & mask for channel in range(stream.channels)] for word in words
    ]
    raw = np.array(values, np.int64).reshape(len(words), stream.channels)
    return np.where(raw > stream.type.max_raw, raw - (mask + 1), raw)
