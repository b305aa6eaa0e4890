"""Backbone: one row of blocks with widths and bits of their own, plain or residual."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.layers import Precision, QuantAdd, QuantConvBlock, QuantInput
from semifreddo.nn.network import Network, make_block, make_head


class Backbone(Network):
    """The network of a :class:`~semifreddo.nn.config.BackboneConfig`.

    A block at which a skip ends has no ReLU of its own: its signed result and the output of the
    skip's first block are added, and the sum is clipped at zero. Between maps of different shapes
    stands a projection: a 1x1 convolution and its batch norm, without ReLU.

    Module paths: ``blocks.<block>``, ``projections.<block>``, ``adds.<block>``, ``head``.
    """

    kind = "backbone"
    config: BackboneConfig

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.input = QuantInput()
        self.sources = {last: first for first, last in config.skips}
        blocks, adds, projections = [], {}, {}
        for index in range(len(config.widths)):
            weight_bits, act_bits = config.bits_of(index)
            precision = Precision(
                weight_bits,
                act_bits,
                config.bias_bits,
                config.per_channel,
                config.terms_of(config.weights),
            )
            added = index in self.sources
            blocks.append(make_block(config, index, precision, relu=not added))
            if added:
                adds[str(index)] = QuantAdd(act_bits)
            if index in config.projections:
                ends = config.widths[self.sources[index]], config.widths[index]
                stride = config.projections[index]
                projections[str(index)] = QuantConvBlock(
                    *ends, precision, kernel=1, stride=stride, relu=False
                )
        self.blocks, self.adds = nn.ModuleList(blocks), nn.ModuleDict(adds)
        self.projections = nn.ModuleDict(projections)
        self.head = make_head(config, config.widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        x = self.input(x)
        outputs: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.sources:
                skipped = outputs[self.sources[index]]
                if str(index) in self.projections:
                    skipped = self.projections[str(index)](skipped)
                x = self.adds[str(index)](x, skipped)
            outputs.append(x)
        return cast(Tensor, self.head(x))
