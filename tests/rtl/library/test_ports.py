"""Every port is as wide as what is connected to it, in designs that have every kind of module.

A simulation would not tell: what is too wide is cut, and what is missing is filled.
"""

from __future__ import annotations

import re
import subprocess  # noqa: TID251 -- a checker whose warnings are what is wanted
from pathlib import Path

import pytest

pytest.importorskip("da4ml", reason="needs the rtl extra", exc_type=ImportError)

from rtl.random_nets import random_net, with_packed, with_powers, with_roms, with_signs
from semifreddo.core.errors import ToolError
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.simulation.verilator import find_verilator

NET, SCHEDULE = random_net(2)
DESIGNS: dict[str, tuple[StreamNet, RtlSchedule]] = {
    "memories": (NET, with_roms(NET, SCHEDULE, 2)),
    "packed": (random_net(0)[0], with_packed(*random_net(0))),
    "signs": with_signs(NET, SCHEDULE),
    "powers": with_powers(NET, SCHEDULE),
}


def warnings_of(folder: Path, files: dict[str, str], top: str) -> list[str]:
    """What Verilator says of a design with all of its warnings."""
    try:
        verilator = find_verilator()
    except ToolError as error:
        pytest.skip(f"no check: {error}")
    for name, text in files.items():
        (folder / name).write_text(text)
    command = [verilator.program, "--lint-only", "-Wall", "--top-module", top, *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "%Error" not in done.stderr.replace("%Error: Exiting due to", "")
    return re.findall(r"^%Warning.*", done.stderr, re.MULTILINE)


@pytest.mark.parametrize("name", DESIGNS)
def test_ports_are_as_wide_as_what_is_connected(name: str, tmp_path: Path) -> None:
    design = make_design(*DESIGNS[name])
    found = warnings_of(tmp_path, dict(design.files), design.top)
    assert found, "some warnings there are"
    assert [line for line in found if "port connection" in line] == []


def test_a_port_that_is_too_wide_is_found(tmp_path: Path) -> None:
    design = make_design(*DESIGNS["powers"])
    files = dict(design.files)
    narrow, wide = "[            SUM-1:0] sum", "[            SUM-0:0] sum"
    assert narrow in files["sf_shift.sv"]
    files["sf_shift.sv"] = files["sf_shift.sv"].replace(narrow, wide)
    found = warnings_of(tmp_path, files, design.top)
    assert [line for line in found if "Output port connection 'sum' expects" in line]
