"""Text of the headers that decides how a tool builds memories and registers.

Only the tools can prove what they make of it; what they are known to make badly is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

TEMPLATES = files("semifreddo.hls") / "templates"
LOOP = re.compile(r"for \(unsigned (\w+) = [^)]*\) \{\s*(#pragma HLS UNROLL)?")
SUBSCRIPT = re.compile(r"\b(\w+)\[([^\]]*)\]")
CONSTANTS = {"data_T", "size"}


def function(file: str, name: str) -> str:
    """The body of a function of a header, without comments."""
    text = re.sub(r"//[^\n]*", "", (TEMPLATES / file).read_text())
    start = text.index("{", re.search(rf"\b{name}\(", text).end())  # type: ignore[union-attr]
    return text[start : re.compile(r"^}", re.M).search(text, start).end()]  # type: ignore[union-attr]


def moving_places(body: str, arrays: set[str]) -> Iterator[str]:
    """Subscripts of arrays by anything but constants and counters of unrolled loops."""
    unrolled = {name for name, pragma in LOOP.findall(body) if pragma}
    rolled = {name for name, pragma in LOOP.findall(body) if not pragma}
    for array, index in SUBSCRIPT.findall(body):
        words = set(re.findall(r"[A-Za-z_]\w*", index)) - CONSTANTS
        if array in arrays and words - (unrolled - rolled):
            yield f"{array}[{index}]"


def declared(body: str, array: str) -> str:
    return re.search(rf"{array}\[[^\]]*\];", body)[0]  # type: ignore[index]


@pytest.mark.parametrize("name", ["receive_frame", "send_frame"])
def test_values_of_a_pixel_stay_at_constant_places(name: str) -> None:
    """Finding 8: an array with a variable index may become a memory with two ports."""
    body = function("semifreddo_axis.h", name)
    body = body.replace(declared(body, "values"), "")
    arrays = {"values", "pixel"}
    assert list(moving_places(body, arrays)) == []
    back = body.replace("values[data_T::size - 1]", "values[channel]").replace(
        "values[0]", "values[channel]"
    )
    assert list(moving_places(back, arrays)) == ["values[channel]"]


def running_accesses(body: str) -> tuple[list[str], list[str]]:
    """Reads and writes of the running results that no condition keeps apart."""
    accesses = re.findall(r"[^;{}]*\brunning\[column\]\[c\][^;]*;", body)
    reads = [line for line in accesses if "running[column][c] =" not in line]
    writes = [line for line in accesses if "running[column][c] =" in line]
    free_reads = [line for line in reads if "begins ?" not in line]
    guarded = re.findall(r"if \(ends\) \{\s*running\[column\]\[c\] = ", body)
    return free_reads, writes[len(guarded) :]


def test_a_pools_running_result_is_read_and_written_at_other_pixels() -> None:
    """Finding 9: read at a window's first column, written at its last."""
    body = function("semifreddo_pool.h", "pool2d_tiles_frame")
    assert running_accesses(body) == ([], [])
    reads, _ = running_accesses(body.replace("begins ? running", "running", 1))
    assert len(reads) == 1
    _, writes = running_accesses(re.sub(r"if \(ends\) \{\s*running", "{ running", body))
    assert len(writes) == 1


def rows_read(body: str) -> tuple[int, bool]:
    """How often a weight memory is read in the text, and whether before the channels' loop."""
    places = [match.start() for match in re.finditer(r"\brows\[", body)]
    return len(places), all(place < body.index("Loaded:") for place in places)


def test_a_weight_row_is_read_once_for_all_channels() -> None:
    """Finding 10: a memory has two ports, and a row has up to a thousand channels."""
    body = function("semifreddo_weighted.h", "multiply_step")
    assert rows_read(body) == (1, True)
    back = body.replace("row_t::get(now[lane], c)", "row_t::get(rows[step][lane], c)")
    assert rows_read(back) == (2, False)
