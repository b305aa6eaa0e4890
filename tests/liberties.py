"""Standard cells for tests; the toolkit has none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from semifreddo.core.errors import ToolError
from semifreddo.tools.opensta import find_sta
from semifreddo.tools.yosys import find_yosys

OSU018 = "/usr/share/qflow/tech/osu018/osu018_stdcells.lib"


def real_liberty() -> Path:
    """The library of Debian's qflow-tech-osu018, which ``.ci/run`` unpacks; else skip by name."""
    path = Path(os.environ.get("SEMIFREDDO_LIBERTY", OSU018))
    if not path.is_file():
        pytest.skip(f"no standard cells: {path} (Debian's qflow-tech-osu018) is not there")
    try:
        find_sta()
        find_yosys()
    except ToolError as error:
        pytest.skip(f"no timing of standard cells: {error}")
    return path
