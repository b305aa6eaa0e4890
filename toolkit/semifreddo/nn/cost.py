"""What an architecture costs, whatever computes it: multiplications, parameters, bits.

Counted from the integer network, or from the skeleton of a configuration before there is a model.
Needs NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semifreddo.ir.layers import Route, Weighted
from semifreddo.ir.net import StreamNet
from semifreddo.nn.config import NetworkConfig
from semifreddo.nn.skeleton import skeleton


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs in one inference; a pass of a repeated layer counts by itself.

    Attributes:
        name: The layer.
        macs: Multiplications by weights; pools and blends have none.
        frozen_macs: Those by frozen weights.
        activation_bits: Bits of its output; wiring writes none.
    """

    name: str
    macs: int
    frozen_macs: int
    activation_bits: int


@dataclass(frozen=True)
class NetworkCost:
    """What a network costs.

    Attributes:
        layers: In order.
        parameters: Weights, biases and blend factors; those of repeated layers once.
        frozen_parameters: Those that are logic.
        weight_bits: Bits of all parameters.
        frozen_weight_bits: Bits of the frozen ones.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    frozen_parameters: int
    weight_bits: int
    frozen_weight_bits: int

    @property
    def macs(self) -> int:
        """Multiplications of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def frozen_macs(self) -> int:
        """Multiplications by frozen weights."""
        return sum(layer.frozen_macs for layer in self.layers)

    @property
    def activation_bits(self) -> int:
        """Bits that all layers write in one inference."""
        return sum(layer.activation_bits for layer in self.layers)


def net_cost(net: StreamNet) -> NetworkCost:
    """What an integer network costs."""
    layers = []
    for layer in net.layers:
        macs = frozen_macs = 0
        if isinstance(layer, Weighted):
            weight = net.block[layer.weight]
            macs = layer.output.pixels * weight.rows * weight.outputs
            frozen_macs = layer.output.pixels * weight.rows * len(weight.frozen_channels)
        output = layer.output
        bits = output.pixels * output.channels * output.type.width
        written = 0 if isinstance(layer, Route) else bits
        layers.append(LayerCost(layer.name, macs, frozen_macs, written))
    fixed = [block.rows * len(block.frozen_channels) for block in net.blocks]
    return NetworkCost(
        layers=tuple(layers),
        parameters=sum(block.rows * block.outputs for block in net.blocks),
        frozen_parameters=sum(fixed),
        weight_bits=sum(block.rows * block.outputs * block.bits for block in net.blocks),
        frozen_weight_bits=sum(
            count * block.bits for count, block in zip(fixed, net.blocks, strict=True)
        ),
    )


def architecture_cost(config: NetworkConfig, *, frozen: Sequence[str] | None = None) -> NetworkCost:
    """What a configuration costs, before anything is trained.

    Args:
        config: The architecture.
        frozen: Patterns of what is frozen, see :func:`~semifreddo.nn.skeleton.skeleton`.

    Raises:
        ConfigError: A pattern matches nothing.
    """
    return net_cost(skeleton(config, frozen=frozen))
