"""Networks whose buses have other shapes: colours, wide values, nothing to load."""

from __future__ import annotations

import dataclasses

import numpy as np

from nets import ACT, block
from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import Add, AvgPool, Conv, Linear, Stream
from semifreddo.ir.net import StreamNet


def _head(
    shape: tuple[int, int, int], output: FixedType, *, frozen: bool, image: FixedType
) -> StreamNet:
    rng = np.random.default_rng(1)
    inputs = shape[0] * shape[1] * 2
    conv = Conv(
        inputs=("image",),
        output=Stream("conv", (*shape[:2], 2), ACT),
        weight="conv.weight",
        bias=None,
        kernel=(3, 3),
        stride=(1, 1),
        padding=(1, 1, 1, 1),
        depthwise=False,
    )
    head = Linear(
        inputs=("conv",),
        output=Stream("logits", (1, 1, 3), output),
        weight="head.weight",
        bias=None,
    )
    blocks = (
        block(rng, "conv.weight", (3, 3, shape[2], 2), 2 if frozen else 1),
        block(rng, "head.weight", (inputs, 3), 3 if frozen else 0),
    )
    return StreamNet("head", Stream("image", shape, image), (conv, head), blocks)


def coloured(channels: int = 3) -> StreamNet:
    """Images of 5x4 pixels: not square, and no whole number of words each."""
    image = FixedType.exact(8, 8, signed=False)
    output = FixedType.exact(20, 7, signed=True)
    return _head((5, 4, channels), output, frozen=False, image=image)


def wide() -> StreamNet:
    """Values of 12 signed bits in, of 40 bits out."""
    image = FixedType.exact(12, 8, signed=True)
    return _head((3, 3, 1), FixedType.exact(40, 7, signed=True), frozen=False, image=image)


def frozen() -> StreamNet:
    """Nothing is loadable."""
    image = FixedType.exact(8, 8, signed=False)
    return _head((3, 3, 1), FixedType.exact(20, 7, signed=True), frozen=True, image=image)


def clothes() -> StreamNet:
    """Images of Fashion-MNIST to ten classes: two small convolutions, random weights."""
    rng = np.random.default_rng(2)
    shape, half = (28, 28, 1), (14, 14, 4)
    image = FixedType.exact(8, 8, signed=False)

    def conv(name: str, source: str, output: Stream, stride: int) -> Conv:
        return Conv(
            inputs=(source,),
            output=output,
            weight=f"{name}.weight",
            bias=None,
            kernel=(3, 3),
            stride=(stride, stride),
            padding=(1, 1, 1, 1) if stride == 1 else (0, 0, 1, 1),
            depthwise=False,
        )

    layers = (
        conv("first", "image", Stream("first", half, ACT), 2),
        conv("second", "first", Stream("second", half, ACT), 1),
        Linear(
            inputs=("second",),
            output=Stream("logits", (1, 1, 10), FixedType.exact(24, 7, signed=True)),
            weight="head.weight",
            bias=None,
        ),
    )
    blocks = (
        block(rng, "first.weight", (3, 3, 1, 4), 4),
        block(rng, "second.weight", (3, 3, 4, 4), 1),
        block(rng, "head.weight", (14 * 14 * 4, 10), 0),
    )
    return StreamNet("clothes", Stream("image", shape, image), layers, blocks)


def resnet() -> StreamNet:
    """A block of ResNet-8's size: 64 channels, a convolution with 36,864 loadable weights."""
    rng = np.random.default_rng(4)
    image = Stream("image", (8, 8, 3), FixedType.exact(8, 8, signed=False))

    def conv(name: str, source: str, kernel: int) -> Conv:
        edge = kernel // 2
        return Conv(
            inputs=(source,),
            output=Stream(name, (8, 8, 64), ACT),
            weight=f"{name}.weight",
            bias=None,
            kernel=(kernel, kernel),
            stride=(1, 1),
            padding=(edge, edge, edge, edge),
            depthwise=False,
        )

    layers = (
        conv("stem", "image", 1),
        conv("body", "stem", 3),
        Add(inputs=("body", "stem"), output=Stream("sum", (8, 8, 64), ACT)),
        AvgPool(
            inputs=("sum",), output=Stream("pool", (1, 1, 64), ACT), kernel=(8, 8), stride=(8, 8)
        ),
        Linear(
            inputs=("pool",),
            output=Stream("logits", (1, 1, 10), FixedType.exact(24, 7, signed=True)),
            weight="head.weight",
            bias=None,
        ),
    )
    body = block(rng, "body.weight", (3, 3, 64, 64), 0)
    blocks = (
        block(rng, "stem.weight", (1, 1, 3, 64), 64),
        dataclasses.replace(
            body, bits=8, frac=(7,) * 64, raw=rng.integers(-128, 128, body.raw.shape)
        ),
        block(rng, "head.weight", (64, 10), 0),
    )
    return StreamNet("resnet", image, layers, blocks)


def loadable(name: str) -> StreamNet:
    """A net with as large a task as its name says: small, or of Fashion-MNIST's size."""
    rng = np.random.default_rng(3)
    shape, bits = {
        "small": ((4, 4, 8), 4),
        "clothes": ((14, 14, 16), 4),
    }[name]
    rows = shape[0] * shape[1] * shape[2]
    head = Linear(
        inputs=("image",),
        output=Stream("logits", (1, 1, 10), FixedType.exact(30, 7, signed=True)),
        weight="head.weight",
        bias=None,
    )
    image = Stream("image", shape, FixedType.exact(8, 8, signed=False))
    weights = dataclasses.replace(
        block(rng, "head.weight", (rows, 10), 0),
        bits=bits,
        raw=rng.integers(-(1 << bits - 1), 1 << bits - 1, (rows, 10)),
    )
    return StreamNet(name, image, (head,), (weights,))
