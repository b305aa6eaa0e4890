"""Convolutions and linear layers: frozen channels, loadable channels, or both side by side."""

from __future__ import annotations

from semifreddo.ir.layers import Conv, Linear
from semifreddo.rtl.components.component import place
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.verilog import concatenation, module, part, vector
from semifreddo.rtl.components.windows import Window
from semifreddo.rtl.frozen import frozen_lines, graph_file
from semifreddo.rtl.loadable import loadable_lines
from semifreddo.rtl.schedule import Choice
from semifreddo.rtl.unit import Context, Unit, issue, ports, swap, window_parameters, word_bits
from semifreddo.rtl.weighted_plan import Weighted


def weighted_unit(context: Context, layer: Conv | Linear, choice: Choice) -> Unit:
    """The unit of a conv or linear layer."""
    plan = Weighted(context.net, layer, choice)
    name = context.names[layer.name]
    geometry = plan.geometry
    body = window_lines(geometry, word_bits(plan.source))
    body += ["", f"// Cycles per window: {plan.cycles}."]
    body += issue(plan.cycles, plan.depth, "window_valid", "window_ready")
    if plan.has_banks:
        body += ["", *swap(context, geometry.windows, "window_valid && window_ready")]
    files = []
    if plan.frozen:
        body += ["", "// Frozen channels: adders.", *frozen_lines(context, plan, f"{name}_graph")]
        files.append(graph_file(plan, f"{name}_graph"))
    if plan.loadable:
        body += ["", "// Loadable channels: multipliers.", *loadable_lines(context, plan)]
    body += ["", *_merge(plan)]
    kind = "Depthwise convolution" if plan.depthwise else layer.kind
    comment = (
        f"{kind} {layer.name}: {len(plan.frozen)} frozen and {len(plan.loadable)} loadable "
        f"channels,\n{plan.cycles} cycles per word, {plan.source.type} to {layer.output.type}."
    )
    declared = ports(layer, context.net, plan.has_banks)
    text = module(name, comment, declared, body, window_parameters(geometry))
    idle_ticks = 0 if geometry.trivial else geometry.ticks - geometry.windows
    return Unit(
        layer=layer.name,
        module=name,
        files=((name, text), *files),
        cycles=geometry.windows * plan.cycles + idle_ticks,
        latency=plan.cycles - 1 + plan.latency + geometry.lead + 1,
        loadable=plan.has_banks,
        word_cycles=plan.cycles,
        geometry=geometry,
        depth=plan.depth,
    )


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
    names = ("clk", "rst", "in_valid", "in_ready", "in_data")
    outs = {"out_valid": "window_valid", "out_ready": "window_ready", "out_data": "window"}
    connected = {name: name for name in names} | outs
    return [*lines, place(Window(geometry, bits), "former", connected)]


def _merge(plan: Weighted) -> list[str]:
    found = [("frozen", plan.frozen), ("loadable", plan.loadable)]
    engines = [(engine, channels) for engine, channels in found if channels]
    valid = " && ".join(f"{engine}_there" for engine, _ in engines)
    width = plan.layer.output.type.width
    words = [""] * plan.weight.outputs
    for engine, channels in engines:
        for index, channel in enumerate(channels):
            words[channel] = part(f"{engine}_out", index, width)
    data = f"{engines[0][0]}_out" if len(engines) == 1 else f"\n    {concatenation(words)}"
    return [f"assign out_valid = {valid};", f"assign out_data = {data};"]
