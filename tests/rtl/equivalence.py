"""Two texts that give the same outputs for all inputs, proven by Yosys."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pytest

from semifreddo.core.errors import ToolError
from semifreddo.tools.runner import run
from semifreddo.tools.yosys import find_yosys


class Side(NamedTuple):
    """A module, and how its text is read."""

    module: str
    text: str
    define: str = ""


def library_side(module: str, define: str = "") -> Side:
    """A module of the library."""
    source = files("semifreddo.rtl") / "library" / f"{module}.sv"
    return Side(module, source.read_text(), define)


def prove(folder: Path, gold: Side, gate: Side, parameters: Mapping[str, int], late: int) -> str:
    """Let Yosys prove that both sides are equal; gives its log.

    Args:
        folder: For its files.
        gold: What is right.
        gate: What is compared with it.
        parameters: Of both modules.
        late: Cycles behind which every state came from the inputs.

    Raises:
        ToolError: They differ.
    """
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(f"no proof: {error}")
    settings = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    script = []
    for name, side in (("gold", gold), ("gate", gate)):
        (folder / f"{name}.sv").write_text(side.text)
        script += [
            f"read_verilog -sv {f'-D{side.define} ' if side.define else ''}{name}.sv",
            f"chparam {settings} {side.module}; hierarchy -auto-top",
            "proc; opt; flatten; memory; opt",
            f"rename -top {name}; design -stash {name}",
        ]
    script += [
        "design -copy-from gold -as gold gold; design -copy-from gate -as gate gate",
        "miter -equiv -flatten -make_assert gold gate miter; hierarchy -top miter",
        f"sat -verify -prove-asserts -seq {late + 1} -prove-skip {late} miter",
    ]
    (folder / "prove.ys").write_text("\n".join(script) + "\n")
    log = folder / "prove.log"
    run([yosys.program, "-s", "prove.ys"], cwd=folder, timeout_s=120, log=log)
    return log.read_text()
