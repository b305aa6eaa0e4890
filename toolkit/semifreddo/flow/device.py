"""Simulations of a design that are not in a bundle yet, as devices of the runtime."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from semifreddo.core.files import write_atomic
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.runtime import Accelerator, Bundle, DeviceInfo
from semifreddo.runtime.transport import TransportFactory

_SECONDS_FILE = "seconds"
"""Beside the compiled program: a compilation may outlive the stage it was for."""


def default_workers() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_device(
    factory: TransportFactory,
    file: Path,
    backend: str,
    net: StreamNet,
    task: Task,
    *,
    timeout_s: float,
) -> Accelerator:
    """A device file behind the runtime, its task loaded.

    Args:
        factory: Opens the file; the same that a bundle would use.
        file: The compiled simulation.
        backend: Name of the transport.
        net: The network it computes.
        task: Loaded first.
        timeout_s: Seconds one exchange may take.
    """
    transport = factory(
        file,
        DeviceInfo(net.name, net.device_digest, backend),
        image_shape=net.input.shape,
        outputs=net.output.pixels * net.output.channels,
        words=int(task.words.size),
    )
    return Accelerator.open(Bundle(net, {task.name: task}), transport, timeout_s=timeout_s)


def compiled(make: Callable[[], Path]) -> tuple[Path, float]:
    """A program, and the seconds its compilation took when it was last done."""
    start_ns, start = time.time_ns(), time.perf_counter()
    program = make()
    seconds, note = time.perf_counter() - start, program.parent / _SECONDS_FILE
    if program.stat().st_mtime_ns >= start_ns or not note.is_file():
        write_atomic(note, f"{seconds:.3f}\n")
    return program, float(note.read_text())
