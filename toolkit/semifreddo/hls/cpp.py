"""Straight-line C++ text for the generated parts of layers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from semifreddo.adders import AdderGraph, Range, Tap
from semifreddo.core.fixed import FixedType


def integer(width: int, signed: bool) -> str:
    """Type of an exactly sized integer."""
    return f"semifreddo::{'s' if signed else 'u'}<{width}>"


def raw_type(source: FixedType) -> str:
    """Type of a stream's raw values."""
    return integer(source.width, source.signed)


def literal(value: int) -> str:
    """An integer literal of sufficient size."""
    return f"{value}LL" if abs(value) >= 1 << 31 else str(value)


def shifted(kind: str, value: str, bits: int) -> str:
    """A value of ``kind`` shifted left."""
    return f"({kind}({value}) << {bits})" if bits else f"{kind}({value})"


def block(head: str, lines: Iterable[str]) -> str:
    """A braced block with an indented body."""
    body = textwrap.indent("\n".join(lines), "    ")
    return f"{head} {{\n{body}\n}}"


def frames(lines: Iterable[str]) -> list[str]:
    """The loop of a process over the frames of a start; a report counts one of them."""
    pragmas = ["#pragma HLS LOOP_FLATTEN off", "#pragma HLS LOOP_TRIPCOUNT min=1 max=1"]
    head = "for (unsigned frame = 0; frame < frames; frame++)"
    return ["Frames:", block(head, [*pragmas, *lines])]


def _typed(bounds: Range) -> str:
    return integer(*bounds.format)


def adder_lines(graph: AdderGraph, result: str) -> list[str]:
    """Statements that compute ``y[...]`` of type ``result`` from ``x[...]``."""
    count = len(graph.inputs)

    def value(index: int) -> str:
        return f"x[{index}]" if index < count else f"t{index}"

    def operand(kind: str, index: int, bits: int) -> str:
        return shifted(kind, value(index), bits) if bits else value(index)

    lines = []
    for number, adder in enumerate(graph.adders, start=count):
        kind = _typed(adder.range)
        left = operand(kind, adder.left, adder.left_shift)
        right = operand(kind, adder.right, adder.right_shift)
        sign = "-" if adder.subtract else "+"
        lines.append(f"const {kind} t{number} = {left} {sign} {right};")

    def tap_value(tap: Tap) -> str:
        if tap.value < 0:
            return "0"
        return ("-" if tap.negate else "") + shifted(result, value(tap.value), tap.shift)

    lines += [f"y[{place}] = {tap_value(tap)};" for place, tap in enumerate(graph.outputs)]
    return lines


def table(kind: str, values: npt.NDArray[np.int64], name: str = "table") -> list[str]:
    """A constant table ``(rows, columns)``."""
    rows, columns = values.shape
    lines = [f"static const {kind} {name}[{rows}][{columns}] = {{"]
    lines += ["    {" + ", ".join(literal(int(value)) for value in row) + "}," for row in values]
    return [*lines, "};"]


def index_function(name: str, indices: Sequence[int]) -> str:
    """A function that gives constant number ``i``."""
    values = ", ".join(map(str, indices)) or "0"
    return block(
        f"static unsigned {name}(unsigned i)",
        [
            "#pragma HLS INLINE",
            f"static const unsigned indices[{max(1, len(indices))}] = {{{values}}};",
            "return indices[i];",
        ],
    )
