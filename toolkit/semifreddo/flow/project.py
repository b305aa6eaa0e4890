"""Stage ``project``: the HLS project of a network."""

from __future__ import annotations

import dataclasses

from semifreddo.core.errors import ToolError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.doctor import installed_version
from semifreddo.flow.stage import Figures, Stage, Workspace, digest_tree
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.reports.report import ProjectFigures

PROJECT_DIR = "project"
_VECTORS_IN_PROJECT = 8
"""Enough for the project's own test bench; the ladder climbs with all."""


def _run(work: Workspace) -> Figures:
    try:
        from semifreddo.hls.plan import plan_project
    except ImportError as error:
        raise ToolError(
            f"project: writing it needs {error.name}; pip install 'semifreddo[hls]'"
        ) from error
    from semifreddo.ir.schedule import ScheduledNet, default_schedule

    config, net = work.config, load_net(work.build / "net.json")
    plan = plan_project(
        ScheduledNet(net, default_schedule(net)),
        tool=config.design.tool,
        part=config.board.part,
        clock_ns=1000.0 / config.clock_mhz,
        vectors=VectorSet.load(work.build / "vectors.npz").head(_VECTORS_IN_PROJECT),
        task_words=Task.load(work.build / "task.json").words,
    )
    folder = work.out / PROJECT_DIR
    plan.write(folder)
    files = [file for file in folder.rglob("*") if file.is_file()]
    figures = ProjectFigures(
        tool=config.design.tool,
        files=len(files),
        source_bytes=sum(file.stat().st_size for file in files),
        digest=digest_tree(folder) or "",
    )
    return {"project": dataclasses.asdict(figures)}


PROJECT = Stage(
    name="project",
    summary="integer network to HLS project",
    reads=("net.json", "vectors.npz", "task.json"),
    writes=(PROJECT_DIR,),
    code=("hls",),
    run=_run,
    settings=lambda config: [
        config.design.tool,
        config.board.part,
        config.clock_mhz,
        installed_version("hls4ml"),
        installed_version("da4ml"),
    ],
)
