"""Which stages of a Vivado project are done: a record per stage, written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from semifreddo.core.files import write_atomic

_FOLDER = ".done"
_CHUNK_BYTES = 1 << 20


def digest(root: Path, names: Iterable[str]) -> str:
    """SHA-256 over the files of a project, folders with all they hold; absent ones count too."""
    total = hashlib.sha256()
    for name in sorted(set(names)):
        path = root / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if not file.is_dir():
                line = f"{file.relative_to(root).as_posix()} {_digest_file(file)}\n"
                total.update(line.encode())
    return total.hexdigest()


def _digest_file(path: Path) -> str:
    sha = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            for chunk in iter(lambda: handle.read(_CHUNK_BYTES), b""):
                sha.update(chunk)
    except OSError:
        return "absent"
    return sha.hexdigest()


def save(root: Path, stage: str, key: str, outputs: str) -> None:
    """Note that a stage is done with these inputs and outputs."""
    write_atomic(root / _FOLDER / f"{stage}.json", json.dumps([key, outputs]) + "\n")


def load(root: Path, stage: str) -> tuple[str, str] | None:
    """Inputs and outputs of a stage's last success; None if there is none."""
    try:
        data = json.loads((root / _FOLDER / f"{stage}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not (isinstance(data, list) and len(data) == 2 and all(isinstance(x, str) for x in data)):
        return None
    return data[0], data[1]


def forget(root: Path, stage: str) -> None:
    """Drop a stage's record."""
    (root / _FOLDER / f"{stage}.json").unlink(missing_ok=True)
