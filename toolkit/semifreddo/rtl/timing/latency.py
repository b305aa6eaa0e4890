"""The first images, word by word, with every FIFO as deep as it is: the hardware's own times.

The pace of a network follows from its units alone (pace.py). The latency of the first image also
depends on who is kept waiting while the FIFOs fill. So the words are followed one by one, in the
order in which their times become known; it is the same model as ticks.py, and exact.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.rtl.timing.fifos import Sized
from semifreddo.rtl.timing.folding import Block
from semifreddo.rtl.timing.pace import INPUT_DEPTH, OUTPUT
from semifreddo.rtl.timing.ticks import Rhythm

_IMAGES = 4
"""More images than the first one can wait for."""

_HEADER = 3
"""Cycles before the first word with pixels: two words, and the FIFO before them."""

Worker: TypeAlias = Generator[bool, bool, None]
"""Goes on as far as times are known, then yields whether it might go on alone; told to, it does."""


@dataclass
class _Reading:
    """A reader of a stream.

    Attributes:
        depth: Words of its FIFO, 0 without one.
        ready: When it can begin with each word.
        taken: When it has taken each word, from the FIFO if there is one.
        popped: When each word has left the stream for it.
    """

    depth: int = 0
    ready: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    popped: list[int] = field(default_factory=list)


@dataclass
class _Line:
    """A stream: when words are offered to all readers, and when all have them."""

    readings: list[_Reading] = field(default_factory=list)
    there: list[int] = field(default_factory=list)
    popped: list[int] = field(default_factory=list)

    def advance(self) -> bool:
        """Follow as many words as possible; whether anything was new."""
        moved = True
        before = len(self.popped), sum(len(found.ready) for found in self.readings)
        while moved:
            moved = False
            for reading in self.readings:
                moved |= self._offer(reading)
            word = len(self.popped)
            if all(len(found.popped) > word for found in self.readings):
                self.popped.append(max(found.popped[word] for found in self.readings))
                moved = True
        return before != (len(self.popped), sum(len(found.ready) for found in self.readings))

    def _offer(self, reading: _Reading) -> bool:
        moved = False
        word = len(reading.ready)
        if word < len(self.there) and word <= len(self.popped):
            offered = max(self.there[word], self.popped[word - 1] + 1 if word else 0)
            if not reading.depth:
                reading.ready.append(offered)
                moved = True
            elif word < reading.depth or len(reading.taken) > word - reading.depth:
                if word >= reading.depth:
                    offered = max(offered, reading.taken[word - reading.depth] + 1)
                reading.popped.append(offered)
                reading.ready.append(offered + 1)
                moved = True
        if not reading.depth and len(reading.taken) > len(reading.popped):
            reading.popped.append(reading.taken[len(reading.popped)])
            moved = True
        return moved


def latency_of(sized: Sized) -> int:
    """Cycles from a packet's first word to its first image's last result word.

    Other images follow without a pause, and no stream stalls.
    """
    return int(Replay(sized, _IMAGES, 1).results[0])


class Replay:
    """A run of a design's first images, offered without a pause, to a sink that always takes."""

    def __init__(self, sized: Sized, images: int, wanted: int = 0) -> None:
        """Offer ``images`` images, and follow them until ``wanted`` of them (or all) have left."""
        self.sized = sized
        self.wanted = wanted or images
        self.plan = sized.pace.plan
        self.images = images
        self.lines: dict[str, _Line] = {}
        self.readings: dict[tuple[str, int], _Reading] = {}
        for name, readers in self.plan.readers.items():
            self.lines[name] = _Line()
            for reader in readers:
                self.readings[reader] = _Reading(sized.depths.get(reader, 0))
                self.lines[name].readings.append(self.readings[reader])
        workers = [self._source()]
        for block in self.plan.blocks:
            for layer in block.layers:
                self.lines.setdefault(layer.name, _Line())
            for layer in block.layers:
                workers += self._layer(block, layer.name, len(layer.inputs))
            if block.folded:
                workers += self._passes(block)
        self.left: list[int] = []
        workers.append(self._sink())
        self._run(workers)

    @property
    def results(self) -> IntArray:
        """Cycle of each image's last result word, from the first word of the packet on."""
        count = self.plan.net.output.pixels
        return np.array(self.left[count - 1 :: count])

    def _run(self, workers: list[Worker]) -> None:
        """Run all units; where none can move, let one finish its windows without another image."""
        lines = list(self.lines.values())
        waiting = {id(worker): next(worker, False) for worker in workers}
        goal = self.wanted * self.plan.net.output.pixels
        while len(self.left) < goal:
            before = self._known()
            for worker in workers:
                waiting[id(worker)] = _send(worker, alone=False)
            for line in lines:
                line.advance()
            if before == self._known():
                alone = [worker for worker in workers if waiting[id(worker)]]
                if not alone:
                    return
                waiting[id(alone[0])] = _send(alone[0], alone=True)

    def _known(self) -> int:
        return sum(
            len(line.there)
            + len(line.popped)
            + sum(len(found.ready) + len(found.taken) for found in line.readings)
            for line in self.lines.values()
        )

    def _source(self) -> Worker:
        """The bus: four bytes a cycle while there is room (``sf_ingress``), between two FIFOs."""
        line, size = self.lines[self.plan.net.input.name], self.sized.pace.bus.pixel_bytes
        pixels, time, word = self.images * self.plan.net.input.pixels, _HEADER, 0
        whole: list[int] = []  # when each pixel's bytes are there
        pushed: list[int] = []  # when it goes into the FIFO
        while len(pushed) < pixels:
            pixel, left = len(pushed), len(pushed) - INPUT_DEPTH
            before = -(-(4 * word - size - 4) // size)  # pixels that must be gone for the next word
            if pixel < len(whole) and left < len(line.popped):
                limits = [whole[pixel]]
                limits += [pushed[-1] + 1] if pixel else []
                limits += [line.popped[left] + 1] if left >= 0 else []
                pushed.append(max(limits))
                line.there.append(pushed[-1] + 1)
            elif len(whole) < pixels and before <= pixel:
                time = max(time, pushed[before - 1] + 1 if before > 0 else 0) + 1
                word += 1
                count = pixels if 4 * word >= pixels * size else 4 * word // size
                whole += [time] * (count - len(whole))
            else:
                yield False

    def _sink(self) -> Worker:
        """Result values leave one after the other; see ``library/sf_egress.sv``."""
        reading, count = self.readings[OUTPUT], self.plan.net.output.pixels
        steps, time = self.sized.pace.bus.output_cycles // count, 0
        while True:
            word = len(reading.taken)
            while word >= len(reading.ready):
                yield False
            time = max(time, reading.ready[word]) + steps
            reading.taken.append(time - 1)
            self.left.append(time)

    def _layer(self, block: Block, name: str, inputs: int) -> list[Worker]:
        rhythm, line = self.sized.pace.rhythms[name], self.lines[name]
        readings = [self.readings[name, index] for index in range(inputs)]
        if rhythm is None:
            return [_wiring(readings, line)]
        patience = self.sized.pace.patience.get(name, 0)
        return [_Unit(rhythm, readings, line, patience).work(self.images * block.count)]

    def _passes(self, block: Block) -> list[Worker]:
        """What carries words from pass to pass of a folded block, and out of it."""
        workers: list[Worker] = []
        for layer in block.layers:
            line, size = self.lines[layer.name], layer.output.pixels
            backs = []
            for entry in block.entries:
                if entry.back == layer.name:
                    back = _Line(readings=[_Reading(self.sized.returns[entry.name])])
                    backs.append(back)
                    self.lines[f"{entry.name} back"] = back
                    outside = self.readings[entry.name, 0]
                    inside = self.lines[entry.name]
                    spacing = self.sized.pace.spacing[block.name]
                    workers.append(
                        _enter(outside, back, inside, size, block.count, spacing=spacing)
                    )
            onward = self.lines.get(block.onward(layer.name))
            if backs or onward:
                leaving = _Reading()
                line.readings.append(leaving)
                workers.append(_leave(leaving, backs, onward, size, block.count))
        return workers


def _send(worker: Worker, *, alone: bool) -> bool:
    try:
        return worker.send(alone)
    except StopIteration:
        return False


def _wiring(readings: Sequence[_Reading], line: _Line) -> Worker:
    while True:
        word = len(line.there)
        if all(len(found.ready) > word for found in readings):
            line.there.append(max(found.ready[word] for found in readings))
        elif len(line.popped) > len(readings[0].taken):
            for found in readings:
                found.taken.append(line.popped[len(found.taken)])
        else:
            yield False


def _enter(
    outside: _Reading, back: _Line, inside: _Line, size: int, passes: int, *, spacing: int
) -> Worker:
    """Pass 0 from outside, the others from the feature-map buffer."""
    first = rest = 0
    returned = back.readings[0]
    while True:
        word, gone = len(inside.there), len(outside.taken) + len(returned.taken)
        before = word - size * passes if spacing and word % (size * passes) == 0 else -1
        beginning = word // size % passes == 0
        source, number = (outside, first) if beginning else (returned, rest)
        if len(source.ready) > number and len(inside.popped) > before:
            time = source.ready[number]
            if before >= 0:
                time = max(time, inside.popped[before] + spacing)
            inside.there.append(time)
            first, rest = first + beginning, rest + (not beginning)
        elif len(inside.popped) > gone:
            taker = outside if gone // size % passes == 0 else returned
            taker.taken.append(inside.popped[gone])
        else:
            yield False


def _leave(
    leaving: _Reading, backs: Sequence[_Line], onward: _Line | None, size: int, passes: int
) -> Worker:
    """The last pass goes onward, the others back."""
    counts = [0, 0]
    while True:
        sent, word = sum(counts), len(leaving.taken)
        last = sent // size % passes == passes - 1
        if len(leaving.ready) > sent:
            for line in ([onward] if onward else []) if last else backs:
                line.there.append(leaving.ready[sent])
            counts[last] += 1
            continue
        last = word // size % passes == passes - 1
        lines = ([onward] if onward else []) if last else list(backs)
        image, inside = divmod(word, size * passes)
        number = (
            image * size + inside - (passes - 1) * size
            if last
            else image * size * (passes - 1) + inside
        )
        if word < sent and all(len(line.popped) > number for line in lines):
            leaving.taken.append(
                max([leaving.ready[word], *(line.popped[number] for line in lines)])
            )
        else:
            yield False


@dataclass
class _Unit:
    """A unit that works through its ticks."""

    rhythm: Rhythm
    readings: Sequence[_Reading]
    line: _Line
    patience: int
    time: int = 0
    free: int = 0  # when a window former can take a pixel: it holds one before its window

    def work(self, images: int) -> Worker:
        rhythm = self.rhythm
        pixels = np.zeros(rhythm.ticks, bool)
        pixels[rhythm.pixels] = True
        takes = pixels.tolist()
        own = set(rhythm.words[rhythm.words < rhythm.ticks].tolist())
        tail = [int(tick) - rhythm.ticks for tick in rhythm.words if tick >= rhythm.ticks]
        owed: list[int] = []
        for _ in range(images):
            yield from self._ticks(takes, own.union(owed))
            owed = tail
            for ticks in (rhythm.drain, rhythm.lag):
                if owed and ticks and (yield from self._goes_alone()):
                    self.time += self.patience
                    yield from self._ticks([False] * ticks, set(owed))
                    owed = [tick - ticks for tick in owed if tick >= ticks]

    def _goes_alone(self) -> Generator[bool, bool, bool]:
        """Whether the next image does not begin in time."""
        first = self.readings[0]
        while len(first.ready) <= len(first.taken):
            if (yield True):
                return True
        return first.ready[len(first.taken)] > self.time + self.patience

    def _ticks(self, takes: Sequence[bool], emits: set[int]) -> Worker:
        rhythm, there, popped = self.rhythm, self.line.there, self.line.popped
        for tick, takes_one in enumerate(takes):
            start = self.time
            if takes_one:
                for reading in self.readings:
                    word = len(reading.taken)
                    while len(reading.ready) <= word:
                        yield False
                    start = max(start, reading.ready[word])
            gives = tick in emits
            place, number = 0, len(there) - rhythm.depth
            if (gives or rhythm.eager) and number >= 0:
                while len(popped) <= number:
                    yield False
                place = popped[number] + 1
            issue = max(start + rhythm.lead, place) if gives or rhythm.eager else start
            if not rhythm.lead:
                start = issue
            if takes_one:
                for reading in self.readings:
                    word = len(reading.taken)
                    early = max(reading.ready[word], self.free)
                    reading.taken.append(early if rhythm.lead else start + rhythm.hold)
            self.free = start + 1
            if gives:
                there.append(issue - rhythm.lead + rhythm.latency)
                self.time = issue - rhythm.lead + rhythm.cycles
            else:
                self.time = start + rhythm.pause
