"""Every layer kind with every property that can matter: a list, and the network made of it.

A case is one layer behind sources of its own. The network runs all cases on one image, what they
give is joined at the end, and every stream is compared. So a compilation tests them all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from semifreddo.core.errors import NetError
from semifreddo.core.fixed import FixedType, IntArray, Overflow, Rounding
from semifreddo.hls.schedule import LayerSchedule
from semifreddo.ir.allowed import sums_of_powers
from semifreddo.ir.exact import exact_result, product_bounds
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
    Stream,
    Upsample,
    WeightBlock,
)
from semifreddo.ir.net import StreamNet
from semifreddo.ir.validate import window_shape
from semifreddo.rtl.choices import Choice, Multiplier

SIZE = (5, 6)
IMAGE = Stream("image", (*SIZE, 3), FixedType.exact(32, 0, signed=True))
IMAGES = 11

RESIDENCIES = ("all frozen", "all loadable", "one loadable", "one frozen")


@dataclass(frozen=True)
class Case:
    """One layer under test.

    Attributes:
        name: Name of the layer.
        kind: Its class.
        sources: What it reads: sign, bits, fraction bits if there are any, channels: ``s4.1x3``.
        kernel: Of windows.
        stride: Of windows.
        padding: Top, left, bottom, right.
        depthwise: A depthwise convolution.
        outputs: Output channels of a weighted layer.
        weights: Which weights or blend factors are loadable.
        bias: Which biases; empty for none.
        signs: Weights are only -1 and 1.
        terms: Powers of two that weights are sums of at most, if they are.
        reach: The sum of products has its limit between two to this power and twice that.
        indices: Of a route, and of upsampling.
        size: Rows and columns that upsampling keeps.
        origin: Where they begin.
        steps: Of a curve.
        columns: Of a curve's starts and levels: ``own`` of a channel, or ``shared`` by all.
        to: Output format; exact if left out, so that no bit is hidden.
        hls: What the HLS backend chooses.
        rtl: What the RTL backend chooses.
    """

    name: str
    kind: type[Layer]
    sources: tuple[str, ...]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    depthwise: bool = False
    outputs: int = 3
    weights: str = "all frozen"
    bias: str = ""
    signs: bool = False
    terms: int = 0
    reach: int | None = None
    indices: tuple[int, ...] = ()
    size: tuple[int, int] = (0, 0)
    origin: tuple[int, int] = (0, 0)
    steps: int = 3
    columns: tuple[str, str] = ("shared", "shared")
    to: FixedType | None = None
    hls: LayerSchedule = LayerSchedule()  # noqa: RUF009 -- frozen
    rtl: Choice = Choice()  # noqa: RUF009 -- frozen


def _to(text: str) -> FixedType:
    """``s8.2 HALF_UP WRAP`` as a format."""
    size, rounding, overflow = text.split()
    width, frac = size[1:].split(".")
    kinds = Rounding[rounding], Overflow[overflow]
    return FixedType(int(width), int(frac), size[0] == "s", *kinds)


def _rom(rows: int, channels: int, multiplier: Multiplier = "lut") -> Choice:
    """Frozen weights in a ROM."""
    return Choice(
        frozen="rom",
        rom_rows_per_cycle=rows,
        rom_channels_per_cycle=channels,
        rom_multiplier=multiplier,
    )


LISTED = [
    # Convolutions: signs, sides of padding, windows that overlap, touch and leave gaps, residency.
    Case("conv_plain", Conv, ("u4x3",), (3, 3), rtl=_rom(5, 0, "packed")),
    Case(
        "conv_around", Conv, ("s4x3",), (3, 3), padding=(1, 1, 1, 1), weights="one loadable",
        bias="one loadable", to=_to("s8.3 HALF_UP WRAP"),
        hls=LayerSchedule(rows_per_cycle=9), rtl=Choice(rows_per_cycle=4, digit_bits=1),
    ),
    Case(
        "conv_top", Conv, ("s4x3",), (2, 1), padding=(1, 0, 0, 0), weights="all loadable",
        bias="all loadable", rtl=Choice(2, 2, multiplier="packed"),
    ),
    Case(
        "conv_left", Conv, ("s4x1",), (1, 2), padding=(0, 1, 0, 0), weights="one frozen",
        bias="one frozen", hls=LayerSchedule(frozen="constants"),
        to=_to("s6.2 HALF_EVEN SATURATE"), rtl=Choice(1, 1),
    ),
    Case(
        "conv_bottom", Conv, ("u4x3",), (2, 1), padding=(0, 0, 1, 0), bias="one loadable",
        rtl=Choice(digit_bits=2),
    ),
    Case(
        "conv_right", Conv, ("s4x3",), (1, 2), padding=(0, 0, 0, 1), weights="one loadable",
        bias="all frozen", to=_to("u5.2 TOWARD_ZERO SATURATE"),
        hls=LayerSchedule(rows_per_cycle=2, frozen="constants"),
        rtl=_rom(2, 1, "dsp"),
    ),
    Case("conv_apart", Conv, ("s4x3",), (2, 2), (2, 2), weights="all loadable", outputs=1),
    Case(
        "conv_memory", Conv, ("s4x3",), (3, 2), padding=(1, 1, 2, 0), weights="all loadable",
        bias="one loadable", rtl=Choice(3, 2, window="memory"),
    ),
    Case(
        "conv_memory_rom", Conv, ("u4x3",), (2, 2), (1, 2), padding=(0, 0, 1, 1),
        rtl=replace(_rom(3, 2), window="memory"),
    ),
    Case("conv_gaps", Conv, ("u4x3",), (1, 2), (2, 3), weights="one loadable", outputs=2),
    Case("point", Conv, ("s4x3",), weights="one loadable", bias="one loadable", rtl=Choice(3)),
    Case("point_gaps", Conv, ("u4x1",), (1, 1), (2, 2), weights="one frozen", bias="one frozen"),
    Case(
        "depth", Conv, ("s4x3",), (3, 2), padding=(1, 0, 1, 1), depthwise=True,
        weights="one loadable", bias="one loadable", rtl=Choice(2, 1),
    ),
    Case(
        "depth_apart", Conv, ("u4x3",), (2, 2), (2, 2), depthwise=True, weights="one frozen",
        bias="all loadable", hls=LayerSchedule(frozen="constants"), rtl=_rom(3, 1),
    ),
    Case("depth_one", Conv, ("s4x1",), (2, 2), depthwise=True, weights="all loadable"),
    # Sums beside the switches of the arithmetic: what a float and a double hold, and 62 bits.
    *(
        Case(f"{name}_{reach}", kind, (source,), reach=reach, weights="all loadable", **more)
        for name, kind, more in (
            ("wide", Conv, {"kernel": (2, 2), "outputs": 2}),
            ("wide_point", Conv, {"outputs": 1}),
            ("wide_depth", Conv, {"kernel": (1, 2), "depthwise": True}),
            ("wide_linear", Linear, {"outputs": 1}),
        )
        for reach, source in ((23, "u9x1"), (24, "s9x1"), (52, "s28x1"), (53, "u29x1"))
        if reach in (24, 53) or name == "wide"
    ),
    Case("widest", Conv, ("s31x1",), reach=57, outputs=2, bias="one loadable"),
    Case("widest_linear", Linear, ("s30x1",), reach=56, outputs=1, bias="all frozen"),
    # Fully connected layers.
    Case("linear", Linear, ("u4x3",), rtl=_rom(1, 1)),
    Case(
        "linear_mixed", Linear, ("s4x3",), weights="one loadable", bias="one loadable",
        to=_to("s9.2 HALF_DOWN SATURATE_SYMMETRIC"), rtl=Choice(8, 1, 1),
    ),
    Case(
        "linear_loaded", Linear, ("s4x1",), weights="all loadable", bias="all loadable",
        hls=LayerSchedule(rows_per_cycle=5), rtl=Choice(7, 2, multiplier="dsp"),
    ),
    Case(
        "linear_table", Linear, ("u4x1",), weights="one frozen", bias="one frozen",
        hls=LayerSchedule(rows_per_cycle=3, frozen="constants"), rtl=_rom(5, 1),
    ),
    # Pools.
    Case("max_apart", MaxPool, ("s4x3",), (2, 3), (2, 3)),
    Case("max_overlap", MaxPool, ("s4x3",), (3, 2), rtl=Choice(channels_per_cycle=2)),
    Case("max_gaps", MaxPool, ("s4x1",), (1, 2), (2, 4), to=_to("s3.0 FLOOR SATURATE")),
    Case("max_unsigned", MaxPool, ("u4x3",), (2, 2), (2, 2), rtl=Choice(channels_per_cycle=1)),
    Case("max_around", MaxPool, ("u4x3",), (3, 3), (2, 2), padding=(1, 1, 1, 1)),
    Case("max_top", MaxPool, ("u4x1",), (2, 1), padding=(1, 0, 0, 0)),
    Case("max_left", MaxPool, ("u4x3",), (1, 2), padding=(0, 1, 0, 0)),
    Case("max_bottom", MaxPool, ("u4x1",), (2, 1), padding=(0, 0, 1, 0)),
    Case("max_right", MaxPool, ("u4x3",), (1, 2), padding=(0, 0, 0, 1)),
    Case("max_wide", MaxPool, ("s58x2",), (2, 2)),
    Case("mean_apart", AvgPool, ("s4x3",), (2, 2), (2, 2), rtl=Choice(channels_per_cycle=2)),
    Case("mean_overlap", AvgPool, ("s4x3",), (2, 4), (1, 2)),
    Case("mean_gaps", AvgPool, ("u4x1",), (2, 1), (3, 2), to=_to("u4.0 HALF_EVEN SATURATE")),
    Case("mean_unsigned", AvgPool, ("u4x3",), (1, 4), rtl=Choice(channels_per_cycle=1)),
    Case("mean_odd", AvgPool, ("u4x3",), (3, 3), (1, 2)),
    Case("mean_tiles", AvgPool, ("s4x3",), (2, 3), (2, 3), rtl=Choice(channels_per_cycle=2)),
    Case("mean_wide", AvgPool, ("s58x2",), (2, 2), (2, 2)),
    # Two streams: signs and fractions alike and not, sums as wide as can be.
    Case("add", Add, ("s4x3", "s4.3x3"), rtl=Choice(channels_per_cycle=2)),
    Case("add_mixed", Add, ("u4.2x1", "s4x1"), to=_to("s4.1 HALF_TOWARD_ZERO SATURATE")),
    Case("add_unsigned", Add, ("u4x3", "u4x3")),
    Case("add_wide", Add, ("s58x2", "s58x2")),
    Case("blend", Blend, ("s4x9", "t4x9"), weights="all loadable"),
    Case("blend_frozen", Blend, ("t4x9", "s4x9"), rtl=Choice(channels_per_cycle=4)),
    Case("blend_mixed", Blend, ("u4.2x3", "s4x3"), weights="one loadable"),
    Case("blend_unsigned", Blend, ("u4x1", "u4x1"), weights="all loadable"),
    Case(
        "blend_table", Blend, ("u4x3", "s4.1x3"), weights="one frozen",
        to=_to("s5.1 HALF_AWAY SATURATE"), rtl=Choice(channels_per_cycle=1),
    ),
    Case("blend_wide", Blend, ("s58x2", "s58x2"), weights="one loadable"),
    Case("route", Route, ("s4x3", "u4.2x3"), indices=(5, 0, 0, 4, 2)),
    Case("route_one", Route, ("u4x1",), indices=(0,), to=_to("u3.1 HALF_UP SATURATE")),
    Case("route_wide", Route, ("s58x2", "s4x1"), indices=(2, 1)),
    # Blocks of pixels: whole images and what is left of them, alike and of several channels.
    Case("up_alike", Upsample, ("s4x3",), (2, 2), size=(10, 12), indices=(0, 1, 2) * 4),
    Case(
        "up_shuffle", Upsample, ("u4x3",), (3, 2), size=(13, 9), origin=(1, 2),
        indices=(0, 1, 2, 0, 1, 1, 2, 2, 0, 1, 0, 2), to=_to("u3.1 HALF_UP SATURATE"),
        rtl=Choice(channels_per_cycle=1),
    ),
    Case("up_row", Upsample, ("u4x1",), (1, 3), size=(5, 17), origin=(0, 1), indices=(0,) * 3),
    Case("up_column", Upsample, ("s4x3",), (2, 1), size=(9, 6), indices=(2, 1, 1, 1, 0, 2)),
    Case(
        "up_crop", Upsample, ("s4x3",), size=(3, 4), origin=(1, 1), indices=(2, 0),
        rtl=Choice(channels_per_cycle=1),
    ),
    Case("up_wide", Upsample, ("s58x2",), (2, 2), size=(10, 12), indices=(0, 1, 1, 0)),
    # Curves: in a table or searched for, of few steps and many, alike in all channels or not.
    Case("curve", Curve, ("s4x3",), steps=6),
    Case("curve_own", Curve, ("u4.2x3",), columns=("own", "own"), rtl=Choice(channels_per_cycle=2)),
    Case("curve_one", Curve, ("u4x1",), steps=1, to=_to("s5.1 HALF_AWAY SATURATE")),
    Case("curve_far", Curve, ("s28x1",), steps=1),
    Case("curve_steps", Curve, ("u29x1",), steps=20),
    Case(
        "curve_turns", Curve, ("s58x2",), steps=5, columns=("own", "own"),
        rtl=Choice(channels_per_cycle=1),
    ),
    Case("curve_starts", Curve, ("s58x2",), columns=("own", "shared"), steps=40),
    # Casts: every rounding and every overflow on every value of eight bits; some formats drop
    # more bits than there are, some add some.
    *(
        Case(f"cast_{place}", Cast, (source,), to=_to(target))
        for place, (source, target) in enumerate(
            (
                ("s8.4x1", "s4.2 FLOOR SATURATE"),
                ("s8.4x1", "u3.2 TOWARD_ZERO SATURATE"),
                ("s8.4x1", "s5.-1 HALF_UP SATURATE"),
                ("s8.4x3", "s2.-6 HALF_DOWN SATURATE"),
                ("s8.4x1", "s9.6 HALF_EVEN SATURATE"),
                ("u8.4x1", "u4.6 HALF_TOWARD_ZERO SATURATE"),
                ("s8.4x1", "s4.2 HALF_AWAY SATURATE"),
                ("s8.4x1", "s3.2 HALF_EVEN WRAP"),
                ("s8.4x1", "s5.1 HALF_EVEN SATURATE_SYMMETRIC"),
                ("u8.4x3", "u6.1 HALF_EVEN WRAP"),
                ("s58x2", "s33.-3 HALF_EVEN SATURATE"),
                ("s4x1", "s61.55 FLOOR SATURATE"),
            )
        )
    ),
    # Weights that are only -1 and 1, without multipliers in RTL.
    Case(
        "signs", Conv, ("u1x3",), (3, 3), padding=(1, 1, 1, 1), outputs=5, weights="one frozen",
        bias="one frozen", signs=True, rtl=Choice(4, 3, multiplier="xnor"),
    ),
    Case(
        "signs_wide", Conv, ("s4x3",), (2, 2), outputs=3, weights="all loadable", signs=True,
        hls=LayerSchedule(rows_per_cycle=4), rtl=Choice(12, multiplier="xnor"),
    ),
    Case(
        "linear_signs", Linear, ("u4x1",), weights="all loadable", signs=True,
        rtl=Choice(5, 2, multiplier="xnor"),
    ),
    # Weights that are powers of two, or sums of two, which are shifts in RTL.
    Case(
        "powers", Conv, ("u4x3",), (3, 3), padding=(1, 1, 1, 1), outputs=5, weights="one frozen",
        bias="one frozen", terms=1, rtl=Choice(4, 3, multiplier="shift"),
    ),
    Case(
        "two_powers", Conv, ("s4x3",), (2, 2), outputs=3, weights="all loadable", terms=2,
        hls=LayerSchedule(rows_per_cycle=4), rtl=Choice(12, multiplier="shift"),
    ),
    Case(
        "linear_powers", Linear, ("u4x1",), weights="all loadable", terms=1,
        rtl=Choice(5, 2, multiplier="shift"),
    ),
    Case(
        "linear_two_powers", Linear, ("u4x1",), weights="one loadable", terms=2,
        rtl=Choice(frozen="rom", rom_multiplier="shift"),
    ),
]  # fmt: skip
"""The cases. ``t4`` is another stream of four signed bits: ``s4`` and ``t4`` have all pairs."""


SLOW = frozenset({
    "conv_plain", "conv_apart", "point", "point_gaps", "depth", "depth_one",
    "linear", "max_overlap", "max_unsigned", "mean_unsigned", "blend", "blend_table",
    "cast_4", "cast_9", "cast_11", "wide_23", "wide_24", "wide_52",
    "wide_53", "wide_point_24", "wide_point_53", "wide_depth_24", "wide_depth_53", "wide_linear_24",
})  # fmt: skip
"""Compiled with ``-m slow`` only: what they have, others have, or matters to the reference only."""


class _Maker:
    """Grows the network."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.layers: list[Layer] = []
        self.blocks: dict[str, WeightBlock] = {}
        self.streams = {"image": IMAGE}

    def emit(self, layer: Layer) -> str:
        self.layers.append(layer)
        self.streams[layer.name] = layer.output
        return layer.name

    def exact(self, layer: Layer) -> FixedType:
        inputs = tuple(self.streams[name] for name in layer.inputs)
        return exact_result(layer, inputs, self.blocks.__getitem__).type

    def source(self, text: str) -> str:
        """The stream of a description; made when it is first asked for."""
        name = text.replace(".", "_")
        if name in self.streams:
            return name
        size, channels = text[1:].split("x")
        width, _, frac = size.partition(".")
        bits, count = int(width), int(channels)
        if bits > 32:
            return self.wide(name, bits, count)
        shape = (*SIZE, count)
        high = FixedType(
            bits,
            bits - (31 if text[0] == "u" else 32),
            text[0] != "u",
            Rounding.FLOOR,
            Overflow.SATURATE,
        )  # the image's highest bits, so that the lowest and the highest image are extremes
        low = FixedType.exact(bits, 0, signed=text[0] != "u")
        first = 1 if text[0] == "t" else 0
        indices = (first,) * 9 if count == 9 else tuple(range(count))
        picked = self.emit(
            Route(
                inputs=("image",),
                output=Stream(f"{name}_low" if frac else name, shape, high if bits > 8 else low),
                indices=indices,
            )
        )
        if not frac:
            return picked
        # The same raw integers with fraction bits: exactly what a wrapping cast makes of them.
        kind = FixedType(bits, int(frac), text[0] != "u", Rounding.FLOOR, Overflow.WRAP)
        scaled = WeightBlock(
            f"{name}_scale", "weight", np.ones((1, 1, 1, count), int), 2, True,
            (int(frac),) * count, (True,) * count,
        )  # fmt: skip
        self.blocks[scaled.name] = scaled
        return self.emit(
            Conv(
                inputs=(picked,), output=Stream(name, shape, kind), weight=scaled.name, bias=None,
                kernel=(1, 1), stride=(1, 1), padding=(0, 0, 0, 0), depthwise=True,
            )
        )  # fmt: skip

    def wide(self, name: str, bits: int, channels: int) -> str:
        """Products of 31 bits with loadable weights of 28."""
        raw = np.array([[[[(1 << 27) - 1 - 2 * channel for channel in range(channels)]]]])
        self.blocks[f"{name}_w"] = WeightBlock(
            f"{name}_w", "weight", raw, 28, True, (0,) * channels, (False,) * channels
        )
        return self.emit(
            Conv(
                inputs=(self.source("s31x1"),),
                output=Stream(name, (*SIZE, channels), FixedType.exact(bits, -1, signed=True)),
                weight=f"{name}_w", bias=None, kernel=(1, 1), stride=(1, 1),
                padding=(0, 0, 0, 0), depthwise=False,
            )
        )  # fmt: skip

    def block(
        self,
        name: str,
        role: Role,
        shape: tuple[int, ...],
        residency: str,
        bits: int,
        *,
        signs: bool = False,
        terms: int = 0,
    ) -> str:
        outputs, middle = shape[-1], shape[-1] // 2
        frozen = {
            "all frozen": [True] * outputs,
            "all loadable": [False] * outputs,
            "one loadable": [place != middle for place in range(outputs)],
            "one frozen": [place == middle for place in range(outputs)],
        }[residency]
        signed = role != "alpha"
        low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 9)
        raw = self.rng.integers(low, high, shape)
        if role == "alpha" and outputs == 9:
            raw = np.arange(9)
        if signs:
            raw, bits = np.where(raw < 0, -1, 1), 2
        if terms:
            raw = self.rng.choice(sums_of_powers(bits, terms), shape)
        fracs = {"weight": (2, 3, 2), "bias": (3, 1, 4), "alpha": (3,)}[role]
        chosen = tuple(fracs[place % len(fracs)] for place in range(outputs))
        self.blocks[name] = WeightBlock(
            name, role, raw, bits, signed, chosen, tuple(frozen), signs, terms
        )
        return name

    def curve(self, case: Case, source: Stream) -> dict[str, Any]:
        """Starts where values are: small ones of narrow sources, of all sizes otherwise."""
        kind, own = source.type, [source.channels if e == "own" else 1 for e in case.columns]
        sizes = self.rng.integers(0, kind.width - kind.signed, (case.steps, own[0]))
        starts = self.rng.integers(0, 2, sizes.shape) + (np.int64(1) << sizes)
        starts *= self.rng.choice([-1, 1] if kind.signed else [1], starts.shape)
        levels = self.rng.integers(-500, 500, (case.steps + 1, own[1]))
        for role, raw, bits, frac in (
            ("start", np.sort(starts, axis=0), kind.width + 1, kind.frac),
            ("level", levels, 10, 3),
        ):
            columns, name = raw.shape[1], f"{case.name}.{role}"
            block = WeightBlock(name, role, raw, bits, True, (frac,) * columns, (True,) * columns)
            self.blocks[name] = block
        return {"starts": f"{case.name}.start", "levels": f"{case.name}.level"}

    def weighted(self, case: Case, source: Stream) -> dict[str, Any]:
        outputs = source.channels if case.depthwise else case.outputs
        rows: tuple[int, ...] = (source.pixels * source.channels,)
        if case.kind is Conv:
            rows = (*case.kernel, 1 if case.depthwise else source.channels)
        bits, shape = 4, (*rows, outputs)
        while True:
            name = f"{case.name}.w"
            weight = self.block(
                name, "weight", shape, case.weights, bits, signs=case.signs, terms=case.terms
            )
            low, high = product_bounds(source.type, self.blocks[weight])
            if case.reach is None or max(-low.min(), high.max()) > 1 << case.reach:
                break
            bits += 1
        bias = None
        if case.bias:
            bias = self.block(f"{case.name}.b", "bias", (outputs,), case.bias, 9)
        fields: dict[str, Any] = {"weight": weight, "bias": bias}
        if case.kind is Conv:
            fields |= {
                "kernel": case.kernel,
                "stride": case.stride,
                "padding": case.padding,
                "depthwise": case.depthwise,
            }
        return fields

    def add(self, case: Case) -> str:
        """The layer of a case."""
        names = tuple(self.source(text) for text in case.sources)
        source = self.streams[names[0]]
        fields: dict[str, Any] = {}
        shape = source.shape
        if case.kind in (Conv, Linear):
            fields = self.weighted(case, source)
            outputs = self.blocks[fields["weight"]].outputs
            shape = (1, 1, outputs)
            if case.kind is Conv:
                size = window_shape(source.shape, case.kernel, case.stride, case.padding)
                shape = (*size, outputs)
        elif case.kind in (MaxPool, AvgPool):
            fields = {"kernel": case.kernel, "stride": case.stride}
            fields |= {"padding": case.padding} if case.kind is MaxPool else {}
            size = window_shape(source.shape, case.kernel, case.stride, case.padding)
            shape = (*size, source.channels)
        elif case.kind is Blend:
            name = f"{case.name}.a"
            fields = {"alpha": self.block(name, "alpha", (source.channels,), case.weights, 4)}
        elif case.kind is Curve:
            fields = self.curve(case, source)
        elif case.kind is Route:
            fields = {"indices": case.indices}
            shape = (*source.shape[:2], len(case.indices))
        elif case.kind is Upsample:
            fields = {"factor": case.kernel, "origin": case.origin, "size": case.size}
            fields |= {"indices": case.indices}
            shape = (*case.size, len(case.indices) // (case.kernel[0] * case.kernel[1]))
        draft = case.kind(inputs=names, output=Stream(case.name, shape, IMAGE.type), **fields)
        kind = case.to or self.exact(draft)
        return self.emit(replace(draft, output=replace(draft.output, type=kind)))

    def join(self, names: list[str]) -> None:
        """Streams of one size become one, and every such group one pixel of the result.

        Bits are lost here, where they do not matter: every stream is compared.
        """
        small = FixedType(12, 0, True, Rounding.FLOOR, Overflow.WRAP)
        groups: list[list[str]] = []
        for name in names:
            size = self.streams[name].shape[:2]
            for group in groups:
                if self.streams[group[0]].shape[:2] == size and self._route([*group, name], small):
                    group.append(name)
                    break
            else:
                groups.append([name])
        ends = []
        for place, group in enumerate(groups):
            layer = self._route(group, small, f"group_{place}")
            assert layer is not None
            name = self.emit(layer)
            height, width, channels = layer.output.shape
            if (height, width) != (1, 1):
                name = self.emit(
                    MaxPool(
                        inputs=(name,),
                        output=Stream(f"end_{place}", (1, 1, channels), small),
                        kernel=(height, width),
                        stride=(height, width),
                        padding=(0, 0, 0, 0),
                    )
                )
            ends.append(name)
        result = FixedType(40, 20, True, Rounding.FLOOR, Overflow.WRAP)
        last = self._route(ends, result, "result")
        assert last is not None
        self.emit(last)

    def _route(self, names: list[str], kind: FixedType, name: str = "try") -> Route | None:
        """A channel of each of some streams; None if their formats lie too far apart."""
        counts = [self.streams[found].channels for found in names]
        firsts = np.cumsum([0, *counts[:-1]]).tolist()
        size = self.streams[names[0]].shape[:2]
        layer = Route(
            inputs=tuple(names),
            output=Stream(name, (*size, len(firsts)), kind),
            indices=tuple(firsts),
        )
        try:
            self.exact(layer)
        except NetError:
            return None
        return layer


def matrix_net(*, whole: bool) -> StreamNet:
    """The cases in one network, whose results have 40 bits: all, or those of the default run."""
    maker = _Maker()
    maker.join([maker.add(case) for case in LISTED if whole or case.name not in SLOW])
    return StreamNet("matrix", IMAGE, tuple(maker.layers), tuple(maker.blocks.values()))


def task_of(net: StreamNet, seed: int) -> StreamNet:
    """The same device with other loadable values: half of them the lowest or the highest.

    Task 1 has the highest ones where sums are wide.
    """
    rng = np.random.default_rng(seed)
    values = {}
    for block in net.configurable_blocks:
        shape = (block.rows, len(block.configurable_channels))
        drawn = block.drawn(rng, shape)
        edges = rng.choice([block.min_value, block.max_value], shape)
        values[block.name] = np.where(rng.random(shape) < 0.5, edges, drawn)
        if seed == 1 and block.name.startswith("wide"):  # the limits of the sums are reached
            values[block.name] = np.full(shape, block.max_value)
            values[block.name][0] -= 1 - block.rows % 2  # so that their sum is odd
    alphas = {name: np.arange(9)[None] for name, data in values.items() if data.shape == (1, 9)}
    return net.with_values(values | alphas)


def images() -> IntArray:
    """All pairs of four bits in the first two channels, all values of eight bits in each.

    In random places, below random bits; and an image of the lowest value, and one of the highest.
    """
    rng = np.random.default_rng(1)
    count = IMAGES - 2
    data = rng.integers(-(1 << 31), 1 << 31, (count * SIZE[0] * SIZE[1], 3))
    number = np.arange(len(data))
    data = (data & ~0xFF) | np.stack([number, number >> 4, number * 3], axis=1) & 0xFF
    shuffled = rng.permutation(data).reshape(count, *SIZE, 3)
    edges = np.full((2, *SIZE, 3), IMAGE.type.min_raw)
    edges[1] = IMAGE.type.max_raw
    return np.concatenate([shuffled, edges])


def hls_choices() -> dict[str, LayerSchedule]:
    """Choices of the HLS backend, by layer."""
    return {case.name: case.hls for case in LISTED if case.hls != LayerSchedule()}


def rtl_choices() -> dict[str, Choice]:
    """Choices of the RTL backend, by layer."""
    return {case.name: case.rtl for case in LISTED if case.rtl != Choice()}
