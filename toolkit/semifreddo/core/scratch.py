"""Temporary names that bear their process's number, so that what a killed one leaves can be found.

A process that is killed (``kill -9``, out of memory) cannot tidy up. The next one that works in the
same place does it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

_PREFIX = "semifreddo-"


def mark(name: str) -> str:
    """The beginning of a temporary name: of what it is for, and of this process."""
    return f"{name}{os.getpid()}-"


def folder(purpose: str) -> tempfile.TemporaryDirectory[str]:
    """A folder in the system's temporary folder, for a ``with`` statement."""
    return tempfile.TemporaryDirectory(prefix=mark(f"{_PREFIX}{purpose}-"))


def sweep() -> None:
    """Remove the folders of processes that are gone from the system's temporary folder."""
    place = Path(tempfile.gettempdir())
    sweep_beside(place.glob(f"{_PREFIX}*"), _PREFIX + r"\w+-")


def sweep_beside(paths: Iterable[Path], name: str) -> None:
    """Remove files and folders of processes that are gone.

    Args:
        paths: Where to look.
        name: Regular expression of what stands in front of the process's number.
    """
    for path in paths:
        found = re.fullmatch(rf"{name}(\d+)-\w+", path.name)
        if found is None or _runs(int(found[1])):
            continue
        with contextlib.suppress(OSError):  # another process removes it, or it is another user's
            if path.stat().st_uid == os.getuid():
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True  # another user's process, or no process number
    return True
