"""Networks of one random layer, of every kind, for measuring the estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from semifreddo.core.fixed import FixedType, IntArray, Overflow, Rounding
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
    Stream,
    WeightBlock,
)
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.ir.validate import window_shape
from semifreddo.rtl.choices import Choice

KINDS = (
    "frozen",
    "digits",
    "lut",
    "dsp",
    "partial",
    "digits",
    "frozen",
    "bank",
    "depthwise",
    "pointwise",
    "linear",
    "pool",
    "digits",
    "bank",
    "join",
    "partial",
)
"""What samples are, in turn: mostly convolutions, which fill a device.

``bank`` is a convolution with so many loadable weights that they may be in block memories.
"""


FOLDED_KINDS = ("lut", "partial", "dsp", "digits")
"""What layers of folded repeats are, in turn."""

MOST_ROWS = 40
"""Rows of a convolution's weights: larger layers tell no more and take Yosys longer."""


@dataclass(frozen=True)
class Sample:
    """A network of one layer and the choice for it.

    Attributes:
        title: What it is, for people.
        net: The network.
        choice: Hardware choice of its layer.
    """

    title: str
    net: StreamNet
    choice: Choice

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self.net.layers[0]


def samples(seed: int) -> Iterator[Sample]:
    """Ever more samples; the same for the same seed."""
    index = 0
    while True:
        yield _Maker(seed, index).make(KINDS[index % len(KINDS)])
        index += 1


def folded_samples(seed: int) -> Iterator[Sample]:
    """Ever more layers of folded repeats: two or three passes share the hardware of a layer.

    The passes have their own loadable values in every second sample.
    """
    index = 0
    while True:
        kind = FOLDED_KINDS[index // 2 % len(FOLDED_KINDS)]
        yield _Maker(seed, index).folded(kind, own=index % 2 == 1)
        index += 1


def rom_samples(seed: int) -> Iterator[Sample]:
    """Ever more layers whose frozen weights are in a ROM; every fourth is partly loadable."""
    index = 0
    while True:
        yield _Maker(seed, index).rom(("lut", "lut", "dsp", "partial")[index % 4])
        index += 1


def packed_samples(seed: int) -> Iterator[Sample]:
    """Ever more layers whose products share DSP slices; weights of every third are in a ROM."""
    index = 0
    while True:
        yield _Maker(seed, index).packed(rom=index % 3 == 2)
        index += 1


def stored_samples(seed: int) -> Iterator[Sample]:
    """Ever more layers whose windows are in a memory; weights of every second are in a ROM."""
    index = 0
    while True:
        yield _Maker(seed, index).stored(rom=index % 2 == 1)
        index += 1


def same_size(weight: str, bias: str | None, kernel: int, output: Stream) -> Conv:
    """A convolution of the image whose output is as large as the image."""
    pad = (kernel - 1) // 2
    return Conv(
        inputs=("image",),
        output=output,
        weight=weight,
        bias=bias,
        kernel=(kernel, kernel),
        stride=(1, 1),
        padding=(pad, pad, pad, pad),
        depthwise=False,
    )


class _Maker:
    """Draws one sample."""

    def __init__(self, seed: int, index: int) -> None:
        self.rng = np.random.default_rng((seed, index))
        self.blocks: list[WeightBlock] = []
        self.act = self.pick([2, 4, 4, 6, 8, 8])
        self.bits = self.pick([2, 3, 4, 4, 6, 8])
        # Narrow numbers go with many channels: all samples are of a size that Yosys does quickly.
        self.scale = 6 if self.act * self.bits <= 16 else 3

    def pick(self, options: Any) -> Any:
        options = list(options)
        return options[int(self.rng.integers(len(options)))]

    def stream(self, side: int, channels: int) -> Stream:
        signed = self.pick([False, False, True])
        return Stream("image", (side, side, channels), self.type(self.act - 1, signed=signed))

    def type(self, frac: int, *, signed: bool) -> FixedType:
        return FixedType(self.act, frac, signed, Rounding.HALF_EVEN, Overflow.SATURATE)

    def values(self, shape: tuple[int, ...]) -> IntArray:
        """Weights: uniform, normal, mostly zero, or powers of two."""
        limit = 1 << (self.bits - 1)
        kind = self.pick(["normal", "normal", "uniform", "sparse", "power"])
        if kind == "power":
            signs = self.rng.choice([-1, 1], shape)
            return np.asarray(signs << self.rng.integers(0, self.bits - 1, shape), np.int64)
        if kind == "normal":
            drawn = np.round(self.rng.normal(0, limit / 3, shape))
        else:
            drawn = self.rng.integers(-limit, limit, shape).astype(float)
        if kind == "sparse":
            drawn[self.rng.random(shape) < 0.6] = 0
        return np.clip(drawn, -limit, limit - 1).astype(np.int64)

    def block(self, role: str, raw: IntArray, frozen: int) -> str:
        """A block whose first ``frozen`` channels are logic."""
        outputs = raw.shape[-1]
        flags = (True,) * frozen + (False,) * (outputs - frozen)
        bits, signed, frac = {
            "weight": (self.bits, True, self.bits - 1),
            "bias": (8, True, self.act + self.bits - 2),
            "alpha": (4, False, 3),
        }[role]
        found: Any = role
        self.blocks.append(WeightBlock(role, found, raw, bits, signed, (frac,) * outputs, flags))
        return role

    def make(self, kind: str) -> Sample:
        """A sample of a kind."""
        if kind == "pool":
            return self.pool()
        if kind == "join":
            return self.join()
        if kind == "linear":
            return self.linear(self.pick(["frozen", "digits", "lut", "dsp"]))
        return self.conv(kind)

    def conv(self, kind: str) -> Sample:
        side = self.pick([8, 12, 16, 28, 40])
        kernel = 1 if kind == "pointwise" else self.pick([3, 3, 3, 2, 5])
        if kind == "pointwise":
            inputs, outputs = self.pick(range(4, 25)), self.pick(range(4, 25))
        elif kind == "depthwise":
            inputs = outputs = self.pick(range(4, 17))
        elif kind == "bank":
            kernel = self.pick([1, 3])
            inputs, outputs = self.pick(range(8, 17)), self.pick(range(8, 33))
        else:
            most = max(1, min(self.scale - 1, MOST_ROWS // kernel**2))
            inputs, outputs = self.pick(range(1, most + 1)), self.pick(range(4, 4 * self.scale))
        source = self.stream(side, inputs)
        stride = self.pick([1, 1, 1, 2]) if kernel > 1 else 1
        pad = (kernel - 1) // 2
        padding = (pad, pad, pad, pad) if self.pick([True, True, False]) else (0,) * 4
        depthwise = kind == "depthwise"
        shape = (kernel, kernel, 1 if depthwise else inputs, outputs)
        engine = kind
        if kind in ("depthwise", "pointwise"):
            engine = self.pick(["frozen", "digits", "lut", "dsp"])
        elif kind == "bank":
            engine = self.pick(["lut", "dsp"])
        frozen = self.frozen(engine, outputs)
        weight = self.block("weight", self.values(shape), frozen)
        bias = self.bias(outputs, frozen)
        size = window_shape(source.shape, (kernel, kernel), (stride, stride), padding)
        rows = int(np.prod(shape[:3]))
        choice = self.choice(engine, rows, outputs - frozen)
        if kind == "bank":
            few = Choice(self.pick([1, 1, 2, 3]), self.pick([1, 2, 4, 4, 8, 0]))
            choice = replace(few, multiplier=choice.multiplier)
        return self.sample(
            f"{kind if kind == engine else f'{kind} {engine}'} {kernel}x{kernel}"
            f"{f' stride {stride}' * (stride > 1)} {inputs} to {outputs}",
            source,
            lambda output: Conv(
                inputs=("image",),
                output=output,
                weight=weight,
                bias=bias,
                kernel=(kernel, kernel),
                stride=(stride, stride),
                padding=padding,
                depthwise=depthwise,
            ),
            (*size, outputs),
            choice,
        )

    def folded(self, kind: str, *, own: bool) -> Sample:
        """A convolution that reads what the pass before it has made."""
        side, kernel = self.pick([8, 12, 16]), self.pick([1, 3])
        channels = self.pick(range(4, 5 if kernel == 3 else 13))
        source = self.stream(side, channels)
        shape = (kernel, kernel, channels, channels)
        frozen, passes = self.frozen(kind, channels), self.pick([2, 3])
        weight = self.block("weight", self.values(shape), frozen)
        bias = self.bias(channels, frozen)
        first = same_size(weight, bias, kernel, Stream("layer", source.shape, source.type))
        layers = [first]
        for number in range(1, passes):
            before = layers[-1]
            name = f"layer.pass{number}"
            layer = replace(first, inputs=(before.name,), output=replace(first.output, name=name))
            if own:
                names = {block.role: f"{block.name}.pass{number}" for block in self.blocks[:2]}
                layer = replace(layer, weight=names["weight"], bias=names.get("bias"))
            layers.append(layer)
        blocks = list(self.blocks)
        if own:
            blocks += [
                replace(block, name=f"{block.name}.pass{number}")
                for number in range(1, passes)
                for block in self.blocks
            ]
        repeat = Repeat("block", tuple((layer.name,) for layer in layers))
        choice = self.choice(kind, kernel**2 * channels, channels - frozen)
        title = (
            f"folded {kind} {kernel}x{kernel} {channels} to {channels}, {passes} passes"
            f"{' with their own values' * own}, {self.act}-bit values, {self.bits}-bit weights"
        )
        net = StreamNet("sample", source, tuple(layers), tuple(blocks), (repeat,))
        return Sample(title, net, choice)

    def rom(self, kind: str) -> Sample:
        """A convolution with its frozen weights in a ROM."""
        kernel, inputs, outputs = (
            self.pick([1, 3, 3]),
            self.pick(range(4, 17)),
            self.pick([8, 16, 24]),
        )
        source = self.stream(self.pick([4, 8, 12, 16]), inputs)
        frozen = self.pick([outputs // 2, outputs - 2]) if kind == "partial" else outputs
        weight = self.block("weight", self.values((kernel, kernel, inputs, outputs)), frozen)
        bias = self.bias(outputs, frozen)
        rows = kernel**2 * inputs
        choice = replace(
            self.choice("lut", rows, outputs - frozen),
            frozen="rom",
            rom_rows_per_cycle=self.pick([1, 1, 2, 3]),
            rom_channels_per_cycle=self.pick([1, 2, 4, frozen // 2, 0]),
            rom_multiplier="dsp" if kind == "dsp" else "lut",
        )
        return self.sample(
            f"rom {kind} {kernel}x{kernel} {inputs} to {outputs}",
            source,
            partial(same_size, weight, bias, kernel),
            (*source.shape[:2], outputs),
            choice,
        )

    def packed(self, *, rom: bool) -> Sample:
        """A convolution with several products in a DSP slice."""
        kernel, inputs, outputs = self.pick([1, 3, 3]), self.pick(range(4, 17)), self.pick([8, 16])
        source = self.stream(self.pick([4, 8, 12, 16]), inputs)
        frozen = outputs if rom else 0
        weight = self.block("weight", self.values((kernel, kernel, inputs, outputs)), frozen)
        bias = self.bias(outputs, frozen)
        rows = int(self.pick([1, 2, 5, 8, 8, kernel * inputs]))
        lanes = int(self.pick([2, 3, 4, 4, 8]))
        choice = Choice(rows, lanes, multiplier="packed")
        if rom:
            choice = Choice(
                frozen="rom",
                rom_rows_per_cycle=rows,
                rom_channels_per_cycle=lanes,
                rom_multiplier="packed",
            )
        return self.sample(
            f"packed {kernel}x{kernel} {inputs} to {outputs}",
            source,
            partial(same_size, weight, bias, kernel),
            (*source.shape[:2], outputs),
            choice,
        )

    def stored(self, *, rom: bool) -> Sample:
        """A convolution whose windows are read from a memory, part by part."""
        kernel, outputs = self.pick([3, 3, 5]), self.pick([8, 16])
        parts, rows = self.pick([1, 2, 4, 8]), self.pick([1, 2, 4, 8])
        inputs = parts * rows
        source = self.stream(self.pick([4, 8, 16, 32]), inputs)
        weight = self.block(
            "weight", self.values((kernel, kernel, inputs, outputs)), outputs if rom else 0
        )
        bias = self.bias(outputs, outputs if rom else 0)
        lanes, kind = self.pick([2, 2, 4, 8]), self.pick(["lut", "lut", "dsp", "packed"])
        choice = Choice(rows, lanes, multiplier=kind, window="memory")
        if rom:
            choice = Choice(
                frozen="rom",
                rom_rows_per_cycle=rows,
                rom_channels_per_cycle=lanes,
                rom_multiplier=kind,
                window="memory",
            )
        return self.sample(
            f"stored {kernel}x{kernel} {inputs} to {outputs}",
            source,
            partial(same_size, weight, bias, kernel),
            (*source.shape[:2], outputs),
            choice,
        )

    def frozen(self, engine: str, outputs: int) -> int:
        """How many channels are frozen."""
        if engine == "partial":
            return int(self.pick(range(1, outputs)))
        return outputs if engine in ("frozen", "digits") else 0

    def bias(self, outputs: int, frozen: int) -> str | None:
        if self.pick([True, True, True, False]):
            return self.block("bias", self.rng.integers(-128, 128, (outputs,)), frozen)
        return None

    def choice(self, engine: str, rows: int, loadable: int) -> Choice:
        digits = engine == "digits" or (engine == "partial" and self.pick([True, False]))
        per_cycle = self.pick([1, 1, 2, 3, rows])
        channels = self.pick([0, 0, 1, max(1, loadable // 2), max(1, loadable // 4)])
        return Choice(
            min(per_cycle, rows) if loadable * min(per_cycle, rows) <= 60 else 1,
            channels if channels <= loadable else 0,
            self.pick([1, 1, 1, 2, 3, 4]) if digits else 0,
            "dsp" if engine == "dsp" else "lut",
        )

    def linear(self, engine: str) -> Sample:
        source = self.stream(self.pick([1, 1, 2]), self.pick(range(8, 33)))
        outputs = self.pick(range(4, 13))
        rows = source.pixels * source.channels
        frozen = self.frozen(engine, outputs)
        weight = self.block("weight", self.values((rows, outputs)), frozen)
        bias = self.bias(outputs, frozen)
        return self.sample(
            f"linear {engine} {rows} to {outputs}",
            source,
            lambda output: Linear(inputs=("image",), output=output, weight=weight, bias=bias),
            (1, 1, outputs),
            self.choice(engine, rows, outputs - frozen),
        )

    def pool(self) -> Sample:
        source = self.stream(self.pick([8, 16, 28]), self.pick(range(4, 25)))
        average = self.pick([True, False])
        kernel = self.pick([2, 4]) if average else self.pick([2, 3])
        stride = self.pick([kernel, kernel, 1])
        size = window_shape(source.shape, (kernel, kernel), (stride, stride), (0,) * 4)
        shared = {"inputs": ("image",), "kernel": (kernel, kernel), "stride": (stride, stride)}
        make: Callable[[Stream], Layer] = (
            (lambda output: AvgPool(output=output, **shared))
            if average
            else (lambda output: MaxPool(output=output, padding=(0,) * 4, **shared))
        )
        title = f"{'average' if average else 'maximum'} {kernel}x{kernel} stride {stride}"
        shape = (*size, source.channels)
        choice = self.lanes(source.channels)
        return self.sample(f"{title}, {source.channels} channels", source, make, shape, choice)

    def lanes(self, channels: int) -> Choice:
        """Channels at a time of a layer without weights."""
        return Choice(channels_per_cycle=self.pick([0, 0, 1, 2, channels // 4, channels // 2]))

    def join(self) -> Sample:
        source = self.stream(8, self.pick(range(6, 33)))
        kind = self.pick(["add", "blend", "blend", "cast"])
        twice = ("image", "image")
        make: Callable[[Stream], Layer] = lambda output: Add(inputs=twice, output=output)  # noqa: E731
        if kind == "blend":
            frozen = self.pick([0, 0, source.channels])
            alpha = self.block("alpha", self.rng.integers(0, 9, (source.channels,)), frozen)
            make = lambda output: Blend(inputs=twice, output=output, alpha=alpha)  # noqa: E731
        elif kind == "cast":
            make = lambda output: Cast(inputs=("image",), output=output)  # noqa: E731
        choice = self.lanes(source.channels)
        title = f"{kind} of {source.channels} channels"
        return self.sample(title, source, make, source.shape, choice)

    def sample(
        self,
        title: str,
        source: Stream,
        make: Callable[[Stream], Layer],
        shape: tuple[int, int, int],
        choice: Choice,
    ) -> Sample:
        """The network; its output keeps the upper bits of the exact result, less some."""
        draft = make(Stream("layer", shape, FixedType.exact(8, 0, signed=True)))
        blocks = {block.name: block for block in self.blocks}
        streams = (source,) * len(draft.inputs)
        exact = exact_result(draft, streams, blocks.__getitem__)
        drop = max(0, exact.type.width - self.pick([2, 2, 4, 6]) - self.act)
        signed = self.pick([False, exact.type.signed])
        layer = make(Stream("layer", shape, self.type(exact.frac - drop, signed=signed)))
        weights = f", {self.bits}-bit weights" if "weight" in blocks else ""
        if choice.digit_bits:
            weights += f", {choice.digit_bits} per cycle"
        if choice.frozen == "rom":
            channels = choice.rom_channels_per_cycle or len(blocks["weight"].frozen_channels)
            weights += f", {choice.rom_rows_per_cycle}x{channels} of a ROM"
        if isinstance(layer, Conv | Linear) and not all(blocks["weight"].frozen):
            channels = choice.channels_per_cycle or len(blocks["weight"].configurable_channels)
            weights += f", {choice.rows_per_cycle}x{channels} {choice.multiplier}"
        elif not isinstance(layer, Conv | Linear) and choice.channels_per_cycle:
            weights += f", {choice.channels_per_cycle} at a time"
        title = f"{title}, {self.act}-bit values{weights}"
        return Sample(title, StreamNet("sample", source, (layer,), tuple(self.blocks)), choice)
