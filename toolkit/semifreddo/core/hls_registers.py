"""Where HLS puts the arguments of a top function on its AXI4-Lite port.

Four control words come first. Arguments follow in the order of the function's declaration: a
scalar takes its words and one more, an array its size rounded up to a power of two, aligned to
that. The rules were read in headers and hardware handoffs that the tools wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CONTROL = "CTRL"
"""The control word: bit 0 starts, bit 2 says idle."""

START, IDLE = 1 << 0, 1 << 2

FRAMES, LOAD_TASK, TASK_MEMORY = "frames", "load_task", "Memory_task_memory"
"""Registers of a core of this toolkit, as a hardware handoff calls them."""

_FIRST = 0x10
_WORD_BYTES = 4
_LEAST_BYTES = 64


@dataclass(frozen=True)
class Argument:
    """An argument on the AXI4-Lite port.

    Attributes:
        name: Its register's name in the hardware handoff.
        words: 32-bit words, of an array all elements together.
        array: Whether it is a memory.
    """

    name: str
    words: int
    array: bool = False


def places(arguments: Iterable[Argument]) -> dict[str, tuple[int, int]]:
    """First byte and bytes of each argument's place, in order."""
    found: dict[str, tuple[int, int]] = {}
    end = _FIRST
    for argument in arguments:
        size = _WORD_BYTES * argument.words
        if argument.array:
            size = 1 << (size - 1).bit_length()
            start = -(-end // size) * size
        else:
            start, size = end, size + _WORD_BYTES
        found[argument.name] = start, size
        end = start + size
    return found


def _arguments(task_words: int) -> tuple[Argument, ...]:
    frames = Argument(FRAMES, 1)
    if not task_words:
        return (frames,)
    return frames, Argument(LOAD_TASK, 1), Argument(TASK_MEMORY, task_words, array=True)


def registers(task_words: int) -> dict[str, int]:
    """Byte offsets of a core's registers by name.

    Args:
        task_words: 32-bit words of a task; a core without any has no task registers.
    """
    return {CONTROL: 0} | {name: at for name, (at, _) in places(_arguments(task_words)).items()}


def register_bytes(task_words: int) -> dict[str, int]:
    """Bytes of a core's registers by name, the task memory's without what rounds it up."""
    arguments = {a.name: _WORD_BYTES * a.words for a in _arguments(task_words)}
    return {CONTROL: _WORD_BYTES} | arguments


def find(places: Mapping[str, int], name: str) -> int | None:
    """A register's offset; Vivado HLS writes ``_V`` behind names of its own integer types."""
    return next((places[known] for known in (name, f"{name}_V") if known in places), None)


def control_bytes(task_words: int) -> int:
    """Bytes that a core's AXI4-Lite port decodes: a power of two."""
    end = max(at + size for at, size in places(_arguments(task_words)).values())
    return max(_LEAST_BYTES, 1 << (end - 1).bit_length())
