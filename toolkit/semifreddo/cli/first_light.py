"""``semifreddo first-light``: the first run on real tools or a real board, in one archive."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from semifreddo.cli.console import add_overrides, describe, progress, table
from semifreddo.cli.device import add_device, opened
from semifreddo.cli.parse import board_override
from semifreddo.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semifreddo.core.first_light import Fact

_EPILOG = """\
examples:
  semifreddo first-light hls_projects/digits --board pynq_z2      where Vivado is: builds up to the
                                                                  bitstream, whatever happens
  semifreddo first-light hls_projects/digits --set vivado.products=/path/to/digits
                                                                  a project that was run elsewhere
  semifreddo first-light digits.sfb                               on the board, as root
  semifreddo first-light digits.sfb --simulated-board             try it without one

Nobody has run this toolkit's projects through Vivado or on a board yet. This verb answers the ten
questions of docs/first-light.md as far as this machine can, and writes the answers, with the logs,
reports and versions that they were read from, into one archive to send back. The logs name folders
and hosts of this machine: look into the archive before you send it.

Exit code 0 if nothing differs from what was expected, 1 otherwise.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(
        verbs, "first-light", "collect what a first run on tools or a board tells", _EPILOG
    )
    parser.add_argument(
        "bundle", type=Path, metavar="target", help="folder with a design.toml, or a bundle"
    )
    parser.add_argument("-o", "--output", type=Path, help="the archive (.tar.gz)")
    parser.add_argument("--board", help="build for this board instead of the design's")
    add_overrides(parser)
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, write the archive, print the facts."""
    from semifreddo.core.files import check_target
    from semifreddo.core.first_light import complete, read_archive, write_archive

    target: Path = arguments.bundle
    on_board = not target.is_dir()
    name = target.stem if on_board else target.resolve().name
    place = "board" if on_board else "tools"
    output: Path = arguments.output or Path(f"first-light-{name}-{place}.tar.gz")
    if not output.name.endswith(".tar.gz"):
        raise ConfigError(f"-o {output}: the archive's name has to end with .tar.gz")
    check_target(output, "an archive of a first light", read_archive)
    found, files, machine = _on_board(arguments) if on_board else _with_tools(arguments)
    reason = "needs the tools" if on_board else "not reached, or needs the board"
    facts = complete(found, reason)
    simulated = " on a simulated board" if on_board and arguments.simulated_board else ""
    write_archive(output, f"First light of {name} ({place}){simulated}", facts, machine, files)
    print(table([(f.name, f.state, f.found) for f in facts], ("fact", "state", "found")))
    progress(f"archive: {output} ({output.stat().st_size >> 10} KiB); look into it, then send it")
    return int(any(fact.state == "different" for fact in facts))


def _on_board(
    arguments: argparse.Namespace,
) -> tuple[Sequence[Fact], dict[str, bytes], dict[str, object]]:
    from semifreddo.runtime import Bundle
    from semifreddo.runtime.first_light import board_facts, machine

    bundle = Bundle.load(arguments.bundle)
    facts = tuple(board_facts(bundle, lambda: opened(arguments), progress))
    return facts, {}, machine()


def _with_tools(
    arguments: argparse.Namespace,
) -> tuple[Sequence[Fact], dict[str, bytes], dict[str, object]]:
    from semifreddo.flow.config import load_config
    from semifreddo.flow.first_light import first_light

    board = board_override(arguments.board)
    found = first_light(load_config(arguments.bundle, [*arguments.set, *board]), progress)
    return found.facts, dict(found.files), found.machine
