"""Stage ``csim``: compile the C simulation and climb the ladder."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.vectors import VectorSet
from semifreddo.flow.backend import Backend, Device
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.device import compiled, default_workers, open_device
from semifreddo.flow.ladder import climb_in_stage, figures_of, save_ladder
from semifreddo.flow.own_model import code_files
from semifreddo.flow.rungs import device_rung, model_rungs
from semifreddo.flow.stage import Figures, Stage, Workspace
from semifreddo.flow.stages.project import PROJECT, PROJECT_DIR
from semifreddo.hls.csim import build_csim
from semifreddo.hls.transport import open_csim, open_project
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.reports.figures import CsimFigures
from semifreddo.sim import reference
from semifreddo.sim.ladder import Rung

DEVICE = "csim/device"
"""The compiled simulation, in the build folder."""

LADDER = "csim/ladder.json"


@contextlib.contextmanager
def csim_rung(config: BuildConfig, executable: Path, net: StreamNet, task: Task) -> Iterator[Rung]:
    """The compiled simulation of a design; if it is wrong, a tracing one is compiled."""
    factory = partial(open_csim, workers=config.csim.workers or default_workers())
    with open_device(
        factory, executable, "csim", net, task, timeout_s=config.csim.timeout_s
    ) as accelerator:

        def trace(images: npt.NDArray[np.integer]) -> dict[str, npt.NDArray[np.int64]]:
            if np.array_equal(accelerator.predict(images).raw, reference.run(net, images)):
                return reference.trace(net, images)  # it is the expectation that is off
            return _trace(config, task, images)

        yield device_rung(accelerator, trace)


def _trace(
    config: BuildConfig, task: Task, images: npt.NDArray[np.integer]
) -> dict[str, npt.NDArray[np.int64]]:
    """Every layer's stream in the C simulation, to find where it parts from the reference.

    Compiles a tracing variant of the project, which takes as long as the compilation itself.
    """
    timeout_s = config.csim.compile_timeout_s
    project = config.build_dir / PROJECT_DIR
    with open_project(project, jobs=default_workers(), trace=True) as transport:
        transport.load(task.words, timeout_s)
        return transport.trace(images, timeout_s)


def _run(work: Workspace) -> Figures:
    config, net = work.config, load_net(work.build / "net.json")
    task = Task.load(work.build / "task.json")
    vectors = VectorSet.load(work.build / "vectors.npz")
    work.report("      compiling with g++")
    program, compile_seconds = compiled(
        lambda: build_csim(
            work.build / PROJECT_DIR,
            jobs=default_workers(),
            timeout_s=config.csim.compile_timeout_s,
        )
    )
    work.report(f"      compiled in {compile_seconds:.1f} s")
    executable = work.out / DEVICE
    executable.parent.mkdir()
    shutil.copy2(program, executable)
    with csim_rung(config, executable, net, task) as device:
        ladder = climb_in_stage(work, net, vectors, [*model_rungs(config, net), device])
    save_ladder(ladder, work.out / LADDER)
    seconds = next(result.seconds for result in ladder.results if result.name == "csim")
    figures = CsimFigures(
        compile_seconds=round(compile_seconds, 3),
        executable_bytes=executable.stat().st_size,
        frames_per_second=round(len(vectors) / seconds, 1) if seconds else None,
    )
    return {
        "csim": dataclasses.asdict(figures),
        "ladder": [dataclasses.asdict(rung) for rung in figures_of(ladder)],
    }


CSIM_STAGE = Stage(
    name="csim",
    summary="compile the C simulation and climb every rung",
    reads=("net.json", "task.json", "vectors.npz", PROJECT_DIR),
    writes=(DEVICE, LADDER),
    code=("hls", "tools", "runtime", "sim", "nn", "train", "convert", "passes", "flow"),
    run=_run,
    decides=("model.source", "model.arguments", "input"),
    files=("design.checkpoint", "design.model"),
    more_files=code_files,
    uses=("csim",),
)

CSIM = Backend(
    stages=lambda _: (PROJECT, CSIM_STAGE),
    device=Device("csim", DEVICE, LADDER, csim_rung),
)
