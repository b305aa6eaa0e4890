"""What every component is, and the only way in which its instance is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from semifreddo.rtl.components.costs import Parts
from semifreddo.rtl.components.verilog import instance


class Component(Protocol):
    """A module of ``rtl/library`` with everything that decides its size.

    Attributes:
        module: Its name in the library.
    """

    module: ClassVar[str]

    def parameters(self) -> Mapping[str, int | str]:
        """What an instance is given."""

    def counts(self) -> Parts:
        """What it is made of, by kinds that :mod:`semifreddo.rtl.components.costs` prices."""


def place(part: Component, name: str, ports: Mapping[str, str]) -> str:
    """An instance of a component.

    Args:
        part: The component.
        name: Of the instance.
        ports: Signals by port.
    """
    return instance(part.module, name, part.parameters(), ports)
