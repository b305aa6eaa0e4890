"""Which streams need a FIFO, and how deep, so that every unit keeps the network's pace.

A schedule is made in which images follow each other at the network's period: the device's results
are due at even distances, and every unit works as late as its readers allow. Where a word waits
longer than its place in the unit's own FIFO is free, or keeps another reader of the same stream
from its word, the reader gets a FIFO of its own, deep enough for this schedule.

That is a proof, too. The network is a marked graph: every event waits for fixed earlier ones, among
them the return of places. Since one schedule with these places exists, the hardware, which does
everything as early as it can, is never later: it reaches the period, and it cannot deadlock. (An
image's end that comes out alone waits for less than in the schedule.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.rtl.timing.folding import Block, Entry, Plan
from semifreddo.rtl.timing.pace import OUTPUT, Pace, Reader
from semifreddo.rtl.timing.ticks import FAR

_ROUNDS = 60
"""Images after which the schedule of a folded block must repeat itself."""


@dataclass(frozen=True)
class Sized:
    """A pace and its FIFOs.

    Attributes:
        pace: With all FIFOs in place.
        depths: Words of the FIFO in front of a reader, for those that have one.
        returns: Words of the feature-map buffer of every entry of a folded block.
    """

    pace: Pace
    depths: Mapping[Reader, int]
    returns: Mapping[str, int]


def size_fifos(pace: Pace) -> Sized:
    """Add FIFOs until the schedule is possible.

    Every reader of a stream with several readers has one to begin with: otherwise the answer of
    each of them would be part of a path through all, across the chip.
    """
    pace = replace(pace, held=frozenset(_shared(pace.plan)))
    while True:
        sizes = _Sizes(pace, _schedule(pace))
        sizes.check()
        if not sizes.missing:
            return Sized(pace, sizes.depths, sizes.returns)
        pace = replace(pace, held=frozenset(pace.held) | sizes.missing)


def _shared(plan: Plan) -> Iterator[Reader]:
    """Readers of streams that others read too."""
    for stream, readers in plan.readers.items():
        if len(readers) + len(plan.leaves(stream)) > 1:
            yield from readers


@dataclass
class _Schedule:
    """Times of one image, for all its passes: lists have an array per pass.

    Attributes:
        ticks: Of every unit.
        wanted: When each reader begins to need each word of its stream.
        due: When each stream's words must be there.
    """

    ticks: dict[str, list[IntArray]] = field(default_factory=dict)
    wanted: dict[Reader, list[IntArray]] = field(default_factory=dict)
    due: dict[str, list[IntArray]] = field(default_factory=dict)


def _schedule(pace: Pace) -> _Schedule:
    """Every unit as late as its readers allow."""
    plan, found = pace.plan, _Schedule()
    count = plan.net.output.pixels
    found.wanted[OUTPUT] = [np.arange(count) * pace.period // count]
    for block in reversed(plan.blocks):
        if block.folded:
            _schedule_folded(pace, block, found)
        else:
            _schedule_layer(pace, block, found)
    found.due[plan.net.input.name] = [_due(pace, plan.net.input.name, found.wanted)]
    return found


def _due(
    pace: Pace, stream: str, wanted: Mapping[Reader, list[IntArray]], number: int = 0
) -> IntArray:
    """When a stream's words of one pass must be there for its readers."""
    times = [
        wanted[reader][number] - int(reader in pace.held)
        for reader in pace.plan.readers.get(stream, ())
    ]
    if not times:
        return np.full(pace.plan.streams[stream].pixels, FAR)
    return np.asarray(np.minimum.reduce(times), np.int64)


def _schedule_layer(pace: Pace, block: Block, found: _Schedule) -> None:
    layer, rhythm = block.layers[0], pace.rhythms[block.name]
    due = _due(pace, block.name, found.wanted)
    found.due[block.name] = [due]
    starts = due
    if rhythm is not None:
        ticks = rhythm.latest_periodic(due, pace.period)
        found.ticks[block.name] = [ticks]
        starts = ticks[rhythm.pixels]
    for index in range(len(layer.inputs)):
        found.wanted[layer.name, index] = [starts]


def _schedule_folded(pace: Pace, block: Block, found: _Schedule) -> None:
    """Backwards through passes and images until one image is like the one behind it."""
    period = pace.period
    onward = {
        layer.name: _due(pace, block.onward(layer.name), found.wanted) for layer in block.layers
    }
    last = max(int(times[times < FAR].max(initial=0)) for times in onward.values())
    following = {layer.name: last + 4 * period for layer in block.layers}
    before: dict[str, list[IntArray]] = {}
    for image in range(_ROUNDS):
        now = _Schedule()
        leaving = {name: times - image * period for name, times in onward.items()}
        _folded_image(pace, block, leaving, following, now)
        if before and all(
            np.array_equal(one - period, other)
            for name, times in now.ticks.items()
            for one, other in zip(before[name], times, strict=True)
        ):
            break
        before = now.ticks
    shift = image * period
    for mine, theirs in ((now.ticks, found.ticks), (now.due, found.due)):
        theirs.update({name: [t + shift for t in times] for name, times in mine.items()})
    found.wanted.update({key: [t + shift for t in times] for key, times in now.wanted.items()})


def _folded_image(
    pace: Pace,
    block: Block,
    leaving: Mapping[str, IntArray],
    following: dict[str, int],
    found: _Schedule,
) -> None:
    """One image of a folded block, last pass first."""
    inner = [*(entry.name for entry in block.entries), *block.passes[0]]
    for number in reversed(range(block.count)):
        wanted: dict[Reader, list[IntArray]] = {}
        due: dict[str, IntArray] = {}
        for layer in reversed(block.layers):
            name, rhythm = layer.name, pace.rhythms[layer.name]
            times = [_due(pace, name, wanted)]
            if number == block.count - 1:
                times.append(leaving[name])
            else:
                times += [
                    found.due[entry.name][0] - 1 for entry in block.entries if entry.back == name
                ]
            due[name] = starts = np.asarray(np.minimum.reduce(times), np.int64)
            if rhythm is not None:
                ticks = rhythm.latest(due[name], following[name])
                following[name] = int(ticks[0])
                found.ticks.setdefault(name, []).insert(0, ticks)
                starts = ticks[rhythm.pixels]
            for index in range(len(layer.inputs)):
                wanted[name, index] = [starts]
                found.wanted.setdefault((name, index), []).insert(0, starts)
        for entry in block.entries:
            due[entry.name] = _due(pace, entry.name, wanted)
        for name in inner:
            found.due.setdefault(name, []).insert(0, due[name])
    for entry in block.entries:
        found.wanted[entry.name, 0] = [found.due[entry.name][0]]


@dataclass
class _Reading:
    """When a reader needs and takes some words of a stream, all passes in a row.

    Attributes:
        reader: Name of the reader; None is a feature-map buffer, which always has room.
        wanted: When it begins to need each word, or is FAR where it does not read.
        taken: When it has taken each word, or -FAR where it does not read or always has room.
        words: Which words it reads.
    """

    reader: Reader | None
    wanted: IntArray
    taken: IntArray
    words: slice


class _Sizes:
    """Places that a schedule needs."""

    def __init__(self, pace: Pace, schedule: _Schedule) -> None:
        self.pace = pace
        self.period = pace.period
        self.schedule = schedule
        self.missing: set[Reader] = set()
        self.depths: dict[Reader, int] = {}
        self.returns: dict[str, int] = {}
        self._popped: dict[str, IntArray] = {}
        self._returned: dict[str, IntArray] = {}

    def check(self) -> None:
        """Find readers that need a FIFO, and the depth of those that have one."""
        for block in reversed(self.pace.plan.blocks):
            for layer in reversed(block.layers):
                self._check_layer(block, layer.name)
            for entry in block.entries:
                self._check_entry(block, entry)
        self._check_source()

    def _check_layer(self, block: Block, name: str) -> None:
        rhythm = self.pace.rhythms[name]
        readings = self._readings(block, name)
        if rhythm is None:
            there = np.concatenate(self.schedule.due[name])
            self._stream(name, readings, there, None, 0)
            return
        ticks = self.schedule.ticks[name]
        if block.folded:
            parts = [rhythm.results(times, 0) for times in ticks]
            there = np.concatenate(parts)
            issues = [rhythm.issues(times, 0) for times in ticks]
            if rhythm.eager:  # the first place is needed behind the last pass's last result
                after = [times[(rhythm.words[-1] + 1) % rhythm.ticks] for times in ticks]
                wraps = rhythm.words[-1] + 1 == rhythm.ticks
                for number, times in enumerate(issues):
                    times[0] = (
                        ticks[number][0]
                        if wraps
                        else after[number - 1] - (self.period if number == 0 else 0)
                    )
            places = np.concatenate(issues)
        else:
            there = rhythm.results(ticks[0], self.period)
            places = rhythm.issues(ticks[0], self.period)
        self._stream(name, readings, there, places, rhythm.depth)

    def _check_entry(self, block: Block, entry: Entry) -> None:
        there = np.concatenate(self.schedule.due[entry.name])
        self._stream(entry.name, self._readings(block, entry.name, entry=True), there, None, 0)
        count = self.pace.plan.streams[entry.name].pixels
        popped = self._popped[entry.name][count:]
        pushed = self._returned[entry.back][: len(popped)]
        self.returns[entry.name] = max(count, _words_held(pushed, popped, self.period))

    def _check_source(self) -> None:
        """The bus gives a pixel every few cycles and holds a few of them.

        The FIFO behind it holds more, which is not needed here.
        """
        name, bus = self.pace.plan.net.input.name, self.pace.bus
        due = self.schedule.due[name][0]
        gap = max(1.0, bus.pixel_bytes / 4)
        twice = np.concatenate([due, due + self.period])
        start = np.arange(len(twice)) * gap
        latest = start + np.minimum.accumulate((twice - start)[::-1])[::-1]
        there = np.floor(latest[: len(due)]).astype(np.int64)
        room = bus.pixel_bytes + 8
        depth = room // bus.pixel_bytes
        rest = -(-((depth + 1) * bus.pixel_bytes - room) // 4)
        readings = self._readings(None, name)
        self._stream(name, readings, there, there - rest, depth)

    def _readings(self, block: Block | None, name: str, *, entry: bool = False) -> list[_Reading]:
        """Who reads a stream: inside its block, back into it, and behind it."""
        plan = self.pace.plan
        every = len(np.concatenate(self.schedule.due[name]))
        found = [
            self._reading(reader, slice(0, every), every) for reader in plan.readers.get(name, ())
        ]
        if block is None or not block.folded or entry:
            return found
        size = every // block.count
        last = slice(every - size, every)
        outside = plan.readers.get(block.onward(name), ())
        found += [self._reading(reader, last, every) for reader in outside]
        if any(entry.back == name for entry in block.entries):
            wanted = np.full(every, FAR)
            for entry_ in block.entries:
                if entry_.back == name:
                    later = np.concatenate(self.schedule.due[entry_.name][1:])
                    wanted[: len(later)] = np.minimum(wanted[: len(later)], later)
            found.append(_Reading(None, wanted, np.full(every, -FAR), slice(0, every - size)))
        return found

    def _reading(self, reader: Reader, words: slice, every: int) -> _Reading:
        wanted, taken = np.full(every, FAR), np.full(every, -FAR)
        wanted[words] = np.concatenate(self.schedule.wanted[reader])
        if reader not in self.pace.held:
            taken[words] = self._taken(reader)
        return _Reading(reader, wanted, taken, words)

    def _taken(self, reader: Reader) -> IntArray:
        """When a reader has taken each word."""
        wanted = np.concatenate(self.schedule.wanted[reader])
        name = reader[0]
        if reader == OUTPUT:
            return wanted + self.pace.bus.output_cycles // len(wanted) - 1
        rhythm = self.pace.rhythms.get(name)
        return self._popped[name][: len(wanted)] if rhythm is None else wanted + rhythm.hold

    def _stream(
        self,
        name: str,
        readings: list[_Reading],
        there: IntArray,
        places: IntArray | None,
        depth: int,
    ) -> None:
        """Find who takes words too late, and the depths of FIFOs.

        Args:
            name: The stream.
            readings: Its readers.
            there: When its words are offered.
            places: When the producer needs the place of word ``j - depth`` for word ``j``.
            depth: Words that the producer holds.
        """
        held = self.pace.held
        direct = np.maximum.reduce([reading.taken for reading in readings])
        rooms = [
            reading.wanted - int(reading.reader is None or reading.reader in held)
            for reading in readings
        ]
        latest = np.asarray(np.minimum.reduce(rooms), np.int64)
        if places is not None:
            latest = np.minimum(latest, _shifted(places, -depth, self.period) - 1)
        latest = _in_order(latest, self.period)
        popped = np.where(direct > -FAR, direct, np.maximum(latest, there))
        head = np.maximum(there, _shifted(popped, 1, self.period) + 1)
        popped = np.maximum(popped, head)
        late = np.zeros(len(there), bool)  # words that are taken too late by someone
        for room in rooms:
            late |= np.roll(head > room, -1)
        if places is not None:
            late |= _shifted(places, -depth, self.period) <= popped
        for reading in readings:
            slow = late & (reading.taken == popped)
            if reading.reader is not None and slow.any():
                self.missing.add(reading.reader)
        self._popped[name] = popped
        for reading in readings:
            pushed = np.minimum(reading.wanted - 1, popped)
            if reading.reader is None:
                self._returned[name] = pushed
            elif reading.reader in held:
                taken = self._taken(reading.reader)
                self.depths[reading.reader] = _words_held(pushed[reading.words], taken, self.period)


def _shifted(times: IntArray, places: int, period: int) -> IntArray:
    """``times[j - places]`` of periodic times."""
    late, place = np.divmod(np.arange(len(times)) - places, len(times))
    return np.asarray(times[place] + late * period, np.int64)


def _in_order(times: IntArray, period: int) -> IntArray:
    """The latest periodic times with ``t[j] <= times[j]`` and ``t[j] < t[j + 1]``."""
    twice = np.concatenate([times, times + period])
    count = np.arange(len(twice))
    bound = np.minimum.accumulate((twice - count)[::-1])[::-1]
    return np.asarray((bound + count)[: len(times)], np.int64)


def _words_held(pushed: IntArray, taken: IntArray, period: int) -> int:
    """The smallest ``d`` with ``pushed[j + d] > taken[j]`` for all words ``j``."""
    images = max(1, int(taken.max() - pushed.min()) // period + 2)
    later = (pushed + np.arange(images)[:, None] * period).reshape(-1)
    return int((np.searchsorted(later, taken, side="right") - np.arange(len(taken))).max())
