"""What a killed process leaves is removed by the next one; what a living one uses is not."""

from __future__ import annotations

import os
import signal
import subprocess  # noqa: TID251
import sys
import tempfile
from pathlib import Path

import pytest

from semifreddo.core import scratch
from semifreddo.core.files import atomic_path, write_atomic
from semifreddo.core.project import ProjectPlan

KILLED = """
import os, signal, sys
from pathlib import Path
from semifreddo.core import scratch
from semifreddo.core.files import atomic_path
place = Path(sys.argv[1])
folder = scratch.folder("rtl")
Path(folder.name, "states").write_text("x")
with atomic_path(place / "a[1].json") as path:
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder is the test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_process_leaves(place: Path) -> None:
    mine = scratch.folder("rtl")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(place.iterdir())) == 3
    write_atomic(place / "b.json", "{}")  # another file's leftovers are not its business
    assert len(list(place.iterdir())) == 4
    write_atomic(place / "a[1].json", "{}")
    scratch.sweep()
    assert sorted(path.name for path in place.iterdir()) == sorted(
        ["a[1].json", "b.json", Path(mine.name).name]
    )
    mine.cleanup()


def test_what_is_nobodys_stays(place: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = ["semifreddo-notes", f"other-rtl-{ended.pid}-x", "semifreddo-rtl-x", "semifreddo-1-"]
    for name in names:
        (place / name).mkdir()
    (place / f"semifreddo-rtl-{os.getppid()}-abc").mkdir()
    (place / f"semifreddo-rtl-{ended.pid}-abc").mkdir()
    (place / f"semifreddo-rtl-{10**30}-abc").mkdir()
    scratch.sweep()
    left = {path.name for path in place.iterdir()}
    assert left == {
        *names,
        f"semifreddo-rtl-{os.getppid()}-abc",
        f"semifreddo-rtl-{10**30}-abc",
    }


def test_an_atomic_file_of_a_living_process_stays(place: Path) -> None:
    target = place / "task.json"
    with atomic_path(target) as first:
        write_atomic(target, "second")
        first.write_text("first")
    assert target.read_text() == "first"


def test_a_project_written_after_a_kill(place: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (place / f".project.{ended.pid}-abc" / "new").mkdir(parents=True)
    ProjectPlan({"a": b"1"}).write(place / "project")
    assert [path.name for path in place.iterdir()] == ["project"]
