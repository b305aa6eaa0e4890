"""When a unit takes its words and gives its results, tick by tick; mirrors the library's Verilog.

A unit works in ticks. A tick takes the next pixel, or none (rows that drain), and starts a result,
or none (windows that are not wanted). After one that starts a result the next tick follows when the
result's cycles are over, otherwise one cycle later (in upsampling, and in a pool of windows that do
not overlap, every tick takes the same cycles). Nothing else decides when a tick happens but the
words it needs and the places behind the pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.ir.layers import AvgPool, Layer, MaxPool
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.timing.figures import Figures

FAR = 1 << 40
"""A time that never comes."""


@dataclass(frozen=True)
class Rhythm:
    """The ticks of a unit for one image (or one pass of a folded block).

    Attributes:
        pixels: Tick that takes each input word.
        words: Tick that starts each result; ticks behind the last one are beside the next image.
        ticks: Their number.
        cycles: Cycles of a tick that starts a result.
        pause: Cycles of a tick that starts nothing.
        latency: Cycles from such a tick to the result on the output stream.
        hold: Cycles that an input word stays after its tick began.
        lead: Cycles from a tick to the issue of its result. A window former decides on a tick in
            one cycle and moves the window in the next. The time of a tick is the cycle before the
            move, even where the decision was taken, and the pixel read, earlier.
        depth: Results that fit behind the pipeline.
        eager: Whether a tick that starts nothing waits for a place too.
        drain: Ticks at the end of the image that can run alone, beside no image.
        lag: Ticks that push the last windows out.
    """

    pixels: IntArray
    words: IntArray
    ticks: int
    cycles: int
    latency: int
    depth: int
    pause: int = 1
    hold: int = 0
    lead: int = 0
    eager: bool = False
    drain: int = 0
    lag: int = 0

    @classmethod
    def of(cls, figures: Figures, layer: Layer, *, together: bool) -> Rhythm | None:
        """The rhythm of a unit; None for wiring, which has none of its own.

        Args:
            figures: Of the unit.
            layer: What it computes.
            together: Whether the end of an image comes out beside the next image.
        """
        geometry, size = figures.geometry, layer.output.pixels
        if figures.depth == 0:
            return None
        if figures.blocks is not None:
            return cls(
                pixels=figures.blocks.pixel_ticks(),
                words=figures.blocks.result_ticks(),
                ticks=figures.blocks.ticks,
                cycles=figures.word_cycles,
                latency=figures.latency,
                depth=figures.depth,
                pause=figures.word_cycles,
                hold=figures.word_cycles - 1,
                eager=True,
            )
        if geometry is None or geometry.trivial:
            every = np.arange(size)
            return cls(
                pixels=every,
                words=every,
                ticks=size,
                cycles=figures.word_cycles,
                latency=figures.latency,
                depth=figures.depth,
                hold=figures.word_cycles - 1,
            )
        if isinstance(layer, MaxPool | AvgPool) and geometry.disjoint:
            return cls(
                pixels=np.arange(geometry.height * geometry.width),
                words=_last_pixels(geometry),
                ticks=geometry.height * geometry.width,
                cycles=figures.word_cycles,
                latency=figures.latency,
                depth=figures.depth,
                pause=figures.word_cycles,
                hold=figures.word_cycles - 1,
                eager=True,
            )
        return cls(
            pixels=geometry.pixel_ticks(),
            words=geometry.window_ticks(),
            ticks=geometry.ticks if together else geometry.ticks_alone,
            cycles=figures.word_cycles,
            latency=figures.latency,
            depth=figures.depth,
            lead=geometry.lead,
            drain=geometry.overlap * geometry.span if together else 0,
            lag=geometry.lag if together else 0,
        )

    @property
    def forms_windows(self) -> bool:
        """Whether there is a window former (``sf_window``)."""
        return self.lead > 0

    @property
    def busy(self) -> int:
        """Cycles per image when nothing waits."""
        return self.ticks * self.pause + len(self.words) * (self.cycles - self.pause)

    @cached_property
    def _periodic(self) -> IntArray:
        """Cycles of each tick when images follow each other."""
        cycles = np.full(self.ticks, self.pause, np.int64)
        cycles[self.words % self.ticks] = self.cycles
        return cycles

    def latest(self, due: IntArray, following: int) -> IntArray:
        """The latest times of one image's ticks; needs a rhythm that runs alone.

        Args:
            due: When each result must be on the output stream.
            following: When the next image's first tick is.
        """
        limits = np.full(self.ticks + 1, FAR)
        limits[self.words] = due - self.latency
        limits[-1] = following
        return _latest(limits, np.append(self._periodic, 0))[:-1]

    def latest_periodic(self, due: IntArray, period: int) -> IntArray:
        """The latest times of an image's ticks when images follow each other in ``period``."""
        images = 3
        limits = np.full(images * self.ticks, FAR)
        for image in range(-1, images):
            ticks = self.words + image * self.ticks
            inside = (ticks >= 0) & (ticks < len(limits))
            limits[ticks[inside]] = due[inside] + image * period - self.latency
        return _latest(limits, np.tile(self._periodic, images))[: self.ticks]

    def results(self, ticks: IntArray, period: int) -> IntArray:
        """When each result is on the output stream, by the times of a periodic image's ticks."""
        late, place = np.divmod(self.words, self.ticks)
        return np.asarray(ticks[place] + late * period + self.latency, np.int64)

    def issues(self, ticks: IntArray, period: int) -> IntArray:
        """When each result needs its place behind the pipeline."""
        if self.eager:
            late, place = np.divmod(np.roll(self.words, 1) + 1, self.ticks)
            late = late - (np.arange(len(place)) == 0)
            return np.asarray(ticks[place] + late * period, np.int64)
        return self.results(ticks, period) - self.latency + self.lead

    def earliest(self, ready: IntArray, start: int) -> tuple[IntArray, int]:
        """One image as early as possible; needs a rhythm that runs alone.

        Args:
            ready: When each input word is there.
            start: When the first tick may be.

        Returns:
            When each result is on the output stream, and when the next image's first tick may be.
        """
        limits = np.full(self.ticks + 1, start)
        limits[self.pixels] = np.maximum(ready, start)
        times = _earliest(limits, self._periodic)
        return times[self.words] + self.latency, int(times[-1])


def _last_pixels(geometry: Geometry) -> IntArray:
    """The pixel that completes each window, for windows that do not overlap."""
    rows = np.arange(geometry.out[0]) * geometry.stride[0] + geometry.kernel[0] - 1
    columns = np.arange(geometry.out[1]) * geometry.stride[1] + geometry.kernel[1] - 1
    return np.asarray((rows[:, None] * geometry.width + columns).reshape(-1), np.int64)


def _latest(limits: IntArray, cycles: IntArray) -> IntArray:
    """The latest times with ``t[k] <= limits[k]`` and ``t[k] + cycles[k] <= t[k + 1]``."""
    start = np.cumsum(cycles) - cycles
    bound = np.minimum.accumulate((limits - start)[::-1])[::-1]
    return np.asarray(start + bound, np.int64)


def _earliest(limits: IntArray, cycles: IntArray) -> IntArray:
    """The earliest times with ``t[k] >= limits[k]`` and ``t[k + 1] >= t[k] + cycles[k]``.

    There is one more limit than cycles: the last time is when the next tick may be.
    """
    start = np.append(0, np.cumsum(cycles))
    return np.asarray(start + np.maximum.accumulate(limits - start), np.int64)
