"""Standard-cell area with a liberty file that the user points to; none ships with this toolkit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from semifreddo.core.errors import DataError, ToolError
from semifreddo.core.files import write_atomic
from semifreddo.tools.runner import Progress, run
from semifreddo.tools.yosys import find_yosys

# The default script of abc burns minutes on a layer and saves a few per cent.
_ABC = "+strash;dc2;&get,-n;&nf;&put"


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


def area_script(names: list[str], top: str) -> str:
    """The Yosys commands of :func:`standard_cell_area`."""
    return (
        f"read_verilog -sv {' '.join(sorted(names))}\n"
        f"synth -flatten -top {top}\n"
        "dfflibmap -liberty cells.lib\n"
        f"abc -liberty cells.lib -script {_ABC}\n"
        "opt_clean -purge\n"
        "tee -q -o area.json stat -liberty cells.lib -json\n"
    )


def standard_cell_area(
    files: Mapping[str, str],
    top: str,
    *,
    liberty: Path,
    workdir: Path,
    timeout_s: float,
    cancel: Event | None = None,
    progress: Progress | None = None,
) -> CellArea:
    """Map a module to standard cells and add up their area.

    Args:
        files: Verilog text by file name; names without folders.
        top: The module.
        liberty: The cells: area, function and timing.
        workdir: Gets the sources, a copy of the liberty file, the log and the result.
        timeout_s: Limit of the run.
        cancel: Ends the run when set.
        progress: Gets a line if Yosys has to be prepared first.

    Raises:
        DataError: The liberty file cannot be read.
        ToolError: Yosys is missing or fails, or cells remain for which the library has none.
        ToolTimeoutError: Not finished in time.
    """
    yosys = find_yosys(progress)
    try:
        cells = liberty.read_bytes()
    except OSError as error:
        raise DataError(f"{liberty}: cannot read the liberty file: {error.strerror}") from None
    if b"library" not in cells:
        raise DataError(f"{liberty}: is no liberty file; it names no library")
    write_atomic(workdir / "cells.lib", cells)
    for name, text in files.items():
        write_atomic(workdir / name, text)
    write_atomic(workdir / "area.ys", area_script(list(files), top))
    result = workdir / "area.json"
    done = run(
        [yosys.program, "-q", "-s", "area.ys"],
        cwd=workdir,
        timeout_s=timeout_s,
        log=workdir / "yosys.log",
        outputs=(result,),
        cancel=cancel,
    )
    try:
        found = json.loads(result.read_bytes())["design"]
        kinds: Mapping[str, int] = found["num_cells_by_type"]
        area = CellArea(
            float(found["area"]),
            float(found["sequential_area"]),
            int(found["num_cells"]),
            done.seconds,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"{result}: not what Yosys' stat writes ({error!r})") from None
    unmapped = sorted(kind for kind in kinds if re.match(r"\$(?!scopeinfo)", kind))
    if unmapped:
        raise ToolError(f"{liberty}: has no cell for {unmapped[0]} in {top}; see {done.log}")
    return area
