"""Hardware choices of the RTL backend: how many cycles each layer takes for a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from semifreddo.core.errors import ConfigError
from semifreddo.ir.layers import Conv, Linear
from semifreddo.ir.net import StreamNet

Multiplier: TypeAlias = Literal["lut", "dsp"]


@dataclass(frozen=True)
class Choice:
    """Choices for one layer.

    Attributes:
        rows_per_cycle: Rows of the weight matrix multiplied per cycle, for loadable channels. A
            word takes ``ceil(rows / rows_per_cycle)`` cycles and each loadable channel has
            ``rows_per_cycle`` multipliers.
        channels_per_cycle: Loadable channels that are multiplied at the same time, so that
            ``rows_per_cycle * channels_per_cycle`` multipliers work through the channels in
            groups; 0 is all of them.
        digit_bits: Bits per cycle of the frozen channels' adder graph; 0 is all bits at once.
        multiplier: What multiplies loadable weights: logic, or DSP slices.
    """

    rows_per_cycle: int = 1
    channels_per_cycle: int = 0
    digit_bits: int = 0
    multiplier: Multiplier = "lut"


DEFAULT = Choice()


@dataclass(frozen=True)
class RtlSchedule:
    """Choices for a network; layers that are not named have the default (the least hardware).

    Attributes:
        layers: By layer name. In a repeat that is folded, the choices of pass 0's layers count.
        unrolled: Names of repeats that are built once per pass; all others are folded: built once,
            and used for every pass.
    """

    layers: Mapping[str, Choice] = field(default_factory=dict)
    unrolled: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Choice:
        return self.layers.get(name, DEFAULT)

    def check(self, net: StreamNet) -> None:
        """Refuse choices that the network has no use for.

        Raises:
            ConfigError: Names the layer, the value and what is possible.
        """
        weighted = {layer.name: layer for layer in net.layers if isinstance(layer, Conv | Linear)}
        unknown = sorted(self.unrolled - {repeat.name for repeat in net.repeats})
        if unknown:
            raise ConfigError(f"rtl schedule: {net.name} has no repeat {unknown[0]!r}")
        for name, choice in self.layers.items():
            if name not in weighted:
                raise ConfigError(f"rtl schedule: {net.name} has no conv or linear layer {name!r}")
            rows = net.block[weighted[name].weight].rows
            if not 1 <= choice.rows_per_cycle <= rows:
                raise ConfigError(
                    f"rtl schedule: layer {name!r}: rows_per_cycle {choice.rows_per_cycle} is "
                    f"outside 1..{rows}, the rows of its weights"
                )
            channels = len(net.block[weighted[name].weight].configurable_channels)
            if not 0 <= choice.channels_per_cycle <= channels:
                raise ConfigError(
                    f"rtl schedule: layer {name!r}: channels_per_cycle {choice.channels_per_cycle} "
                    f"is outside 0..{channels}, its loadable channels"
                )
            if choice.multiplier not in get_args(Multiplier):
                raise ConfigError(
                    f"rtl schedule: layer {name!r}: multiplier {choice.multiplier!r}; "
                    f"use {' or '.join(get_args(Multiplier))}"
                )
            if choice.digit_bits < 0:
                raise ConfigError(
                    f"rtl schedule: layer {name!r}: digit_bits {choice.digit_bits} is negative; "
                    "use 0 for all bits at once"
                )
