"""The whole way from an exported file to the network backends are made from."""

from __future__ import annotations

from pathlib import Path

from semifreddo.convert.blocks import Frozen
from semifreddo.convert.from_qonnx import from_qonnx
from semifreddo.ir.net import StreamNet
from semifreddo.passes.lower import lower


def convert(path: Path | str, name: str, *, frozen: Frozen = "plan") -> StreamNet:
    """Convert and lower; see :func:`~semifreddo.convert.from_qonnx.from_qonnx` for arguments."""
    return lower(from_qonnx(path, name, frozen=frozen))
