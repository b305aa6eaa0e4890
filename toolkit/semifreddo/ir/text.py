"""StreamNet as stable text: what a person reads and a golden test compares."""

from __future__ import annotations

from dataclasses import fields

from semifreddo.core.digest import digest_ints
from semifreddo.ir.layers import Layer, Stream, WeightBlock
from semifreddo.ir.structure import Structure


def _stream(stream: Stream) -> str:
    return f"{'x'.join(map(str, stream.shape))} {stream.type}"


_SIZES = ("kernel", "stride", "factor", "size")
"""Fields that are heights and widths."""


def _field(name: str, value: object) -> list[str]:
    """One field of a layer's kind; flags that are not set and no padding are not printed."""
    if isinstance(value, bool):
        return [name] * value
    if isinstance(value, tuple) and (name != "padding" or any(value)):
        return [f"{name}={('x' if name in _SIZES else ',').join(map(str, value))}"]
    return []


def details(layer: Layer) -> str:
    """What is printed behind the inputs of a layer: its own fields, then its blocks."""
    own = [field.name for field in fields(layer) if field.name != "inputs"]
    parts = [part for name in own for part in _field(name, getattr(layer, name))]
    return "".join(f" {part}" for part in [*parts, *(f"%{name}" for name in layer.block_names)])


def _block(block: WeightBlock) -> str:
    fracs = sorted(set(block.frac))
    frac = str(fracs[0]) if len(fracs) == 1 else ",".join(map(str, block.frac))
    residency: str = block.residency
    if residency == "partial":
        residency += ":" + "".join("F" if frozen else "c" for frozen in block.frozen)
    sign = "s" if block.signed else "u"
    promise = " signs" if block.signs else f" terms={block.terms}" if block.terms else ""
    shape = "x".join(map(str, block.raw.shape))
    digest = digest_ints(block.raw)[:12]
    values = f"{block.role} {shape} {sign}{block.bits}{promise}"
    return f"{values} frac={frac} {residency} sha256:{digest}"


def net_to_text(net: Structure) -> str:
    """One line per stream, layer and block, in order."""
    lines = [f"net {net.name}", f"input {net.input.name}: {_stream(net.input)}"]
    lines += [f"block %{block.name}: {_block(block)}" for block in net.blocks]
    lines += [
        f"{layer.name} = {layer.kind}({', '.join(layer.inputs)}){details(layer)}"
        f" -> {_stream(layer.output)}"
        for layer in net.layers
    ]
    for repeat in net.repeats:
        passes = " | ".join(", ".join(names) for names in repeat.passes)
        lines.append(f"repeat {repeat.name}: {passes}")
    return "\n".join(lines) + "\n"
