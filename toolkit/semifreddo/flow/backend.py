"""What a backend adds to the flow. ``flow/build.py`` lists the backends, in order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from semifreddo.flow.config import BuildConfig
from semifreddo.flow.stage import Stage
from semifreddo.ir.net import StreamNet
from semifreddo.ir.task import Task
from semifreddo.sim.ladder import Rung

OpenRung: TypeAlias = Callable[[BuildConfig, Path, StreamNet, Task], AbstractContextManager[Rung]]


@dataclass(frozen=True)
class Device:
    """A device, or its simulation, that stages of a backend have made.

    Attributes:
        name: Name of its transport (see the entry points) and of its rung.
        file: Device file, relative to the build folder; absent if its stage waits for a tool. It
            goes into the bundle.
        ladder: File that tells how its rung was climbed during the build.
        rung: Opens the device file of a design as a rung, with a task of the network loaded.
    """

    name: str
    file: str
    ladder: str
    rung: OpenRung


@dataclass(frozen=True)
class BoardDevice:
    """Files that configure a board. They go into the bundle itself: the build machine stays behind.

    Attributes:
        name: Name of its transport.
        files: Relative to the build folder, the one that the transport opens first; absent while
            their stage waits for a tool.
    """

    name: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Backend:
    """One way from the integer network towards hardware.

    Figures that its stages return are filed under the names of
    :class:`~semifreddo.reports.report.BuildReport`'s fields; rungs that they climbed under
    ``ladder``, versions of tools under ``versions``.

    Attributes:
        stages: Its stages for a design, in order; they follow those of the backends before it.
        device: What they make, if the runtime can drive it.
        board: What they make for a board.
        absent: Rungs that this backend would have on another machine, with the reason.
    """

    stages: Callable[[BuildConfig], tuple[Stage, ...]] = lambda _: ()
    device: Device | None = None
    board: Callable[[BuildConfig], BoardDevice | None] = lambda _: None
    absent: Callable[[], tuple[Rung, ...]] = lambda: ()
