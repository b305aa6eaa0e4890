"""One node of an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """One ONNX node.

    Attributes:
        name: Its name, made up from its output if it has none.
        op: Operator type, behind its domain if that is neither ONNX' nor QONNX'.
        inputs: Tensor names; an omitted optional input is an empty string.
        outputs: Tensor names.
        attributes: Values by name.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
