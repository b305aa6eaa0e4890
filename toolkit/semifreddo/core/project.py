"""A project before it exists: files in memory, a digest, and an all-or-nothing way to disk."""

from __future__ import annotations

import contextlib
import errno
import glob
import gzip
import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from semifreddo.core.digest import digest_bytes, digest_json
from semifreddo.core.errors import ProjectError
from semifreddo.core.scratch import mark, sweep_beside

STAMP = ".semifreddo-project"
"""File that marks a directory as written by :meth:`ProjectPlan.write`; holds the digest."""


@dataclass(frozen=True)
class ProjectPlan:
    """The files of a project.

    Attributes:
        files: Content by relative POSIX path.

    Raises:
        ProjectError: A path is absolute, leaves the project, or is both a file and a directory.
    """

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        for name in self.files:
            path = PurePosixPath(name)
            plain = path.as_posix() == name and "\\" not in name and name != STAMP
            if path.is_absolute() or ".." in path.parts or not path.parts or not plain:
                raise ProjectError(f"project file {name!r} is not a plain relative path")
            clash = [str(parent) for parent in path.parents if str(parent) in self.files]
            if clash:
                raise ProjectError(f"project file {name!r} is inside {clash[0]!r}, also a file")

    @cached_property
    def digest(self) -> str:
        """Digest of all paths and contents."""
        return digest_json({name: digest_bytes(data) for name, data in self.files.items()})

    def is_written(self, directory: Path) -> bool:
        """Whether a directory holds exactly these contents; more files, such as builds, may be."""
        try:
            return (
                all((directory / name).read_bytes() == data for name, data in self.files.items())
                and (directory / STAMP).read_text() == self.digest
            )
        except OSError:
            return False

    def write(self, directory: Path) -> bool:
        """Make a directory hold this project.

        The files are written beside it and swapped in at the end, so that a failure leaves the old
        project, or none. A directory that already holds the project is left alone, builds included;
        one that holds another project is replaced, builds included.

        Args:
            directory: Missing, empty, or written by this method before.

        Returns:
            Whether anything was written.

        Raises:
            ProjectError: The directory holds something else, or the disk is full or read-only.
        """
        if self.is_written(directory):
            return False
        try:
            if directory.exists() and not self._replaceable(directory):
                raise ProjectError(
                    f"{directory}: holds files that are no semifreddo project; choose another "
                    "directory or empty it"
                )
            directory.parent.mkdir(parents=True, exist_ok=True)
            self._swap_in(directory)
        except OSError as error:
            raise ProjectError(
                f"{directory}: cannot write the project: {_reason(error)}"
            ) from error
        return True

    @staticmethod
    def _replaceable(directory: Path) -> bool:
        return directory.is_dir() and (
            (directory / STAMP).is_file() or not any(directory.iterdir())
        )

    def _swap_in(self, directory: Path) -> None:
        name = f".{directory.name}."
        sweep_beside(directory.parent.glob(f"{glob.escape(name)}*"), re.escape(name))
        beside = Path(tempfile.mkdtemp(prefix=mark(name), dir=directory.parent))
        fresh, old = beside / "new", beside / "old"
        try:
            fresh.mkdir()
            for name, data in sorted(self.files.items()):
                path = fresh / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                path.chmod(_mode(data))
            (fresh / STAMP).write_text(self.digest)
            if directory.exists():
                directory.rename(old)
            try:
                fresh.rename(directory)
            except BaseException:
                if old.exists():
                    old.rename(directory)
                raise
        finally:
            with contextlib.suppress(OSError):
                shutil.rmtree(beside)

    def tarball(self, folder: str) -> bytes:
        """The project as a .tar.gz with one folder in it; equal plans give equal bytes.

        Args:
            folder: Name of the folder.
        """
        buffer = io.BytesIO()
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for name, data in sorted(self.files.items()):
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size = len(data)
                entry.mode = _mode(data)
                archive.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()


def _mode(data: bytes) -> int:
    """Permissions of a file: scripts that name their interpreter can be started."""
    return 0o755 if data.startswith(b"#!") else 0o644


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full; free some space and run again"
    return os.strerror(error.errno) if error.errno else str(error)
