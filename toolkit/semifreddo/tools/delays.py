"""What the cells of an FPGA family delay, from the libraries that come with Yosys.

Yosys' own mapper (abc9) works with these numbers. Those of 7 series were taken from an Artix-7 by
Project X-Ray. Those of ECP5 are without the time from a clock's edge to an output, which nextpnr
reports (0.11, speed grade 6); its multipliers have none, and nothing of UltraScale+ has any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from semifreddo.boards.spec import Family
from semifreddo.core import scratch
from semifreddo.core.errors import ToolError
from semifreddo.core.files import write_atomic
from semifreddo.tools.runner import run
from semifreddo.tools.yosys import find_yosys

Pin: TypeAlias = tuple[str, int]
"""A port and the bit of it."""

LIBRARIES: Mapping[Family, str] = {"xc7": "+/xilinx/cells_sim.v", "ecp5": "+/ecp5/cells_sim.v"}
"""Families whose cells have delays, and the files in which Yosys has them."""

_PICOSECONDS = 1e-3

_LAUNCHED: Mapping[Family, Mapping[tuple[str, str], tuple[int, float]]] = {
    "ecp5": {
        ("TRELLIS_FF", "Q"): (1, 0.52),
        ("DP16KD", "DOA"): (18, 5.83),
        ("DP16KD", "DOB"): (18, 5.83),
        ("PDPW16KD", "DO"): (36, 5.83),
    }
}
"""What Yosys does not say: bits of an output, and nanoseconds from the clock's edge."""


@dataclass
class CellDelays:
    """What a kind of cell delays, in nanoseconds.

    Attributes:
        through: For each input, the outputs that follow it at once.
        launched: For each output, from the clock's edge.
        setup: For each input, before the clock's edge.
    """

    through: dict[Pin, dict[Pin, float]] = field(default_factory=dict)
    launched: dict[Pin, float] = field(default_factory=dict)
    setup: dict[Pin, float] = field(default_factory=dict)


@lru_cache(maxsize=2)
def cell_delays(family: Family, timeout_s: float = 60.0) -> Mapping[str, CellDelays]:
    """The delays of a family's cells, by type; where several hold, the longest.

    Args:
        family: ``xc7`` or ``ecp5``.
        timeout_s: Limit of Yosys' run.

    Raises:
        ToolError: Yosys is missing or fails, or has no delays of the family.
    """
    if family not in LIBRARIES:
        raise ToolError(f"Yosys has no delays of {family}; it has those of {', '.join(LIBRARIES)}")
    yosys = find_yosys()
    with scratch.folder("delays") as name:
        folder = Path(name)
        lines = [
            f"read_verilog -lib -specify {LIBRARIES[family]}",
            "delete =*/p:*",  # behaviour, which JSON cannot hold
            "write_json cells.json",
        ]
        write_atomic(folder / "cells.ys", "\n".join(lines) + "\n")
        run(
            [yosys.program, "-q", "-s", "cells.ys"],
            cwd=folder,
            timeout_s=timeout_s,
            log=folder / "yosys.log",
            outputs=[folder / "cells.json"],
        )
        modules = _modules(folder / "cells.json")
    found = {name: _delays_of(module) for name, module in modules.items()}
    for (name, port), (bits, ns) in _LAUNCHED.get(family, {}).items():
        found.setdefault(name, CellDelays()).launched.update(
            {(port, bit): ns for bit in range(bits)}
        )
    return {name: made for name, made in found.items() if made.through or made.launched}


def _modules(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())["modules"]
    return found


def _delays_of(module: Mapping[str, Any]) -> CellDelays:
    """Of the specify block of a module: paths, paths from a clock's edge, and checks."""
    pins = {
        bit: (name, index)
        for name, port in module["ports"].items()
        for index, bit in enumerate(port["bits"])
    }
    found = CellDelays()
    for cell in module["cells"].values():
        kind, given, ends = cell["type"], cell["parameters"], cell["connections"]
        if kind == "$specify2" and ends["EN"] == ["1"]:  # else an asynchronous reset, unused here
            delay = _longest(given, "T_RISE_MAX", "T_FALL_MAX")
            for source, target in _pairs(given, ends, pins):
                _raise(found.through.setdefault(source, {}), target, delay)
        elif kind == "$specify3":
            delay = _longest(given, "T_RISE_MAX", "T_FALL_MAX")
            for target in (pins[bit] for bit in ends["DST"] if bit in pins):
                _raise(found.launched, target, delay)
        elif kind == "$specrule" and given["TYPE"] in ("$setup", "$setuphold"):
            delay = _longest(given, "T_LIMIT_MAX")
            for source in (pins[bit] for bit in ends["SRC"] if bit in pins):
                _raise(found.setup, source, delay)
    return found


def _pairs(
    given: Mapping[str, str], ends: Mapping[str, Any], pins: Mapping[Any, Pin]
) -> Iterator[tuple[Pin, Pin]]:
    """Inputs and outputs of a path: all with all, or bit by bit."""
    sources, targets = ends["SRC"], ends["DST"]
    if int(given["FULL"], 2):
        chosen = [(source, target) for source in sources for target in targets]
    else:
        chosen = list(zip(sources, targets, strict=True))
    yield from ((pins[a], pins[b]) for a, b in chosen if a in pins and b in pins)


def _longest(given: Mapping[str, str], *names: str) -> float:
    """Nanoseconds of the longest of some limits, which Yosys writes as picoseconds in binary.

    A limit that depends on parameters, and so is none for the cell as such, counts as 0.
    """
    return max(int(re.sub("[xz]", "0", given[name]), 2) for name in names) * _PICOSECONDS


def _raise(delays: dict[Pin, float], pin: Pin, delay: float) -> None:
    delays[pin] = max(delay, delays.get(pin, 0.0))
