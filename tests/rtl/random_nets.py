"""Random small networks and schedules: every layer kind, format, stride, padding and split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.ir.allowed import sums_of_powers
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
    Route,
    Stream,
    Upsample,
    WeightBlock,
)
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.ir.validate import window_shape
from semifreddo.rtl.choices import Choice, RtlSchedule, is_wiring


class NetMaker:
    """Grows a network layer by layer."""

    def __init__(self, seed: int, max_side: int = 6) -> None:
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        size = (self.pick(range(1, max_side + 1)), self.pick(range(1, max_side + 1)))
        self.input = Stream("image", (*size, self.pick([1, 2, 3])), self.format())
        self.layers: list[Layer] = []
        self.blocks: list[WeightBlock] = []
        self.choices: dict[str, Choice] = {}
        self.repeats: list[Repeat] = []

    def pick(self, options):
        options = list(options)
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def format(self) -> FixedType:
        signed = self.chance(0.5)
        overflow = self.pick(
            [Overflow.SATURATE, Overflow.SATURATE, Overflow.WRAP]
            + [Overflow.SATURATE_SYMMETRIC] * signed
        )
        rounding = self.pick([Rounding.HALF_EVEN] * 6 + list(Rounding))
        return FixedType(
            self.pick(range(2, 9)), self.pick(range(-1, 8)), signed, rounding, overflow
        )

    def name(self, kind: str) -> str:
        return f"{kind}.{len(self.layers)}"

    def block(self, name: str, role: str, shape: tuple[int, ...]) -> str:
        outputs = shape[-1]
        bits = 4 if role == "alpha" else self.pick(range(2, 9))
        signed = role != "alpha" and self.chance(0.85)
        frac = self.pick(range(0, 7))
        fracs = (
            (3,) * outputs
            if role == "alpha"
            else tuple(frac + self.pick([0, 0, 1, 2]) for _ in range(outputs))
        )
        share = self.pick([0.0, 0.5, 1.0])
        frozen = tuple(self.chance(share) for _ in range(outputs))
        low = -(1 << (bits - 1)) if signed else 0
        high = 9 if role == "alpha" else (1 << (bits - signed))
        raw = self.rng.integers(low, high, shape)
        if role == "weight" and self.chance(0.3):
            raw[self.rng.random(shape) < 0.6] = 0
        self.blocks.append(WeightBlock(name, role, raw, bits, signed, fracs, frozen))
        return name

    def add(
        self, make: Callable[[Stream], Layer], name: str, shape: tuple[int, int, int]
    ) -> Stream:
        """Append a layer whose output format suits its exact result."""
        draft = make(Stream(name, shape, FixedType.exact(8, 0, signed=True)))
        inputs = tuple(self.stream(found) for found in draft.inputs)
        exact = exact_result(draft, inputs, {b.name: b for b in self.blocks}.__getitem__)
        kind = self.format()
        frac = exact.frac - self.pick(range(-1, max(2, exact.type.width - 2)))
        kind = FixedType(kind.width, frac, kind.signed, kind.rounding, kind.overflow)
        layer = make(Stream(name, shape, kind))
        self.layers.append(layer)
        return layer.output

    def stream(self, name: str) -> Stream:
        return next(
            s for s in [self.input, *(layer.output for layer in self.layers)] if s.name == name
        )

    def choice(self, rows: int) -> Choice:
        per_cycle = self.pick([1, rows, self.pick(range(1, rows + 1))])
        return Choice(per_cycle, digit_bits=self.pick([0, 1, 1, 2, 3, 4, 8]))

    def conv(self, source: Stream, *, same: bool = False, channels: int | None = None) -> Stream:
        depthwise = not same and channels is None and self.chance(0.25)
        kernel = (self.pick([1, 2, 3, 3, 4]), self.pick([1, 2, 3, 3, 4]))
        if same:
            stride = (1, 1)
            top, left = self.pick(range(kernel[0])), self.pick(range(kernel[1]))
            padding = (top, left, kernel[0] - 1 - top, kernel[1] - 1 - left)
        else:
            stride = (self.pick([1, 1, 2, 3]), self.pick([1, 1, 2, 3]))
            padding = (
                self.pick(range(kernel[0])),
                self.pick(range(kernel[1])),
                self.pick(range(kernel[0] + 1)),
                self.pick(range(kernel[1] + 1)),
            )
        size = window_shape(source.shape, kernel, stride, padding)
        if min(size) < 1:
            kernel, stride, padding, size = (1, 1), (1, 1), (0,) * 4, source.shape[:2]
        outputs = source.channels if depthwise else channels or self.pick([1, 2, 3, 5])
        name = self.name("conv")
        fan_in = 1 if depthwise else source.channels
        weight = self.block(f"{name}.w", "weight", (*kernel, fan_in, outputs))
        bias = self.block(f"{name}.b", "bias", (outputs,)) if self.chance(0.5) else None
        rows = kernel[0] * kernel[1] * fan_in
        self.choices[name] = self.choice(rows)
        return self.add(
            lambda out: Conv(
                inputs=(source.name,),
                output=out,
                weight=weight,
                bias=bias,
                kernel=kernel,
                stride=stride,
                padding=padding,
                depthwise=depthwise,
            ),
            name,
            (*size, outputs),
        )

    def linear(self, source: Stream) -> Stream:
        name, outputs = self.name("linear"), self.pick([1, 3, 4])
        rows = int(np.prod(source.shape))
        weight = self.block(f"{name}.w", "weight", (rows, outputs))
        bias = self.block(f"{name}.b", "bias", (outputs,)) if self.chance(0.5) else None
        self.choices[name] = self.choice(rows)
        return self.add(
            lambda out: Linear(inputs=(source.name,), output=out, weight=weight, bias=bias),
            name,
            (1, 1, outputs),
        )

    def pool(self, source: Stream) -> Stream:
        average = self.chance(0.5)
        name = self.name("pool")
        options = [(1, 2), (2, 1), (2, 2), (4, 1), (2, 4)] if average else [(2, 2), (3, 2), (3, 3)]
        kernel = self.pick(
            [k for k in options if k[0] <= source.shape[0] and k[1] <= source.shape[1]] or [(1, 1)]
        )
        stride = kernel if self.chance(0.5) else (self.pick([1, 2, 3]), self.pick([1, 2, 3]))
        padding = (0, 0, 0, 0)
        if not average and not source.type.signed and self.chance(0.4):
            padding = tuple(self.pick(range(k)) for k in (*kernel, *kernel))
        size = window_shape(source.shape, kernel, stride, padding)
        shape = (*size, source.channels)
        if average:
            return self.add(
                lambda out: AvgPool(
                    inputs=(source.name,), output=out, kernel=kernel, stride=stride
                ),
                name,
                shape,
            )
        return self.add(
            lambda out: MaxPool(
                inputs=(source.name,), output=out, kernel=kernel, stride=stride, padding=padding
            ),
            name,
            shape,
        )

    def join(self, source: Stream) -> Stream:
        """Two branches from one stream that meet again."""
        one = self.conv(source, same=True)
        if self.chance(0.5):
            one = self.conv(one, same=True)
        kind = self.pick(["add", "blend", "route", "route"])
        if kind == "route":
            other = self.conv(source, same=True) if self.chance(0.5) else source
            total = one.channels + other.channels
            indices = tuple(self.pick(range(total)) for _ in range(self.pick([1, 3, 4])))
            return self.add(
                lambda out: Route(inputs=(one.name, other.name), output=out, indices=indices),
                self.name("route"),
                (*source.shape[:2], len(indices)),
            )
        other = source
        if one.channels != source.channels or self.chance(0.5):
            other = self.conv(source, same=True, channels=one.channels)
        name = self.name(kind)
        if kind == "add":
            return self.add(
                lambda out: Add(inputs=(one.name, other.name), output=out), name, one.shape
            )
        alpha = self.block(f"{name}.a", "alpha", (one.channels,))
        return self.add(
            lambda out: Blend(inputs=(one.name, other.name), output=out, alpha=alpha),
            name,
            one.shape,
        )

    def curve(self, source: Stream, rng: np.random.Generator) -> Stream:
        """A step function, alike in all channels or not.

        ``rng`` draws its steps, so that networks without curves stay what they are.
        """
        name, kind, outputs = self.name("curve"), source.type, source.channels
        sizes = [outputs if rng.random() < 0.5 else 1 for _ in range(2)]
        count = int(rng.integers(1, 20))
        starts = rng.integers(kind.min_raw, kind.max_raw + 1, (count, sizes[0]))
        levels = rng.integers(-40, 40, (count + 1, sizes[1]))
        for role, raw, bits, frac in (
            ("start", np.sort(starts, axis=0), kind.width + 1, kind.frac),
            ("level", levels, 7, 4),
        ):
            flags, fracs = (True,) * raw.shape[1], (frac,) * raw.shape[1]
            self.blocks.append(WeightBlock(f"{name}.{role}", role, raw, bits, True, fracs, flags))
        return self.add(
            lambda out: Curve(
                inputs=(source.name,), output=out, starts=f"{name}.start", levels=f"{name}.level"
            ),
            name,
            source.shape,
        )

    def wiring(self, source: Stream) -> Stream:
        if self.chance(0.5):
            return self.add(
                lambda out: Cast(inputs=(source.name,), output=out), self.name("cast"), source.shape
            )
        order = tuple(int(i) for i in self.rng.permutation(source.channels))
        name = self.name("shuffle")
        layer = Route(
            inputs=(source.name,), output=Stream(name, source.shape, source.type), indices=order
        )
        self.layers.append(layer)
        return layer.output

    def upsample(self, source: Stream) -> Stream:
        """Blocks of pixels, of which a part may be kept."""
        factor = (self.pick([1, 2, 3]), self.pick([1, 2, 3]))
        whole = source.shape[0] * factor[0], source.shape[1] * factor[1]
        origin = tuple(self.pick(range(min(3, size))) for size in whole)
        size = tuple(
            max(1, size - first - self.pick([0, 0, 1, 2]))
            for size, first in zip(whole, origin, strict=True)
        )
        channels = self.pick([1, 2, source.channels])
        count = factor[0] * factor[1]
        alike = self.rng.integers(0, source.channels, channels).tolist() * count
        drawn = self.rng.integers(0, source.channels, channels * count).tolist()
        indices = tuple(self.pick([alike, drawn]))
        return self.add(
            lambda out: Upsample(
                inputs=(source.name,),
                output=out,
                factor=factor,
                origin=origin,
                size=size,
                indices=indices,
            ),
            self.name("upsample"),
            (*size, channels),
        )

    def cast(self, source: Stream, kind: FixedType) -> Stream:
        """The stream in another format."""
        layer = Cast(inputs=(source.name,), output=Stream(self.name("cast"), source.shape, kind))
        self.layers.append(layer)
        return layer.output

    def repeat(self, source: Stream) -> Stream:
        """A block with one or two streams in and out, run two or three times."""
        entries = [self.cast(source, self.format())]
        if self.chance(0.5):
            entries.append(self.cast(self.conv(source, same=True), self.format()))
        first, results = len(self.layers), []
        for entry, other in zip(entries, entries[::-1], strict=True):
            inner = self.join(other) if self.chance(0.3) else other
            inner = self.conv(inner, same=True, channels=entry.channels)
            if results and results[0].channels == inner.channels and self.chance(0.5):
                pair = (inner.name, results[0].name)
                inner = self.add(
                    lambda out, pair=pair: Add(inputs=pair, output=out),
                    self.name("add"),
                    inner.shape,
                )
            results.append(self.cast(inner, entry.type))
        built, shared = self.layers[first:], self.chance(0.3)
        passes, places = [tuple(layer.name for layer in built)], [r.name for r in results]
        sources = [entry.name for entry in entries]
        for number in range(1, self.pick([2, 2, 3])):
            place = dict(zip(sources, places, strict=True))
            place |= {layer.name: f"{layer.name}.pass{number}" for layer in built}
            for layer in built:
                self.layers.append(self.again(layer, place, number, shared))
            passes.append(tuple(place[layer.name] for layer in built))
            places = [place[result.name] for result in results]
        self.repeats.append(Repeat("block", tuple(passes)))
        return self.together([self.stream(name) for name in places])

    def again(self, layer: Layer, place: dict[str, str], number: int, shared: bool) -> Layer:
        """A layer of a later pass, with loadable values of its own unless ``shared``."""
        fields = {}
        for field in ("weight", "bias", "alpha"):
            name = getattr(layer, field, None)
            if name is not None and not shared:
                block = next(block for block in self.blocks if block.name == name)
                fields[field] = f"{name}.pass{number}"
                raw = block.drawn(self.rng, block.raw.shape)
                raw = np.where(np.array(block.frozen), block.raw, raw)
                self.blocks.append(replace(block, name=fields[field], raw=raw))
        inputs = tuple(place[name] for name in layer.inputs)
        output = replace(layer.output, name=place[layer.name])
        return replace(layer, inputs=inputs, output=output, **fields)

    def together(self, streams: list[Stream]) -> Stream:
        """One stream of several of the same size."""
        if len(streams) == 1:
            return streams[0]
        total = sum(stream.channels for stream in streams)
        indices = tuple(self.pick(range(total)) for _ in range(3))
        names = tuple(stream.name for stream in streams)
        return self.add(
            lambda out: Route(inputs=names, output=out, indices=indices),
            self.name("route"),
            (*streams[0].shape[:2], 3),
        )


def random_net(seed: int, layers: int = 4) -> tuple[StreamNet, RtlSchedule]:
    """A network of about ``layers`` layers; every third ends with a repeat."""
    maker = NetMaker(seed)
    stream = maker.input
    while len(maker.layers) < layers:
        ways = [maker.conv, maker.conv, maker.pool, maker.join, maker.join, maker.wiring]
        if seed % 4 == 2 and stream.pixels <= 40:
            ways += [maker.upsample] * 2
        grow = maker.pick(ways)
        stream = grow(stream)
    rng = np.random.default_rng([seed, 3])
    if rng.random() < 0.3:
        stream = maker.curve(stream, rng)
    if seed % 3 == 1 and np.prod(stream.shape) <= 80:
        stream = maker.repeat(stream)
    if maker.chance(0.5) and np.prod(stream.shape) <= 24:
        maker.linear(stream)
    net = StreamNet(
        f"random{seed}",
        maker.input,
        tuple(maker.layers),
        tuple(maker.blocks),
        tuple(maker.repeats),
    )
    return net, RtlSchedule(_grouped(net, maker.choices, seed))


def _grouped(net: StreamNet, choices: dict[str, Choice], seed: int) -> dict[str, Choice]:
    """The choices, with channels in groups and multipliers of both kinds."""
    rng = np.random.default_rng([seed, 1])
    found = {}
    for layer in net.layers:
        if layer.name in choices:
            channels = len(net.block[layer.block_names[0]].configurable_channels)
            found[layer.name] = replace(
                choices[layer.name],
                channels_per_cycle=int(rng.integers(0, channels + 1)),
                multiplier="dsp" if rng.random() < 0.3 else "lut",
            )
    rng = np.random.default_rng([seed, 2])
    for layer in net.layers:
        if isinstance(layer, Conv | Linear) or is_wiring(layer, net):
            continue
        if rng.random() < 0.7:
            channels = int(rng.integers(1, layer.output.channels + 1))
            found[layer.name] = Choice(channels_per_cycle=channels)
    return found


def with_roms(net: StreamNet, schedule: RtlSchedule, seed: int) -> RtlSchedule:
    """The schedule with a ROM in the place of every adder graph."""
    rng = np.random.default_rng([seed, 3])
    found = dict(schedule.layers)
    for layer in net.layers:
        if not isinstance(layer, Conv | Linear):
            continue
        weight = net.block[layer.weight]
        channels = len(weight.frozen_channels)
        rows = int(rng.choice([1, weight.rows, rng.integers(1, weight.rows + 1)]))
        found[layer.name] = replace(
            schedule[layer.name],
            frozen="rom",
            rom_rows_per_cycle=rows,
            rom_channels_per_cycle=int(rng.integers(0, channels + 1)),
            rom_multiplier="dsp" if rng.random() < 0.3 else "lut",
        )
    return replace(schedule, layers=found)


def with_packed(net: StreamNet, schedule: RtlSchedule) -> RtlSchedule:
    """The schedule with products that share DSP slices, wherever two channels can."""
    found = {}
    for layer in net.layers:
        if not isinstance(layer, Conv | Linear) or (isinstance(layer, Conv) and layer.depthwise):
            continue
        weight, choice = net.block[layer.weight], schedule[layer.name]
        lanes = choice.channels_per_cycle or len(weight.configurable_channels)
        rom_lanes = choice.rom_channels_per_cycle or len(weight.frozen_channels)
        if lanes > 1:
            choice = replace(choice, multiplier="packed")
        if choice.frozen == "rom" and rom_lanes > 1:
            choice = replace(choice, rom_multiplier="packed")
        found[layer.name] = choice
    return replace(schedule, layers={**schedule.layers, **found})


def with_signs(net: StreamNet, schedule: RtlSchedule) -> tuple[StreamNet, RtlSchedule]:
    """The network with weights of -1 and 1 wherever a layer is dense, without multipliers."""
    dense = [
        layer
        for layer in net.layers
        if isinstance(layer, Linear) or (isinstance(layer, Conv) and not layer.depthwise)
    ]
    names = {layer.weight for layer in dense}
    blocks = tuple(
        replace(block, raw=np.where(block.raw < 0, -1, 1), bits=2, signed=True, signs=True)
        if block.name in names
        else block
        for block in net.blocks
    )
    found = {
        layer.name: replace(schedule[layer.name], multiplier="xnor", rom_multiplier="xnor")
        for layer in dense
    }
    return replace(net, blocks=blocks), replace(schedule, layers={**schedule.layers, **found})


def with_powers(net: StreamNet, schedule: RtlSchedule) -> tuple[StreamNet, RtlSchedule]:
    """The network with sums of one and of two powers of two, which are shifts, in all layers."""
    weighted = [layer for layer in net.layers if isinstance(layer, Conv | Linear)]
    names = {layer.weight for layer in weighted}

    def powers(block: WeightBlock) -> WeightBlock:
        if block.name not in names:
            return block
        terms = 1 + block.rows % 2
        values = np.array(sums_of_powers(block.bits, terms))
        return replace(block, raw=values[block.raw % len(values)], signed=True, terms=terms)

    found = {
        layer.name: replace(schedule[layer.name], multiplier="shift", rom_multiplier="shift")
        for layer in weighted
    }
    return (
        replace(net, blocks=tuple(map(powers, net.blocks))),
        replace(schedule, layers={**schedule.layers, **found}),
    )


def other_task(net: StreamNet, seed: int) -> StreamNet:
    """The same device with random loadable values."""
    rng = np.random.default_rng(seed)
    return net.with_values(
        {
            block.name: block.drawn(rng, (block.rows, len(block.configurable_channels)))
            for block in net.configurable_blocks
        }
    )
