"""StreamNet as stable text: what a person reads and a golden test compares."""

from __future__ import annotations

from semifreddo.core.digest import digest_ints
from semifreddo.core.errors import NetError
from semifreddo.ir.kinds import KindTable
from semifreddo.ir.layers import (
    Add,
    AvgPool,
    Blend,
    Cast,
    Conv,
    Layer,
    Linear,
    MaxPool,
    Route,
    Stream,
    WeightBlock,
)
from semifreddo.ir.net import StreamNet


def _stream(stream: Stream) -> str:
    return f"{'x'.join(map(str, stream.shape))} {stream.type}"


DETAILS: KindTable[list[str]] = KindTable("text form", "semifreddo.ir.text", NetError)
"""Functions of (layer): what is printed between its inputs and its blocks."""


@DETAILS.register(Conv)
def _conv_details(layer: Conv) -> list[str]:
    return [*_pool_details(layer), *(["depthwise"] if layer.depthwise else [])]


@DETAILS.register(MaxPool)
def _pool_details(layer: Conv | MaxPool) -> list[str]:
    padding = [f"padding={','.join(map(str, layer.padding))}"] if any(layer.padding) else []
    return [*_window_details(layer), *padding]


@DETAILS.register(AvgPool)
def _window_details(layer: Conv | MaxPool | AvgPool) -> list[str]:
    kernel, stride = ("x".join(map(str, size)) for size in (layer.kernel, layer.stride))
    return [f"kernel={kernel}", f"stride={stride}"]


@DETAILS.register(Route)
def _route_details(layer: Route) -> list[str]:
    return [f"indices={','.join(map(str, layer.indices))}"]


@DETAILS.register(Linear, Add, Blend, Cast)
def _no_details(_layer: Layer) -> list[str]:
    return []


def _details(layer: Layer) -> str:
    parts = [*DETAILS(layer), *(f"%{name}" for name in layer.block_names)]
    return "".join(f" {part}" for part in parts)


def _block(block: WeightBlock) -> str:
    fracs = sorted(set(block.frac))
    frac = str(fracs[0]) if len(fracs) == 1 else ",".join(map(str, block.frac))
    residency: str = block.residency
    if residency == "partial":
        residency += ":" + "".join("F" if frozen else "c" for frozen in block.frozen)
    sign = "s" if block.signed else "u"
    shape = "x".join(map(str, block.raw.shape))
    digest = digest_ints(block.raw)[:12]
    return f"{block.role} {shape} {sign}{block.bits} frac={frac} {residency} sha256:{digest}"


def net_to_text(net: StreamNet) -> str:
    """One line per stream, layer and block, in order."""
    lines = [f"net {net.name}", f"input {net.input.name}: {_stream(net.input)}"]
    lines += [f"block %{block.name}: {_block(block)}" for block in net.blocks]
    lines += [
        f"{layer.name} = {layer.kind}({', '.join(layer.inputs)}){_details(layer)}"
        f" -> {_stream(layer.output)}"
        for layer in net.layers
    ]
    for repeat in net.repeats:
        passes = " | ".join(", ".join(names) for names in repeat.passes)
        lines.append(f"repeat {repeat.name}: {passes}")
    return "\n".join(lines) + "\n"
