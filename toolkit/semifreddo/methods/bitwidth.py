"""One weight bitwidth: networks of equal size with weights of so many bits, by their widths.

Fewer bits a weight leave room for more channels. Networks of the same shape are matched by one
multiplier of all widths, so that their parameters take equally many bits, and the bitwidth of the
most accurate one is used for all layers. After Chin et al., One Weight Bitwidth to Rule Them All,
ECCV Workshops 2020, arXiv 2008.09916. Size here means every parameter, biases and first and last
layer included.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np

from semifreddo.core.errors import ConfigError
from semifreddo.nn.config import MAX_WIDTH, NetworkConfig
from semifreddo.nn.skeleton import model_bits

N = TypeVar("N", bound=NetworkConfig)

_BITS_OF_PARTS = (
    "head_weight_bits",
    "core_weight_bits",
    "trainable_weight_bits",
    "layer_weight_bits",
)


def with_weight_bits(network: N, bits: int) -> N:
    """The same network with weights of one bitwidth everywhere, first and last layer included.

    Raises:
        ConfigError: ``bits`` is not 1 to 8, or 1 with powers of two.
    """
    names = {field.name for field in dataclasses.fields(network)}
    parts: dict[str, Any] = {name: None for name in _BITS_OF_PARTS if name in names}
    return dataclasses.replace(network, weight_bits=bits, **parts)


class Widened(Sequence[N], Generic[N]):
    """A network from its narrowest form on, each a channel wider in one block than the one before.

    Channels come in the order in which a growing multiplier of all widths rounds them up, so the
    network of every multiplier is among them, and widths never fall. Blocks that must be equally
    wide grow together, and by two channels where widths must be even.
    """

    def __init__(self, network: N) -> None:
        self.network = network
        self._steps = [
            max(network.width_step(block) for block in group) for group in network.groups
        ]
        grown = [
            ((width + step / 2) / network.widths[group[0]], index)
            for index, (group, step) in enumerate(zip(network.groups, self._steps, strict=True))
            for width in range(step, MAX_WIDTH - step + 1, step)
        ]
        self._order = [index for _, index in sorted(grown)]

    def __len__(self) -> int:
        return len(self._order) + 1

    @overload
    def __getitem__(self, index: int) -> N: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[N]: ...

    def __getitem__(self, index: int | slice) -> N | Sequence[N]:
        if isinstance(index, slice):
            return [self[entry] for entry in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        counts = np.bincount(self._order[: index % len(self)], minlength=len(self._steps))
        widths = [0] * len(self.network.widths)
        for group, step, count in zip(self.network.groups, self._steps, counts, strict=True):
            for block in group:
                widths[block] = step * (1 + int(count))
        return dataclasses.replace(self.network, widths=tuple(widths))


def largest(network: N, limit: float, measure: Callable[[N], float]) -> N:
    """The widest network of :class:`Widened` whose measure is within a limit.

    Args:
        network: Its widths say how those of the others are related.
        limit: Of the measure.
        measure: What grows with the widths: bits, multiplications, predicted LUTs. Where a wider
            network measures less, a narrower one than possible may be found.

    Raises:
        ConfigError: Not even the narrowest network is within the limit, or the widest one is.
    """
    widened = Widened(network)
    if (least := measure(widened[0])) > limit:
        raise ConfigError(
            f"network: {limit:g} is less than the narrowest network of this kind needs "
            f"({least:g}, with widths {list(widened[0].widths)}); allow more, or use fewer blocks"
        )
    # Never much wider than what is looked for: a network of 4096 channels takes seconds to count.
    high = 1
    while high < len(widened) and measure(widened[high]) <= limit:
        high *= 2
    first = bisect.bisect_right(
        range(len(widened)),
        limit,
        high // 2,
        min(high, len(widened)),
        key=lambda index: measure(widened[index]),
    )
    if first == len(widened):
        raise ConfigError(
            f"network: {limit:g} is more than the widest network of this kind needs, which has "
            f"{MAX_WIDTH} channels in every block; use more blocks"
        )
    return widened[first - 1]


def match_size(network: N, bits: int | None, size: int) -> N:
    """The widest network of a shape and a weight bitwidth that a model file of some size holds.

    Args:
        network: Its widths are those of multiplier 1.
        bits: Of all weights, 1 to 8; None leaves those of the network, which may differ by layer.
        size: Bits of all parameters (:func:`~semifreddo.nn.skeleton.model_bits`). The network has
            at most so many, and more with another channel.

    Raises:
        ConfigError: ``bits`` is out of range, or no network of this shape has this size.
    """
    return largest(network if bits is None else with_weight_bits(network, bits), size, model_bits)
