"""StreamNet as stable text: what a person reads and a golden test compares."""

from __future__ import annotations

from semifreddo.core.digest import digest_ints
from semifreddo.ir.layers import AvgPool, Conv, Layer, MaxPool, Route, Stream, WeightBlock
from semifreddo.ir.net import StreamNet


def _stream(stream: Stream) -> str:
    return f"{'x'.join(map(str, stream.shape))} {stream.type}"


def _details(layer: Layer) -> str:
    parts: list[str] = []
    if isinstance(layer, Conv | MaxPool | AvgPool):
        parts.append(f"kernel={'x'.join(map(str, layer.kernel))}")
        parts.append(f"stride={'x'.join(map(str, layer.stride))}")
    if isinstance(layer, Conv | MaxPool) and any(layer.padding):
        parts.append(f"padding={','.join(map(str, layer.padding))}")
    if isinstance(layer, Conv) and layer.depthwise:
        parts.append("depthwise")
    if isinstance(layer, Route):
        parts.append(f"indices={','.join(map(str, layer.indices))}")
    parts += [f"%{name}" for name in layer.block_names]
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
