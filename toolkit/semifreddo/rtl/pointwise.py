"""Layers that see one pixel at a time: add, blend, cast and wiring."""

from __future__ import annotations

from semifreddo.core.fixed import FixedType
from semifreddo.ir.layers import ALPHA_FRAC, Add, Blend, Cast, Layer, Route
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.casting import Number, cast
from semifreddo.rtl.unit import (
    Context,
    Unit,
    bank,
    bank_select,
    delay,
    depth_for,
    fifo,
    issue,
    ports,
    swap,
    word_bits,
)
from semifreddo.rtl.verilog import concatenation, instance, module, part, vector


def pointwise_unit(context: Context, layer: Add | Blend | Cast | Route) -> Unit:
    """The unit of a layer without windows."""
    if isinstance(layer, Route) and _is_wiring(layer, context.net):
        return _wiring_unit(context, layer)
    net = context.net
    names = _input_names(layer)
    depth = depth_for(1, 2)
    alpha = net.block[layer.alpha] if isinstance(layer, Blend) else None
    loadable = alpha is not None and not all(alpha.frozen)
    body = ["wire all_valid = " + " && ".join(f"{name}_valid" for name in names) + ";"]
    body += ["wire taken;", *issue(1, depth, "all_valid", "taken")]
    body += [f"assign {name}_ready = taken;" for name in names]
    if loadable:
        assert alpha is not None
        body += swap(context, layer.output.pixels, "taken")
        body += bank_select("alpha", context, 0)
        body += bank("alpha", context, alpha, 1, "1'b0")
    bits = word_bits(layer.output)
    body += ["", f"wire {vector(bits)} casts;", *_channels(context, layer)]
    body += [
        "",
        f"reg {vector(bits)} result_word;",
        "always @(posedge clk) result_word <= casts;",
        *delay("push", 1, "active"),
        *fifo("result", bits, depth, "push", "pop"),
        "assign out_valid = result_there;",
        "assign out_data = result_out;",
    ]
    name = context.names[layer.name]
    comment = f"{layer.kind} {layer.name}: {_formats(layer, net)} to {layer.output.type}."
    text = module(name, comment, ports(layer, net, loadable), body)
    return Unit(layer.name, name, ((name, text),), layer.output.pixels, 2, loadable, depth=depth)


def _formats(layer: Layer, net: StreamNet) -> str:
    return " and ".join(str(stream.type) for stream in net.input_streams(layer))


def _input_names(layer: Layer) -> list[str]:
    if len(layer.inputs) == 1:
        return ["in"]
    return [f"in{index}" for index in range(len(layer.inputs))]


def _same_code(one: FixedType, other: FixedType) -> bool:
    """Whether a raw value means the same in both formats."""
    return (one.width, one.frac, one.signed) == (other.width, other.frac, other.signed)


def _is_wiring(layer: Route, net: StreamNet) -> bool:
    target = layer.output.type
    return all(_same_code(stream.type, target) for stream in net.input_streams(layer))


def _sources(layer: Route, net: StreamNet) -> list[tuple[str, FixedType]]:
    """For each output channel, the signal and format of the channel it copies."""
    every = [
        (part(f"{name}_data", channel, stream.type.width), stream.type)
        for name, stream in zip(_input_names(layer), net.input_streams(layer), strict=True)
        for channel in range(stream.channels)
    ]
    return [every[index] for index in layer.indices]


def _wiring_unit(context: Context, layer: Route) -> Unit:
    names = _input_names(layer)
    body = [f"assign out_valid = {' && '.join(f'{name}_valid' for name in names)};"]
    body += [f"assign {name}_ready = out_valid && out_ready;" for name in names]
    wires = concatenation([signal for signal, _ in _sources(layer, context.net)])
    body.append(f"assign out_data =\n    {wires};")
    name = context.names[layer.name]
    comment = f"Wiring {layer.name}."
    text = module(name, comment, ports(layer, context.net, False), body)
    return Unit(layer.name, name, ((name, text),), layer.output.pixels, 0, False)


def _channels(context: Context, layer: Add | Blend | Cast | Route) -> list[str]:
    """The exact result of every channel and its cast."""
    net, target = context.net, layer.output.type
    lines = []
    routed = _sources(layer, net) if isinstance(layer, Route) else []
    for channel in range(layer.output.channels):
        result = part("casts", channel, target.width)
        if isinstance(layer, Route):
            signal, kind = routed[channel]
        else:
            kind = net.input_streams(layer)[0].type
            signal = part(f"{_input_names(layer)[0]}_data", channel, kind.width)
        value = Number.of(signal, kind)
        if isinstance(layer, Add | Blend):
            value, text = _joined(context, layer, channel)
            lines += text
        lines.append(cast(f"cast_{channel}", value, target, result))
    return lines


def _joined(context: Context, layer: Add | Blend, channel: int) -> tuple[Number, list[str]]:
    """A sum or blend, and its text."""
    streams = context.net.input_streams(layer)
    frac = max(stream.type.frac for stream in streams)
    one, other = (
        Number.of(part(f"{name}_data", channel, stream.type.width), stream.type).shifted(
            frac - stream.type.frac
        )
        for name, stream in zip(_input_names(layer), streams, strict=True)
    )
    if isinstance(layer, Add):
        total = Number(f"sum_{channel}", one.low + other.low, one.high + other.high, frac)
        wire = f"wire signed {vector(total.bits)} {total.text} = {one.text} + {other.text};"
        return total, [wire]
    low, high = min(one.low, other.low), max(one.high, other.high)
    mix = Number(f"mix_{channel}", low << ALPHA_FRAC, high << ALPHA_FRAC, frac + ALPHA_FRAC)
    width = mix.bits - ALPHA_FRAC
    connected = {"k": _alpha(context, layer, channel), "a": f"a_{channel}", "b": f"b_{channel}"}
    return mix, [
        f"wire signed {vector(width)} a_{channel} = {one.text};",
        f"wire signed {vector(width)} b_{channel} = {other.text};",
        f"wire signed {vector(mix.bits)} {mix.text};",
        instance("sf_blend", f"blend_{channel}", {"BITS": width}, connected | {"mix": mix.text}),
    ]


def _alpha(context: Context, layer: Blend, channel: int) -> str:
    """The blend factor in eighths: four bits, a constant or read from the bank."""
    block = context.net.block[layer.alpha]
    if block.frozen[channel]:
        return f"4'd{int(block.raw[channel])}"
    index = [int(found) for found in block.configurable_channels].index(channel)
    signal = part("alpha", index, block.bits)
    if block.bits > 4:
        return f"{signal[: signal.index('[')]}[{index * block.bits + 3}:{index * block.bits}]"
    return signal if block.bits == 4 else f"{{{4 - block.bits}'b0, {signal}}}"
