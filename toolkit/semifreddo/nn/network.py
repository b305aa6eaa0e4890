"""What the toolkit asks of a built-in network, besides being a torch module."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from torch import nn

from semifreddo.nn.config import NetworkConfig
from semifreddo.nn.layers import Head, Precision, QuantConvBlock, SeparableBlock
from semifreddo.nn.quant import INPUT_BITS

FormatGroup: TypeAlias = tuple[nn.Module, ...]


class Network(nn.Module):
    """A network that its configuration describes completely.

    Attributes:
        kind: Of its :class:`~semifreddo.nn.topology.Topology`.
        config: What it was made of.
        head: Its classifier.
    """

    kind: ClassVar[str]
    config: NetworkConfig
    head: Head

    def repeats(self) -> tuple[tuple[str, ...], ...]:
        """Module paths of each pass of a repeated part; empty if nothing is used twice.

        Corresponding positions correspond. Paths that are equal in all passes are one module called
        several times.
        """
        return ()

    def format_groups(self) -> tuple[FormatGroup, ...]:
        """Layers that share number formats."""
        return ()


def make_block(
    config: NetworkConfig, index: int, precision: Precision, *, relu: bool = True
) -> nn.Module:
    """A block of a network; what it reads is the image or the output of the block before."""
    width, stride = config.widths[index], config.strides[index]
    if index == 0:
        return QuantConvBlock(
            config.input_shape[0],
            width,
            precision,
            stride=stride,
            padding=config.first_padding,
            relu=relu,
            input_frac=INPUT_BITS,
        )
    before = config.widths[index - 1]
    if config.block != "separable":
        return QuantConvBlock(before, width, precision, stride=stride, relu=relu)
    return SeparableBlock(before, width, precision, stride=stride, relu=relu)


def make_head(config: NetworkConfig, channels: int) -> Head:
    """The classifier of a network, over so many channels of the last map."""
    precision = Precision(
        weight_bits=config.head_weight_bits or config.weight_bits,
        act_bits=config.pool_bits,
        bias_bits=config.bias_bits,
    )
    return Head(channels, config.map_size, config.classes, precision)
