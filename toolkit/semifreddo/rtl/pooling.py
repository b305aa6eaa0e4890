"""Maximum and average over windows."""

from __future__ import annotations

from math import prod

from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import AvgPool, MaxPool, Stream
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.lanes import Maximum, Reduce, Total
from semifreddo.rtl.components.numbers import Number, cast
from semifreddo.rtl.components.verilog import concatenation, module, part, vector
from semifreddo.rtl.lanes import Lanes
from semifreddo.rtl.schedule import Choice
from semifreddo.rtl.unit import (
    Context,
    Unit,
    delay,
    issue,
    phase_bits,
    ports,
    window_parameters,
    word_bits,
)
from semifreddo.rtl.weighted import window_lines


def pool_unit(context: Context, layer: MaxPool | AvgPool, choice: Choice) -> Unit:
    """The unit of a pooling layer; windows that do not overlap need no line memory."""
    source = context.net.streams[layer.inputs[0]]
    lanes = Lanes(context.net, layer, choice)
    geometry = Geometry.of(layer, source)
    reduced = reduced_type(layer, source)
    body = _disjoint(lanes, source, reduced, geometry)
    if not geometry.disjoint:
        body = _overlapping(lanes, source, reduced, geometry)
    body += [*_casts(lanes, reduced), *lanes.collected("done", "last")]
    name = context.names[layer.name]
    size = "x".join(map(str, layer.kernel))
    comment = f"{layer.kind} {layer.name}: windows of {size}, {source.type} to {layer.output.type}."
    parameters = {} if geometry.disjoint else window_parameters(geometry)
    text = module(name, comment, ports(layer, context.net, False), body, parameters)
    return lanes.unit(name, ((name, text),))


def reduced_type(layer: MaxPool | AvgPool, source: Stream) -> FixedType:
    """Format of a window's maximum or sum."""
    if isinstance(layer, MaxPool):
        return source.type
    growth = prod(layer.kernel).bit_length() - 1
    kind = source.type
    return FixedType.exact(kind.width + growth, kind.frac + growth, signed=kind.signed)


def _disjoint(lanes: Lanes, source: Stream, reduced: FixedType, geometry: Geometry) -> list[str]:
    """From the pixels to ``reduced``, a group of channels."""
    return [
        "wire window_yields;",
        *issue(lanes.groups, lanes.depth, "in_valid", "in_ready", yields="window_yields"),
        "wire done, last;",
        f"wire {vector(lanes.count * reduced.width)} reduced;",
        place(
            Reduce(
                source.channels,
                lanes.count,
                phase_bits(lanes.groups),
                source.type.width,
                source.type.signed,
                isinstance(lanes.layer, AvgPool),
                reduced.width,
                geometry,
            ),
            "reduce",
            {
                "clk": "clk",
                "rst": "rst",
                "active": "active",
                "phase": "phase",
                "taken": "in_ready",
                "pixel": "in_data",
                "yields": "window_yields",
                "done": "done",
                "last": "last",
                "result": "reduced",
            },
        ),
    ]


def _overlapping(lanes: Lanes, source: Stream, reduced: FixedType, geometry: Geometry) -> list[str]:
    """From the pixels to ``reduced``, a group of channels."""
    width = source.type.width
    lines = [
        *window_lines(geometry, word_bits(source)),
        *issue(lanes.groups, lanes.depth, "window_valid", "window_ready"),
        f"wire {vector(lanes.count * reduced.width)} reduced;",
    ]
    taps = []
    for tap in range(geometry.taps):
        pixel = f"pixel_{tap}"
        taken = part("window", tap, word_bits(source))
        lines.append(f"wire {vector(word_bits(source))} {pixel} = {taken};")
        signal, text = lanes.selected(f"{pixel}_now", pixel, width)
        taps.append(signal)
        lines += text
    for lane in range(lanes.count):
        terms = [part(tap, lane, width) for tap in taps]
        result = part("reduced", lane, reduced.width)
        if isinstance(lanes.layer, MaxPool):
            ports_ = {"clk": "clk", "terms": concatenation(terms), "result": result}
            maximum = Maximum(geometry.taps, width, source.type.signed)
            lines.append(place(maximum, f"max_{lane}", ports_))
        else:
            lines += _sum(lane, terms, source.type, result)
    lines += delay("done", lanes.engine, "active")
    return lines + delay("last", lanes.engine, "window_ready")


def _sum(lane: int, taps: list[str], kind: FixedType, result: str) -> list[str]:
    padded = taps if kind.signed else [f"{{1'b0, {tap}}}" for tap in taps]
    bits = kind.width + int(not kind.signed)
    wide = bits + (len(taps) - 1).bit_length()
    total = f"total_{lane}"
    ports_ = {"clk": "clk", "terms": concatenation(padded), "result": total}
    target = kind.width + (len(taps) - 1).bit_length()
    return [
        f"wire signed {vector(wide)} {total};",
        place(Total(len(taps), bits, not kind.signed), f"sum_{lane}", ports_),
        f"assign {result} = {total}[{target - 1}:0];",
    ]


def _casts(lanes: Lanes, reduced: FixedType) -> list[str]:
    target = lanes.layer.output.type
    lines = [f"wire {vector(lanes.count * target.width)} casts;"]
    for lane in range(lanes.count):
        value = Number.of(part("reduced", lane, reduced.width), reduced)
        lines.append(cast(f"cast_{lane}", value, target, part("casts", lane, target.width)))
    return lines
