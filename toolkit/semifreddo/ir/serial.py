"""StreamNet as JSON: stable bytes, no code, checked when read."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from semifreddo.core.errors import NetError
from semifreddo.core.files import write_atomic
from semifreddo.core.fixed import FixedType
from semifreddo.core.plain_json import parse_json
from semifreddo.ir.layers import LAYER_KINDS, Layer, Stream, WeightBlock
from semifreddo.ir.net import Repeat, StreamNet
from semifreddo.ir.structure_json import FORMAT, structure_to_json


def _stream_from_json(data: dict[str, Any]) -> Stream:
    height, width, channels = (int(size) for size in data["shape"])
    return Stream(str(data["name"]), (height, width, channels), FixedType.parse(data["type"]))


def _layer_from_json(data: dict[str, Any]) -> Layer:
    kind = LAYER_KINDS[data["kind"]]
    values = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in data.items()
        if key not in ("kind", "output")
    }
    for key, value in values.items():
        for entry in value if isinstance(value, tuple) else (value,):
            if not isinstance(entry, (int, str, NoneType)):
                raise TypeError(f"{key} holds {entry!r}, expected integers or names")
    return kind(output=_stream_from_json(data["output"]), **values)


def _stored_as(bits: int, *, signed: bool) -> str:
    """NumPy type in which the values of a block are written."""
    return "<i4" if bits + (not signed) <= 32 else "<i8"


def _block_from_json(data: dict[str, Any]) -> WeightBlock:
    kind = _stored_as(int(data["bits"]), signed=bool(data["signed"]))
    raw = np.frombuffer(base64.b64decode(data["raw"], validate=True), dtype=kind)
    return WeightBlock(
        name=str(data["name"]),
        role=data["role"],
        raw=raw.astype(np.int64).reshape([int(size) for size in data["shape"]]),
        bits=int(data["bits"]),
        signed=bool(data["signed"]),
        frac=tuple(int(frac) for frac in data["frac"]),
        frozen=tuple(bool(frozen) for frozen in data["frozen"]),
        signs=bool(data.get("signs", False)),
        terms=int(data.get("terms", 0)),
    )


def net_to_json(net: StreamNet) -> str:
    """The whole net as JSON text, with a digest over it."""
    data = structure_to_json(net)
    for entry, block in zip(data["blocks"], net.blocks, strict=True):
        kind = _stored_as(block.bits, signed=block.signed)
        raw = np.ascontiguousarray(block.raw, dtype=kind).tobytes()
        entry["raw"] = base64.b64encode(raw).decode()
    data["device_digest"] = net.device_digest
    data["task_digest"] = net.task_digest
    return json.dumps(data, indent=1) + "\n"


def net_from_json(text: str, where: str = "net") -> StreamNet:
    """Inverse of :func:`net_to_json`.

    Args:
        text: The JSON text.
        where: Named in errors, usually the file.

    Raises:
        NetError: Not such a text, or its content does not have the digest it states.
    """
    try:
        data = parse_json(text)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise NetError(f"{where}: not a {FORMAT} file")
        net = StreamNet(
            name=data["name"],
            input=_stream_from_json(data["input"]),
            layers=tuple(_layer_from_json(layer) for layer in data["layers"]),
            blocks=tuple(_block_from_json(block) for block in data["blocks"]),
            repeats=tuple(
                Repeat(repeat["name"], tuple(tuple(names) for names in repeat["passes"]))
                for repeat in data["repeats"]
            ),
        )
        stated = (data["device_digest"], data["task_digest"])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise NetError(f"{where}: not a {FORMAT} file ({error!r})") from error
    if stated != (net.device_digest, net.task_digest):
        raise NetError(f"{where}: content does not match its digest; write it again")
    return net


def save_net(net: StreamNet, path: Path) -> None:
    """Write the JSON form atomically."""
    write_atomic(path, net_to_json(net))


def load_net(path: Path) -> StreamNet:
    """Read a net.

    Raises:
        NetError: Missing or corrupt file.
    """
    if not path.is_file():
        raise NetError(f"{path}: no such net file")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NetError(f"{path}: not a {FORMAT} file (not text)") from error
    return net_from_json(text, str(path))
