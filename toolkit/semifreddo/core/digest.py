"""Content digests: what proves that two things are the same thing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

_CHUNK_BYTES = 1 << 20


def digest_bytes(data: bytes) -> str:
    """SHA-256 of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    sha = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            sha.update(chunk)
    return sha.hexdigest()


def digest_ints(values: npt.NDArray[np.integer], *context: object) -> str:
    """SHA-256 of integers in C order as little-endian int64, with their shape and a context.

    Args:
        values: Integers, any shape and integer type: equal values give equal digests.
        context: Anything with a stable ``str`` that must be equal too (fraction bits, say).
    """
    sha = hashlib.sha256()
    sha.update(json.dumps([list(values.shape), [str(item) for item in context]]).encode())
    sha.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
    return sha.hexdigest()


def digest_json(value: object) -> str:
    """SHA-256 of the canonical JSON form (sorted keys, no spaces)."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
