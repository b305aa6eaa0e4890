"""Hypothesis strategies: number formats, and random small networks of every layer kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from semifreddo.core.fixed import FixedType, IntArray, Overflow, Rounding
from semifreddo.ir.exact import exact_result
from semifreddo.ir.layers import (
    Add,
    AvgPool,
    Blend,
    Cast,
    Conv,
    Curve,
    Layer,
    Linear,
    MaxPool,
    Role,
    Route,
    Shape,
    Stream,
    Upsample,
    WeightBlock,
)
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.ir.validate import window_shape

BODY_KINDS = (
    *("conv", "depthwise", "maxpool", "avgpool", "route", "cast", "add", "blend", "concat"),
    *("upsample", "curve"),
)

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def formats(
    draw: Draw,
    roundings: Sequence[Rounding] = tuple(Rounding),
    overflows: Sequence[Overflow] = tuple(Overflow),
    max_width: int = 10,
) -> FixedType:
    """Formats an activation could have."""
    overflow = draw(st.sampled_from(overflows))
    signed = overflow is Overflow.SATURATE_SYMMETRIC or draw(st.booleans())
    width = draw(st.integers(2, max_width))
    frac = draw(st.integers(-1, 9))
    return FixedType(width, frac, signed, draw(st.sampled_from(roundings)), overflow)


@dataclass
class _Builder:
    draw: Draw
    types: st.SearchStrategy[FixedType]
    rng: np.random.Generator
    input: Stream
    layers: list[Layer] = field(default_factory=list)
    blocks: dict[str, WeightBlock] = field(default_factory=dict)
    repeats: list[Repeat] = field(default_factory=list)

    @property
    def last(self) -> Stream:
        return self.layers[-1].output if self.layers else self.input

    def emit(
        self,
        kind: type[Layer],
        inputs: tuple[Stream, ...],
        shape: Shape,
        into: FixedType | None = None,
        **fields: Any,
    ) -> Stream:
        """Add a layer; its format is given, or drawn, or exact."""
        stream = Stream(f"s{len(self.layers)}", shape, self.input.type)
        layer = kind(inputs=tuple(s.name for s in inputs), output=stream, **fields)
        if into is None:
            exact = exact_result(layer, inputs, self.blocks.__getitem__).type
            # Exact formats in a row would outgrow 62 bits.
            choices = [self.types, st.just(exact)] if exact.width <= 24 else [self.types]
            into = self.draw(st.one_of(choices))
        layer = replace(layer, output=replace(stream, type=into))
        self.layers.append(layer)
        return layer.output

    def block(self, role: Role, shape: tuple[int, ...]) -> str:
        """Add a weight block with random values, scales and freeze flags."""
        name = f"b{len(self.blocks)}.{role}"
        outputs = shape[-1]
        if role == "alpha":
            bits, frac, signed, low, high = 4, [3] * outputs, False, 0, 8
        else:
            bits, signed = self.draw(st.integers(2, 8)), self.draw(st.booleans())
            low = -(1 << (bits - 1)) if signed else 0
            high = (1 << (bits - signed)) - 1
            base, spread = self.draw(st.integers(-1, 8)), self.draw(st.integers(0, 2))
            frac = [base + int(offset) for offset in self.rng.integers(0, spread + 1, outputs)]
        share = self.draw(st.sampled_from([0.0, 0.5, 1.0]))
        self.blocks[name] = WeightBlock(
            name=name,
            role=role,
            raw=self.rng.integers(low, high + 1, shape),
            bits=bits,
            signed=signed,
            frac=tuple(frac),
            frozen=tuple(bool(flag) for flag in self.rng.random(outputs) < share),
        )
        return name

    def bias(self, outputs: int) -> str | None:
        return self.block("bias", (outputs,)) if self.draw(st.booleans()) else None

    def conv(
        self,
        source: Stream,
        outputs: int | None = None,
        *,
        same: bool = False,
        into: FixedType | None = None,
        depthwise: bool = False,
    ) -> Stream:
        """A convolution; ``same`` keeps height and width."""
        size: int = self.draw(st.sampled_from([1, 3]))
        kernel = (size, int(self.draw(st.sampled_from([1, size]))))
        stride, padding = (1, 1), (kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, kernel[1] // 2)
        if not same:
            stride = self.draw(st.sampled_from([(1, 1), (2, 2), (2, 1)]))
            top, left, bottom, right = (
                self.draw(st.integers(max(0, k - s), max(1, k - 1)))
                for k, s in zip((*kernel, *kernel), source.shape[:2] * 2, strict=True)
            )
            padding = (top, left, bottom, right)
        if depthwise:
            outputs = source.channels
        elif outputs is None:
            outputs = self.draw(st.integers(1, 5))
        weight = self.block("weight", (*kernel, 1 if depthwise else source.channels, outputs))
        return self.emit(
            Conv,
            (source,),
            (*window_shape(source.shape, kernel, stride, padding), outputs),
            into,
            weight=weight,
            bias=self.bias(outputs),
            kernel=kernel,
            stride=stride,
            padding=padding,
            depthwise=depthwise,
        )

    def pool(self, kind: type[MaxPool] | type[AvgPool]) -> None:
        source = self.last
        rows, columns = (int(self.draw(st.sampled_from([1, min(2, s)]))) for s in source.shape[:2])
        kernel = (rows, columns)
        stride = (self.draw(st.integers(1, 2)), self.draw(st.integers(1, 2)))
        padding = (0, 0, 0, 0)
        fields: dict[str, Any] = {}
        if kind is MaxPool:
            if not source.type.signed and self.draw(st.booleans()):
                padding = (kernel[0] - 1, kernel[1] - 1, 0, 0)
            fields["padding"] = padding
        shape = (*window_shape(source.shape, kernel, stride, padding), source.channels)
        self.emit(kind, (source,), shape, kernel=kernel, stride=stride, **fields)

    def route(self, *sources: Stream) -> None:
        total = sum(stream.channels for stream in sources)
        some = st.lists(st.integers(0, total - 1), min_size=1, max_size=6)
        indices = self.draw(st.one_of(st.just(range(total)), st.permutations(range(total)), some))
        shape = (*sources[0].shape[:2], len(indices))
        self.emit(Route, sources, shape, indices=tuple(indices))

    def upsample(self, source: Stream) -> None:
        """Blocks of at most two by two pixels, of which a part may be kept."""
        factor = (self.draw(st.integers(1, 2)), self.draw(st.integers(1, 2)))
        whole = tuple(size * step for size, step in zip(source.shape, factor, strict=False))
        origin = tuple(self.draw(st.integers(0, min(2, size - 1))) for size in whole)
        size = tuple(
            self.draw(st.integers(max(1, min(4, size - first - 2)), min(6, size - first)))
            for size, first in zip(whole, origin, strict=True)
        )
        channels = self.draw(st.integers(1, 4))
        count = prod(factor) * channels
        indices = tuple(self.rng.integers(0, source.channels, count).tolist())
        shape = (*size, channels)
        fields = {"factor": factor, "origin": origin, "size": size, "indices": indices}
        self.emit(Upsample, (source,), shape, **fields)

    def curve(self, source: Stream) -> None:
        """A step function: of any heights, of one channel or of all, of few steps or of many."""
        kind, count = source.type, self.draw(st.sampled_from([1, 2, 3, 5, 20]))
        columns = [self.draw(st.sampled_from([1, source.channels])) for _ in range(2)]
        signed, bits = self.draw(st.booleans()), self.draw(st.integers(2, 9))
        frac = self.draw(st.integers(-1, 9))
        starts = self.rng.integers(kind.min_raw, kind.max_raw + 1, (count, columns[0]))
        low = -(1 << (bits - 1)) if signed else 0
        levels = self.rng.integers(low, low + (1 << bits), (count + 1, columns[1]))
        names = []
        for role, raw, width, sign, fraction in (
            ("start", np.sort(starts, axis=0), kind.width, kind.signed, kind.frac),
            ("level", levels, bits, signed, frac),
        ):
            name, outputs = f"b{len(self.blocks)}.{role}", raw.shape[1]
            fracs, frozen = (fraction,) * outputs, (True,) * outputs
            self.blocks[name] = WeightBlock(name, role, raw, width, sign, fracs, frozen)
            names.append(name)
        self.emit(Curve, (source,), source.shape, starts=names[0], levels=names[1])

    def step(self, kind: str) -> None:
        """Add a layer, or a fork that joins again."""
        source = self.last
        if kind in ("conv", "depthwise"):
            self.conv(source, depthwise=kind == "depthwise")
        elif kind in ("maxpool", "avgpool"):
            self.pool(MaxPool if kind == "maxpool" else AvgPool)
        elif kind == "route":
            self.route(source)
        elif kind == "upsample":
            self.upsample(source)
        elif kind == "curve":
            self.curve(source)
        elif kind == "cast":
            self.emit(Cast, (source,), source.shape)
        elif kind == "add":
            self.emit(Add, (source, self.conv(source, source.channels, same=True)), source.shape)
        elif kind == "concat":
            self.route(self.conv(source, same=True), source)
        else:
            outputs = self.draw(st.integers(1, 4))
            pair = tuple(self.conv(source, outputs, same=True) for _ in range(2))
            self.emit(Blend, pair, pair[0].shape, alpha=self.block("alpha", (outputs,)))

    def repeat(self, count: int) -> None:
        """A convolution and a cast, used several times with the same weights."""
        kind = self.draw(self.types)
        source = self.emit(Cast, (self.last,), self.last.shape, kind)
        first = len(self.layers)
        self.conv(source, source.channels, same=True)
        conv = self.layers[first]
        passes = []
        for number in range(count):
            if number:
                output = replace(conv.output, name=f"s{len(self.layers)}")
                self.layers.append(replace(conv, inputs=(self.last.name,), output=output))
            name = self.last.name
            self.emit(Cast, (self.last,), self.last.shape, kind)
            passes.append((name, self.last.name))
        self.repeats.append(Repeat(f"r{first}", tuple(passes)))

    def head(self) -> None:
        weight = self.block(
            "weight", (prod(self.last.shape), outputs := self.draw(st.integers(1, 4)))
        )
        self.emit(Linear, (self.last,), (1, 1, outputs), weight=weight, bias=self.bias(outputs))

    def net(self) -> StreamNet:
        return StreamNet(
            name="drawn",
            input=self.input,
            layers=tuple(self.layers),
            blocks=tuple(self.blocks.values()),
            repeats=tuple(self.repeats),
        )


@st.composite
def nets(
    draw: Draw,
    kinds: Sequence[str] = BODY_KINDS,
    types: st.SearchStrategy[FixedType] | None = None,
    max_steps: int = 5,
    repeats: bool = True,
    head: bool | None = None,
) -> StreamNet:
    """Random valid networks of a few layers on images of at most 6x6x4.

    Args:
        draw: Given by Hypothesis.
        kinds: Which of :data:`BODY_KINDS` to use.
        types: Formats of the streams besides exact ones; all kinds if left out.
        max_steps: Layers (or forks) before the head.
        repeats: Whether a repeated block may occur.
        head: Whether a linear layer ends the network; either if left out.
    """
    types = formats() if types is None else types
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 4)))
    width = draw(st.integers(1, 8))
    kind = FixedType.exact(width, draw(st.integers(0, 8)), signed=width > 1 and draw(st.booleans()))
    build = _Builder(draw, types, rng, Stream("image", shape, kind))
    wanted = draw(st.booleans()) if head is None else head
    for step in draw(
        st.lists(st.sampled_from(kinds), min_size=0 if wanted else 1, max_size=max_steps)
    ):
        build.step(step)
    if repeats and draw(st.integers(0, 3)) == 0:
        build.repeat(draw(st.integers(2, 3)))
    if wanted:
        build.head()
    return build.net()


def images_of(net: StreamNet, count: int = 3, seed: int = 0) -> IntArray:
    """Random raw images over the whole range of a network's input."""
    kind = net.input.type
    rng = np.random.default_rng(seed)
    return rng.integers(kind.min_raw, kind.max_raw + 1, (count, *net.input.shape))
