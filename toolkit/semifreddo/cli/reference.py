"""The reference pages: ``python -m semifreddo.cli.reference docs/reference`` writes them.

They say what the code says: the command line from its parsers, ``design.toml`` and ``board.toml``
from the dataclasses that read them.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from semifreddo.cli.console import Help
from semifreddo.cli.main import make_parser
from semifreddo.core.files import write_atomic
from semifreddo.flow.output_schema import output_schema
from semifreddo.flow.reference import board_page, design_page, design_schema

_WIDTH = 98


def cli_page() -> str:
    """``docs/reference/cli.md``: the help of the command and of every verb."""
    parser = make_parser()
    parts = [
        "# Command line\n\nThe help texts of the parsers in `semifreddo/cli`, as "
        "`semifreddo VERB --help` prints them;\nwritten by "
        "`python -m semifreddo.cli.reference docs/reference`. What `--json` prints has a JSON\n"
        "Schema, [output.schema.json](output.schema.json).\n",
        f"## semifreddo\n\n```text\n{_help(parser)}```\n",
    ]
    for name, verb in verbs(parser).items():
        parts.append(f"## semifreddo {name}\n\n```text\n{_help(verb)}```\n")
    return "\n".join(parts)


def pages() -> dict[str, str]:
    """Text of every generated page, by file name."""
    return {
        "board.md": board_page(),
        "cli.md": cli_page(),
        "design.md": design_page(),
        "design.schema.json": design_schema(),
        "output.schema.json": output_schema(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="docs/reference of the clone")
    folder: Path = parser.parse_args(argv).folder
    for name, text in pages().items():
        write_atomic(folder / name, text)
    return 0


def verbs(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parser of every verb, by its name."""
    for action in parser._actions:  # argparse has no public way to the parsers of verbs
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    raise AssertionError("the command has no verbs")


def _help(parser: argparse.ArgumentParser) -> str:
    """The help at a fixed width, whatever terminal this runs in."""
    parser.formatter_class = functools.partial(Help, width=_WIDTH)
    return parser.format_help()


if __name__ == "__main__":
    sys.exit(main())
