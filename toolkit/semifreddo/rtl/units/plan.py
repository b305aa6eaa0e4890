"""A layer as hardware: before anything is chosen, and with its choice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from semifreddo.ir.layers import Layer
from semifreddo.rtl.choices import OFFERED, Choice, Multiplier, Override
from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Area, Parts
from semifreddo.rtl.timing.figures import Figures
from semifreddo.rtl.timing.ticks import Rhythm
from semifreddo.rtl.units.unit import Context, Unit


@dataclass(frozen=True)
class Option:
    """One choice for a layer, or for a part of it that is chosen on its own.

    Attributes:
        choice: The choice.
        cycles: Cycles per image; of a part of a layer, per word.
        area: Predicted resources, of a whole layer in whole numbers.
    """

    choice: Choice
    cycles: int
    area: Area


def undominated(options: Iterable[Option]) -> tuple[Option, ...]:
    """Options that no other beats in cycles, LUTs, DSPs and block memories, by rising cycles."""
    kept: list[Option] = []
    for option in sorted(options, key=_order):
        if not any(
            better.area.lut <= option.area.lut
            and better.area.dsp <= option.area.dsp
            and better.area.bram18 <= option.area.bram18
            for better in kept
        ):
            kept.append(option)
    return tuple(kept)


def _order(option: Option) -> tuple[float, ...]:
    area = option.area
    return option.cycles, area.lut, area.dsp, area.bram18, area.ff


def least_steps(count: int) -> list[int]:
    """The smallest step for every number of steps in which ``count`` can be done."""
    found = {-(-count // each): each for each in range(count, 0, -1)}
    return sorted(found.values())


@dataclass(frozen=True, eq=False)
class UnitPlan(ABC):
    """A layer with its choice: lists its components, and its text places exactly those.

    Attributes:
        context: The network, and the passes in which the layer runs.
        layer: The layer.
        choice: The choice.
    """

    context: Context
    layer: Layer
    choice: Choice

    @property
    @abstractmethod
    def figures(self) -> Figures:
        """What its times follow from."""

    @property
    @abstractmethod
    def cycles(self) -> int:
        """Cycles per image, or pass, when one follows the other and nothing waits."""

    @abstractmethod
    def components(self) -> Iterator[Component]:
        """Every instance of a library module in the layer's modules."""

    @abstractmethod
    def rest(self) -> Parts:
        """What is no library module."""

    @abstractmethod
    def unit(self) -> Unit:
        """The layer in Verilog."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The choice in words; empty if there is nothing to choose."""

    @property
    @abstractmethod
    def limit(self) -> str:
        """Why it is no faster when its choice is the fastest."""

    @abstractmethod
    def advice(self, resource: str) -> str:
        """What makes it take less of a resource (of :class:`Area`) than its smallest choice."""

    def parts(self) -> Parts:
        """What it is made of."""
        parts = counted(self.components())
        parts.add_all(self.rest())
        return parts

    @cached_property
    def area(self) -> Area:
        """What it costs, in whole numbers."""
        return self.parts().area().rounded()

    @cached_property
    def cycles_per_image(self) -> int:
        """Cycles per image, all passes together; a pass ends before the next one begins."""
        passes = self.context.passes
        if passes == 1:
            return self.cycles
        rhythm = Rhythm.of(self.figures, self.layer, together=False)
        return passes * (rhythm.busy if rhythm else self.layer.output.pixels)

    def made(
        self, module: str, files: tuple[tuple[str, str], ...], *, loadable: bool = False
    ) -> Unit:
        """The unit with its figures."""
        name, cycles = self.layer.name, self.cycles_per_image
        return Unit(name, module, files, self.figures, cycles, loadable)

    def option(self) -> Option:
        """The choice with what it costs."""
        return Option(self.choice, self.cycles_per_image, self.area)


@dataclass(frozen=True, eq=False)
class Hardware(ABC):
    """A layer whose hardware is not chosen yet.

    Attributes:
        context: The network, and the passes in which the layer runs.
        layer: The layer.
    """

    context: Context
    layer: Layer

    @property
    def wiring(self) -> bool:
        """Whether it is nothing but wires, so that there is nothing to choose."""
        return False

    @abstractmethod
    def choices(self, fixed: Override, multipliers: Collection[Multiplier]) -> Sequence[Choice]:
        """Choices that are worth comparing.

        Args:
            fixed: What the user has chosen already.
            multipliers: What may multiply where that is not fixed.

        Raises:
            ConfigError: What is fixed does not fit the layer.
        """

    @abstractmethod
    def make(self, choice: Choice, *, solve: bool) -> UnitPlan:
        """The layer with a choice.

        Args:
            choice: The choice.
            solve: Whether adder graphs are solved, as the text needs them; otherwise their size is
                predicted.
        """

    @cached_property
    def _plans(self) -> dict[Choice, UnitPlan]:
        return {}

    def plan(self, choice: Choice) -> UnitPlan:
        """The layer with a choice, adder graphs predicted; made once."""
        if choice not in self._plans:
            self._plans[choice] = self.make(choice, solve=False)
        return self._plans[choice]

    def options(
        self, fixed: Override | None = None, multipliers: Collection[Multiplier] = OFFERED
    ) -> tuple[Option, ...]:
        """Choices that no other beats, by rising cycles; arguments as of :meth:`choices`.

        Raises:
            ConfigError: What is fixed does not fit the layer.
        """
        return undominated(
            self.plan(choice).option() for choice in self.choices(fixed or Override(), multipliers)
        )


def counted(components: Iterable[Component]) -> Parts:
    """What components are made of."""
    parts = Parts()
    for component in components:
        parts.add_all(component.counts())
    return parts
