from __future__ import annotations

import errno
from pathlib import Path

import pytest

from semifreddo.core.files import atomic_path, write_atomic


def test_content_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    write_atomic(target, "hello")
    assert target.read_text() == "hello"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
def test_failure_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(type(error)), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
