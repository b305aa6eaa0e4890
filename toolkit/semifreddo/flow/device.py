"""The compiled C simulation of a design, as a device of the runtime."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.hls.transport import open_csim, open_project
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.runtime import Accelerator, Bundle, DeviceInfo


def default_workers() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_device(
    executable: Path, net: StreamNet, task: Task, *, workers: int | None, timeout_s: float
) -> Accelerator:
    """A compiled simulation that is not in a bundle yet, behind the runtime."""
    transport = open_csim(
        executable,
        DeviceInfo(net.name, net.device_digest, "csim"),
        image_shape=net.input.shape,
        outputs=net.output.pixels * net.output.channels,
        words=int(task.words.size),
        workers=workers or default_workers(),
    )
    return Accelerator.open(Bundle(net, {task.name: task}), transport, timeout_s=timeout_s)


def trace_csim(
    project: Path, task: Task, images: npt.NDArray[np.integer], *, timeout_s: float
) -> dict[str, npt.NDArray[np.int64]]:
    """Every layer's stream in the C simulation, to find where it parts from the reference.

    Compiles a tracing variant of the project, which takes as long as the compilation itself.
    """
    with open_project(project, jobs=default_workers(), trace=True) as transport:
        transport.load(task.words, timeout_s)
        return transport.trace(images, timeout_s)
