"""Stage ``bundle``: everything a runtime needs, in one file."""

from __future__ import annotations

import dataclasses

from semifreddo.core.digest import digest_file
from semifreddo.core.errors import TaskError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.csim import DEVICE
from semifreddo.flow.doctor import package_versions
from semifreddo.flow.ladder import load_ladder
from semifreddo.flow.stage import Figures, Stage, Workspace
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.reports.report import BundleFigures
from semifreddo.runtime import Bundle, TransportFile, write_bundle


def _tasks(config: BuildConfig, first: Task) -> dict[str, Task]:
    tasks = {first.name: first}
    for relative in config.task.extra:
        path = config.path(relative)
        task = Task.load(path)
        if task.name in tasks:
            raise TaskError(f"{path}: there is already a task {task.name!r}; give it another name")
        tasks[task.name] = task
    return tasks


def _run(work: Workspace) -> Figures:
    config = work.config
    load_ladder(work.build / "ladder.json").check()  # nothing unequal leaves the build folder
    task = Task.load(work.build / "task.json")
    vectors = VectorSet.load(work.build / "vectors.npz").head(config.vectors.bundled_count)
    bundle = Bundle(
        net=load_net(work.build / "net.json"),
        tasks=_tasks(config, task),
        vectors={task.name: vectors},
        transports={"csim": TransportFile.of(work.build / DEVICE, work.build)},
        versions=package_versions(),
    )
    path = work.out / config.bundle_path.name
    write_bundle(path, bundle)
    figures = BundleFigures(path.name, path.stat().st_size, digest_file(path))
    return {"bundle": dataclasses.asdict(figures)}


def bundle_stage(config: BuildConfig) -> Stage:
    """The stage; its output is named after the design."""
    return Stage(
        name="bundle",
        summary="network, tasks and vectors in one file",
        reads=("net.json", "task.json", "vectors.npz", "ladder.json", DEVICE),
        writes=(config.bundle_path.name,),
        code=("runtime", "flow"),
        run=_run,
        files=lambda config: tuple(config.path(path) for path in config.task.extra),
        settings=lambda config: [
            config.vectors.bundled_count,
            [str(path) for path in config.task.extra],
            package_versions(),
        ],
    )
