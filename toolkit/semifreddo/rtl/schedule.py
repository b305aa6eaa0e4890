"""Hardware choices of the RTL backend: how many cycles each layer takes for a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from semifreddo.core.errors import ConfigError
from semifreddo.ir.layers import Conv, Linear
from semifreddo.ir.net import StreamNet


@dataclass(frozen=True)
class Choice:
    """Choices for one layer.

    Attributes:
        rows_per_cycle: Rows of the weight matrix multiplied per cycle, for loadable channels. A
            word takes ``ceil(rows / rows_per_cycle)`` cycles and each loadable channel has
            ``rows_per_cycle`` multipliers.
        digit_bits: Bits per cycle of the frozen channels' adder graph; 0 is all bits at once.
    """

    rows_per_cycle: int = 1
    digit_bits: int = 0


DEFAULT = Choice()


@dataclass(frozen=True)
class RtlSchedule:
    """Choices for a network; layers that are not named have the default (the least hardware).

    Attributes:
        layers: By layer name.
    """

    layers: Mapping[str, Choice] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Choice:
        return self.layers.get(name, DEFAULT)

    def check(self, net: StreamNet) -> None:
        """Refuse choices that the network has no use for.

        Raises:
            ConfigError: Names the layer, the value and what is possible.
        """
        weighted = {layer.name: layer for layer in net.layers if isinstance(layer, Conv | Linear)}
        for name, choice in self.layers.items():
            if name not in weighted:
                raise ConfigError(f"rtl schedule: {net.name} has no conv or linear layer {name!r}")
            rows = net.block[weighted[name].weight].rows
            if not 1 <= choice.rows_per_cycle <= rows:
                raise ConfigError(
                    f"rtl schedule: layer {name!r}: rows_per_cycle {choice.rows_per_cycle} is "
                    f"outside 1..{rows}, the rows of its weights"
                )
            if choice.digit_bits < 0:
                raise ConfigError(
                    f"rtl schedule: layer {name!r}: digit_bits {choice.digit_bits} is negative; "
                    "use 0 for all bits at once"
                )
