"""Stage ``csim``: compile the C simulation and climb the ladder."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.files import write_atomic
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.backend import Backend, Device
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.device import default_workers, open_device, trace_csim
from semifreddo.flow.ladder import climb_in_stage, figures_of, save_ladder
from semifreddo.flow.project import PROJECT, PROJECT_DIR
from semifreddo.flow.rungs import device_rung, model_rungs
from semifreddo.flow.stage import Figures, Stage, Workspace
from semifreddo.hls.csim import build_csim
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.reports.figures import CsimFigures
from semifreddo.sim import reference
from semifreddo.sim.ladder import Rung

DEVICE = "csim/device"
"""The compiled simulation, in the build folder."""

LADDER = "csim/ladder.json"

_SECONDS_FILE = "seconds"
"""Beside the program while it is in the project: a compilation may outlive the stage it was for."""


@contextlib.contextmanager
def csim_rung(config: BuildConfig, executable: Path, net: StreamNet, task: Task) -> Iterator[Rung]:
    """The compiled simulation of a design; if it is wrong, a tracing one is compiled."""
    with open_device(
        executable, net, task, workers=config.csim.workers, timeout_s=config.csim.timeout_s
    ) as accelerator:

        def trace(images: npt.NDArray[np.integer]) -> dict[str, npt.NDArray[np.int64]]:
            if np.array_equal(accelerator.predict(images).raw, reference.run(net, images)):
                return reference.trace(net, images)  # it is the expectation that is off
            project, timeout_s = config.build_dir / PROJECT_DIR, config.csim.compile_timeout_s
            return trace_csim(project, task, images, timeout_s=timeout_s)

        yield device_rung(accelerator, trace)


def _compile(work: Workspace) -> tuple[Path, float]:
    """The program, and the seconds its compilation took when it was last done."""
    start_ns, start = time.time_ns(), time.perf_counter()
    program = build_csim(
        work.build / PROJECT_DIR,
        jobs=default_workers(),
        timeout_s=work.config.csim.compile_timeout_s,
    )
    seconds, note = time.perf_counter() - start, program.parent / _SECONDS_FILE
    if program.stat().st_mtime_ns >= start_ns or not note.is_file():
        write_atomic(note, f"{seconds:.3f}\n")
    return program, float(note.read_text())


def _run(work: Workspace) -> Figures:
    config, net = work.config, load_net(work.build / "net.json")
    task = Task.load(work.build / "task.json")
    vectors = VectorSet.load(work.build / "vectors.npz")
    work.report("      compiling with g++")
    program, compile_seconds = _compile(work)
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
    files=lambda config: (
        config.path(config.design.checkpoint),
        config.path(config.design.model),
    ),
)

CSIM = Backend(
    stages=lambda _: (PROJECT, CSIM_STAGE),
    device=Device("csim", DEVICE, LADDER, csim_rung),
)
