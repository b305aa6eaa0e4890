"""Padded convolutions beside each other, for tests of what sums their products up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Conv, Route, Stream, WeightBlock
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.units.unit import Context
from semifreddo.rtl.units.weighted import WeightedHardware, weighted_hardware

SIZE = (3, 4)


def padded(
    name: str, channels: int, kind: FixedType, bias: WeightBlock | None, *, depthwise: bool
) -> Conv:
    """A 3x3 convolution of the image with the weights ``NAME.weight``."""
    return Conv(
        inputs=("image",),
        output=Stream(name, (*SIZE, channels), kind),
        weight=f"{name}.weight",
        bias=None if bias is None else bias.name,
        kernel=(3, 3),
        stride=(1, 1),
        padding=(1, 1, 1, 1),
        depthwise=depthwise,
    )


def drawn_bias(
    rng: np.random.Generator, name: str, channels: int, residency: str | None
) -> WeightBlock | None:
    """Biases ``NAME.bias``, all ``frozen`` or all ``loadable``."""
    if residency is None:
        return None
    flags, raw = (residency == "frozen",) * channels, rng.integers(-8, 8, channels)
    return WeightBlock(f"{name}.bias", "bias", raw, 5, True, (1,) * channels, flags)


def side_by_side(layers: Sequence[Conv], kind: FixedType) -> Route:
    """All channels of some convolutions, as ``joined``."""
    total = sum(layer.output.channels for layer in layers)
    names = tuple(layer.name for layer in layers)
    return Route(
        inputs=names, output=Stream("joined", (*SIZE, total), kind), indices=tuple(range(total))
    )


def hardware(net: StreamNet) -> WeightedHardware:
    """Of the first layer, which is a convolution."""
    layer = net.layers[0]
    assert isinstance(layer, Conv)
    return weighted_hardware(layer, Context.of(net))
