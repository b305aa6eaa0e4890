"""A layer without weights with all its choices, and what each costs."""

from __future__ import annotations

from dataclasses import dataclass

from semifreddo.ir.layers import Add, AvgPool, Blend, Cast, MaxPool, Route
from semifreddo.rtl.choices import Choice
from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.scheduler.structure import LayerModel, counted
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.lanes import Lanes
from semifreddo.rtl.units.pointwise import Pointwise
from semifreddo.rtl.units.pooling import Pool


@dataclass(frozen=True, eq=False)
class LanesModel(LayerModel):
    """A layer without weights as counts of parts."""

    layer: Add | AvgPool | Blend | Cast | MaxPool | Route

    def plan(self, choice: Choice) -> Lanes:
        """The layer with a choice."""
        if isinstance(self.layer, MaxPool | AvgPool):
            return Pool(self.context, self.layer, choice)
        return Pointwise(self.context, self.layer, choice)

    def figures(self, choice: Choice) -> Figures:
        if self.wiring:
            name, cycles = self.layer.name, self.output.pixels
            return Figures(name, cycles, 0, passes=self.context.passes)
        return self.plan(choice).figures

    def parts(self, choice: Choice) -> Parts:
        if self.wiring:
            return Parts()
        plan = self.plan(choice)
        parts = counted(plan.components())
        parts.add_all(plan.rest())
        return parts
