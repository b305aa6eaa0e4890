"""Values that a command line writes in one word."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from semifreddo.core.errors import ConfigError

_MAX_NUMBER = 1_000_000


def numbers(text: str, where: str) -> tuple[int, ...]:
    """``0,2,5-7`` as numbers.

    Raises:
        ConfigError: Not such a list.
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,7})(?:-(\d{1,7}))?\s*", part)
        if match is None:
            raise ConfigError(f"{where}: {text!r} is not a list of numbers like 0,2,5-7")
        low, high = int(match[1]), int(match[2] or match[1])
        if not low <= high <= _MAX_NUMBER:
            raise ConfigError(f"{where}: {part.strip()!r} is not a range of numbers")
        found += range(low, high + 1)
    return tuple(found)


def by_pattern(entries: Sequence[str], where: str) -> dict[str, tuple[int, ...]]:
    """``NAME=LIST`` entries as a table, in order.

    Raises:
        ConfigError: Not such an entry, or a name twice.
    """
    table: dict[str, tuple[int, ...]] = {}
    for entry in entries:
        name, equals, text = entry.rpartition("=")
        if not equals or not name:
            raise ConfigError(f"{where}: {entry!r} is not NAME=NUMBERS, e.g. even=0,2,4")
        if name in table:
            raise ConfigError(f"{where}: {name!r} is named twice")
        table[name] = numbers(text, where)
    return table


def board_override(board: str | None) -> list[str]:
    """What ``--board`` changes in a design; a path is seen from the working directory."""
    if board is None:
        return []
    if board.endswith(".toml"):
        board = str(Path(board).resolve())
    return [f"design.board={json.dumps(board)}"]
