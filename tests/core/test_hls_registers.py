"""Offsets of HLS arguments: what public generated headers show, and what our top function gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from semifreddo.core.hls_registers import Argument, control_bytes, places, registers

_SIGNATURE = Path(__file__).parents[1] / "golden" / "hls"
_WORDS = {"bool": 1, "unsigned": 1, "unsigned long long": 2}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # A 16 KiB memory and two 64-bit scalars (2020.1).
        (
            [Argument("bufs", 4096, True), Argument("a", 2), Argument("b", 2)],
            [(0x4000, 0x4000), (0x8000, 12), (0x800C, 12)],
        ),
        # A scalar, two memories of 32 bytes, a scalar.
        (
            [Argument("n", 1), Argument("x", 8, True), Argument("y", 8, True), Argument("m", 1)],
            [(0x10, 8), (0x20, 0x20), (0x40, 0x20), (0x60, 8)],
        ),
        # A memory of two words, a 64-bit scalar, another scalar.
        (
            [Argument("z", 2, True), Argument("x", 2), Argument("P", 1)],
            [(0x10, 8), (0x18, 12), (0x24, 8)],
        ),
        # A scalar, then weights of up to 128 bytes.
        ([Argument("num_rows", 1), Argument("w", 30, True)], [(0x10, 8), (0x80, 0x80)]),
    ],
)
def test_public_headers(arguments: list[Argument], expected: list[tuple[int, int]]) -> None:
    assert list(places(arguments).values()) == expected


def arguments_of(header: str) -> list[Argument]:
    """Arguments on the AXI4-Lite port in a generated declaration; ``_V`` as Vivado HLS does it."""
    found = []
    for kind, name, size in re.findall(
        r"^\s+(?:const )?(\S+) (\w+)(?:\[(\d+)\])?[,\n]", header, re.M
    ):
        suffix = "" if kind in _WORDS else "_V"
        prefix = "Memory_" if size else ""
        found.append(Argument(f"{prefix}{name}{suffix}", int(size or 1), bool(size)))
    return found


@pytest.mark.parametrize("tool", ["vivado", "vitis"])
@pytest.mark.parametrize("words", [16, 1381, 4097, 36_864])
def test_our_top_function_has_the_registers_of_the_runtime(tool: str, words: int) -> None:
    text = (_SIGNATURE / tool / "firmware-blended.h").read_text(encoding="utf-8")
    text = text.replace("task_memory[16]", f"task_memory[{words}]")
    found = places(arguments_of(text))
    assert {"CTRL": 0} | {name: at for name, (at, _) in found.items()} == registers(words)
    assert all(at + size <= control_bytes(words) for at, size in found.values())


def test_control_bytes() -> None:
    assert control_bytes(0) == 64 and registers(0) == {"CTRL": 0, "frames": 0x10}
    assert control_bytes(16) == 0x80 and registers(16)["Memory_task_memory"] == 0x40
    assert control_bytes(4097) == 0x10000 and registers(4097)["load_task"] == 0x18
