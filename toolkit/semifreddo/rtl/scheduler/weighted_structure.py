"""A weighted layer with all its choices, and what each costs.

Frozen and loadable channels are independent of each other, so that a scheduler can choose for each
on its own; what either costs is kept by the choices that decide it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.layers import Conv, Linear
from semifreddo.rtl.adders.size import GraphSize, graph_size
from semifreddo.rtl.choices import Choice
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Area, Parts
from semifreddo.rtl.scheduler.structure import LayerModel, counted
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.units.channels import WeightedLayer
from semifreddo.rtl.units.weighted_plan import Weighted


@dataclass(frozen=True, eq=False)
class WeightedModel(LayerModel):
    """A weighted layer as counts of parts."""

    layer: Conv | Linear

    @cached_property
    def of(self) -> WeightedLayer:
        """What holds for every choice."""
        return WeightedLayer(self.context.net, self.layer)

    @cached_property
    def graph(self) -> GraphSize | None:
        """The frozen channels' adders, if there are any."""
        if not self.of.frozen:
            return None
        return graph_size(self.of.weight, self.of.source.type, depthwise=self.of.depthwise)

    @property
    def serial_bits(self) -> int:
        """Width of the widest sum of the frozen channels."""
        return self.of.widest

    @property
    def rows(self) -> int:
        """Rows of the weight matrix."""
        return self.of.weight.rows

    @property
    def loadable(self) -> int:
        """Channels with loadable weights."""
        return len(self.of.loadable)

    @property
    def narrow(self) -> bool:
        """Whether products are so narrow that tools make logic of them in any case."""
        return not self.plan(Choice(multiplier="dsp")).mac.sliced

    @cached_property
    def _plans(self) -> dict[Choice, Weighted]:
        return {}

    def plan(self, choice: Choice) -> Weighted:
        """The layer with a choice, its adders predicted."""
        if choice not in self._plans:
            self._plans[choice] = Weighted(self.of, choice, self.context, self.graph)
        return self._plans[choice]

    def figures(self, choice: Choice) -> Figures:
        return self.plan(choice).figures

    def frozen_cycles(self, choice: Choice) -> int:
        """Cycles of the adders for a word."""
        return self.plan(choice).frozen_cycles if self.graph else 1

    def loadable_cycles(self, choice: Choice) -> int:
        """Cycles of the multipliers for a word."""
        return max(1, self.plan(choice).loadable_cycles)

    def parts(self, choice: Choice) -> Parts:
        plan = self.plan(choice)
        parts = counted(plan.components())
        for rest in (self._shared_rest, plan.frozen_rest()):
            parts.add_all(rest)
        if self.loadable:
            parts.add_all(plan.loadable_rest())
        return parts

    @cached_property
    def _shared_rest(self) -> Parts:
        """The words in front of the FIFOs."""
        words = len(self.of.frozen) + len(self.of.loadable)
        return Parts.of("word_bit", words * self.of.target.width)

    def area(self, choice: Choice) -> Area:
        plan = self.plan(choice)
        fifos = [plan.fifo(found) for found in (self.of.frozen, self.of.loadable) if found]
        areas = (
            self._known(("shared",), plan.shared_components(), self._shared_rest),
            self._known(("fifo", plan.depth), fifos, Parts()),
            self.frozen_area(choice),
            self.loadable_area(choice),
        )
        return sum(areas, Area()).rounded()

    def frozen_area(self, choice: Choice) -> Area:
        """The adders of the frozen channels and what follows them."""
        plan = self.plan(Choice(digit_bits=choice.digit_bits))
        key = ("frozen", choice.digit_bits)
        return self._areas.get(key) or self._known(
            key, plan.frozen_components(), plan.frozen_rest()
        )

    def loadable_area(self, choice: Choice) -> Area:
        """The multipliers of the loadable channels, their weights and what follows them."""
        if not self.loadable:
            return Area()
        key = (choice.rows_per_cycle, choice.channels_per_cycle, choice.multiplier)
        if key not in self._areas:
            plan = self.plan(Choice(*key[:2], multiplier=choice.multiplier))
            self._known(key, plan.loadable_components(), plan.loadable_rest())
        return self._areas[key]

    @cached_property
    def _areas(self) -> dict[tuple[object, ...], Area]:
        return {}

    def _known(self, key: tuple[object, ...], components: Iterable[Component], rest: Parts) -> Area:
        if key not in self._areas:
            parts = counted(components)
            parts.add_all(rest)
            self._areas[key] = parts.area()
        return self._areas[key]
