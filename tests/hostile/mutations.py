"""Damage to files: of bytes anywhere, and inside of what the bytes mean."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

NASTY = [
    b"-1",
    b"0",
    b"99999999999999999999999",
    b"1e400",
    b"-1e308",
    b"NaN",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"\\u0000\\ud800"',
    b'"' + b"x" * 5000 + b'"',
    b"[" * 3000,
    b'{"a":' * 3000,
    b"\xff\xfe\x00",
    b"9" * 6000,
]
SHAPES = ["(1000000000000,)", "(-1,)", "()", "(0,)", "(65536,65536,16)", "(3,)", "(1,)*9", "x"]
DTYPES = ["'|O'", "'<f8'", "'<i1'", "'<U9'", "'|V0'", "'<c16'", '\'[("a","<i4")]\'', "'?'"]
ZIP_ERRORS = (zipfile.BadZipFile, OSError, ValueError, zlib.error, NotImplementedError)


def bytes_of(data: bytes, draw: random.Random) -> bytes:
    """A few bytes changed, cut, doubled, moved or inserted."""
    kind = draw.randrange(6)
    if not data:
        return draw.randbytes(8)
    at = draw.randrange(len(data))
    size = draw.choice([1, 2, 4, 16, 256])
    if kind == 0:
        changed = bytearray(data)
        for _ in range(draw.choice([1, 2, 8])):
            changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        return bytes(changed)
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + data[at + size :]
    if kind == 3:
        return data[:at] + data[at : at + size] * draw.choice([2, 50]) + data[at + size :]
    if kind == 4:
        fill = draw.choice([b"\0", b"\xff", draw.randbytes(1)])
        return data[:at] + fill * size + data[at + size :]
    return data[:at] + draw.choice([draw.randbytes(size), draw.choice(NASTY)]) + data[at:]


def text_of(data: bytes, draw: random.Random) -> bytes:
    """A token of a text (JSON, TOML) replaced by something nasty, a line doubled or dropped."""
    if draw.random() < 0.3:
        lines = data.splitlines(keepends=True)
        if not lines:
            return b"\n"
        at = draw.randrange(len(lines))
        return b"".join(lines[:at] + lines[at : at + 1] * draw.choice([0, 2]) + lines[at + 1 :])
    spots = [i for i, byte in enumerate(data) if i and not chr(byte).isalnum()]
    if len(spots) < 2:
        return draw.choice(NASTY)
    first = draw.randrange(len(spots) - 1)
    start, end = spots[first] + 1, spots[min(first + draw.choice([1, 1, 2, 3]), len(spots) - 1)]
    return data[:start] + draw.choice(NASTY) + data[end:]


def json_of(data: bytes, draw: random.Random) -> bytes:
    """A value somewhere in a JSON text replaced, dropped or doubled; the text stays JSON."""
    try:
        tree = json.loads(data)
    except ValueError:
        return text_of(data, draw)
    node, path = tree, []
    while isinstance(node, (dict, list)) and node and (not path or draw.random() < 0.8):
        key: Any = draw.choice(list(node) if isinstance(node, dict) else range(len(node)))
        path.append((node, key))
        node = node[key]
    if not path:
        return draw.choice(NASTY)
    holder, key = path[-1]
    kind = draw.randrange(4)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.extend([holder[key]] * draw.choice([1, 2000]))
    else:
        values = [
            -1,
            0,
            2**31,
            2**63,
            2**80,
            1e300,
            None,
            True,
            "",
            "x" * 3000,
            [],
            {},
            [[1]],
            "\0",
        ]
        holder[key] = draw.choice([*values, [node], {"a": node}, str(node), tree])
    try:
        return json.dumps(tree).encode()
    except (ValueError, RecursionError):
        return b"["


def npy_of(data: bytes, draw: random.Random) -> bytes:
    """Another shape or type in the head of an array."""
    if data[:6] != b"\x93NUMPY" or draw.random() < 0.3:
        return bytes_of(data, draw)
    size = struct.unpack("<H", data[8:10])[0]
    head = data[10 : 10 + size].decode("latin1")
    if draw.random() < 0.5:
        at, end = head.find("(", head.find("shape")), head.find(")", head.find("shape")) + 1
        head = head[:at] + draw.choice(SHAPES) + head[end:]
    else:
        at = head.find("'", head.find("descr") + 6)
        end = head.find("'", at + 1) + 1
        head = head[:at] + draw.choice(DTYPES) + head[end:]
    head = head.rstrip() + "\n"
    return data[:8] + struct.pack("<H", len(head)) + head.encode("latin1") + data[10 + size :]


def zip_of(data: bytes, draw: random.Random) -> bytes:
    """A member of an archive damaged, dropped, doubled or renamed; the archive stays whole."""
    if draw.random() < 0.3:
        return bytes_of(data, draw)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except ZIP_ERRORS:
        return bytes_of(data, draw)
    name = draw.choice(list(members))
    kind = draw.randrange(6)
    inner = npy_of if members[name][:6] == b"\x93NUMPY" else json_of
    if kind <= 2:
        members[name] = inner(members[name], draw)
    elif kind == 3:
        del members[name]
    elif kind == 4:
        other = draw.choice(["../../x", "/etc/x", "a/" * 50 + name, name + "\0", name.upper(), ""])
        members[other] = members.pop(name)
    else:
        members[name] = bytes(draw.choice([0, 1 << 20])) + members[name]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as out:
        for member, content in members.items():
            info = zipfile.ZipInfo(member or "x")  # dated 1980, so the same at any time of day
            info.compress_type = out.compression
            out.writestr(info, content)
    return made.getvalue()


def safetensors_of(data: bytes, draw: random.Random) -> bytes:
    """The head of a checkpoint damaged, its length kept right."""
    if draw.random() < 0.3:
        return bytes_of(data, draw)
    size = struct.unpack("<Q", data[:8])[0]
    head = json_of(data[8 : 8 + size], draw)
    return struct.pack("<Q", len(head)) + head + data[8 + size :]


def png_of(data: bytes, draw: random.Random) -> bytes:
    """Another size, depth or colour type in a PNG's head, its checksum kept right."""
    if data[:4] != b"\x89PNG" or draw.random() < 0.5:
        return bytes_of(data, draw)
    head = bytearray(data[16:29])
    if draw.random() < 0.5:
        value = draw.choice([0, 1, 65535, 2**31 - 1, 100_000])
        struct.pack_into(">I", head, draw.choice([0, 4]), value)
    else:
        head[draw.choice([8, 9, 10, 11, 12])] = draw.randrange(20)
    checksum = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return data[:16] + bytes(head) + checksum + data[33:]


def onnx_of(data: bytes, draw: random.Random) -> bytes:
    """A field of the model replaced; the file stays a valid protocol buffer."""
    import onnx
    from google.protobuf.message import DecodeError

    if draw.random() < 0.3:
        return bytes_of(data, draw)
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        return bytes_of(data, draw)
    graph = model.graph
    kind = draw.randrange(8)
    number = draw.choice([-1, 0, 1, 2, 3, 7, 100_000, 2**31, 2**62])
    if kind == 0:
        dims = draw.choice(graph.input).type.tensor_type.shape.dim
        draw.choice(dims).dim_value = number
    elif kind == 1:
        node = draw.choice([n for n in graph.node if n.attribute])
        attribute = draw.choice(node.attribute)
        attribute.i = number
        if attribute.ints:
            attribute.ints[draw.randrange(len(attribute.ints))] = number
    elif kind == 2:
        tensor = draw.choice(graph.initializer)
        tensor.dims.append(number)
    elif kind == 3:
        tensor = draw.choice(graph.initializer)
        tensor.raw_data = bytes_of(tensor.raw_data, draw)
    elif kind == 4:
        node = draw.choice(graph.node)
        names = node.input if draw.random() < 0.5 and node.input else node.output
        other = draw.choice([n.output[0] for n in graph.node] + ["", "nothing"])
        names[draw.randrange(len(names))] = other
    elif kind == 5:
        draw.choice(graph.node).op_type = draw.choice(["Loop", "", "Conv", "MatMul", "Identity"])
    elif kind == 6 and model.metadata_props:
        entry = draw.choice(model.metadata_props)
        entry.value = json_of(entry.value.encode(), draw).decode("utf-8", "replace")
    else:
        del graph.node[draw.randrange(len(graph.node))]
    made: bytes = model.SerializeToString()
    return made


MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bytes": bytes_of,
    "text": text_of,
    "json": json_of,
    "zip": zip_of,
    "npy": npy_of,
    "safetensors": safetensors_of,
    "png": png_of,
    "onnx": onnx_of,
}
