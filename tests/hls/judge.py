"""Reads a generated project with the eyes of the HLS tools: what in it goes over their limits.

Knows nothing of how the text was made: sizes are taken out of the C++ itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod

from semifreddo.hls.pragmas import Tool, complaints

STREAM_BITS, ELEMENTS, INTEGER_BITS, FUNCTION_LINES = 4096, 4096, 1024, 5000

_DEFINES, _PARAMETERS = "firmware/defines.h", "firmware/parameters.h"
_LOGIC = "firmware/nnet_utils/nnet_code_gen.h"


def faults(files: Mapping[str, bytes], name: str, tool: Tool) -> list[str]:
    """What a tool would refuse, one line each.

    Args:
        files: The project.
        name: Of the design.
        tool: Whose rules.
    """
    top = f"firmware/{name}.cpp"
    text = {file: files[file].decode() for file in (_DEFINES, _PARAMETERS, _LOGIC, top)}
    found = [f"{file}:{line}" for file in (_LOGIC, top) for line in complaints(text[file], tool)]
    for width, count, kind in re.findall(
        r"typedef nnet::array<ap_u?fixed<(\d+),.*?>, (\d+)\*1> (\w+);", text[_DEFINES]
    ):
        if int(width) * int(count) > STREAM_BITS:
            found.append(f"{kind}: a word of {int(width) * int(count)} bits")
    for config, body in re.findall(r"struct (\w+)_config \{(.*?)\n\};", text[_PARAMETERS], re.S):
        sizes = {key: int(value) for key, value in re.findall(r" (\w+) = (\d+);", body)}
        windows = "pool2d_windows<" in _call(text[top], config)
        found += [
            f"{config}: {what} is {count}"
            for what, count in _counts(sizes, windows=windows)
            if count > ELEMENTS
        ]
    for width in re.findall(r"semifreddo::[su]<(\d+)>|ap_u?int<(\d+)>", text[_LOGIC]):
        if int("".join(width)) > INTEGER_BITS:
            found.append(f"an integer of {''.join(width)} bits")
    found += _partitions(text[_LOGIC])
    for function in re.findall(r"void \w+_\d+\([^{]*\{(.*?)\n    \}", text[_LOGIC], re.S):
        if function.count("\n") > FUNCTION_LINES:
            found.append(f"a function of {function.count(chr(10))} lines")
    return found


def _call(top: str, config: str) -> str:
    return next(line for line in top.splitlines() if f"{config}_config>(" in line)


def _counts(sizes: Mapping[str, int], *, windows: bool) -> Iterator[tuple[str, int]]:
    """What a layer's structure holds in registers, or unrolls."""
    yield "a pixel", sizes.get("n_chan", 0)
    if "rows_per_cycle" in sizes:
        yield "products", (sizes["n_loaded"] + sizes["n_constant"]) * sizes["rows_per_cycle"]
        yield "results", sizes["n_filt"]
        if sizes["n_loaded"] + sizes["n_constant"]:
            yield "inputs of a cycle", sizes["rows_per_cycle"] * sizes["n_taps"]
        yield "banks", sizes.get("n_banks", 0)
    if "filt_height" in sizes and ("rows_per_cycle" in sizes or windows):
        yield "a window", sizes["filt_height"] * sizes["filt_width"] * sizes["n_chan"]


def _partitions(text: str) -> Iterator[str]:
    """Completely partitioned arrays that are too large, by their last declaration above."""
    for pragma in re.finditer(
        r"#pragma HLS ARRAY_PARTITION variable=(\w+) complete(?: dim=(\d))?", text
    ):
        name, dimension = pragma[1], int(pragma[2] or 1)
        declared = re.findall(rf"\b{name}((?:\[\d+\])+)", text[: pragma.start()])[-1]
        sizes = [int(size) for size in re.findall(r"\d+", declared)]
        count = prod(sizes) if dimension == 0 else sizes[dimension - 1]
        if count > ELEMENTS:
            yield f"{name}{declared} in {count} registers"
