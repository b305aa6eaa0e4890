"""Stage ``vendor``: C simulation and co-simulation of the HLS project by its own tools."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.vectors import VectorSet
from semifreddo.flow.backend import Backend
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.ladder import climb_in_stage, figures_of, load_ladder, save_ladder
from semifreddo.flow.stage import (
    Figures,
    Report,
    Stage,
    StageRecord,
    Workspace,
    is_current,
    record_path,
)
from semifreddo.flow.stages.project import PROJECT_DIR, VECTORS_IN_PROJECT
from semifreddo.flow.stages.vivado import hls_core, hls_tool, project_folder, sync_project
from semifreddo.ir.serial import load_net
from semifreddo.reports.figures import HlsFigures
from semifreddo.sim.ladder import Rung, RungResult
from semifreddo.vivado.driver import Options, run_project
from semifreddo.vivado.plan import plan_bitstream
from semifreddo.vivado.reports import parse_cosim, parse_csynth_xml, text_of

LADDER = "vendor/ladder.json"
_RESULTS = {"vendor-csim": "csim_results.log", "vendor-cosim": "cosim_results.log"}


def _needs(config: BuildConfig) -> str:
    program = hls_tool(config)
    return "" if shutil.which(program) else f"needs {program}, which is not on PATH"


def _waits(config: BuildConfig, wanted: bool, _: Report) -> str:
    if reason := _needs(config):
        return reason
    if not (wanted or config.vivado.cosim):
        return "takes minutes to hours; run it with --until vendor, or with [vivado] cosim = true"
    return ""


def _results(path: Path, count: int) -> npt.NDArray[np.int64] | None:
    """What the test bench wrote: a line of raw results per image; None if it did not."""
    try:
        rows = [[int(word) for word in line.split()] for line in path.read_text().splitlines()]
        found = np.array(rows, np.int64)
    except (OSError, ValueError):
        return None
    return found if found.ndim == 2 and len(found) == count else None


def _rung(name: str, path: Path, count: int) -> Rung:
    found = _results(path, count)
    if found is None:
        return Rung(name, None, f"passed by its own test bench, which left no {path.name}")
    return Rung(name, lambda _: found)


def _run(work: Workspace) -> Figures:
    config, net = work.config, load_net(work.build / "net.json")
    plan = plan_bitstream(
        hls_core(config, work.build), config.board, name=config.name, clock_mhz=config.clock_mhz
    )
    folder = project_folder(work.build, "hls")
    sync_project(plan, folder)
    options = Options(
        until="cosim",
        jobs=config.vivado.jobs,
        timeout_s=config.vivado.timeout_s,
        any_version=config.vivado.any_version,
    )
    run_project(folder, options, lambda line: work.report(f"      {line}"))
    vectors = VectorSet.load(work.build / "vectors.npz").head(VECTORS_IN_PROJECT)
    reports = folder / "reports"
    rungs = [_rung(name, reports / file, len(vectors)) for name, file in _RESULTS.items()]
    ladder = climb_in_stage(work, net, vectors, rungs)
    save_ladder(ladder, work.out / LADDER)
    ladder.check()
    return {
        "hls": dataclasses.asdict(_figures(reports)),
        "ladder": [dataclasses.asdict(found) for found in figures_of(ladder)],
    }


def _figures(reports: Path) -> HlsFigures:
    synthesis = parse_csynth_xml(text_of(reports / "csynth.xml"))
    simulation = parse_cosim(text_of(reports / "cosim.rpt"))
    return HlsFigures(
        tool=f"HLS {synthesis.version or 'of unknown version'}",
        estimated_ns=synthesis.estimated_ns,
        latency_cycles=synthesis.latency_max_cycles,
        interval_cycles=synthesis.interval_max_cycles,
        simulated_latency_cycles=simulation.latency_min_cycles,
        simulated_interval_cycles=simulation.interval_min_cycles,
        lut=synthesis.lut,
        ff=synthesis.ff,
        dsp=synthesis.dsp,
        bram18=synthesis.bram18,
    )


def _stages(config: BuildConfig) -> tuple[Stage, ...]:
    if config.board.ps is None:
        return ()
    return (
        Stage(
            name="vendor",
            summary="C simulation and co-simulation by the vendor's HLS",
            reads=("net.json", "vectors.npz", PROJECT_DIR),
            writes=(LADDER,),
            code=("boards", "vivado", "tools", "sim", "flow"),
            run=_run,
            decides=("name", "design.tool", "clock_mhz"),
            files=("board.folder",),
            uses=("board", "vivado"),
            waits=_waits,
        ),
    )


def _absent() -> tuple[Rung, ...]:
    found = [tool for tool in ("vivado_hls", "vitis_hls", "vitis-run") if shutil.which(tool)]
    reason = (
        f"{found[0]} is here; `semifreddo build --until vendor` climbs it"
        if found
        else "needs vivado_hls or vitis_hls, which are not on PATH"
    )
    return tuple(Rung(name, None, reason) for name in _RESULTS)


def last_results(config: BuildConfig) -> dict[str, RungResult]:
    """How the last build climbed these rungs, if nothing has changed since: they take hours."""
    current = [
        stage
        for stage in _stages(config)
        if is_current(StageRecord.load(record_path(config, stage.name)), stage, config)
    ]
    if not current:
        return {}
    results = load_ladder(config.build_dir / LADDER).results
    return {result.name: result for result in results}


VENDOR = Backend(stages=_stages, absent=_absent)
