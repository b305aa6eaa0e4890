"""Backbone: one row of blocks with widths and bits of their own, plain or residual."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from semifreddo.nn.config import BackboneConfig
from semifreddo.nn.layers import Precision, QuantAdd, QuantInput
from semifreddo.nn.network import Network, make_block, make_head


class Backbone(Network):
    """The network of a :class:`~semifreddo.nn.config.BackboneConfig`.

    A block at which a skip ends has no ReLU of its own: its signed result and the output of the
    skip's first block are added, and the sum is clipped at zero.

    Module paths: ``blocks.<block>``, ``adds.<block>``, ``head``.
    """

    kind = "backbone"
    config: BackboneConfig

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.input = QuantInput()
        self.sources = {last: first for first, last in config.skips}
        blocks, adds = [], {}
        for index in range(len(config.widths)):
            weight_bits, act_bits = config.bits_of(index)
            precision = Precision(weight_bits, act_bits, config.bias_bits, config.per_channel)
            added = index in self.sources
            blocks.append(make_block(config, index, precision, relu=not added))
            if added:
                adds[str(index)] = QuantAdd(act_bits)
        self.blocks, self.adds = nn.ModuleList(blocks), nn.ModuleDict(adds)
        self.head = make_head(config, config.widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        x = self.input(x)
        outputs: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.sources:
                x = self.adds[str(index)](x, outputs[self.sources[index]])
            outputs.append(x)
        return cast(Tensor, self.head(x))
