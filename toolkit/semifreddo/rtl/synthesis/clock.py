"""How fast a synthesised design will be, by estimate, and what stops it: before it is placed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

from semifreddo.rtl.design.written import Verilog
from semifreddo.rtl.synthesis.parts import DesignResources, design_parts
from semifreddo.tools.delays import cell_delays
from semifreddo.tools.slow_paths import WIRES, SlowPath, slowest_paths


def part_paths(design: Verilog, found: DesignResources) -> dict[str, SlowPath]:
    """The slowest path that ends in each part of a design, by the part's name, slowest first.

    Args:
        design: The design.
        found: What synthesis made of it, netlists kept.

    Raises:
        ToolError: Yosys fails, has no delays of the family, or logic feeds itself.
    """
    names = {part.top: part.name for part in design_parts(design)}

    def read(module: str) -> Mapping[str, Any]:
        packed = found.netlists[names[module]].read_bytes()
        netlist: Mapping[str, Any] = json.loads(gzip.decompress(packed))
        return netlist

    delays = cell_delays(found.family)
    paths = slowest_paths(read, names, design.top, delays, WIRES[found.family])
    order = sorted(paths, key=lambda module: -paths[module].ns)
    return {names[module]: paths[module] for module in order}
