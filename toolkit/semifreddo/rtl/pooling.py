"""Maximum and average over windows."""

from __future__ import annotations

from math import prod

from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import AvgPool, MaxPool, Stream
from semifreddo.rtl.casting import Number, cast
from semifreddo.rtl.geometry import Geometry
from semifreddo.rtl.unit import (
    Context,
    Unit,
    delay,
    depth_for,
    fifo,
    issue,
    ports,
    window_parameters,
    word_bits,
)
from semifreddo.rtl.verilog import concatenation, instance, module, part, vector
from semifreddo.rtl.weighted import window_lines


def pool_unit(context: Context, layer: MaxPool | AvgPool) -> Unit:
    """The unit of a pooling layer; windows that do not overlap need no line memory."""
    source = context.net.streams[layer.inputs[0]]
    geometry = Geometry.of(layer, source)
    if geometry.disjoint:
        lines, latency, cycles = _disjoint(layer, source, geometry)
    else:
        lines, latency, cycles = _overlapping(layer, source, geometry)
    depth = depth_for(1, latency + 1)
    body = [
        *lines[0],
        *issue(1, depth, *lines[1], yields="window_yields"),
        *lines[2],
        *_results(layer, source, depth),
    ]
    name = context.names[layer.name]
    size = "x".join(map(str, layer.kernel))
    comment = f"{layer.kind} {layer.name}: windows of {size}, {source.type} to {layer.output.type}."
    parameters = {} if geometry.disjoint else window_parameters(geometry)
    text = module(name, comment, ports(layer, context.net, False), body, parameters)
    return Unit(
        layer=layer.name,
        module=name,
        files=((name, text),),
        cycles=cycles,
        latency=latency + 2,
        loadable=False,
        geometry=geometry,
        depth=depth,
    )


def reduced_type(layer: MaxPool | AvgPool, source: Stream) -> FixedType:
    """Format of a window's maximum or sum."""
    if isinstance(layer, MaxPool):
        return source.type
    growth = prod(layer.kernel).bit_length() - 1
    kind = source.type
    return FixedType.exact(kind.width + growth, kind.frac + growth, signed=kind.signed)


# What the two ways return: text before the issuer, how it is called, text behind it.
_Text = tuple[list[str], tuple[str, str], list[str]]


def _disjoint(
    layer: MaxPool | AvgPool, source: Stream, geometry: Geometry
) -> tuple[_Text, int, int]:
    reduced = reduced_type(layer, source)
    before = ["wire window_yields;"]
    behind = [
        "wire done;",
        f"wire {vector(source.channels * reduced.width)} reduced;",
        instance(
            "sf_reduce",
            "reduce",
            {
                "CHANNELS": source.channels,
                "BITS": source.type.width,
                "SIGNED": int(source.type.signed),
                "SUM": int(isinstance(layer, AvgPool)),
                "OUT_BITS": reduced.width,
                "HEIGHT": geometry.height,
                "WIDTH": geometry.width,
                "KH": geometry.kernel[0],
                "KW": geometry.kernel[1],
                "SH": geometry.stride[0],
                "SW": geometry.stride[1],
                "OUT_H": geometry.out[0],
                "OUT_W": geometry.out[1],
            },
            {
                "clk": "clk",
                "rst": "rst",
                "taken": "active",
                "pixel": "in_data",
                "yields": "window_yields",
                "done": "done",
                "result": "reduced",
            },
        ),
    ]
    text = (before, ("in_valid", "in_ready"), behind)
    return text, 2, geometry.height * geometry.width


def _overlapping(
    layer: MaxPool | AvgPool, source: Stream, geometry: Geometry
) -> tuple[_Text, int, int]:
    reduced, width = reduced_type(layer, source), source.type.width
    levels = (geometry.taps - 1).bit_length()
    latency = (levels + 1) // 2
    before = [*window_lines(geometry, word_bits(source)), "wire window_yields = 1'b1;"]
    behind = [f"wire {vector(source.channels * reduced.width)} reduced;"]
    for channel in range(source.channels):
        taps = [
            part("window", tap * source.channels + channel, width) for tap in range(geometry.taps)
        ]
        terms, result = concatenation(taps), part("reduced", channel, reduced.width)
        if isinstance(layer, MaxPool):
            parameters = {
                "TERMS": geometry.taps,
                "BITS": width,
                "SIGNED": int(source.type.signed),
            }
            ports_ = {"clk": "clk", "terms": terms, "result": result}
            behind.append(instance("sf_max", f"max_{channel}", parameters, ports_))
        else:
            behind += _sum(channel, taps, source.type, result)
    behind += delay("done", latency, "active")
    cycles = geometry.ticks
    return (before, ("window_valid", "window_ready"), behind), latency, cycles


def _sum(channel: int, taps: list[str], kind: FixedType, result: str) -> list[str]:
    padded = taps if kind.signed else [f"{{1'b0, {tap}}}" for tap in taps]
    bits = kind.width + int(not kind.signed)
    wide = bits + (len(taps) - 1).bit_length()
    total = f"total_{channel}"
    ports_ = {"clk": "clk", "terms": concatenation(padded), "result": total}
    target = kind.width + (len(taps) - 1).bit_length()
    return [
        f"wire signed {vector(wide)} {total};",
        instance("sf_sum", f"sum_{channel}", {"TERMS": len(taps), "BITS": bits}, ports_),
        f"assign {result} = {total}[{target - 1}:0];",
    ]


def _results(layer: MaxPool | AvgPool, source: Stream, depth: int) -> list[str]:
    reduced, target = reduced_type(layer, source), layer.output.type
    bits = word_bits(layer.output)
    lines = [f"wire {vector(bits)} casts;"]
    for channel in range(source.channels):
        value = Number.of(part("reduced", channel, reduced.width), reduced)
        result = part("casts", channel, target.width)
        lines.append(cast(f"cast_{channel}", value, target, result))
    return [
        *lines,
        f"reg {vector(bits)} result_word;",
        "always @(posedge clk) result_word <= casts;",
        *delay("push", 1, "done"),
        *fifo("result", bits, depth, "push", "pop"),
        "assign out_valid = result_there;",
        "assign out_data = result_out;",
    ]
