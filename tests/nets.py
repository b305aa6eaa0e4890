"""Small hand-made networks shared by tests."""

from __future__ import annotations

import numpy as np

from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.layers import AvgPool, Blend, Conv, Linear, MaxPool, Role, Stream, WeightBlock
from semifreddo.ir.net import StreamNet

ACT = FixedType(8, 4, False, Rounding.HALF_EVEN, Overflow.SATURATE)
IMAGE = FixedType.exact(8, 8, signed=False)


def block(
    rng: np.random.Generator, name: str, shape: tuple[int, ...], frozen: int, role: Role = "weight"
) -> WeightBlock:
    """A random block whose first ``frozen`` output channels are frozen."""
    low, high, bits, frac = {
        "weight": (-8, 8, 4, 3),
        "bias": (-200, 200, 12, 11),
        "alpha": (0, 9, 4, 3),
    }[role]
    outputs = shape[-1]
    return WeightBlock(
        name=name,
        role=role,
        raw=rng.integers(low, high, shape),
        bits=bits,
        signed=role != "alpha",
        frac=(frac,) * outputs,
        frozen=(True,) * frozen + (False,) * (outputs - frozen),
    )


def same_conv(
    output: Stream, weight: str = "w", bias: str | None = None, *, source: str = "image"
) -> Conv:
    """A 3x3 convolution whose output is as large as what it reads."""
    return Conv(
        inputs=(source,),
        output=output,
        weight=weight,
        bias=bias,
        kernel=(3, 3),
        stride=(1, 1),
        padding=(1, 1, 1, 1),
        depthwise=False,
    )


def signs() -> StreamNet:
    """A classifier of loadable weights that are -1 or 1."""
    raw = np.array([[1, -1, 1], [-1, -1, 1]])
    block = WeightBlock("w", "weight", raw, 2, True, (0,) * 3, (False,) * 3, signs=True)
    layer = Linear(
        inputs=("image",),
        output=Stream("out", (1, 1, 3), FixedType.exact(3, 0, signed=True)),
        weight="w",
        bias=None,
    )
    image = Stream("image", (1, 1, 2), FixedType.exact(1, 0, signed=False))
    return StreamNet("signs", image, (layer,), (block,))


def powers() -> StreamNet:
    """A classifier of loadable weights of five bits that are signed powers of two."""
    raw = np.array([[1, -8, 0], [4, -1, 2]])
    block = WeightBlock("w", "weight", raw, 5, True, (0,) * 3, (False,) * 3, terms=1)
    layer = Linear(
        inputs=("image",),
        output=Stream("out", (1, 1, 3), FixedType.exact(9, 0, signed=True)),
        weight="w",
        bias=None,
    )
    image = Stream("image", (1, 1, 2), FixedType.exact(4, 0, signed=False))
    return StreamNet("powers", image, (layer,), (block,))


def blended(seed: int = 0, channels: int = 4, outputs: int = 3) -> StreamNet:
    """Frozen conv and trainable conv, blended, pooled, classified: every residency at once."""
    rng = np.random.default_rng(seed)

    def conv(name: str, bias: str | None) -> Conv:
        return same_conv(Stream(name, (4, 4, channels), ACT), f"{name}.weight", bias)

    return StreamNet(
        name="blended",
        input=Stream("image", (4, 4, 1), IMAGE),
        layers=(
            conv("core", None),
            conv("adapter", "adapter.bias"),
            Blend(
                inputs=("core", "adapter"),
                output=Stream("mix", (4, 4, channels), ACT),
                alpha="mix.alpha",
            ),
            AvgPool(
                inputs=("mix",),
                output=Stream("pool", (1, 1, channels), ACT),
                kernel=(4, 4),
                stride=(4, 4),
            ),
            Linear(
                inputs=("pool",),
                output=Stream("logits", (1, 1, outputs), FixedType.exact(20, 7, signed=True)),
                weight="head.weight",
                bias=None,
            ),
        ),
        blocks=(
            block(rng, "core.weight", (3, 3, 1, channels), channels),
            block(rng, "adapter.weight", (3, 3, 1, channels), 1),
            block(rng, "adapter.bias", (channels,), 1, "bias"),
            block(rng, "mix.alpha", (channels,), 0, "alpha"),
            block(rng, "head.weight", (channels, outputs), 0),
        ),
    )


def wide(width: int = 70, channels: int = 6) -> StreamNet:
    """A wide image whose rows are kept, and a classifier with many loadable weights."""
    rng = np.random.default_rng(0)
    layers = (
        same_conv(Stream("conv", (3, width, 8), ACT)),
        MaxPool(
            inputs=("conv",),
            output=Stream("pool", (1, width // 7, 8), ACT),
            kernel=(3, 7),
            stride=(3, 7),
            padding=(0, 0, 0, 0),
        ),
        Linear(inputs=("pool",), output=Stream("out", (1, 1, 10), ACT), weight="v", bias=None),
    )
    image = Stream("image", (3, width, channels), IMAGE)
    return StreamNet(
        "wide",
        image,
        layers,
        (block(rng, "w", (3, 3, channels, 8), 8), block(rng, "v", (width // 7 * 8, 10), 0)),
    )


def images(net: StreamNet, count: int, seed: int = 0) -> np.ndarray:
    """Random raw images of a network's input stream."""
    fmt = net.input.type
    rng = np.random.default_rng(seed)
    return rng.integers(fmt.min_raw, fmt.max_raw + 1, (count, *net.input.shape))
