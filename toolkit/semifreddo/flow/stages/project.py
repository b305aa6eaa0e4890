"""Stage ``project``: the HLS project of a network."""

from __future__ import annotations

import dataclasses
import shutil

from semifreddo.core.errors import ToolError, install_hint
from semifreddo.core.project import ProjectPlan
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.doctor import installed_version
from semifreddo.flow.stage import Figures, Stage, Workspace
from semifreddo.hls.schedule import ScheduledNet, default_schedule
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.reports.figures import ProjectFigures

PROJECT_DIR = "project"
_COMPILED = "csim/build"
VECTORS_IN_PROJECT = 8
"""Enough for the project's own test bench; the ladder climbs with all."""


def plan_design(config: BuildConfig, net: StreamNet, vectors: VectorSet, task: Task) -> ProjectPlan:
    """The project of a network, not yet on disk.

    Args:
        config: Tool, part and clock.
        net: The network; its loadable values do not matter.
        vectors: For the project's own test bench.
        task: What the vectors were computed with.

    Raises:
        ToolError: hls4ml is not installed.
        ProjectError: The network cannot be built.
    """
    try:
        from semifreddo.hls.plan import plan_project
    except ImportError as error:
        raise ToolError(f"project: writing it needs {error.name}; {install_hint('hls')}") from error
    return plan_project(
        ScheduledNet(net, default_schedule(net)),
        tool=config.design.tool,
        part=config.board.part,
        clock_ns=1000.0 / config.clock_mhz,
        vectors=vectors.head(VECTORS_IN_PROJECT),
        task_words=task.words,
    )


def _keep_compilation(work: Workspace) -> None:
    """Take the compiled simulation along: a new task changes test data only, not its sources.

    It is used again only if its own digest of the sources still holds.
    """
    old = work.build / PROJECT_DIR / _COMPILED
    if old.is_dir():
        shutil.copytree(old, work.out / PROJECT_DIR / _COMPILED)


def _run(work: Workspace) -> Figures:
    work.report("      frozen weights to adders with da4ml, project with hls4ml")
    plan = plan_design(
        work.config,
        load_net(work.build / "net.json"),
        VectorSet.load(work.build / "vectors.npz"),
        Task.load(work.build / "task.json"),
    )
    plan.write(work.out / PROJECT_DIR)
    from semifreddo.hls.csim import read_description

    told = read_description(work.out / PROJECT_DIR)
    _keep_compilation(work)
    figures = ProjectFigures(
        tool=work.config.design.tool,
        files=len(plan.files),
        source_bytes=sum(map(len, plan.files.values())),
        digest=plan.digest,
        interval_cycles=told["interval_cycles"],
        task_memory_bram18=told["task_memory_bram18"],
    )
    return {"project": dataclasses.asdict(figures)}


PROJECT = Stage(
    name="project",
    summary="integer network to HLS project",
    reads=("net.json", "vectors.npz", "task.json"),
    writes=(PROJECT_DIR,),
    code=("hls", "adders", "flow"),
    run=_run,
    decides=("design.tool", "board.part", "clock_mhz"),
    versions=lambda: [installed_version(name) for name in ("hls4ml", "da4ml")],
)
