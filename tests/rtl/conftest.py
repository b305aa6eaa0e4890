"""Simulations shared by the RTL tests; all of them skip where Verilator is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from semifreddo.core.errors import ToolError
from semifreddo.rtl.design.design import RtlDesign
from semifreddo.rtl.simulation.verilator import build, find_verilator

Build = Callable[[RtlDesign], Path]


@pytest.fixture(scope="session")
def simulate(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compiles a design; Verilator's own objects are compiled once per session."""
    try:
        find_verilator()
    except ToolError as error:
        pytest.skip(f"no RTL simulation: {error}")
    folder = tmp_path_factory.mktemp("rtl")
    built: dict[str, Path] = {}

    def make(design: RtlDesign) -> Path:
        if design.digest not in built:
            place = folder / f"{design.net.name}{len(built)}"
            built[design.digest] = build(design, place, optimize=False)
        return built[design.digest]

    return make
