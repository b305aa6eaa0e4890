"""What works on the words of some channels of a weighted layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from semifreddo.rtl.components.component import Component
from semifreddo.rtl.components.costs import Area, Parts
from semifreddo.rtl.components.memories import Bank, Delay, Fifo
from semifreddo.rtl.units.channels import WeightedLayer
from semifreddo.rtl.units.plan import counted
from semifreddo.rtl.units.unit import Context


@dataclass(frozen=True, eq=False)
class Engine(ABC):
    """Some channels of a weighted layer and the choices for them.

    The engines of a layer are independent of each other; only the words of both wait in FIFOs of
    the same depth, and the phase counts to the cycles of the slower one.

    Attributes:
        of: The layer.
        context: Where its loadable values live, and its passes.
    """

    name: ClassVar[str]
    of: WeightedLayer
    context: Context

    @property
    @abstractmethod
    def channels(self) -> Sequence[int]:
        """The output channels that it computes."""

    @property
    @abstractmethod
    def cycles(self) -> int:
        """Cycles per word."""

    @property
    @abstractmethod
    def latency(self) -> int:
        """Cycles from its last phase to the word in the FIFO."""

    @abstractmethod
    def components(self, phase: int) -> Iterator[Component]:
        """Every instance of a library module, the FIFO left out, for a phase of so many bits."""

    @abstractmethod
    def rest(self) -> Parts:
        """What is no library module."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The choices in words."""

    @property
    @abstractmethod
    def advice(self) -> str:
        """What makes it smaller."""

    @abstractmethod
    def text(self, name: str, phase: int, fifo: Fifo) -> list[str]:
        """From ``window`` to the words of the channels.

        Args:
            name: Of the layer's module.
            phase: Width of the phase.
            fifo: Where the words wait.
        """

    def files(self, _name: str, _phase: int) -> list[tuple[str, str]]:
        """Name and text of the modules made for it, in a module of the layer called ``name``."""
        return []

    @cached_property
    def area(self) -> Area:
        """What it costs, the FIFO left out."""
        parts = counted(self.components(1))
        parts.add_all(self.rest())
        return parts.area()

    @cached_property
    def loadable_bias(self) -> list[int]:
        """Of its channels those with a loadable bias."""
        return [channel for channel in self.channels if channel in set(self.of.loadable_bias)]

    @cached_property
    def bias_bank(self) -> Bank | None:
        """Its loadable biases, if there are any; only this engine reads them."""
        if not self.loadable_bias or self.of.bias is None:
            return None
        used = len(self.loadable_bias) * self.of.bias.bits
        return self.context.bank(self.of.bias.name, 1, used=used)

    def select_delay(self, cycles: int) -> Delay:
        """From the layer's bank to a reader ``cycles`` later."""
        return Delay(cycles, self.context.select_bits)
