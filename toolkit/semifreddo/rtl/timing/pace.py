"""The pace of a network, exactly, and how its units take turns.

No unit waits for anything but words and places (ticks.py), so all times follow from maxima and
sums. With the FIFOs of fifos.py nothing waits for a place in the long run: images follow each
other at the pace of the slowest unit, or of the slowest way round a folded block.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semifreddo.core.fixed import IntArray
from semifreddo.ir.bus import BusFormat
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.timing.folding import Block, Plan
from semifreddo.rtl.timing.ticks import Rhythm

Reader = tuple[str, int]
"""An input of a layer, an entry of a folded block, or the device's output: see ``Plan.reads``."""

OUTPUT: Reader = ("", 0)

INPUT_DEPTH = 2
"""Words of the FIFOs before and behind the bus front end, which cut the paths through it."""

_SETTLING = 40
"""Images after which a folded block must have found its pace."""


@dataclass(frozen=True)
class Pace:
    """The pace of a network, and the rhythm of every unit in it.

    Attributes:
        plan: What is built.
        figures: Of every layer of ``plan.built``.
        bus: The device's buses.
        held: Readers that have a FIFO of their own in front of them; it takes a cycle.
    """

    plan: Plan
    figures: Mapping[str, Figures]
    bus: BusFormat
    held: Set[Reader] = frozenset()

    @cached_property
    def paces(self) -> Mapping[str, int]:
        """Cycles per image of every block, and of the buses, when nothing waits for others."""
        found = {}
        for block in self.plan.blocks:
            if block.folded:
                found[block.name] = self._turns[block.name][0]
            else:
                layer = block.layers[0]
                rhythm = Rhythm.of(self.figures[layer.name], layer, together=True)
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
                self.figures[layer.name], layer, together=self.patience.get(layer.name, 0) > 0
            )
            for layer in self.plan.built
        }

    @cached_property
    def _alone(self) -> Mapping[str, Rhythm | None]:
        return {
            layer.name: Rhythm.of(self.figures[layer.name], layer, together=False)
            for layer in self.plan.built
        }

    def _arrivals(self, reader: Reader, there: Mapping[str, IntArray]) -> IntArray:
        return there[self.plan.reads[reader]] + int(reader in self.held)

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

    @cached_property
    def spacing(self) -> Mapping[str, int]:
        """For each folded block: cycles between the beginnings of images, 0 if it needs no rule."""
        return {name: spacing for name, (_, spacing) in self._turns.items()}

    @cached_property
    def _turns(self) -> Mapping[str, tuple[int, int]]:
        """Pace and spacing of each folded block that is never kept waiting by others."""
        return {block.name: self._turn(block) for block in self.plan.blocks if block.folded}

    def _turn(self, block: Block) -> tuple[int, int]:
        steps = self._folded_steps(block, 0)
        pace = -(-sum(steps) // len(steps))
        if set(steps) == {pace}:
            return pace, 0
        # Images come in turns, long and short: they must not begin too close together.
        while set(self._folded_steps(block, pace)) != {pace}:
            pace += 1
        return pace, pace

    def _folded_steps(self, block: Block, spacing: int) -> list[int]:
        """Cycles from image to image when it has settled: one number if all units keep in step.

        Args:
            block: A folded block.
            spacing: Cycles between the images that it is offered.
        """
        start = {layer.name: 0 for layer in block.layers}
        busy = [layer.name for layer in block.layers if self._alone[layer.name] is not None]
        history: list[list[int]] = []
        for image in range(_SETTLING):
            entering = {
                entry.name: np.full(self.plan.streams[entry.name].pixels, image * spacing)
                for entry in block.entries
            }
            self._one_image(block, entering, start)
            history.append([start[name] for name in busy])
            steps = np.diff(np.array(history[-3:]), axis=0)
            if len(history) > 2 and len(np.unique(steps)) == 1:
                return [int(steps[0, 0])]
        steps = np.diff(np.array(history), axis=0)[_SETTLING // 2 - 1 :]
        slowest: list[int] = steps[:, int(steps.sum(axis=0).argmax())].tolist()
        return slowest
