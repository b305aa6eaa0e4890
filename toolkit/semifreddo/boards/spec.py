"""BoardSpec: part, clock, resources and tool versions of a board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import nearest, option, read_table
from semifreddo.core.toml import read_toml

FILE_NAME = "board.toml"

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = (_PACKAGE / "data", _PACKAGE.parents[2] / "boards")
"""Where boards lie: in an installed package, and in a working copy of the repository."""


@dataclass(frozen=True)
class Resources:
    """What the part offers in all.

    Attributes:
        bram18: Memories of 18 Kbit (a 36 Kbit block counts as two).
    """

    lut: int = option(help="six-input look-up tables", low=1)
    ff: int = option(help="flip-flops", low=1)
    dsp: int = option(help="DSP slices", low=0)
    bram18: int = option(help="18 Kbit block memories", low=0)


@dataclass(frozen=True)
class BoardSpec:
    """One board.

    Attributes:
        tools: Tool name to the versions the board's projects are meant for.
        sources: Dotted key to where its value was read; every number has one.
    """

    name: str = option(help="identifier", pattern="[a-z][a-z0-9_]*")
    title: str = option(help="name for people")
    part: str = option(help="part, package and speed grade", pattern="[a-z0-9-]+")
    clock_mhz: float = option(help="default clock of the logic in MHz", low=1, high=1000)
    resources: Resources = option(help="what the part offers")  # noqa: RUF009 -- makes a field
    tools: Mapping[str, tuple[str, ...]] = option(help="versions by tool")
    sources: Mapping[str, str] = option(help="where each value was read")
    aliases: tuple[str, ...] = option((), help="other names in use")
    pynq: tuple[str, ...] = option((), help="PYNQ versions with an image for the board")

    def __post_init__(self) -> None:
        numbers = {"part", "clock_mhz", "pynq"}
        numbers |= {f"resources.{name}" for name in self.resources.__dataclass_fields__}
        numbers |= {f"tools.{name}" for name in self.tools}
        for key in sorted(numbers ^ set(self.sources)):
            problem = "names no number" if key in self.sources else "is missing"
            raise ValueError(f"sources: the entry {key!r} {problem}")

    @property
    def clock_ns(self) -> float:
        """Default clock period in nanoseconds."""
        return 1000.0 / self.clock_mhz


def _board_files() -> dict[str, Path]:
    return {
        file.parent.name: file
        for folder in reversed(_FOLDERS)
        for file in sorted(folder.glob(f"*/{FILE_NAME}"))
    }


def board_names() -> list[str]:
    """Boards that are known here."""
    return sorted(_board_files())


def load_board(name: str | Path) -> BoardSpec:
    """Load a board.

    Args:
        name: Name or alias of a known board, or the path of a ``board.toml``.

    Raises:
        ConfigError: There is no such board, or its file is wrong (all problems in one line).
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        return _read(Path(name))
    files = _board_files()
    if name in files:
        return _read(files[name])
    for file in files.values():
        board = _read(file)
        if name in board.aliases:
            return board
    raise ConfigError(f"board: there is no board {name!r}{nearest(name, files)}")


def _read(path: Path) -> BoardSpec:
    table = read_toml(path)
    problems: list[str] = []
    board = read_table(BoardSpec, table, str(path), problems)
    if board is None:
        raise ConfigError("; ".join(problems))
    return board
