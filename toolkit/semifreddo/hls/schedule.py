"""Choices of the HLS project, kept apart from meaning: how much of a network runs at once.

A schedule never changes a result. It says how many rows of a weight matrix are multiplied per
clock cycle, whether frozen weights are adders or a constant table, and how deep the FIFOs are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from semifreddo.adders.size import predicted_adders
from semifreddo.core.errors import ConfigError
from semifreddo.ir.layers import Conv, Layer, Stream, WeightBlock, Weighted
from semifreddo.ir.net import StreamNet

FrozenStrategy: TypeAlias = Literal["adders", "constants"]

MAX_ADDERS = 5_000
"""Frozen matrices with more adders become constant tables: HLS does not finish on larger ones, and
takes hours well before. (The RTL backend builds them; it has a schedule of its own.)"""

MAX_WINDOW = 4_096
"""Values that HLS keeps in registers at once, which adders need them in."""


@dataclass(frozen=True)
class LayerSchedule:
    """Choices for one layer.

    Attributes:
        rows_per_cycle: Rows of the weight matrix multiplied per cycle, for the channels that are
            loadable or a constant table. The layer takes ``rows / rows_per_cycle`` cycles for an
            output pixel and ``rows_per_cycle`` multipliers for each such channel.
        frozen: Frozen channels as an adder graph or as a table of constants.
        fifo_depth: Words in the FIFO behind the layer (in each of them, if several layers read).
    """

    rows_per_cycle: int = 1
    frozen: FrozenStrategy = "adders"
    fifo_depth: int = 2


@dataclass(frozen=True)
class HlsSchedule:
    """Choices for a whole network.

    Attributes:
        layers: One entry per layer, by name.
        input_fifo_depth: Words in each FIFO behind the image input, if several layers read it.
    """

    layers: Mapping[str, LayerSchedule] = field(default_factory=dict)
    input_fifo_depth: int = 2


@dataclass(frozen=True)
class ScheduledNet:
    """A network and how it is built.

    Raises:
        ConfigError: The schedule does not fit the network.
    """

    net: StreamNet
    schedule: HlsSchedule

    def __post_init__(self) -> None:
        unknown = sorted(set(self.schedule.layers) - {layer.name for layer in self.net.layers})
        if unknown:
            raise ConfigError(f"schedule: {self.net.name} has no layer {unknown[0]!r}")
        self._check_fifo(self.net.input, self.schedule.input_fifo_depth)
        for layer in self.net.layers:
            if layer.name not in self.schedule.layers:
                raise ConfigError(f"schedule: layer {layer.name!r} has no entry")
            self._check(layer, self.schedule.layers[layer.name])

    def __getitem__(self, name: str) -> LayerSchedule:
        """The choices for a layer."""
        return self.schedule.layers[name]

    def _check(self, layer: Layer, choice: LayerSchedule) -> None:
        if choice.frozen not in ("adders", "constants"):
            raise ConfigError(
                f"schedule: layer {layer.name!r}: frozen = {choice.frozen!r}; "
                "use 'adders' or 'constants'"
            )
        rows = self.net.block[layer.weight].rows if isinstance(layer, Weighted) else 1
        if choice.rows_per_cycle < 1 or rows % choice.rows_per_cycle:
            fits = [number for number in range(1, rows + 1) if rows % number == 0]
            below = [number for number in fits if number < choice.rows_per_cycle][-1:]
            above = [number for number in fits if number > choice.rows_per_cycle][:1]
            raise ConfigError(
                f"schedule: layer {layer.name!r}: rows_per_cycle {choice.rows_per_cycle} does not "
                f"divide its {rows} weight rows; use {' or '.join(map(str, below + above))}"
            )
        self._check_fifo(layer.output, choice.fifo_depth)

    def _check_fifo(self, stream: Stream, depth: int) -> None:
        needed = _least_depth(self.net, stream)
        if depth < needed:
            raise ConfigError(
                f"schedule: stream {stream.name!r}: fifo_depth {depth} is below {needed}"
                + (", and a smaller FIFO between a fork and a join can deadlock" * (needed > 2))
            )


def _least_depth(net: StreamNet, stream: Stream) -> int:
    """Words that can never deadlock.

    Only a fork can starve one reader while it waits for another, and all branches meet again
    because a net has one output. A FIFO that takes a whole image at each branch lets the fork
    finish the image whatever the other branches do.
    """
    return max(2, stream.pixels) if len(net.consumers[stream.name]) > 1 else 2


def _default_depth(net: StreamNet, stream: Stream) -> int:
    """One row of the image, which evens out the padding that window layers insert."""
    return max(_least_depth(net, stream), stream.shape[1])


def _frozen_strategy(layer: Weighted, weight: WeightBlock) -> FrozenStrategy:
    frozen = weight.matrix[:, weight.frozen_channels]
    depthwise = isinstance(layer, Conv) and layer.depthwise
    adders = predicted_adders(frozen, depthwise=depthwise) if frozen.size else 0
    fits = weight.rows <= MAX_WINDOW and adders <= MAX_ADDERS
    return "adders" if fits else "constants"


def default_schedule(net: StreamNet) -> HlsSchedule:
    """The smallest hardware: one weight row per cycle, adders for what is frozen."""
    layers = {
        layer.name: LayerSchedule(
            frozen=(
                _frozen_strategy(layer, net.block[layer.weight])
                if isinstance(layer, Weighted)
                else "adders"
            ),
            fifo_depth=_default_depth(net, layer.output),
        )
        for layer in net.layers
    }
    return HlsSchedule(layers, _default_depth(net, net.input))
