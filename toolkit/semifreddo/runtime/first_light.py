"""What the first run on a board tells: the answers of every task, and the speed."""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path

import numpy as np

import semifreddo
from semifreddo.core.errors import SemifreddoError
from semifreddo.core.first_light import Fact, State
from semifreddo.runtime.accelerator import Accelerator
from semifreddo.runtime.bundle import Bundle

BATCHES = (1, 64, 1024)
LOADS = 10
_RELEASES = ("/etc/os-release", "/proc/version", "/etc/boardname", "/proc/device-tree/model")
"""Files in which images of boards tell what they are."""


def board_facts(
    bundle: Bundle,
    open_board: Callable[[], AbstractContextManager[Accelerator]],
    report: Callable[[str], None],
) -> Iterator[Fact]:
    """Answer the questions that need a board.

    Args:
        bundle: What is on it; every task with vectors is checked.
        open_board: Loads the bitstream.
        report: Takes one line at a time.
    """
    try:
        with open_board() as accelerator:
            yield _answers(bundle, accelerator, report)
            yield _speed(bundle, accelerator, report)
    except SemifreddoError as error:
        yield Fact("answers", "different", str(error), "the board opens and answers")


def _answers(bundle: Bundle, accelerator: Accelerator, report: Callable[[str], None]) -> Fact:
    lines, equal = [], True
    for name in bundle.tasks:
        if name not in bundle.vectors:
            lines.append(f"{name}: no vectors in the bundle")
            continue
        accelerator.load_task(name)
        result = accelerator.check(bundle.vectors[name])
        equal = equal and result.ok
        lines.append(f"{name}: {result}")
        report(f"task {lines[-1]}")
    checked = any(name in bundle.vectors for name in bundle.tasks)
    state: State = "not seen" if not checked else "as expected" if equal else "different"
    return Fact(
        "answers",
        state,
        "; ".join(lines) + f"; device {accelerator.backend}",
        "all images of every task equal",
    )


def _speed(bundle: Bundle, accelerator: Accelerator, report: Callable[[str], None]) -> Fact:
    stream = bundle.net.input
    rng = np.random.default_rng(0)
    images = rng.integers(
        stream.type.min_raw, stream.type.max_raw + 1, (max(BATCHES), *stream.shape)
    )
    found = []
    for count in BATCHES:
        batch = images[:count]
        seconds = _median_seconds(lambda batch=batch: accelerator.predict(batch), 5)  # type: ignore[misc]
        found.append(f"{count / seconds:.0f} frames/s in batches of {count}")
        report(found[-1])
    names = list(bundle.tasks)
    loads = [
        _median_seconds(lambda name=name: accelerator.load_task(name), LOADS)  # type: ignore[misc]
        for name in names
    ]
    found.append(f"{1e3 * max(loads):.2f} ms for a new task")
    report(found[-1])
    return Fact("speed", "measured", "; ".join(found))


def _median_seconds(work: Callable[[], object], times: int) -> float:
    work()  # opens what opens late
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def machine() -> dict[str, object]:
    """Versions and names of this machine; what it does not tell is left out."""
    found: dict[str, object] = {
        "semifreddo": semifreddo.__version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
    }
    for package in ("numpy", "pynq"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    for name in _RELEASES:
        path = Path(name)
        if path.is_file():
            found[name] = path.read_bytes()[:4096].decode("utf-8", "replace").strip("\0\n")
    return found
