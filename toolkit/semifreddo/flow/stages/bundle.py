"""Stage ``bundle``: everything a runtime needs, in one file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from semifreddo.core.digest import digest_file
from semifreddo.core.errors import TaskError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.backend import BoardDevice, Device
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.doctor import package_versions
from semifreddo.flow.figures import task_figures
from semifreddo.flow.ladder import load_ladder
from semifreddo.flow.stage import Figures, Stage, Workspace
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.reports.figures import BundleFigures
from semifreddo.runtime import Bundle, TransportFile, write_bundle
from semifreddo.runtime.device_files import DeviceFiles


def tasks_of(config: BuildConfig, first: str) -> dict[str, Task]:
    """Further tasks of a design by name, beside the one of its model.

    Raises:
        TaskError: One is missing, damaged, or has the name of another.
    """
    tasks: dict[str, Task] = {}
    for relative in config.task.extra:
        path = config.path(relative)
        task = Task.load(path)
        if task.name in (first, *tasks):
            raise TaskError(f"{path}: there is already a task {task.name!r}; give it another name")
        tasks[task.name] = task
    return tasks


def _board_files(board: BoardDevice, build: Path) -> dict[str, DeviceFiles]:
    """The board's files by transport, if all have been made."""
    paths = [build / name for name in board.files]
    if not all(path.is_file() for path in paths):
        return {}
    return {board.name: DeviceFiles({path.name: path.read_bytes() for path in paths})}


def _run(devices: Sequence[Device], boards: Sequence[BoardDevice], work: Workspace) -> Figures:
    config = work.config
    made = [device for device in devices if (work.build / device.file).is_file()]
    for device in made:
        load_ladder(work.build / device.ladder).check()  # nothing unequal leaves the build folder
    task = Task.load(work.build / "task.json")
    vectors = VectorSet.load(work.build / "vectors.npz").head(config.vectors.bundled_count)
    tasks = {task.name: task, **tasks_of(config, task.name)}
    transports: dict[str, TransportFile | DeviceFiles] = {
        device.name: TransportFile.of(work.build / device.file, work.build) for device in made
    }
    for board in boards:
        transports |= _board_files(board, work.build)
    bundle = Bundle(
        net=load_net(work.build / "net.json"),
        tasks=tasks,
        vectors={task.name: vectors},
        transports=transports,
        versions=package_versions(),
    )
    path = work.out / config.bundle_path.name
    write_bundle(path, bundle)
    figures = BundleFigures(
        file=path.name,
        size_bytes=path.stat().st_size,
        sha256=digest_file(path),
        tasks=tuple(task_figures(found) for found in tasks.values()),
    )
    return {"bundle": dataclasses.asdict(figures)}


def bundle_stage(
    config: BuildConfig, devices: Sequence[Device], boards: Sequence[BoardDevice] = ()
) -> Stage:
    """The stage; its output is named after the design, and holds every device that was made."""
    made = [name for device in devices for name in (device.file, device.ladder)]
    made += [name for board in boards for name in board.files]
    return Stage(
        name="bundle",
        summary="network, tasks and vectors in one file",
        reads=("net.json", "task.json", "vectors.npz", *made),
        writes=(config.bundle_path.name,),
        code=("runtime", "flow"),
        run=partial(_run, tuple(devices), tuple(boards)),
        decides=("name", "vectors.bundled_count"),
        files=("task.extra",),
        versions=package_versions,
    )
