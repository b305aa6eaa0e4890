"""The frozen channels of a weighted layer: an adder graph and its casts."""

from __future__ import annotations

from semifreddo.adders import Tap
from semifreddo.rtl.components.numbers import Number, cast
from semifreddo.rtl.components.verilog import instance, literal, part, vector
from semifreddo.rtl.graph import graph_module
from semifreddo.rtl.serial import SerialGraph
from semifreddo.rtl.serial_text import serial_module
from semifreddo.rtl.unit import Context, bank, bank_select, delay, fifo, phase_bits
from semifreddo.rtl.weighted_plan import Channel, Weighted


def graph_file(plan: Weighted, name: str) -> tuple[str, str]:
    """Name and text of the module with the adders."""
    graph = plan.graph
    comment = f"Frozen weights {plan.weight.name} ({plan.weight.rows} x {len(plan.frozen)})"
    if isinstance(graph, SerialGraph):
        comment += f", {graph.digit} bits per cycle, {graph.cycles} cycles per word."
        return name, serial_module(name, comment, graph, phase_bits(plan.cycles))
    comment += f" as {len(graph.graph.adders)} adders, all bits at once."
    return name, graph_module(name, comment, graph)


def frozen_lines(context: Context, plan: Weighted, graph_name: str) -> list[str]:
    """From ``window`` to the words of the frozen channels, ``frozen_out``."""
    graph, width = plan.graph, plan.target.width
    connected = {"clk": "clk", "taps": "window"} | {
        f"sum_{index}": f"frozen_sum_{channel}" for index, channel in enumerate(plan.frozen)
    }
    if isinstance(graph, SerialGraph):
        connected |= {"first": "first", "phase": "phase"}
    lines = [
        f"wire {vector(bits)} frozen_sum_{channel};"
        for channel, bits in zip(plan.frozen, graph.sum_bits, strict=True)
    ]
    last = f"active && phase == {plan.frozen_cycles - 1}"
    lines += [
        instance(graph_name, "graph", {}, connected),
        *delay("frozen_done", graph.latency, last),
        "",
    ]
    if plan.bias is not None and set(plan.frozen) & set(plan.loadable_bias):
        lines += bank_select("frozen_bias", context, graph.latency)
        lines += bank("frozen_bias", context, plan.bias, 1, "1'b0")
    bits = len(plan.frozen) * width
    lines.append(f"wire {vector(bits)} frozen_cast;")
    for index, channel in enumerate(plan.frozen):
        lines += _result(plan, index, plan.channel(channel), part("frozen_cast", index, width))
    return [
        *lines,
        f"reg {vector(bits)} frozen_word;",
        "always @(posedge clk) frozen_word <= frozen_cast;",
        *delay("frozen_push", 1, "frozen_done"),
        *fifo("frozen", bits, plan.depth, "frozen_push", "pop"),
    ]


def _result(plan: Weighted, index: int, channel: Channel, result: str) -> list[str]:
    """Bias and cast of one channel."""
    name, added = f"cast_{channel.index}", isinstance(plan.graph, SerialGraph)
    if added:
        number, lines = _serial_number(channel)
        tap = Tap(0, 0, False)
    else:
        tap = plan.graph.graph.outputs[index]
        number, lines = _number(channel, tap)
    if plan.bias is None or channel.index not in plan.loadable_bias:
        offset = 0 if added else channel.bias
        return [
            *lines,
            cast(name, number, plan.target, result, offset=offset, negate=tap.negate, added=added),
        ]
    place = part("frozen_bias", plan.loadable_bias.index(channel.index), plan.bias.bits)
    bias = Number.of(place, plan.bias.type).shifted(number.frac - plan.bias.frac[channel.index])
    low, high = (-number.high, -number.low) if tap.negate else (number.low, number.high)
    biased = Number(f"biased_{channel.index}", low + bias.low, high + bias.high, number.frac)
    sign = "-" if tap.negate else "+"
    return [
        *lines,
        f"wire signed {vector(biased.bits)} {biased.text} = {bias.text} {sign} {number.text};",
        cast(name, biased, plan.target, result, added=added),
    ]


def _number(channel: Channel, tap: Tap) -> tuple[Number, list[str]]:
    """A sum as it comes from the graph, aligned."""
    name = f"total_{channel.index}"
    low, high = channel.low << channel.up, channel.high << channel.up
    number = Number(name, *((-high, -low) if tap.negate else (low, high)), channel.frac)
    if not low and not high:
        return number, [f"wire signed {vector(number.bits)} {name} = '0;"]
    kept = f"frozen_sum_{channel.index}[{number.bits - channel.up - 1}:0]"
    text = f"{{{kept}, {channel.up}'b0}}" if channel.up else kept
    return number, [f"wire signed {vector(number.bits)} {name} = {text};"]


def _serial_number(channel: Channel) -> tuple[Number, list[str]]:
    """A sum that contains its constants, but for the bits below its last one."""
    name = f"total_{channel.index}"
    low, high = ((limit << channel.up) + channel.constant for limit in (channel.low, channel.high))
    number = Number(name, low, high, channel.frac)
    if low == high:
        return number, [f"wire signed {vector(number.bits)} {name} = {literal(low, number.bits)};"]
    text = f"frozen_sum_{channel.index}"
    if channel.up:
        text = f"{{{text}, {channel.up}'d{channel.rest}}}"
    return number, [f"wire signed {vector(number.bits)} {name} = {text};"]
