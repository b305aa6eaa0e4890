"""What verbs share: progress on stderr, results on stdout, tables."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from semifreddo.cli.terminal import TERMINAL
from semifreddo.core.columns import text_table, width_of
from semifreddo.core.tables import nearest

_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")


progress = TERMINAL.progress
say = TERMINAL.say


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """A table that fits the terminal behind standard output, if there is one."""
    return text_table(header, rows, width_of(sys.stdout))


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


class Help(argparse.RawDescriptionHelpFormatter):
    """Examples as they are written, and behind each option the value it has if it is left out."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        if not action.option_strings or isinstance(default, bool) or default in (None, [], ""):
            return text
        if default == argparse.SUPPRESS:
            return text
        shown = " ".join(map(str, default)) if isinstance(default, list) else str(default)
        return f"{text} (default: {shown.replace('%', '%%')})"


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
        formatter_class=Help,
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """``--quiet`` and ``--json``, for verbs that programs call."""
    parser.add_argument("-q", "--quiet", action="store_true", help="results and problems only")
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON document on standard output, all else on standard error "
        "(docs/reference/output.schema.json)",
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
