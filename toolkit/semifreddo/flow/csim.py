"""Stage ``csim``: compile the C simulation and climb the ladder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from semifreddo.core.vectors import VectorSet
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.ladder import figures_of, save_ladder
from semifreddo.flow.project import PROJECT_DIR
from semifreddo.flow.rungs import absent_rungs, device_rung, qonnx_rung, streamnet_rung, torch_rung
from semifreddo.flow.stage import Figures, Stage, Workspace
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.reports.report import CsimFigures
from semifreddo.runtime import Accelerator, Bundle, DeviceInfo, Transport
from semifreddo.sim.ladder import LadderReport, Rung, RungResult, climb

DEVICE = "csim/device"
"""The compiled simulation, in the build folder."""


def open_device(config: BuildConfig, executable: Path, net: StreamNet, task: Task) -> Accelerator:
    """A compiled simulation behind the runtime that a board uses."""
    from semifreddo.hls.transport import open_csim

    transport: Transport = open_csim(
        executable,
        DeviceInfo(net.name, net.device_digest, "csim"),
        image_shape=net.input.shape,
        outputs=net.output.pixels * net.output.channels,
        words=int(task.words.size),
        workers=config.csim.workers,
    )
    bundle = Bundle(net, {task.name: task})
    return Accelerator.open(bundle, transport, timeout_s=config.csim.timeout_s)


def model_rungs(config: BuildConfig, net: StreamNet) -> list[Rung]:
    """Rungs above the device."""
    return [
        torch_rung(config.path(config.design.checkpoint)),
        qonnx_rung(config.path(config.design.model), net),
        streamnet_rung(net),
    ]


def climb_all(
    work: Workspace, net: StreamNet, vectors: VectorSet, rungs: Sequence[Rung]
) -> LadderReport:
    """Climb and say how each rung went."""

    def progress(result: RungResult) -> None:
        if result.status != "unavailable":
            work.report(
                f"      rung {result.name}: {result.status} on {result.images} images"
                f" in {result.seconds:.1f} s {result.detail}".rstrip()
            )

    return climb(net, vectors, rungs, progress=progress)


def _run(work: Workspace) -> Figures:
    from semifreddo.hls.csim import build_csim

    config, net = work.config, load_net(work.build / "net.json")
    task = Task.load(work.build / "task.json")
    vectors = VectorSet.load(work.build / "vectors.npz")
    executable = work.out / DEVICE
    executable.parent.mkdir()
    work.report("      compiling with g++")
    start = time.perf_counter()
    build_csim(work.build / PROJECT_DIR, executable, timeout_s=config.csim.compile_timeout_s)
    compile_seconds = time.perf_counter() - start
    work.report(f"      compiled in {compile_seconds:.1f} s")
    with open_device(config, executable, net, task) as accelerator:
        rungs = [*model_rungs(config, net), device_rung(accelerator), *absent_rungs()]
        ladder = climb_all(work, net, vectors, rungs)
    save_ladder(ladder, work.out / "ladder.json")
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


CSIM = Stage(
    name="csim",
    summary="compile the C simulation and climb every rung",
    reads=("net.json", "task.json", "vectors.npz", PROJECT_DIR),
    writes=(DEVICE, "ladder.json"),
    code=("hls", "tools", "runtime", "sim", "nn", "train", "convert", "passes", "flow"),
    run=_run,
    files=lambda config: (
        config.path(config.design.checkpoint),
        config.path(config.design.model),
    ),
    settings=lambda _: [[rung.name, rung.reason] for rung in absent_rungs()],
)
