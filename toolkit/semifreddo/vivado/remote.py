"""A Vivado project on another machine: copied there, run there with its own one command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from semifreddo.core.errors import ConfigError, ToolError
from semifreddo.tools.runner import find_tool, run

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
_COPY_TIMEOUT_S = 600.0
_BUILD_TIMEOUT_S = 24 * 3600.0
_OPTIONS = ("-o", "BatchMode=yes", "-o", "ServerAliveInterval=60")
_PRODUCTS = ("out", "reports", "logs", ".done")


@dataclass(frozen=True)
class Archive:
    """A project's tarball.

    Attributes:
        path: The file.
        name: The design, and the one folder in it.
        digest: Of the project.
    """

    path: Path
    name: str
    digest: str

    @property
    def place(self) -> str:
        """Where it is put on the other machine, below the home folder."""
        return f"semifreddo/{self.name}-{self.digest[:12]}"


def run_remotely(
    archive: Archive,
    host: str,
    arguments: Sequence[str],
    folder: Path,
    *,
    report: Callable[[str], None],
) -> None:
    """Run a project over ssh and bring its products back.

    A later call with the same project goes on where this one stopped. ``ssh`` asks for nothing:
    keys have to be set up, and a login shell has to find Vivado.

    Args:
        archive: The project.
        host: As ssh takes it.
        arguments: For the project's ``run.sh``.
        folder: Gets ``out``, ``reports``, ``logs`` and the records of finished stages.
        report: Takes one line at a time.

    Raises:
        ConfigError: The host's name is none.
        ToolError: ssh is missing, the host does not answer, or the build failed there.
    """
    if not _HOST.fullmatch(host):
        raise ConfigError(f"vivado.host: {host!r} is no host name as ssh takes it")
    ssh = find_tool("ssh", "install an ssh client")
    scp = find_tool("scp", "install an ssh client")
    place, name, logs = archive.place, archive.name, folder / "logs"
    folder.mkdir(parents=True, exist_ok=True)

    def remote(label: str, command: str, timeout_s: float) -> None:
        words: list[str | Path] = [ssh, *_OPTIONS, host, f"bash -lc {shlex.quote(command)}"]
        run(words, cwd=folder, timeout_s=timeout_s, log=logs / f"{label}.log")

    report(f"      copying {archive.path.name} to {host}:{place}")
    remote("ssh-prepare", f"mkdir -p {place}", _COPY_TIMEOUT_S)
    words: list[str | Path] = [scp, *_OPTIONS, archive.path, f"{host}:{place}/project.tar.gz"]
    run(words, cwd=folder, timeout_s=_COPY_TIMEOUT_S, log=logs / "scp-there.log")
    start = f"cd {place} && tar xzf project.tar.gz && cd {name} && ./run.sh {shlex.join(arguments)}"
    report(f"      running there; progress is in {logs / 'ssh-run.log'}")
    try:
        remote("ssh-run", start.rstrip(), _BUILD_TIMEOUT_S)
    except ToolError as error:
        raise type(error)(f"on {host} in {place}/{name}: {error}") from error
    words = [scp, *_OPTIONS, "-r"]
    words += [f"{host}:{place}/{name}/{product}" for product in _PRODUCTS]
    run([*words, "."], cwd=folder, timeout_s=_COPY_TIMEOUT_S, log=logs / "scp-back.log")
