"""``semifreddo completion``: what a shell needs to complete verbs, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from semifreddo.cli.console import describe
from semifreddo.core.errors import ConfigError, install_hint

SHELLS = ("bash", "zsh")

_EPILOG = """\
examples:
  semifreddo completion bash > ~/.local/share/bash-completion/completions/semifreddo
  semifreddo completion zsh > ~/.zfunc/_semifreddo

Prints a script; the next shell that is started completes verbs, options, their choices and file
names. bash needs its package bash-completion, zsh the line `fpath+=~/.zfunc` before `compinit` in
~/.zshrc. Print it again after an update of semifreddo.
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = describe(verbs, "completion", "print a completion script for a shell", _EPILOG)
    parser.add_argument("shell", choices=SHELLS, help="which shell reads the script")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from semifreddo.cli.main import make_parser

    print(script(make_parser(), arguments.shell), end="")
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """A completion script for a command.

    Args:
        parser: The command with its verbs.
        shell: One of :data:`SHELLS`.

    Raises:
        ConfigError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise ConfigError(
            f"completion: needs shtab ({error}); {install_hint('completion')}"
        ) from error
    _complete_files(parser, shtab.FILE)
    return str(shtab.complete(parser, shell))


def _complete_files(parser: argparse.ArgumentParser, how: Mapping[str, object]) -> None:
    """Arguments that are paths are completed with the names of files."""
    for action in parser._actions:  # argparse has no public list of them
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                _complete_files(verb, how)
        elif action.type is Path:
            action.complete = how  # type: ignore[attr-defined]
