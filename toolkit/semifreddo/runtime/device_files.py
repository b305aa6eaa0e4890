"""What configures a device: files beside a bundle or inside it, proven by their digests."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from semifreddo.core.digest import digest_bytes, digest_file, digest_json
from semifreddo.core.errors import BundleError
from semifreddo.core.files import write_atomic

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_name(what: str, name: str) -> None:
    """Refuse a name that is not safe as a file name."""
    if not _NAME.fullmatch(name):
        raise BundleError(f"bundle: {what} name {name!r} must be letters, digits, '.', '_' and '-'")


@dataclass(frozen=True)
class TransportFile:
    """A device file beside the bundle.

    Attributes:
        path: Relative to the bundle's folder, with forward slashes, never leaving it.
        sha256: Digest of its content.
    """

    path: str
    sha256: str

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path)
        if not parts.parts or parts.is_absolute() or ".." in parts.parts or "\\" in self.path:
            raise BundleError(f"bundle: device file {self.path!r} is not a path below the bundle")
        if not _SHA256.fullmatch(self.sha256):
            raise BundleError(f"bundle: device file {self.path!r} has no SHA-256 digest")

    @classmethod
    def of(cls, file: Path, folder: Path) -> TransportFile:
        """Describe an existing file for a bundle that will lie in ``folder``."""
        return cls(file.relative_to(folder).as_posix(), digest_file(file))


@dataclass(frozen=True)
class DeviceFiles:
    """Device files inside the bundle.

    Attributes:
        content: Content by file name; the first one is what the transport opens.
    """

    content: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if not self.content:
            raise BundleError("bundle: a transport without device files")
        for name in self.content:
            check_name("device file", name)

    def extract(self) -> Path:
        """Write the files to the cache, unless they are there unchanged; the first one's path."""
        digest = digest_json({name: digest_bytes(data) for name, data in self.content.items()})
        folder = cache_folder() / digest
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, data in self.content.items():
            path = folder / name
            if not path.is_file() or path.is_symlink() or path.read_bytes() != data:
                write_atomic(path, data)
        return folder / next(iter(self.content))


def cache_folder() -> Path:
    """Where device files are extracted to: ``$SEMIFREDDO_CACHE``, or the user's cache folder."""
    found = os.environ.get("SEMIFREDDO_CACHE")
    if found:
        return Path(found)
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user) if user else Path.home() / ".cache") / "semifreddo"
