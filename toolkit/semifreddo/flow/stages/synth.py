"""Stage ``synth``: Yosys counts what the Verilog takes, layer by layer."""

from __future__ import annotations

import dataclasses
import json
import time

from semifreddo.core.errors import LimitError, ToolError
from semifreddo.core.files import write_atomic
from semifreddo.flow.backend import Backend
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.stage import Figures, Report, Stage, Workspace
from semifreddo.flow.stages.rtl import RTL_DIR, built_design
from semifreddo.reports.figures import CellFigures, SynthesisFigures
from semifreddo.rtl.scheduler.explanation import RESOURCES, Shortage
from semifreddo.rtl.synthesis.parts import DesignResources, synthesize_design
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.yosys import find_yosys, locate_yosys

RESULT = "synth/resources.json"
CACHE = "synth/build"
"""In the build folder: parts that were synthesised before."""

_LARGEST = 3


def _waits(config: BuildConfig, wanted: bool, report: Report) -> str:
    if config.board.family is None:
        return f"Yosys has no target for {config.board.part} of board {config.board.name}"
    try:
        locate_yosys()
        if not (wanted or config.synth.run):
            return "takes minutes; run it with --until synth, or always with [synth] run = true"
        find_yosys(lambda line: report(f"      {line}"))
    except ToolError as error:
        return str(error)
    return ""


def _cells(name: str, found: CellCounts) -> CellFigures:
    return CellFigures(name, found.lut, found.ff, found.dsp, found.bram18)


def _check_budget(config: BuildConfig, found: DesignResources) -> None:
    """Refuse what the board has no room for.

    Raises:
        LimitError: Says by how much, which layers are largest, and what helps.
    """
    board, total = config.board, found.total
    over = [
        str(Shortage(name, getattr(total, name), getattr(board.resources, name)))
        for name in RESOURCES
        if getattr(total, name) > getattr(board.resources, name)
    ]
    if over:
        largest = sorted(found.by_layer, key=lambda name: -found.by_layer[name].lut)[:_LARGEST]
        raise LimitError(
            f"{config.name} does not fit on {board.name}: Yosys counts {', '.join(over)}; the "
            f"largest layers are {', '.join(largest)}; lower [rtl] board_share or target_fps, or "
            "freeze other layers"
        )


def _run(work: Workspace) -> Figures:
    config, family = work.config, work.config.board.family
    assert family is not None  # _waits
    start = time.perf_counter()
    found = synthesize_design(
        built_design(work.build),
        family=family,
        cache=work.build / CACHE,
        timeout_s=config.synth.timeout_s,
        jobs=config.synth.workers,
        progress=lambda line: work.report(f"      {line}"),
    )
    seconds = time.perf_counter() - start
    _check_budget(config, found)
    total, version = found.total, find_yosys().text
    figures = SynthesisFigures(
        tool=f"Yosys {version} for {family}",
        lut=total.lut,
        ff=total.ff,
        dsp=total.dsp,
        bram18=total.bram18,
        seconds=round(seconds, 1),
        parts=(
            *(_cells(name, cells) for name, cells in found.by_layer.items()),
            _cells("streams", found.streams),
            _cells("buses", found.bus),
        ),
    )
    result = dataclasses.asdict(figures)
    write_atomic(work.out / RESULT, json.dumps(result, indent=1) + "\n")
    work.report(
        f"      together {total.lut:,} LUT, {total.ff:,} FF, {total.dsp} DSP, {total.bram18} BRAM18"
    )
    return {"synthesis": result, "versions": {"yosys": version}}


SYNTH = Backend(
    stages=lambda _: (
        Stage(
            name="synth",
            summary="measure the Verilog with Yosys",
            reads=("net.json", RTL_DIR),
            writes=(RESULT,),
            code=("boards", "rtl/design/written", "rtl/synthesis", "tools", "flow"),
            run=_run,
            decides=("board.part", "board.resources"),
            uses=("name", "board.name", "synth"),
            waits=_waits,
        ),
    )
)
