"""What ssh and scp are asked to do; ``flow/stages/test_vivado.py`` runs it with fake ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from semifreddo.core.errors import ConfigError, ToolError, ToolTimeoutError
from semifreddo.vivado import remote
from semifreddo.vivado.remote import Archive, run_remotely

ARCHIVE = Archive(Path("/here/tiny-pynq_z2.tar.gz"), "tiny", "0123456789abcdef")
SAFE = ["-o", "BatchMode=yes", "-o", "ServerAliveInterval=60"]
HOUR = 3600


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], float, str]]:
    """Words, limit and log of each start."""
    found: list[tuple[list[str], float, str]] = []

    def run(words: Sequence[str | Path], *, timeout_s: float, log: Path, cwd: Path) -> None:
        found.append(([str(word) for word in words], timeout_s, log.relative_to(cwd).as_posix()))

    monkeypatch.setattr(remote, "run", run)
    monkeypatch.setattr(remote, "find_tool", lambda name, how: Path(f"/bin/{name}"))
    return found


def test_copied_there_run_there_and_brought_back(
    asked: list[tuple[list[str], float, str]], tmp_path: Path
) -> None:
    said: list[str] = []
    folder = tmp_path / "new" / "rtl"
    run_remotely(ARCHIVE, "me@big.lab", ("--jobs", "3 4"), folder, report=said.append)
    place = "semifreddo/tiny-0123456789ab"
    start = f"cd {place} && tar xzf project.tar.gz && cd tiny && ./run.sh --jobs"
    back = [f"me@big.lab:{place}/tiny/{name}" for name in ("out", "reports", "logs", ".done")]
    ssh, scp = ["/bin/ssh", *SAFE, "me@big.lab"], ["/bin/scp", *SAFE]
    assert asked == [
        ([*ssh, f"bash -lc 'mkdir -p {place}'"], 600, "logs/ssh-prepare.log"),
        (
            [*scp, "/here/tiny-pynq_z2.tar.gz", f"me@big.lab:{place}/project.tar.gz"],
            600,
            "logs/scp-there.log",
        ),
        ([*ssh, f"bash -lc '{start} '\"'\"'3 4'\"'\"''"], 24 * HOUR, "logs/ssh-run.log"),
        ([*scp, "-r", *back, "."], 600, "logs/scp-back.log"),
    ]
    assert said == [
        f"      copying tiny-pynq_z2.tar.gz to me@big.lab:{place}",
        f"      running there; progress is in {folder}/logs/ssh-run.log",
    ]


def test_a_project_without_options_ends_with_its_command(
    asked: list[tuple[list[str], float, str]], tmp_path: Path
) -> None:
    run_remotely(ARCHIVE, "big", (), tmp_path, report=lambda _: None)
    assert asked[2][0][-1].endswith(" && ./run.sh'")


@pytest.mark.parametrize("host", ["", "-oProxyCommand=x", "@big", ".big", "a b", "a;b", "a\n"])
def test_no_name_of_a_host(
    host: str, asked: list[tuple[list[str], float, str]], tmp_path: Path
) -> None:
    """One that begins with a dash would be an option of ssh."""
    with pytest.raises(ConfigError) as error:
        run_remotely(ARCHIVE, host, (), tmp_path, report=lambda _: None)
    assert str(error.value) == f"vivado.host: {host!r} is no host name as ssh takes it"
    assert not asked


def test_a_failure_there_says_where(
    asked: list[tuple[list[str], float, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(words: Sequence[str | Path], *, log: Path, **_: Any) -> None:
        if log.name == "ssh-run.log":
            raise ToolTimeoutError("ssh did not finish")

    monkeypatch.setattr(remote, "run", run)
    with pytest.raises(ToolTimeoutError) as error:
        run_remotely(ARCHIVE, "big", (), tmp_path, report=lambda _: None)
    assert str(error.value) == "on big in semifreddo/tiny-0123456789ab/tiny: ssh did not finish"


@pytest.mark.parametrize("missing", ["ssh", "scp"])
def test_no_ssh_here(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {"ssh", "scp"} - {missing}:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=rf"^{missing} not found; install an ssh client$"):
        run_remotely(ARCHIVE, "big", (), tmp_path, report=lambda _: None)
