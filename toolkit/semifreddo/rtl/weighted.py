"""Convolutions and linear layers: frozen channels, loadable channels, or both side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from semifreddo import adders
from semifreddo.ir.exact import product_bounds
from semifreddo.ir.layers import Conv, Linear, Stream, WeightBlock
from semifreddo.rtl.geometry import Geometry
from semifreddo.rtl.graph import PipelinedGraph, graph_module
from semifreddo.rtl.schedule import Choice
from semifreddo.rtl.serial import SerialGraph, serial_module
from semifreddo.rtl.unit import (
    Context,
    Number,
    Unit,
    bank,
    bank_select,
    cast,
    delay,
    depth_for,
    fifo,
    issue,
    phase_bits,
    ports,
    signed_bits,
    swap,
    window_parameters,
    word_bits,
)
from semifreddo.rtl.verilog import concatenation, instance, module, part, vector


@dataclass(frozen=True)
class Weighted:
    """A weighted layer with everything its text is made of."""

    context: Context
    layer: Conv | Linear
    choice: Choice

    @property
    def source(self) -> Stream:
        """The input stream."""
        return self.context.net.streams[self.layer.inputs[0]]

    @property
    def weight(self) -> WeightBlock:
        """The weights."""
        return self.context.net.block[self.layer.weight]

    @property
    def bias(self) -> WeightBlock | None:
        """The bias, if any."""
        return None if self.layer.bias is None else self.context.net.block[self.layer.bias]

    @property
    def depthwise(self) -> bool:
        """Whether each channel sees only itself."""
        return isinstance(self.layer, Conv) and self.layer.depthwise

    @property
    def name(self) -> str:
        """Module name."""
        return self.context.names[self.layer.name]

    @property
    def geometry(self) -> Geometry:
        """The windows."""
        return Geometry.of(self.layer, self.source)

    @property
    def frozen(self) -> list[int]:
        """Channels that are logic."""
        return [int(channel) for channel in self.weight.frozen_channels]

    @property
    def loadable(self) -> list[int]:
        """Channels whose weights are in memory."""
        return [int(channel) for channel in self.weight.configurable_channels]

    @property
    def loadable_bias(self) -> list[int]:
        """Channels whose bias is in memory."""
        return [] if self.bias is None else [int(c) for c in self.bias.configurable_channels]

    @property
    def has_banks(self) -> bool:
        """Whether anything of the layer can be loaded."""
        return bool(self.loadable or self.loadable_bias)

    @property
    def lines(self) -> int:
        """Cycles of the multipliers for a word."""
        return -(-self.weight.rows // self.choice.rows_per_cycle)

    @property
    def cycles(self) -> int:
        """Cycles per word."""
        loadable = self.lines if self.loadable else 1
        return max(loadable, self.graph.cycles if self.frozen else 1)

    @property
    def mac_latency(self) -> int:
        """Cycles from the last phase to the sums: see ``library/sf_mac.sv``."""
        return 3 + ((self.choice.rows_per_cycle - 1).bit_length() + 1) // 2

    @cached_property
    def graph(self) -> PipelinedGraph | SerialGraph:
        """The frozen channels: all bits at once, or some per cycle."""
        matrix = self.weight.matrix[:, self.weight.frozen_channels]
        if self.depthwise:
            channels = self.source.channels
            places = [
                [tap * channels + channel for tap in range(len(matrix))] for channel in self.frozen
            ]
            graph = adders.merge(
                adders.solve_depthwise(matrix, self.source.type),
                places,
                channels * len(matrix),
            )
        else:
            graph = adders.solve(matrix, self.source.type)
        kind = self.source.type
        sums = _sum_bits(graph)
        if self.choice.digit_bits:
            return SerialGraph(graph, kind.width, kind.signed, sums, self.choice.digit_bits)
        return PipelinedGraph(graph, kind.width, kind.signed, sums)

    @property
    def latency(self) -> int:
        """Cycles from a word's last phase to the word in the FIFO; the slower engine counts."""
        ends = [1]
        if self.frozen:
            ends.append(self.graph.latency + 1 - (self.cycles - self.graph.cycles))
        if self.loadable:
            ends.append(self.mac_latency + 1 - (self.cycles - self.lines))
        return max(ends)

    @property
    def depth(self) -> int:
        """Words of the output FIFOs."""
        return depth_for(self.cycles, self.latency)


def _sum_bits(graph: adders.AdderGraph) -> tuple[int, ...]:
    bits = []
    for tap in graph.outputs:
        if tap.value < 0:
            bits.append(1)
            continue
        count = len(graph.inputs)
        bounds = (
            graph.inputs[tap.value] if tap.value < count else graph.adders[tap.value - count].range
        )
        low, high = bounds.low << tap.shift, bounds.high << tap.shift
        bits.append(signed_bits(-high, -low) if tap.negate else signed_bits(low, high))
    return tuple(bits)


def weighted_unit(context: Context, layer: Conv | Linear, choice: Choice) -> Unit:
    """The unit of a conv or linear layer."""
    plan = Weighted(context, layer, choice)
    geometry = plan.geometry
    body = _window(plan)
    body += ["", f"// {_plural(plan.cycles, 'cycle')} per window."]
    body += issue(plan.cycles, plan.depth, "window_valid", "window_ready")
    if plan.has_banks:
        body += ["", *swap(context, geometry.windows, "window_valid && window_ready")]
    files = []
    if plan.frozen:
        body += ["", "// Frozen channels: adders.", *_frozen(plan)]
        files.append(_graph_file(plan))
    if plan.loadable:
        body += ["", "// Loadable channels: multipliers.", *_multipliers(plan)]
    if plan.loadable_bias:
        body += ["", *_bias_banks(plan)]
    for engine, channels in _engines(plan):
        body += ["", *_results(plan, engine, channels)]
    body += ["", *_merge(plan)]
    kind = "Depthwise convolution" if plan.depthwise else layer.kind
    comment = (
        f"{kind} {layer.name}: {len(plan.frozen)} frozen and {len(plan.loadable)} loadable "
        f"channels,\n{plan.cycles} cycles per word, {plan.source.type} to {layer.output.type}."
    )
    declared = ports(layer, context.net, plan.has_banks)
    text = module(plan.name, comment, declared, body, window_parameters(geometry))
    idle_ticks = 0 if geometry.trivial else geometry.ticks - geometry.windows
    return Unit(
        layer=layer.name,
        module=plan.name,
        files=((plan.name, text), *files),
        cycles=geometry.windows * plan.cycles + idle_ticks,
        latency=plan.cycles - 1 + plan.latency + (0 if geometry.trivial else 1) + 1,
        loadable=plan.has_banks,
        word_cycles=plan.cycles,
        geometry=geometry,
        depth=plan.depth,
    )


def _graph_file(plan: Weighted) -> tuple[str, str]:
    name, graph = f"{plan.name}_graph", plan.graph
    comment = (
        f"Frozen weights {plan.weight.name} ({plan.weight.rows} x {len(plan.frozen)}) as "
        f"{len(graph.graph.adders)} adders"
    )
    if isinstance(graph, SerialGraph):
        comment += f", {_plural(graph.digit, 'bit')} per cycle, {graph.cycles} cycles per word."
        return name, serial_module(name, comment, graph, phase_bits(plan.cycles))
    return name, graph_module(name, f"{comment}, all bits at once.", graph)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def window_lines(geometry: Geometry, bits: int) -> list[str]:
    """``in`` to ``window`` with its handshake."""
    size = geometry.taps * bits
    lines = ["wire window_valid;", "wire window_ready;", f"wire {vector(size)} window;"]
    if geometry.trivial:
        return [
            *lines,
            "assign window_valid = in_valid;",
            "assign in_ready = window_ready;",
            "assign window = in_data;",
        ]
    parameters: dict[str, int | str] = {
        "BITS": bits,
        "HEIGHT": geometry.height,
        "WIDTH": geometry.width,
        "KH": geometry.kernel[0],
        "KW": geometry.kernel[1],
        "SH": geometry.stride[0],
        "SW": geometry.stride[1],
        "TOP": geometry.top,
        "LEFT": geometry.left,
        "OUT_H": geometry.out[0],
        "OUT_W": geometry.out[1],
        "PATIENCE": "(PATIENCE)",
    }
    names = ("clk", "rst", "in_valid", "in_ready", "in_data")
    outs = {"out_valid": "window_valid", "out_ready": "window_ready", "out_data": "window"}
    connected = {name: name for name in names} | outs
    return [*lines, instance("sf_window", "former", parameters, connected)]


def _window(plan: Weighted) -> list[str]:
    return window_lines(plan.geometry, word_bits(plan.source))


def _frozen(plan: Weighted) -> list[str]:
    graph = plan.graph
    sums = [
        f"wire signed {vector(bits)} frozen_sum_{channel};"
        for channel, bits in zip(plan.frozen, graph.sum_bits, strict=True)
    ]
    last = f"active && phase == {graph.cycles - 1}"
    connected = {"clk": "clk", "taps": "window"} | {
        f"sum_{index}": f"frozen_sum_{channel}" for index, channel in enumerate(plan.frozen)
    }
    if isinstance(graph, SerialGraph):
        connected |= {"working": "active", "phase": "phase"}
    return [
        *sums,
        instance(f"{plan.name}_graph", "graph", {}, connected),
        *delay("frozen_done", graph.latency, last),
    ]


def _mac_bits(plan: Weighted) -> int:
    low, high = product_bounds(plan.source.type, plan.weight)
    loadable = plan.weight.configurable_channels
    return signed_bits(int(low[loadable].min()), int(high[loadable].max()))


def _multipliers(plan: Weighted) -> list[str]:
    bits, channels = _mac_bits(plan), len(plan.loadable)
    line_bits = phase_bits(plan.lines)
    lines = bank_select("weights", plan.context, 0)
    lines += bank(
        "weights",
        plan.context,
        plan.weight,
        plan.choice.rows_per_cycle,
        f"phase[{line_bits - 1}:0]",
    )
    operands = "window"
    width = plan.source.type.width
    if plan.depthwise:
        operands = "operands"
        taps = [
            part("window", tap * plan.source.channels + channel, width)
            for tap in range(plan.geometry.taps)
            for channel in plan.loadable
        ]
        lines += [f"wire {vector(len(taps) * width)} operands =\n    {concatenation(taps)};"]
    lines += [
        "wire loadable_done;",
        f"wire {vector(channels * bits)} loadable_sums;",
        instance(
            "sf_mac",
            "mac",
            {
                "ROWS": plan.weight.rows,
                "PER_CYCLE": plan.choice.rows_per_cycle,
                "CHANNELS": channels,
                "SHARED": int(not plan.depthwise),
                "X_BITS": width,
                "X_SIGNED": int(plan.source.type.signed),
                "W_BITS": plan.weight.bits,
                "W_SIGNED": int(plan.weight.signed),
                "SUM_BITS": bits,
                "PHASE": phase_bits(plan.cycles),
            },
            {
                "clk": "clk",
                "rst": "rst",
                "active": "active",
                "phase": "phase",
                "operands": operands,
                "weights": "weights",
                "done": "loadable_done",
                "sums": "loadable_sums",
            },
        ),
    ]
    lines += [
        f"wire signed {vector(bits)} loadable_sum_{channel} = {part('loadable_sums', index, bits)};"
        for index, channel in enumerate(plan.loadable)
    ]
    return lines


def _engines(plan: Weighted) -> list[tuple[str, list[int]]]:
    found = [("frozen", plan.frozen), ("loadable", plan.loadable)]
    return [(engine, channels) for engine, channels in found if channels]


def _bias_banks(plan: Weighted) -> list[str]:
    """One reader per engine that needs loadable biases, at the time its sums are there."""
    assert plan.bias is not None
    lines: list[str] = []
    for engine, channels in _engines(plan):
        if set(channels) & set(plan.loadable_bias):
            latency = plan.graph.latency if engine == "frozen" else plan.mac_latency
            lines += bank_select(f"{engine}_bias", plan.context, latency)
            lines += bank(f"{engine}_bias", plan.context, plan.bias, 1, "1'b0")
    return lines


def _results(plan: Weighted, engine: str, channels: list[int]) -> list[str]:
    target = plan.layer.output.type
    bits = len(channels) * target.width
    lines = [f"wire {vector(bits)} {engine}_cast;"]
    for index, channel in enumerate(channels):
        lines += _result(plan, engine, channel, part(f"{engine}_cast", index, target.width))
    lines += [
        f"reg {vector(bits)} {engine}_word;",
        f"always @(posedge clk) {engine}_word <= {engine}_cast;",
        *delay(f"{engine}_push", 1, f"{engine}_done"),
        *fifo(engine, bits, plan.depth, f"{engine}_push", "pop"),
    ]
    return lines


def _result(plan: Weighted, engine: str, channel: int, result: str) -> list[str]:
    """Bias and cast of one channel."""
    target, name = plan.layer.output.type, f"cast_{channel}"
    if engine == "frozen":
        bits = plan.graph.sum_bits[plan.frozen.index(channel)]
    else:
        bits = _mac_bits(plan)
    frac = plan.source.type.frac + plan.weight.frac[channel]
    total = Number(f"{engine}_sum_{channel}", bits, frac)
    if plan.bias is None:
        return [cast(name, total, target, result)]
    common = max(frac, plan.bias.frac[channel])
    total, up = total.shifted(common - frac), common - plan.bias.frac[channel]
    if channel not in plan.loadable_bias:
        offset = int(plan.bias.raw[channel]) << up
        if common == frac:
            return [cast(name, total, target, result, offset)]
        aligned = Number(f"aligned_{channel}", total.bits, common)
        wire = f"wire signed {vector(aligned.bits)} {aligned.text} = {total.text};"
        return [wire, cast(name, aligned, target, result, offset)]
    place = part(f"{engine}_bias", plan.loadable_bias.index(channel), plan.bias.bits)
    bias = Number.of(place, plan.bias.type).shifted(up)
    biased = Number(f"biased_{channel}", max(total.bits, bias.bits) + 1, common)
    wire = f"wire signed {vector(biased.bits)} {biased.text} = {total.text} + {bias.text};"
    return [wire, cast(name, biased, target, result)]


def _merge(plan: Weighted) -> list[str]:
    engines = _engines(plan)
    valid = " && ".join(f"{engine}_there" for engine, _ in engines)
    width = plan.layer.output.type.width
    words = [""] * plan.weight.outputs
    for engine, channels in engines:
        for index, channel in enumerate(channels):
            words[channel] = part(f"{engine}_out", index, width)
    data = f"{engines[0][0]}_out" if len(engines) == 1 else f"\n    {concatenation(words)}"
    return [f"assign out_valid = {valid};", f"assign out_data = {data};"]
