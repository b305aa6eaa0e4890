"""What verbs share: progress on stderr, results on stdout, tables."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from semifreddo.core.tables import nearest

_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")


def progress(line: str) -> None:
    """One line about what is going on."""
    print(line, file=sys.stderr, flush=True)


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """Aligned columns; numbers to the right."""
    texts = [list(header), *[["" if cell is None else str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    right = [
        bool(rows) and all(isinstance(row[column], int | float) for row in rows)
        for column in range(len(header))
    ]
    lines = []
    for row in texts:
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest verb or choice."""

    def error(self, message: str) -> NoReturn:
        if found := _CHOICE.search(message):
            known = [choice.strip("'") for choice in found[2].split(", ")]
            message = f"{message[: found.start()]}invalid choice: {found[1]!r}"
            message += nearest(found[1], known).rstrip("?")
        self.exit(2, f"error: {message}; see `{self.prog} --help`\n")


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return time.perf_counter() - self._start


def describe(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """A verb's parser, with its examples as they are written."""
    return verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """``--set``, for verbs that read a design."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="a value of design.toml, for this run only, also of a table in a section "
        "(train.network.bits=4); may be repeated",
    )
