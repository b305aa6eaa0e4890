"""Networks for the HLS tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.exact import exact_result
from semifreddo.ir.layers import (
    Add,
    AvgPool,
    Blend,
    Cast,
    Conv,
    Layer,
    Linear,
    MaxPool,
    Role,
    Route,
    Stream,
    WeightBlock,
)
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.ir.validate import window_shape

ACT = FixedType(8, 4, False, Rounding.HALF_EVEN, Overflow.SATURATE)
SIGNED = FixedType(8, 3, True, Rounding.HALF_EVEN, Overflow.SATURATE)
IMAGE = FixedType.exact(8, 8, signed=False)


class Builder:
    """Adds layers one by one; every method gives the name of the stream it adds."""

    def __init__(self, shape: tuple[int, int, int], kind: FixedType = IMAGE, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.streams = {"image": Stream("image", shape, kind)}
        self.layers: list[Layer] = []
        self.blocks: dict[str, WeightBlock] = {}
        self.repeats: list[Repeat] = []

    def net(self, name: str = "net") -> StreamNet:
        return StreamNet(
            name=name,
            input=self.streams["image"],
            layers=tuple(self.layers),
            blocks=tuple(self.blocks.values()),
            repeats=tuple(self.repeats),
        )

    def block(
        self,
        name: str,
        shape: tuple[int, ...],
        role: Role = "weight",
        *,
        bits: int = 4,
        frozen: float | Sequence[bool] = 0.0,
        fracs: Sequence[int] = (3,),
    ) -> str:
        if name in self.blocks:
            return name
        outputs = shape[-1]
        if isinstance(frozen, float):
            flags = np.zeros(outputs, bool)
            flags[self.rng.permutation(outputs)[: round(frozen * outputs)]] = True
        else:
            flags = np.array(frozen)
        signed = role != "alpha"
        low, high = (0, 8) if role == "alpha" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        self.blocks[name] = WeightBlock(
            name=name,
            role=role,
            raw=self.rng.integers(low, high + 1, shape),
            bits=bits,
            signed=signed,
            frac=tuple(fracs[i % len(fracs)] for i in range(outputs)),
            frozen=tuple(bool(flag) for flag in flags),
        )
        return name

    def _add(self, layer: Layer) -> str:
        self.layers.append(layer)
        self.streams[layer.name] = layer.output
        return layer.name

    def conv(
        self,
        name: str,
        source: str,
        outputs: int,
        *,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (1, 1, 1, 1),
        depthwise: bool = False,
        frozen: float = 0.0,
        bias_frozen: float | None = None,
        bits: int = 4,
        fracs: Sequence[int] = (3,),
        kind: FixedType = ACT,
        shared: str | None = None,
    ) -> str:
        stream = self.streams[source]
        fan_in = 1 if depthwise else stream.channels
        prefix = shared or name
        weight = self.block(
            f"{prefix}.weight", (*kernel, fan_in, outputs), bits=bits, frozen=frozen, fracs=fracs
        )
        bias = None
        if bias_frozen is not None:
            bias = self.block(
                f"{prefix}.bias", (outputs,), "bias", bits=12, frozen=bias_frozen, fracs=(9, 10)
            )
        size = window_shape(stream.shape, kernel, stride, padding)
        return self._add(
            Conv(
                inputs=(source,),
                output=Stream(name, (*size, outputs), kind),
                weight=weight,
                bias=bias,
                kernel=kernel,
                stride=stride,
                padding=padding,
                depthwise=depthwise,
            )
        )

    def linear(
        self,
        name: str,
        source: str,
        outputs: int,
        *,
        frozen: float = 0.0,
        bias_frozen: float | None = None,
        fracs: Sequence[int] = (3,),
        bits: int = 4,
        kind: FixedType | None = None,
    ) -> str:
        stream = self.streams[source]
        rows = stream.pixels * stream.channels
        weight = self.block(
            f"{name}.weight", (rows, outputs), bits=bits, frozen=frozen, fracs=fracs
        )
        bias = None
        if bias_frozen is not None:
            bias = self.block(
                f"{name}.bias", (outputs,), "bias", bits=12, frozen=bias_frozen, fracs=(7,)
            )
        layer = Linear(
            inputs=(source,),
            output=Stream(name, (1, 1, outputs), kind or ACT),
            weight=weight,
            bias=bias,
        )
        if kind is None:
            exact = exact_result(layer, (stream,), self.blocks.__getitem__).type
            layer = Linear(
                inputs=(source,),
                output=Stream(name, (1, 1, outputs), exact),
                weight=weight,
                bias=bias,
            )
        return self._add(layer)

    def blend(
        self, name: str, left: str, right: str, *, frozen: float = 0.0, kind: FixedType = ACT
    ) -> str:
        stream = self.streams[left]
        alpha = self.block(f"{name}.alpha", (stream.channels,), "alpha", frozen=frozen)
        return self._add(
            Blend(inputs=(left, right), output=Stream(name, stream.shape, kind), alpha=alpha)
        )

    def add(self, name: str, left: str, right: str, *, kind: FixedType = ACT) -> str:
        shape = self.streams[left].shape
        return self._add(Add(inputs=(left, right), output=Stream(name, shape, kind)))

    def cast(self, name: str, source: str, kind: FixedType) -> str:
        shape = self.streams[source].shape
        return self._add(Cast(inputs=(source,), output=Stream(name, shape, kind)))

    def route(
        self, name: str, sources: Sequence[str], indices: Sequence[int], kind: FixedType = ACT
    ) -> str:
        shape = (*self.streams[sources[0]].shape[:2], len(indices))
        return self._add(
            Route(inputs=tuple(sources), output=Stream(name, shape, kind), indices=tuple(indices))
        )

    def max_pool(
        self,
        name: str,
        source: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        kind: FixedType = ACT,
    ) -> str:
        stream = self.streams[source]
        size = window_shape(stream.shape, kernel, stride, padding)
        return self._add(
            MaxPool(
                inputs=(source,),
                output=Stream(name, (*size, stream.channels), kind),
                kernel=kernel,
                stride=stride,
                padding=padding,
            )
        )

    def avg_pool(
        self,
        name: str,
        source: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        kind: FixedType = ACT,
    ) -> str:
        stream = self.streams[source]
        size = window_shape(stream.shape, kernel, stride, (0, 0, 0, 0))
        return self._add(
            AvgPool(
                inputs=(source,),
                output=Stream(name, (*size, stream.channels), kind),
                kernel=kernel,
                stride=stride,
            )
        )


def demo(size: int = 8, widths: Sequence[int] = (8, 16, 16), bits: int = 4) -> StreamNet:
    """A SemifreddoNet: a frozen core, two trainable cores, blends, shuffle, pool, head."""
    b = Builder((size, size, 1))
    core, left, right = "image", "image", "image"
    for stage, width in enumerate(widths):
        stride = (2, 2) if stage and size > 8 else (1, 1)
        core = b.conv(
            f"core{stage}",
            core,
            width,
            frozen=1.0,
            bias_frozen=1.0,
            stride=stride,
            bits=bits,
            fracs=(5,),
        )
        trained = [
            b.conv(
                f"{side}{stage}",
                source,
                width,
                bias_frozen=0.0,
                stride=stride,
                bits=bits,
                fracs=(5,),
            )
            for side, source in (("left", left), ("right", right))
        ]
        mixed = [b.blend(f"mix_{name}", core, name) for name in trained]
        half = width // 2
        order = list(range(2 * width))
        left = b.route(f"shuffle_left{stage}", mixed, order[:half] + order[width : width + half])
        right = b.route(f"shuffle_right{stage}", mixed, order[half:width] + order[width + half :])
    both = b.route("both", [left, right], range(2 * widths[-1]))
    shape = b.streams[both].shape
    kernel = 1 << (shape[0].bit_length() - 1)
    pooled = b.avg_pool("pool", both, (kernel, kernel), (kernel, kernel))
    b.linear("logits", pooled, 10, bias_frozen=0.0)
    return b.net("demo")


def random_values(net: StreamNet, seed: int) -> StreamNet:
    """The same device with other random loadable values, extremes included."""
    rng = np.random.default_rng(seed)
    values = {}
    for block in net.configurable_blocks:
        shape = (block.rows, len(block.configurable_channels))
        data = block.drawn(rng, shape)
        extreme = rng.random(shape)
        data[extreme < 0.05] = block.min_value
        data[extreme > 0.95] = block.max_value
        values[block.name] = data
    return net.with_values(values)


def random_images(net: StreamNet, count: int, seed: int = 0) -> np.ndarray:
    """Random raw images, with an all-low and an all-high one among them."""
    fmt = net.input.type
    rng = np.random.default_rng(seed)
    images = rng.integers(fmt.min_raw, fmt.max_raw + 1, (count, *net.input.shape))
    images[0], images[-1] = fmt.min_raw, fmt.max_raw
    return images
