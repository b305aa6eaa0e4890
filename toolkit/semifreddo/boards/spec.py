"""BoardSpec: part, clock, resources, processor and tool versions of a board.

A board is a folder with a ``board.toml``; what its keys mean is said here, once, at the fields.
"""

# ruff: noqa: RUF009 -- option() makes a field, it is no shared default

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from semifreddo.core.block_design import ZYNQ7, ZYNQ_ULTRA
from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import nearest, option, read_table
from semifreddo.core.toml import read_toml

FILE_NAME = "board.toml"
BLOCK_DESIGN_FILE = "block_design.tcl"
"""In a board's folder: the Tcl procedure that places its processing system."""

CONSTRAINTS_FILE = "constraints.xdc"
"""In a board's folder: what Vivado is told about pins and clocks."""

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = (_PACKAGE / "data", _PACKAGE.parents[2] / "boards")
"""Where boards lie: in an installed package, and in a working copy of the repository."""

_PORTS = {
    ZYNQ7: ("M_AXI_GP0", "S_AXI_HP[0-3]"),
    ZYNQ_ULTRA: ("M_AXI_HPM0_FPD", "S_AXI_HP[0-3]_FPD"),
}

Family: TypeAlias = Literal["xc7", "xcup", "ecp5"]
"""A family of parts for which Yosys synthesises, by its name there."""

_FAMILIES: Mapping[str, Family] = {"xc7": "xc7", "xczu": "xcup", "xck26": "xcup", "LFE5U": "ecp5"}
"""By the beginning of a part's name."""

_VERSION = r"\d+(\.\d+)*"


@dataclass(frozen=True)
class Resources:
    """What the part offers in all.

    Attributes:
        bram18: Memories of 18 Kbit (a 36 Kbit block counts as two).
    """

    lut: int = option(help="look-up tables", low=1)
    ff: int = option(help="flip-flops", low=1)
    dsp: int = option(help="DSP slices or multipliers", low=0)
    bram18: int = option(help="18 Kbit block memories", low=0)
    uram: int = option(0, help="288 Kbit UltraRAM blocks", low=0)


@dataclass(frozen=True)
class ClockLimits:
    """Clock frequencies that the fabric clock of the processing system can have."""

    low_mhz: float = option(help="slowest clock in MHz", low=0.1)
    high_mhz: float = option(help="fastest clock in MHz", low=1, high=1000)


@dataclass(frozen=True)
class ProcessingSystem:
    """The processor beside the logic, and the ports between them that a design uses."""

    kind: Literal["processing_system7", "zynq_ultra_ps_e"] = option(help="name of its Xilinx IP")
    control_port: str = option(help="AXI master towards the logic; decides the address map")
    memory_port: str = option(help="AXI slave that reads and writes DDR, for the DMA")
    memory_port_bits: int = option(help="width of the memory port", low=32, high=128)
    memory_ports: int = option(help="high-performance memory ports there are", low=1)
    reference_mhz: float = option(help="oscillator of the processor in MHz", low=1, high=100)
    ddr_bytes: int = option(help="DDR from address 0 that the DMA may use", low=1 << 20)

    def __post_init__(self) -> None:
        control, memory = _PORTS[self.kind]
        if self.control_port != control:
            raise ValueError(f"control_port {self.control_port!r}, the address map is {control}'s")
        if not re.fullmatch(memory, self.memory_port):
            raise ValueError(f"memory_port {self.memory_port!r} does not match {memory}")


@dataclass(frozen=True)
class Image:
    """An operating system image with PYNQ that exists for the board."""

    pynq: str = option(help="PYNQ version", pattern=_VERSION)
    python: str = option(help="its Python version", pattern=_VERSION)
    name: str = option(help="what to download or install")
    vivado: str | None = option(None, help="Vivado its overlays were built with", pattern=_VERSION)


@dataclass(frozen=True)
class BoardSpec:
    """One board.

    Attributes:
        tools: Versions by tool (``vivado``, ``vivado_hls``, ``vitis_hls``, ...) that the written
            projects are meant for.
        traps: What goes wrong with a tool, by ``tool`` or ``tool version``.
        sources: Dotted key to where its value was read; a table's key covers all in it. Every
            number has a source.
        folder: Where ``board.toml`` and the board's other files lie; set by :func:`load_board`.
    """

    name: str = option(help="identifier", pattern="[a-z][a-z0-9_]*")
    title: str = option(help="name for people")
    part: str = option(help="part, package and speed grade", pattern="[A-Za-z0-9-]+")
    clock_mhz: float = option(help="default clock of the logic in MHz", low=1, high=1000)
    resources: Resources = option(help="what the part offers")
    tools: Mapping[str, tuple[str, ...]] = option(help="versions by tool")
    sources: Mapping[str, str] = option(help="where each value was read")
    aliases: tuple[str, ...] = option((), help="other names in use")
    package: str | None = option(None, help="package of the part")
    speed: str | None = option(None, help="speed grade of the part")
    board_part: str | None = option(None, help="Vivado's board file, which no project needs")
    clock: ClockLimits | None = option(None, help="clock limits")
    oscillator_mhz: float | None = option(
        None, help="oscillator whose frequency a PLL of the logic multiplies", low=1, high=500
    )
    ps: ProcessingSystem | None = option(None, help="processing system; absent: none")
    pynq: tuple[str, ...] = option((), help="PYNQ versions with an image for the board")
    images: tuple[Image, ...] = option((), help="operating system images with PYNQ, one table each")
    traps: Mapping[str, str] = option(
        factory=dict, help="what goes wrong with a tool, by tool or tool and version"
    )
    folder: Path = dataclasses.field(default=Path(), compare=False)

    def __post_init__(self) -> None:
        problems = [*self._source_problems(), *self._part_problems(), *self._trap_problems()]
        if problems:
            raise ValueError("; ".join(problems))

    def _source_problems(self) -> Iterator[str]:
        keys = set(_keys(self))
        for key in sorted(self.sources):
            if not any(_covers(key, known) for known in keys):
                yield f"sources: the entry {key!r} names no number"
        for key in sorted(keys):
            if not any(_covers(entry, key) for entry in self.sources):
                yield f"sources: the entry {key!r} is missing"

    def _part_problems(self) -> Iterator[str]:
        for value in (self.package, self.speed):
            if value is not None and value.lower() not in self.part.lower():
                yield f"part {self.part!r} does not contain {value!r}"
        if self.clock is not None and not (
            self.clock.low_mhz <= self.clock_mhz <= self.clock.high_mhz
        ):
            yield (
                f"clock_mhz {self.clock_mhz:g} is outside "
                f"{self.clock.low_mhz:g} to {self.clock.high_mhz:g}"
            )
        if {image.pynq for image in self.images} - set(self.pynq):
            yield "images: a PYNQ version that is not in pynq"

    def _trap_problems(self) -> Iterator[str]:
        known = set(self.tools) | {f"{t} {v}" for t, many in self.tools.items() for v in many}
        for key in sorted(set(self.traps) - known):
            yield f"traps: {key!r} is no tool and version of [tools]{nearest(key, known)}"

    @property
    def family(self) -> Family | None:
        """What the part is for Yosys; None if it is nothing known."""
        found = (family for name, family in _FAMILIES.items() if self.part.startswith(name))
        return next(found, None)

    @property
    def clock_ns(self) -> float:
        """Default clock period in nanoseconds."""
        return 1000.0 / self.clock_mhz

    def check_clock(self, clock_mhz: float) -> None:
        """Refuse a clock that the board cannot make.

        Raises:
            ConfigError: It is outside the board's limits.
        """
        if self.clock is not None and not (self.clock.low_mhz <= clock_mhz <= self.clock.high_mhz):
            raise ConfigError(
                f"clock_mhz {clock_mhz:g}: board {self.name} has {self.clock.low_mhz:g} to "
                f"{self.clock.high_mhz:g} MHz; change design.clock_mhz"
            )


_NOT_NUMBERS = {"name", "title", "sources", "aliases", "traps", "pynq", "folder"}


def _keys(board: BoardSpec) -> Iterator[str]:
    """Dotted keys of everything that was read somewhere."""
    if board.pynq:
        yield "pynq"
    for item in dataclasses.fields(board):
        value = getattr(board, item.name)
        if item.name not in _NOT_NUMBERS and value not in (None, ()):
            yield from _inner_keys(item.name, value)


def _inner_keys(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (f"{name}.{key}" for key in value)
    elif dataclasses.is_dataclass(value):
        yield from (
            f"{name}.{item.name}"
            for item in dataclasses.fields(value)
            if getattr(value, item.name) != item.default
        )
    else:
        yield name


def _covers(entry: str, key: str) -> bool:
    return entry == key or key.startswith(f"{entry}.")


def read_board_file(board: BoardSpec, name: str) -> str:
    """The text of another file in a board's folder.

    Raises:
        ConfigError: The board has no such file.
    """
    path = board.folder / name
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"board {board.name}: cannot read {path} ({error}); the board needs a {name} beside "
            f"its {FILE_NAME}"
        ) from error


def _board_files() -> dict[str, Path]:
    return {
        file.parent.name: file
        for folder in reversed(_FOLDERS)
        for file in sorted(folder.glob(f"*/{FILE_NAME}"))
    }


def board_names() -> list[str]:
    """Boards that are known here."""
    return sorted(_board_files())


def find_board(name: str | Path) -> Path:
    """The ``board.toml`` of a board.

    Args:
        name: Name or alias of a known board, or the path of a ``board.toml``.

    Raises:
        ConfigError: There is no such board.
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        return Path(name)
    files = _board_files()
    if name in files:
        return files[name]
    for file in files.values():
        if name in _read(file).aliases:
            return file
    raise ConfigError(f"board: there is no board {name!r}{nearest(name, files)}")


def load_board(name: str | Path) -> BoardSpec:
    """Load a board.

    Args:
        name: Name or alias of a known board, or the path of a ``board.toml``.

    Raises:
        ConfigError: There is no such board, or its file is wrong (all problems in one line).
    """
    return _read(find_board(name))


def _read(path: Path) -> BoardSpec:
    table = read_toml(path)
    problems = [f"{path}: unknown key 'folder'"] if "folder" in table else []
    board = read_table(BoardSpec, table, str(path), problems)
    if board is None or problems:
        raise ConfigError("; ".join(problems))
    return dataclasses.replace(board, folder=path.parent)
