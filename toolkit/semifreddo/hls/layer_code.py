"""What each layer kind says about itself in an HLS project: C++ text, cycles, limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from semifreddo.core.errors import ProjectError
from semifreddo.core.fixed import signed_bits
from semifreddo.hls.schedule import LayerSchedule
from semifreddo.ir.exact import Exact, exact_result
from semifreddo.ir.kinds import KindTable
from semifreddo.ir.layers import Layer, Stream, WeightBlock
from semifreddo.ir.net import StreamNet

Kind = TypeVar("Kind", bound=Layer)


@dataclass(frozen=True)
class LayerCode(Generic[Kind]):
    """One layer as generated C++.

    Nothing here depends on loadable values, so that all tasks of a device give the same sources.

    Attributes:
        component: Class of the layer in hls4ml's graph, after ``Semifreddo``.
        layer: The layer.
        net: Its network.
        choice: How it is built.
        name: C++ identifier; cycles and limits do not depend on it.
    """

    component: ClassVar[str]
    layer: Kind
    net: StreamNet
    choice: LayerSchedule
    name: str = ""

    @property
    def source(self) -> Stream:
        """The first stream that the layer reads."""
        return self.net.streams[self.layer.inputs[0]]

    @cached_property
    def exact(self) -> Exact:
        """Range of the result before the cast."""
        return exact_result(
            self.layer, self.net.input_streams(self.layer), self.net.block.__getitem__
        )

    @property
    def exact_width(self) -> int:
        """Bits of a signed number that holds the result before the cast."""
        # A result that is always zero has one bit.
        return signed_bits(min(self.exact.low, -1), self.exact.high)

    @property
    def function(self) -> str:
        """C++ function that is called, with its namespace."""
        return f"semifreddo::{self.component.lower()}"

    @property
    def members(self) -> list[str]:
        """Members of the configuration struct, one declaration each; none means no struct."""
        return []

    @property
    def logic(self) -> str:
        """Generated C++ for ``nnet_code_gen.h``."""
        return ""

    @property
    def cycles(self) -> int:
        """Cycles for an image, without filling and draining: a pixel in each."""
        return self.source.pixels

    @property
    def counts(self) -> Iterator[tuple[int, str]]:
        """What HLS limits: how many, of what."""
        yield from ()

    def exact_members(self) -> list[str]:
        """Members that give the format of the result before the cast."""
        return [
            f"static const int exact_width = {self.exact_width};",
            f"static const int exact_frac = {self.exact.frac};",
        ]


CODES: KindTable[LayerCode[Any]] = KindTable(
    "HLS implementation", "a module that semifreddo.hls.kinds imports", ProjectError
)
"""Classes by kind, made of (layer, net, choice, C++ identifier)."""


def row_type(block: WeightBlock | None) -> str:
    """Type of one row of loadable values; a placeholder where there are none."""
    count = 0 if block is None else len(block.configurable_channels)
    if block is None or not count:
        return "semifreddo::row<1, 1, false>"
    return f"semifreddo::row<{count}, {block.bits}, {str(block.signed).lower()}>"


def window_sizes(
    source: Stream,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> dict[str, int]:
    """Sizes of a sliding window; the image size counts the padding."""
    top, left, bottom, right = padding
    return {
        "in_height": source.shape[0] + top + bottom,
        "in_width": source.shape[1] + left + right,
        "filt_height": kernel[0],
        "filt_width": kernel[1],
        "stride_height": stride[0],
        "stride_width": stride[1],
        "pad_top": top,
        "pad_left": left,
        "pad_bottom": bottom,
        "pad_right": right,
    }


def window_cycles(source: Stream, padding: tuple[int, int, int, int]) -> int:
    """Cycles in which the pixels of a padded image are taken."""
    top, left, bottom, right = padding
    return (source.shape[0] + top + bottom) * (source.shape[1] + left + right)


def window_count(source: Stream, kernel: tuple[int, int]) -> tuple[int, str]:
    """Values that a window keeps, for :attr:`LayerCode.counts`."""
    return kernel[0] * kernel[1] * source.channels, "values in a window"
