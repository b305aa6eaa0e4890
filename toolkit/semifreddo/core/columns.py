"""Rows and columns as text, for a terminal or as Markdown: the only printer of tables.

A table for a terminal is never wider than it: columns of words give way, the widest first, and
their cells go on in the next line; columns of numbers stay as they are.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from typing import TextIO

Cells = Sequence[object]

_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+ ?(%|x)?|[-–—]?")  # noqa: RUF001 -- dashes say "none"
_GAP = "  "


def width_of(stream: TextIO | None, margin: int = 0) -> int | None:
    """Columns of the terminal behind a stream, less a margin; None if there is no terminal.

    The variable COLUMNS wins, as everywhere.
    """
    if stream is None or not stream.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    try:
        width = int(told) if told.isdecimal() else os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return None
    return max(1, width - margin) if width > 0 else None


def text_table(header: Sequence[str], rows: Sequence[Cells], width: int | None = None) -> str:
    """Aligned columns under a rule; numbers to the right.

    Args:
        header: A title per column.
        rows: As many cells each; None is an empty cell.
        width: Characters that a line may have; None for as many as it takes.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    numeric = [
        any(row[column] for row in cells) and all(_NUMBER.fullmatch(row[column]) for row in cells)
        for column in range(len(header))
    ]
    texts = [list(header), *cells]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    if width is not None:
        widths = _fitted(widths, numeric, width)
    lines = [line for row in texts[:1] for line in _lines(row, widths, numeric)]
    lines.append(_GAP.join("-" * column for column in widths))
    lines += [line for row in cells for line in _lines(row, widths, numeric)]
    return "\n".join(line if width is None else _cut(line, width) for line in lines)


def markdown_table(header: Sequence[str], rows: Sequence[Cells]) -> str:
    """The same table in Markdown, with a line's end behind each row."""
    lines = [[_text(cell).replace("|", "\\|") for cell in row] for row in (header, *rows)]
    texts = ["|" + "".join(f" {cell} |" if cell else " |" for cell in row) + "\n" for row in lines]
    return "".join([texts[0], f"|{'---|' * len(header)}\n", *texts[1:]])


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


def _fitted(widths: Sequence[int], numeric: Sequence[bool], width: int) -> list[int]:
    """Widths that fit, if columns of words can give way as far: the widest ones do."""
    room = width - len(_GAP) * (len(widths) - 1)
    found = list(widths)
    for cap in range(max(widths), 0, -1):
        pairs = zip(widths, numeric, strict=True)
        found = [own if number else min(own, cap) for own, number in pairs]
        if sum(found) <= room:
            break
    shortened = [i for i, own in enumerate(widths) if found[i] < own]
    if shortened and sum(found) < room:
        last = shortened[-1]
        found[last] = min(widths[last], found[last] + room - sum(found))
    return found


def _lines(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    """A row, in as many lines as its longest cell takes."""
    wrapped = [_wrapped(text, width) for text, width in zip(row, widths, strict=True)]
    height = max(map(len, wrapped), default=1)
    return [
        _GAP.join(
            _aligned(cell[index] if index < len(cell) else "", width, right=right)
            for cell, width, right in zip(wrapped, widths, numeric, strict=True)
        ).rstrip()
        for index in range(height)
    ]


def _wrapped(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _aligned(text: str, width: int, *, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"
