"""The small networks that the tables of ``docs/performance.md`` are measured on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from semifreddo.core.fixed import FixedType, IntArray, Overflow, Rounding
from semifreddo.ir.layers import Conv, Layer, Linear, Stream, WeightBlock
from semifreddo.ir.net import StreamNet

SIDE = 8
"""Height and width of all feature maps."""


def conv_net(
    inputs: int,
    outputs: int,
    *,
    bits: int,
    frozen: int,
    activation_bits: int | None = None,
    powers_of_two: bool = False,
) -> StreamNet:
    """One 3x3 convolution with random weights, the first ``frozen`` channels of them frozen.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        bits: Bits of a weight, all values but the most negative one equally frequent.
        frozen: Channels that are frozen.
        activation_bits: Bits in and out; as the weights if left out.
        powers_of_two: Whether all weights are plus or minus a power of two.
    """
    width = activation_bits or bits
    raw = _weights((3, 3, inputs, outputs), bits, powers_of_two, seed=0)
    return StreamNet(
        name="layer",
        input=Stream("image", (SIDE, SIDE, inputs), _activation(width, width)),
        layers=(_conv("conv", "image", outputs, _activation(width, width - 3)),),
        blocks=(_block("conv.weight", raw, bits, bits - 1, frozen),),
    )


def dense_net(sizes: tuple[int, ...] = (16, 32, 32, 5)) -> StreamNet:
    """Fully connected layers, 4-bit weights, 8-bit activations; a pixel is a whole input.

    Results are exact for at most 36 values into the last layer.
    """
    hidden = FixedType(8, 5, False, Rounding.FLOOR, Overflow.SATURATE)
    layers: list[Layer] = []
    blocks = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = index == len(sizes) - 2
        kind = FixedType.exact(17, 8, signed=True) if last else hidden
        name = f"dense{index}"
        layers.append(
            Linear(
                inputs=(f"dense{index - 1}" if index else "image",),
                output=Stream(name, (1, 1, outputs), kind),
                weight=f"{name}.weight",
                bias=None,
            )
        )
        raw = _weights((inputs, outputs), 4, False, seed=index)
        blocks.append(_block(f"{name}.weight", raw, 4, 3, outputs))
    return StreamNet(
        name="dense",
        input=Stream("image", (1, 1, sizes[0]), FixedType.exact(8, 8, signed=False)),
        layers=tuple(layers),
        blocks=tuple(blocks),
    )


def pictures(net: StreamNet, count: int) -> IntArray:
    """Random raw images."""
    kind = net.input.type
    rng = np.random.default_rng(9)
    return rng.integers(kind.min_raw, kind.max_raw + 1, (count, *net.input.shape))


def _weights(shape: tuple[int, ...], bits: int, powers_of_two: bool, seed: int) -> IntArray:
    rng = np.random.default_rng(seed)
    if powers_of_two:
        return rng.choice([-1, 1], shape) << rng.integers(0, bits - 1, shape)
    limit = (1 << (bits - 1)) - 1
    return rng.integers(-limit, limit + 1, shape)


def _block(name: str, raw: IntArray, bits: int, frac: int, frozen: int) -> WeightBlock:
    outputs = raw.shape[-1]
    mask = (True,) * frozen + (False,) * (outputs - frozen)
    return WeightBlock(name, "weight", raw, bits, True, (frac,) * outputs, mask)


def _conv(name: str, source: str, outputs: int, kind: FixedType) -> Conv:
    return Conv(
        inputs=(source,),
        output=Stream(name, (SIDE, SIDE, outputs), kind),
        weight=f"{name}.weight",
        bias=None,
        kernel=(3, 3),
        stride=(1, 1),
        padding=(1, 1, 1, 1),
        depthwise=False,
    )


def _activation(bits: int, frac: int) -> FixedType:
    return FixedType(bits, frac, False, Rounding.HALF_EVEN, Overflow.SATURATE)
