"""The structure of a network as JSON: what its device digest covers, and its file begins with."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from semifreddo.ir.layers import Layer, Stream, WeightBlock
from semifreddo.ir.structure import Structure

FORMAT = "semifreddo-net/1"


def _stream_to_json(stream: Stream) -> dict[str, Any]:
    return {"name": stream.name, "shape": list(stream.shape), "type": str(stream.type)}


def _layer_to_json(layer: Layer) -> dict[str, Any]:
    special = {"inputs": list(layer.inputs), "output": _stream_to_json(layer.output)}
    plain = {
        field.name: getattr(layer, field.name)
        for field in fields(layer)
        if field.name not in special
    }
    return {"kind": layer.kind} | special | plain


def _block_structure(block: WeightBlock) -> dict[str, Any]:
    return {
        "name": block.name,
        "role": block.role,
        "shape": list(block.raw.shape),
        "bits": block.bits,
        "signed": block.signed,
        "frac": list(block.frac),
        "frozen": [int(frozen) for frozen in block.frozen],
        **({"signs": True} if block.signs else {}),
        **({"terms": block.terms} if block.terms else {}),
    }


def structure_to_json(net: Structure) -> dict[str, Any]:
    """All of a net but the values of its blocks."""
    return {
        "format": FORMAT,
        "name": net.name,
        "input": _stream_to_json(net.input),
        "layers": [_layer_to_json(layer) for layer in net.layers],
        "blocks": [_block_structure(block) for block in net.blocks],
        "repeats": [
            {"name": repeat.name, "passes": [list(names) for names in repeat.passes]}
            for repeat in net.repeats
        ],
    }
