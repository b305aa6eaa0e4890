"""Stage ``synth``: Yosys counts what the Verilog takes, layer by layer.

Where the delays of the family's cells are known, the slowest path that ends in each layer is named,
too. With a liberty file, standard cells too: area, slowest path and power.
"""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np

from semifreddo.core.errors import DataError, LimitError, ToolError
from semifreddo.core.files import write_atomic
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.backend import Backend
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.stage import Figures, Report, Stage, Workspace
from semifreddo.flow.stages.rtl import RTL_DIR, built_design
from semifreddo.reports.figures import (
    CellFigures,
    PathFigures,
    StandardCellFigures,
    StandardCellPartFigures,
    SynthesisFigures,
)
from semifreddo.rtl.scheduler.explanation import RESOURCES, Shortage
from semifreddo.rtl.synthesis.clock import part_paths
from semifreddo.rtl.synthesis.parts import DesignResources, synthesize_design
from semifreddo.rtl.synthesis.standard_cells import DesignCells, measure_cells
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.liberty import read_liberty
from semifreddo.tools.opensta import find_sta
from semifreddo.tools.yosys import find_yosys, locate_yosys

RESULT = "synth/resources.json"
CACHE = "synth/build"
"""In the build folder: parts that were synthesised before."""

_LARGEST = 3
_BRAM18_BITS = 18 * 1024
_LUT_BITS = 64
_MOST_MEMORY_BITS = 1 << 18
"""Memory that may become flip-flops: Yosys takes hours for more."""


def _waits(config: BuildConfig, wanted: bool, report: Report) -> str:
    if config.board.family is None:
        return f"Yosys has no target for {config.board.part} of board {config.board.name}"
    try:
        locate_yosys()
        if not (wanted or config.synth.run):
            return "takes minutes; run it with --until synth, or always with [synth] run = true"
        find_yosys(lambda line: report(f"      {line}"))
        if config.synth.liberty is not None:
            read_liberty(config.path(config.synth.liberty))
            find_sta()
    except (ToolError, DataError) as error:
        return str(error)
    return ""


def _cells(name: str, found: CellCounts) -> CellFigures:
    return CellFigures(name, found.lut, found.ff, found.dsp, found.bram18, found.lut_pairs)


def _check_budget(config: BuildConfig, found: DesignResources) -> None:
    """Refuse what the board has no room for.

    Raises:
        LimitError: Says by how much, which layers are largest, and what helps.
    """
    board, total = config.board, found.total
    if config.rtl.lut_pairs:
        total = dataclasses.replace(total, lut=total.lut_pairs)
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


def _check_memories(config: BuildConfig, total: CellCounts) -> None:
    """Refuse standard cells for a design whose memories would be too many flip-flops.

    Raises:
        LimitError: Says how many bits they hold.
    """
    bits = total.bram18 * _BRAM18_BITS + total.lut_as_ram * _LUT_BITS
    if bits > _MOST_MEMORY_BITS:
        raise LimitError(
            f"{config.name}: memories of up to {bits:,} bits would become flip-flops in standard "
            f"cells, more than {_MOST_MEMORY_BITS:,}; leave synth.liberty out, or choose a smaller "
            "network"
        )


def _standard_cells(work: Workspace) -> StandardCellFigures:
    config, liberty = work.config, work.config.synth.liberty
    assert liberty is not None  # _run
    vectors = VectorSet.load(work.build / "vectors.npz")
    found = measure_cells(
        built_design(work.build),
        vectors.images[: config.synth.images].astype(np.int64),
        liberty=config.path(liberty),
        clock_mhz=config.clock_mhz,
        cache=work.build / CACHE,
        timeout_s=config.synth.timeout_s,
        jobs=config.synth.workers,
        progress=lambda line: work.report(f"      {line}"),
    )
    figures = _cell_figures(found, liberty.name, config.clock_mhz)
    delay = "" if figures.delay_ns is None else f", slowest path {figures.delay_ns:.1f} ns"
    work.report(
        f"      in {liberty.name}: area {figures.area:,.0f}{delay}{figures.slowest and ' '}"
        f"{figures.slowest}, {figures.milliwatts:.1f} mW at {figures.clock_mhz:g} MHz"
    )
    return figures


def _cell_figures(found: DesignCells, library: str, clock_mhz: float) -> StandardCellFigures:
    path = found.analysis.path
    return StandardCellFigures(
        tool=f"Yosys {find_yosys().text} and OpenSTA, {library}",
        area=round(found.area, 1),
        flip_flop_area=round(sum(part.area.sequential for part in found.parts.values()), 1),
        delay_ns=None if path is None else round(path.ns, 3),
        slowest="" if path is None else f"from {path.start} to {path.end}",
        clock_mhz=clock_mhz,
        milliwatts=round(1000 * found.analysis.power.total, 4),
        images=found.activity.images,
        cycles=found.activity.cycles,
        parts=tuple(
            StandardCellPartFigures(
                _part_name(name),
                round(part.area.total, 1),
                round(part.area.sequential, 1),
                round(1000 * part.watts, 4),
            )
            for name, part in found.parts.items()
        ),
    )


def _paths(work: Workspace, found: DesignResources) -> tuple[PathFigures, ...]:
    """The slowest path of each part, if delays are known; the slowest of all is told."""
    if not found.netlists:
        return ()
    figures = tuple(
        PathFigures(_part_name(name), round(path.ns, 2), str(path))
        for name, path in part_paths(built_design(work.build), found).items()
    )
    if figures:
        slowest = figures[0]
        work.report(
            f"      slowest path by estimate {slowest.ns:.1f} ns ({1000 / slowest.ns:.0f} MHz), in "
            f"{slowest.name}: {slowest.where}; nothing is placed"
        )
    return figures


def _part_name(name: str) -> str:
    return "buses" if name == "bus" else name


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
        lut_pairs=total.lut_pairs,
        paths=_paths(work, found),
    )
    result = dataclasses.asdict(figures)
    write_atomic(work.out / RESULT, json.dumps(result, indent=1) + "\n")
    work.report(
        f"      together {total.lut:,} LUT ({total.lut_pairs:,} if two that fit into a LUT6_2 are "
        f"one), {total.ff:,} FF, {total.dsp} DSP, {total.bram18} BRAM18"
    )
    made: Figures = {"synthesis": result, "versions": {"yosys": version}}
    if config.synth.liberty is not None:
        _check_memories(config, total)
        made["cells"] = dataclasses.asdict(_standard_cells(work))
    return made


def _stage(config: BuildConfig) -> Stage:
    """Images and clock decide nothing of it unless there are standard cells."""
    cells = config.synth.liberty is not None
    return Stage(
        name="synth",
        summary="measure the Verilog with Yosys" + (" and OpenSTA" if cells else ""),
        reads=("net.json", RTL_DIR, *(("vectors.npz",) if cells else ())),
        writes=(RESULT,),
        code=("boards", "rtl/design/written", "rtl/synthesis", "sim", "tools", "flow"),
        run=_run,
        decides=(
            *("board.part", "board.resources", "rtl.lut_pairs"),
            *(("clock_mhz", "synth.images") if cells else ()),
        ),
        files=("synth.liberty",) if cells else (),
        uses=("name", "board.name", "synth"),
        waits=_waits,
    )


SYNTH = Backend(stages=lambda config: (_stage(config),))
