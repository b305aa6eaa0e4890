"""A layer with all choices of its hardware, and what each costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.layers import Layer, Stream
from semifreddo.rtl.choices import Choice, is_wiring
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Area, Parts
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.timing.ticks import Rhythm
from semifreddo.rtl.units.unit import Context


@dataclass(frozen=True, eq=False)
class LayerModel:
    """A layer as counts of parts.

    Attributes:
        context: The network, and the passes in which the layer runs.
        layer: One of its layers.
    """

    context: Context
    layer: Layer

    @property
    def output(self) -> Stream:
        """The stream it makes."""
        return self.layer.output

    @cached_property
    def wiring(self) -> bool:
        """Whether it is nothing but wires, so that there is nothing to choose."""
        return is_wiring(self.layer, self.context.net)

    def cycles(self, choice: Choice) -> int:
        """Cycles per image, all passes together."""
        figures = self.figures(choice)
        if figures.passes == 1:
            return figures.cycles
        rhythm = Rhythm.of(figures, self.layer, together=False)
        return figures.passes * (rhythm.busy if rhythm else self.output.pixels)

    def figures(self, choice: Choice) -> Figures:
        """What its times follow from; its latency, and so its FIFO, is predicted."""
        raise NotImplementedError

    def parts(self, choice: Choice) -> Parts:
        """What it is made of."""
        raise NotImplementedError

    def area(self, choice: Choice) -> Area:
        """What it costs, in whole numbers."""
        return self.parts(choice).area().rounded()


def counted(components: Iterable[Component]) -> Parts:
    """What components are made of."""
    parts = Parts()
    for component in components:
        parts.add_all(component.counts())
    return parts
