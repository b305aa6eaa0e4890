"""Standard cells of a liberty file that the user points to; none ships with this toolkit."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from semifreddo.core.errors import DataError, ToolError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.tools.runner import Progress, run
from semifreddo.tools.yosys import find_yosys

# The default script of abc burns minutes on a layer and saves a few per cent. Without buffers a net
# of many readers takes longer than all the logic behind it; -p puts them behind registers, too.
_ABC = "+strash;dc2;&get,-n;&nf;&put;buffer,-c,-p;topo;upsize;dnsize"
_CELLS = "cells.lib"
_DRIVERS = "drivers.constr"

_CELL = r'\bcell\s*\(\s*"?(\w+)"?\s*\)(.*?)(?=\bcell\s*\(|\Z)'
_INPUT = r'\bpin\s*\(\s*"?(\w+)"?\s*\)\s*{[^{}]*?direction\s*:\s*"?input'
_FUNCTION = r"\bfunction\s*:\s*([^;]*?)\s*;"


@dataclass(frozen=True)
class CellArea:
    """Area of a module in the liberty file's unit, usually square micrometres.

    Attributes:
        total: All cells.
        sequential: Of it, flip-flops and latches; memories are made of them, too.
        cells: Number of cells.
        seconds: Wall time.
    """

    total: float
    sequential: float
    cells: int
    seconds: float

    @property
    def logic(self) -> float:
        """Of the total, what holds no state."""
        return self.total - self.sequential


@dataclass(frozen=True)
class Mapped:
    """A module of standard cells.

    Attributes:
        area: What it takes.
        verilog: The netlist as Verilog that OpenSTA reads.
        gates: The same netlist as Yosys' JSON; cells have the same names.
    """

    area: CellArea
    verilog: Path
    gates: Path


def mapping_script(names: Collection[str], top: str) -> str:
    """The Yosys commands of :func:`map_to_cells`.

    OpenSTA's reader knows no concatenations and no expressions, and Verilog and JSON would name
    cells differently if they were not named before.
    """
    return (
        f"read_verilog -sv {' '.join(sorted(names))}\n"
        f"synth -flatten -top {top}\n"
        f"dfflibmap -liberty {_CELLS}\n"
        f"abc -liberty {_CELLS} -constr {_DRIVERS} -script {_ABC}\n"
        "setundef -zero\n"
        "splitnets\n"
        "opt_clean -purge\n"
        "rename -enumerate -pattern g%\n"
        f"tee -q -o area.json stat -liberty {_CELLS} -json\n"
        f"select {top}\n"
        "write_json -selected netlist.json\n"
        "write_verilog -selected -noattr -noexpr -simple-lhs netlist.v\n"
    )


def smallest_buffer(liberty: Path) -> str:
    """The cell of least area that gives what its one input is.

    Raises:
        DataError: The liberty file cannot be read, or has none; abc maps nothing then.
    """
    text = read_liberty(liberty).decode("utf-8", "replace")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found: list[tuple[float, str]] = []
    for name, cell in re.findall(_CELL, text, re.DOTALL):
        inputs = re.findall(_INPUT, cell)
        functions = [text.strip('"() ') for text in re.findall(_FUNCTION, cell)]
        area = re.search(r"\barea\s*:\s*([\d.]+)", cell)
        if area and len(inputs) == 1 and functions == inputs:
            found.append((float(area[1]), name))
    if not found:
        raise DataError(f"{liberty}: has no buffer, without which nothing is mapped")
    return min(found)[1]


def read_liberty(liberty: Path) -> bytes:
    """The text of a liberty file.

    Raises:
        DataError: It cannot be read, or is none.
    """
    try:
        cells = liberty.read_bytes()
    except OSError as error:
        raise DataError(f"{liberty}: cannot read the liberty file: {error.strerror}") from None
    if not re.search(rb"\blibrary\s*\(", cells):
        raise DataError(f"{liberty}: is no liberty file; it names no library")
    return cells


def map_to_cells(
    files: Mapping[str, str],
    top: str,
    *,
    liberty: Path,
    workdir: Path,
    timeout_s: float,
    black_boxes: Collection[str] = (),
    cancel: Event | None = None,
    progress: Progress | None = None,
) -> Mapped:
    """Map a module to standard cells; memories become flip-flops.

    Args:
        files: Verilog text by file name; names without folders.
        top: The module.
        liberty: The cells: area, function and timing.
        workdir: Gets the sources, a copy of the liberty file, the log and the results.
        timeout_s: Limit of the run.
        black_boxes: Modules that ``files`` only declares; they have no area.
        cancel: Ends the run when set.
        progress: Gets a line if Yosys has to be prepared first.

    Raises:
        DataError: The liberty file cannot be read, or has no buffer.
        ToolError: Yosys is missing or fails, or cells remain for which the library has none.
        ToolTimeoutError: Not finished in time.
    """
    yosys = find_yosys(progress)
    write_atomic(workdir / _CELLS, read_liberty(liberty))
    # To abc a register is an input. Of inputs that nothing drives it takes the slew to be zero.
    write_atomic(workdir / _DRIVERS, f"set_driving_cell {smallest_buffer(liberty)}\n")
    for name, text in files.items():
        write_atomic(workdir / name, text)
    write_atomic(workdir / "map.ys", mapping_script(files, top))
    made = [workdir / name for name in ("area.json", "netlist.json", "netlist.v")]
    done = run(
        [yosys.program, "-q", "-s", "map.ys"],
        cwd=workdir,
        timeout_s=timeout_s,
        log=workdir / "yosys.log",
        outputs=made,
        cancel=cancel,
    )
    result, gates, verilog = made
    try:
        found = json.loads(result.read_bytes())["modules"][f"\\{top}"]
        kinds: Mapping[str, int] = found["num_cells_by_type"]
        area = CellArea(
            float(found.get("area", 0.0)),  # a module of wires only has none
            float(found.get("sequential_area", 0.0)),
            int(found["num_cells"]) - sum(kinds.get(name, 0) for name in black_boxes),
            done.seconds,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"{result}: not what Yosys' stat writes ({error!r})") from None
    unmapped = sorted(kind for kind in kinds if re.match(r"\$(?!scopeinfo)", kind))
    if unmapped:
        raise ToolError(f"{liberty}: has no cell for {unmapped[0]} in {top}; see {done.log}")
    # What parameters of a black box say is in its own netlist; OpenSTA does not read them.
    text = re.sub(r"(?s) #\(\n.*?\n  \) ", " ", verilog.read_text(encoding="utf-8"))
    write_atomic(verilog, text)
    return Mapped(area, verilog, gates)


def cell_models(liberty: Path, *, workdir: Path, timeout_s: float) -> Mapping[str, Any]:
    """What each cell of a liberty file computes, as Yosys' gates: a module by cell name.

    Raises:
        DataError: The liberty file cannot be read.
        ToolError: Yosys is missing or fails.
        ToolTimeoutError: Not finished in time.
    """
    write_atomic(workdir / _CELLS, read_liberty(liberty))
    write_atomic(
        workdir / "models.ys", f"read_liberty -ignore_miss_func {_CELLS}\nwrite_json models.json\n"
    )
    result = workdir / "models.json"
    run(
        [find_yosys().program, "-q", "-s", "models.ys"],
        cwd=workdir,
        timeout_s=timeout_s,
        log=workdir / "models.log",
        outputs=(result,),
    )
    modules: Mapping[str, Any] = parse_json(result.read_text(encoding="utf-8"))["modules"]
    return modules
