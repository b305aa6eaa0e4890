"""The reproducible archive."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from semifreddo.core.project import ProjectPlan

PLAN = ProjectPlan({"b/two.txt": b"2\n", "run.sh": b"#!/bin/sh\n", "a": b""})


def test_equal_plans_give_equal_bytes() -> None:
    again = ProjectPlan(dict(reversed(PLAN.files.items())))
    assert PLAN.tarball("one") == again.tarball("one") != PLAN.tarball("two")


def test_what_is_in_it(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(PLAN.tarball("top"))) as archive:
        assert archive.getnames() == ["top/a", "top/b/two.txt", "top/run.sh"]
        modes = {entry.name: entry.mode for entry in archive.getmembers()}
        assert modes == {"top/a": 0o644, "top/b/two.txt": 0o644, "top/run.sh": 0o755}
        assert {entry.mtime for entry in archive.getmembers()} == {0}
        archive.extractall(tmp_path, filter="data")
    assert (tmp_path / "top" / "b" / "two.txt").read_bytes() == b"2\n"


def test_a_script_can_be_started(tmp_path: Path) -> None:
    PLAN.write(tmp_path / "p")
    assert (tmp_path / "p" / "run.sh").stat().st_mode & 0o111
    assert not (tmp_path / "p" / "a").stat().st_mode & 0o111
