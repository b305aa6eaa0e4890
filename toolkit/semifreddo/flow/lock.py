"""One build at a time in one folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from semifreddo.core.errors import SemifreddoError


class BuildLockedError(SemifreddoError):
    """Another process is building in the same folder."""


@contextlib.contextmanager
def build_lock(folder: Path) -> Iterator[None]:
    """Hold a folder for one process.

    The kernel drops the lock when the process ends, however it ends, so there is never a stale one.

    Raises:
        BuildLockedError: Another process holds it; its id is named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            owner = handle.read(20).strip() or "unknown"
            raise BuildLockedError(
                f"{folder}: process {owner} is building here; wait until it is done"
            ) from error
        handle.seek(0)
        handle.truncate()
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield
