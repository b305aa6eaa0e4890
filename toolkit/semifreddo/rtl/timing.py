"""Cycles of a network, exactly: what sets its pace, and when the first result leaves.

No unit waits for anything but words and places (rhythm.py), so all times follow from maxima and
sums. With the FIFOs of buffers.py nothing waits for a place in the long run: images follow each
other at the pace of the slowest unit, or of the slowest way round a folded block.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.rtl.folding import Block, Plan
from semifreddo.rtl.rhythm import Rhythm
from semifreddo.rtl.unit import Unit
from semifreddo.runtime.packets import BusFormat

Reader = tuple[str, int]
"""An input of a layer, an entry of a folded block, or the device's output: see ``Plan.reads``."""

OUTPUT: Reader = ("", 0)

_HEADER_WORDS = 2
_SETTLING = 40
"""Images after which a folded block must have found its pace."""


@dataclass(frozen=True)
class Clockwork:
    """A network's rhythms.

    Attributes:
        plan: What is built.
        units: The units of ``plan.built``, by layer.
        bus: The device's buses.
        held: Readers that have a FIFO of their own in front of them; it takes a cycle.
    """

    plan: Plan
    units: Mapping[str, Unit]
    bus: BusFormat
    held: Set[Reader] = frozenset()

    @cached_property
    def paces(self) -> Mapping[str, int]:
        """Cycles per image of every block, and of the buses, when nothing waits for others."""
        found = {}
        for block in self.plan.blocks:
            if block.folded:
                found[block.name] = self._folded_pace(block)
            else:
                layer = block.layers[0]
                rhythm = Rhythm.of(self.units[layer.name], layer, together=True)
                found[block.name] = rhythm.busy if rhythm else 0
        return found

    @cached_property
    def period(self) -> int:
        """Cycles between two results when images follow each other without a pause."""
        buses = self.bus.input_cycles, self.bus.output_cycles
        return max(*buses, *self.paces.values())

    @property
    def bottleneck(self) -> str:
        """What sets the pace: a layer, a folded repeat, ``input`` or ``output``."""
        name = max(self.paces, key=lambda found: self.paces[found])
        if self.paces[name] == self.period:
            return name
        return "output" if self.bus.output_cycles == self.period else "input"

    @cached_property
    def patience(self) -> Mapping[str, int]:
        """For every layer with windows: cycles that it waits for the next image.

        Zero if there is time enough for an image's end to come out alone, which keeps results in
        step whatever happens around the layer.
        """
        found = {}
        for block in self.plan.blocks:
            for layer in block.layers:
                alone = self._alone[layer.name]
                if alone is not None and alone.forms_windows:
                    slow = not block.folded and alone.busy > self.period
                    waits = self.period - self.paces[block.name] + 1
                    found[layer.name] = waits if slow else 0
        return found

    @cached_property
    def rhythms(self) -> Mapping[str, Rhythm | None]:
        """The rhythm of every built layer; None is wiring."""
        return {
            layer.name: Rhythm.of(
                self.units[layer.name], layer, together=self.patience.get(layer.name, 0) > 0
            )
            for layer in self.plan.built
        }

    @cached_property
    def _alone(self) -> Mapping[str, Rhythm | None]:
        return {
            layer.name: Rhythm.of(self.units[layer.name], layer, together=False)
            for layer in self.plan.built
        }

    @cached_property
    def latency(self) -> int:
        """Cycles from the first word in to the first image's last result word out."""
        images = 2 + min(4, sum(found > 0 for found in self.patience.values()))
        there = {self.plan.net.input.name: self._input_times(images)}
        for block in self.plan.blocks:
            if block.folded:
                there |= self._folded_times(block, there, images)
            else:
                there[block.name] = self._layer_times(block, there)
        first = self._arrivals(OUTPUT, there)[0]
        steps = self.bus.output_cycles // len(first)
        start = np.arange(len(first)) * steps
        return int((first - start).max()) + len(first) * steps

    def _input_times(self, images: int) -> IntArray:
        """When each pixel is there if the bus never waits, from the first header word on."""
        pixels = self.plan.net.input.pixels
        words = -(-(np.arange(images * pixels) + 1) * self.bus.pixel_bytes // 4)
        times = _HEADER_WORDS + words
        count = np.arange(len(times))
        times = count + np.maximum.accumulate(times - count)
        return np.asarray(times.reshape(images, pixels), np.int64)

    def _arrivals(self, reader: Reader, there: Mapping[str, IntArray]) -> IntArray:
        return there[self.plan.reads[reader]] + int(reader in self.held)

    def _layer_times(self, block: Block, there: Mapping[str, IntArray]) -> IntArray:
        layer, rhythm = block.layers[0], self.rhythms[block.name]
        inputs = [self._arrivals((layer.name, k), there) for k in range(len(layer.inputs))]
        ready = np.asarray(np.maximum.reduce(inputs), np.int64)
        if rhythm is None:
            return ready
        return rhythm.earliest_images(ready, self.patience.get(block.name, 0))

    def _folded_times(
        self, block: Block, there: Mapping[str, IntArray], images: int
    ) -> dict[str, IntArray]:
        """When the words of the last pass leave a folded block, by the names they leave under."""
        start = {layer.name: 0 for layer in block.layers}
        found: dict[str, list[IntArray]] = {layer.name: [] for layer in block.layers}
        for image in range(images):
            entering = {
                entry.name: self._arrivals((entry.name, 0), there)[image] for entry in block.entries
            }
            for name, times in self._one_image(block, entering, start).items():
                found[name].append(times)
        return {block.onward(name): np.array(times) for name, times in found.items()}

    def _one_image(
        self, block: Block, entering: Mapping[str, IntArray], start: dict[str, int]
    ) -> dict[str, IntArray]:
        """All passes of one image; ``start`` keeps when each unit's next tick may be."""
        there: dict[str, IntArray] = dict(entering)
        for number in range(block.count):
            if number:
                there = {entry.name: there[entry.back] + 1 for entry in block.entries}
            for layer in block.layers:
                rhythm = self._alone[layer.name]
                inputs = [self._arrivals((layer.name, k), there) for k in range(len(layer.inputs))]
                ready = np.asarray(np.maximum.reduce(inputs), np.int64)
                there[layer.name] = ready
                if rhythm is not None:
                    times, start[layer.name] = rhythm.earliest(ready, start[layer.name])
                    there[layer.name] = times
        return {layer.name: there[layer.name] for layer in block.layers}

    def _folded_pace(self, block: Block) -> int:
        """Cycles per image of a folded block that is never kept waiting."""
        entering = {
            entry.name: np.zeros(self.plan.streams[entry.name].pixels, np.int64)
            for entry in block.entries
        }
        start = {layer.name: 0 for layer in block.layers}
        busy = [layer.name for layer in block.layers if self._alone[layer.name] is not None]
        history: list[list[int]] = []
        for _ in range(_SETTLING):
            self._one_image(block, entering, start)
            history.append([start[name] for name in busy])
            steps = np.diff(np.array(history[-3:]), axis=0)
            if len(history) > 2 and len(np.unique(steps)) == 1:
                return int(steps[0, 0])
        half = len(history) // 2
        return max(
            -(-(late - early) // half)
            for late, early in zip(history[-1], history[-1 - half], strict=True)
        )
