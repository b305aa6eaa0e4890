"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from semifreddo.core.errors import ConfigError, SemifreddoError
from semifreddo.core.scratch import mark, sweep_beside


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and move it into place on success.

    Whatever goes wrong inside (an exception, Ctrl-C, a full disk) leaves the old file, or none,
    and no temporary file. What a killed process has left beside ``path`` is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_beside(path.parent.glob(f"{glob.escape(f'.{path.name}.')}*"), re.escape(f".{path.name}."))
    handle, name = tempfile.mkstemp(prefix=mark(f".{path.name}."), dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_target(path: Path, what: str, load: Callable[[Path], object]) -> None:
    """Refuse to write where a user's other file would be lost; call it before long work.

    Args:
        path: The file that will be written.
        what: What it will hold, for instance ``a task file``.
        load: Reads such a file; raises a :class:`SemifreddoError` for anything else.

    Raises:
        ConfigError: ``path`` is a folder, or a file that ``load`` does not read.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name {what} to write")
    if not path.exists():
        return
    try:
        load(path)
    except SemifreddoError:
        raise ConfigError(
            f"{path}: exists and is not {what}; name another file, or remove this one"
        ) from None


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write text (UTF-8) or bytes so that a reader sees the old content or the new, never half."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
