"""Pools in HLS: exact maxima and means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from semifreddo.hls import cpp
from semifreddo.hls.layer_code import (
    CODES,
    LayerCode,
    window_count,
    window_cycles,
    window_sizes,
)
from semifreddo.ir.layers import AvgPool, MaxPool


class _PoolCode(LayerCode[MaxPool | AvgPool]):
    """A running result for windows side by side, or a line buffer for others."""

    component = "Pool"
    maximum: ClassVar[bool]

    @property
    def tiles(self) -> bool:
        """Whether windows lie side by side, so that no pixel is needed twice."""
        side_by_side = self.layer.kernel == self.layer.stride or self.layer.output.pixels == 1
        return side_by_side and not any(self.layer.padding)

    @property
    def function(self) -> str:
        return f"semifreddo::pool2d_{'tiles' if self.tiles else 'windows'}"

    @property
    def members(self) -> list[str]:
        layer = self.layer
        sizes = {
            "n_chan": self.source.channels,
            "out_height": layer.output.shape[0],
            "out_width": layer.output.shape[1],
        } | window_sizes(self.source, layer.kernel, layer.stride, layer.padding)
        return [
            f"typedef {cpp.raw_type(self.source.type)} data_t;",
            *(f"static const unsigned {name} = {value};" for name, value in sizes.items()),
            f"static const bool maximum = {str(self.maximum).lower()};",
            *self.exact_members(),
        ]

    @property
    def cycles(self) -> int:
        return window_cycles(self.source, self.layer.padding)

    @property
    def counts(self) -> Iterator[tuple[int, str]]:
        if not self.tiles:
            yield window_count(self.source, self.layer.kernel)


@CODES.register(MaxPool)
class MaxPoolCode(_PoolCode):
    """The maximum of each window."""

    maximum = True


@CODES.register(AvgPool)
class AvgPoolCode(_PoolCode):
    """The mean of each window."""

    maximum = False
