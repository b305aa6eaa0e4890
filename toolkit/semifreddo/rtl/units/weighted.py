"""Convolutions and linear layers: frozen channels, loadable channels, or both side by side."""

from __future__ import annotations

from semifreddo.ir.layers import Conv, Linear
from semifreddo.rtl.choices import Choice
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.verilog import concatenation, module, part, vector
from semifreddo.rtl.components.windows import Window
from semifreddo.rtl.units.frozen import frozen_lines, graph_file
from semifreddo.rtl.units.loadable import loadable_lines
from semifreddo.rtl.units.unit import (
    Context,
    Unit,
    issue,
    ports,
    swap,
    window_parameters,
    word_bits,
)
from semifreddo.rtl.units.weighted_plan import Weighted


def weighted_unit(context: Context, layer: Conv | Linear, choice: Choice) -> Unit:
    """The unit of a conv or linear layer."""
    plan = Weighted.alone(context, layer, choice)
    of, name = plan.of, context.names[layer.name]
    body = window_lines(plan.window, of.geometry.taps * word_bits(of.source))
    body += ["", f"// Cycles per window: {plan.cycles}."]
    body += issue(plan.issue, "window_valid", "window_ready")
    if plan.swap:
        body += ["", *swap(context, plan.swap, "window_valid && window_ready")]
    files = []
    if of.frozen:
        body += ["", "// Frozen channels: adders.", *frozen_lines(plan, f"{name}_graph")]
        files.append(graph_file(plan, f"{name}_graph"))
    if of.loadable:
        body += ["", "// Loadable channels: multipliers.", *loadable_lines(plan)]
    body += ["", *_merge(plan)]
    kind = "Depthwise convolution" if of.depthwise else layer.kind
    comment = (
        f"{kind} {layer.name}: {len(of.frozen)} frozen and {len(of.loadable)} loadable "
        f"channels,\n{plan.cycles} cycles per word, {of.source.type} to {layer.output.type}."
    )
    declared = ports(layer, context.net, of.has_banks)
    text = module(name, comment, declared, body, window_parameters(of.geometry))
    return Unit(plan.figures, name, ((name, text), *files), of.has_banks)


def window_lines(part: Window | None, bits: int) -> list[str]:
    """``in`` to ``window``, which has so many bits, with its handshake; wires without a former."""
    lines = ["wire window_valid;", "wire window_ready;", f"wire {vector(bits)} window;"]
    if part is None:
        return [
            *lines,
            "assign window_valid = in_valid;",
            "assign in_ready = window_ready;",
            "assign window = in_data;",
        ]
    names = ("clk", "rst", "in_valid", "in_ready", "in_data")
    outs = {"out_valid": "window_valid", "out_ready": "window_ready", "out_data": "window"}
    return [*lines, place(part, "former", {name: name for name in names} | outs)]


def _merge(plan: Weighted) -> list[str]:
    found = [("frozen", plan.of.frozen), ("loadable", plan.of.loadable)]
    engines = [(engine, channels) for engine, channels in found if channels]
    valid = " && ".join(f"{engine}_there" for engine, _ in engines)
    width = plan.of.target.width
    words = [""] * plan.of.weight.outputs
    for engine, channels in engines:
        for index, channel in enumerate(channels):
            words[channel] = part(f"{engine}_out", index, width)
    data = f"{engines[0][0]}_out" if len(engines) == 1 else f"\n    {concatenation(words)}"
    return [f"assign out_valid = {valid};", f"assign out_data = {data};"]
