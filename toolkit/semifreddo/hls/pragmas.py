"""Pragmas of the HLS tools: which there are, with which options, and where each may stand.

Facts from UG902 and UG1399 for the pragmas that generated projects use; a pragma outside this table
is an error here. Vivado HLS takes a pragma inside an ``if`` for the loop around it, Vitis HLS does
not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Tool: TypeAlias = Literal["vivado", "vitis"]


@dataclass(frozen=True)
class Pragma:
    """What a tool knows of a pragma.

    Attributes:
        scopes: Kinds of block it may stand in directly: ``function``, ``loop``.
        options: Words and ``name=`` keys that may follow.
        tools: Tools that know it.
        only: Further options of one tool. The versions that boards list do not differ in what is
            here: Vivado HLS 2019.2 and 2020.1, Vitis HLS 2023.1 and 2024.1.
    """

    scopes: frozenset[str]
    options: frozenset[str]
    tools: frozenset[str] = frozenset({"vivado", "vitis"})
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)


_ANY = frozenset({"function", "loop"})

PRAGMAS: Mapping[str, Pragma] = {
    "PIPELINE": Pragma(
        _ANY,
        frozenset({"II=", "REWIND", "OFF"}),
        only={"vivado": frozenset({"ENABLE_FLUSH"}), "vitis": frozenset({"STYLE="})},
    ),
    "UNROLL": Pragma(frozenset({"loop"}), frozenset({"FACTOR=", "REGION", "SKIP_EXIT_CHECK"})),
    "LOOP_FLATTEN": Pragma(frozenset({"loop"}), frozenset({"OFF"})),
    "LOOP_TRIPCOUNT": Pragma(frozenset({"loop"}), frozenset({"MIN=", "MAX=", "AVG="})),
    "INLINE": Pragma(frozenset({"function"}), frozenset({"OFF", "RECURSIVE", "REGION"})),
    "ARRAY_PARTITION": Pragma(
        _ANY,
        frozenset({"VARIABLE=", "COMPLETE", "CYCLIC", "BLOCK", "FACTOR=", "DIM="}),
        only={"vitis": frozenset({"TYPE=", "OFF="})},
    ),
    "DATAFLOW": Pragma(_ANY, frozenset({"DISABLE_START_PROPAGATION"})),
    "STREAM": Pragma(frozenset({"function"}), frozenset({"VARIABLE=", "DEPTH=", "DIM=", "OFF"})),
    "INTERFACE": Pragma(
        frozenset({"function"}), frozenset({"AXIS", "S_AXILITE", "PORT=", "BUNDLE=", "OFFSET="})
    ),
    "DATA_PACK": Pragma(_ANY, frozenset({"VARIABLE="}), frozenset({"vivado"})),
}

_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])'|#[^\n]*|[{};()]|[A-Za-z_]\w*|[^\s]",
    re.DOTALL,
)
_HLS = re.compile(r"#\s*pragma\s+HLS\s+(.*)", re.IGNORECASE)
_MACRO = re.compile(r"\b(?:PRAGMA_\w+|SEMIFREDDO_TRACE_STREAM)\([^)\n]*\)(?!\s*_Pragma)")
"""Macros of the headers that stand where a statement does, without a semicolon."""

_CHOICES = ("if", "else", "switch", "do")


def complaints(text: str, tool: Tool) -> list[str]:
    """What a tool would not take, one line each: ``line: what``.

    Args:
        text: C++ source; preprocessor branches are all looked at.
        tool: Whose rules.
    """
    return [
        f"{line}: {what}"
        for line, pragma, scope in _pragmas(text)
        if (what := _complaint(pragma, scope, tool))
    ]


def _complaint(pragma: str, scope: str, tool: Tool) -> str:
    name, *words = re.sub(r"\s*=\s*", "=", pragma.split("//", maxsplit=1)[0]).split()
    known = PRAGMAS.get(name.upper())
    if known is None or tool not in known.tools:
        return f"pragma {name} is unknown to {tool}"
    if scope not in known.scopes:
        return f"pragma {name} in a block of kind {scope}"
    for word in words:
        key, equals, _ = word.partition("=")
        if f"{key.upper()}{equals}" not in known.options | known.only.get(tool, frozenset()):
            return f"pragma {name} has no option {word}" + (f" in {tool}" if known.only else "")
    return ""


def _pragmas(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, text and kind of the innermost block of each HLS pragma."""
    blocks: list[str] = []
    head: list[str] = []
    depth = 0
    text = _MACRO.sub(";", text)
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word.startswith(("//", "/*")):
            continue
        if word.startswith("#"):
            if found := _HLS.match(word):
                line = text.count("\n", 0, token.start()) + 1
                yield line, found[1], blocks[-1] if blocks else "file"
            continue
        depth += {"(": 1, ")": -1}.get(word, 0)
        if word == "{":
            blocks.append(_kind(head))
            head = []
        elif word == "}":
            if blocks:
                blocks.pop()
            head = []
        elif word == ";" and depth == 0:
            head = []
        else:
            head.append(word)


def _kind(head: list[str]) -> str:
    """What kind of block follows these words."""
    words = head[2:] if head[1:2] == [":"] else head
    first = words[0] if words else ""
    if first in ("for", "while"):
        return "loop"
    if first in _CHOICES:
        return first
    if "=" in words:
        return "initializer"
    return "function" if "(" in words else "type"
