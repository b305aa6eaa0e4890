"""The frozen channels of a weighted layer: an adder graph and its casts."""

from __future__ import annotations

from semifreddo.adders import Tap
from semifreddo.rtl.adders.digits import SerialGraph
from semifreddo.rtl.adders.digits_text import serial_module
from semifreddo.rtl.adders.pipelined import graph_module
from semifreddo.rtl.components.numbers import Number, place_cast
from semifreddo.rtl.components.verilog import instance, literal, vector
from semifreddo.rtl.components.verilog import part as _place
from semifreddo.rtl.units.channels import Channel
from semifreddo.rtl.units.unit import bank, bank_select, delay, fifo, phase_bits
from semifreddo.rtl.units.weighted_plan import Weighted


def graph_file(plan: Weighted, name: str) -> tuple[str, str]:
    """Name and text of the module with the adders."""
    graph, weight = plan.graph, plan.of.weight
    comment = f"Frozen weights {weight.name} ({weight.rows} x {len(plan.of.frozen)})"
    if isinstance(graph, SerialGraph):
        comment += f", {graph.digit} bits per cycle, {graph.cycles} cycles per word."
        return name, serial_module(name, comment, graph, phase_bits(plan.cycles))
    comment += f" as {len(graph.graph.adders)} adders, all bits at once."
    return name, graph_module(name, comment, graph)


def frozen_lines(plan: Weighted, graph_name: str) -> list[str]:
    """From ``window`` to the words of the frozen channels, ``frozen_out``."""
    of, graph, context, width = plan.of, plan.graph, plan.context, plan.of.target.width
    connected = {"clk": "clk", "taps": "window"} | {
        f"sum_{index}": f"frozen_sum_{channel}" for index, channel in enumerate(of.frozen)
    }
    if isinstance(graph, SerialGraph):
        connected |= {"first": "first", "phase": "phase"}
    lines = [
        f"wire {vector(bits)} frozen_sum_{channel};"
        for channel, bits in zip(of.frozen, graph.sum_bits, strict=True)
    ]
    last = f"active && phase == {plan.frozen_cycles - 1}"
    lines += [
        instance(graph_name, "graph", {}, connected),
        *delay("frozen_done", plan.adder_latency, last),
        "",
    ]
    if of.bias is not None and (part := plan.bias_bank(of.frozen)):
        lines += bank_select("frozen_bias", context, plan.adder_latency)
        lines += bank("frozen_bias", context, of.bias, part, "1'b0")
    bits = len(of.frozen) * width
    lines.append(f"wire {vector(bits)} frozen_cast;")
    for index, (channel, tap) in enumerate(zip(of.frozen_channels, plan.taps, strict=True)):
        lines += _result(plan, channel, tap, _place("frozen_cast", index, width))
    return [
        *lines,
        f"reg {vector(bits)} frozen_word;",
        "always @(posedge clk) frozen_word <= frozen_cast;",
        *delay("frozen_push", 1, "frozen_done"),
        *fifo("frozen", plan.fifo(of.frozen), "frozen_push", "pop"),
    ]


def _result(plan: Weighted, channel: Channel, tap: Tap, result: str) -> list[str]:
    """Bias and cast of one channel."""
    of, serial = plan.of, isinstance(plan.graph, SerialGraph)
    number, lines = _serial_number(channel) if serial else _number(channel, tap)
    part, name = plan.frozen_cast(channel, tap), f"cast_{channel.index}"
    if of.bias is None or channel.index not in of.loadable_bias:
        return [*lines, place_cast(part, name, number.text, result)]
    place = _place("frozen_bias", of.loadable_bias.index(channel.index), of.bias.bits)
    bias = Number.of(place, of.bias.type).shifted(number.frac - of.bias.frac[channel.index])
    biased, sign = f"biased_{channel.index}", "-" if tap.negate else "+"
    return [
        *lines,
        f"wire signed {vector(part.bits)} {biased} = {bias.text} {sign} {number.text};",
        place_cast(part, name, biased, result),
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
