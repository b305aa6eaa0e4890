"""Plans: pure, hashable, and on disk wholly or not at all."""

from __future__ import annotations

import errno
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semifreddo.core.errors import ProjectError
from semifreddo.core.project import STAMP, ProjectPlan

FILES = {"a.txt": b"one", "dir/b.bin": b"\x00\xff", "dir/sub/c": b""}


def tree(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_the_digest_depends_on_names_and_contents_only() -> None:
    plan = ProjectPlan(FILES)
    assert plan.digest == ProjectPlan(dict(reversed(FILES.items()))).digest
    assert plan.digest != ProjectPlan(FILES | {"a.txt": b"two"}).digest
    assert plan.digest != ProjectPlan(FILES | {"d": b""}).digest
    renamed = {("other" if name == "a.txt" else name): data for name, data in FILES.items()}
    assert plan.digest != ProjectPlan(renamed).digest
    exchanged = FILES | {"a.txt": FILES["dir/b.bin"], "dir/b.bin": FILES["a.txt"]}
    assert plan.digest != ProjectPlan(exchanged).digest


@pytest.mark.parametrize("name", ["/a", "../a", "a/../b", "", ".", "a//b", "a\\b", "./a", STAMP])
def test_paths_stay_inside(name: str) -> None:
    with pytest.raises(ProjectError, match=r"is not a plain relative path$"):
        ProjectPlan({name: b""})


def test_a_file_is_no_directory() -> None:
    with pytest.raises(ProjectError, match=r"^project file 'a/b' is inside 'a', also a file$"):
        ProjectPlan({"a": b"", "a/b": b""})
    with pytest.raises(ProjectError, match=r"^project file 'a/b/c' is inside 'a/b', also a file$"):
        ProjectPlan({"a/b/c": b"", "a": b"", "a/b": b""})


def test_write_and_write_again(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "project"
    plan = ProjectPlan(FILES)
    assert plan.write(target)
    assert tree(target) == {**FILES, STAMP: plan.digest.encode()}
    (target / "build.o").write_text("kept while the project is the same")
    assert plan.is_written(target)
    assert not plan.write(target)
    assert (target / "build.o").exists()
    other = ProjectPlan({"new": b"2"})
    assert other.write(target)
    assert tree(target) == {"new": b"2", STAMP: other.digest.encode()}
    assert [path.name for path in target.parent.iterdir()] == ["project"]


def test_an_edited_project_is_restored(tmp_path: Path) -> None:
    plan = ProjectPlan(FILES)
    plan.write(tmp_path / "p")
    (tmp_path / "p" / "a.txt").write_text("edited")
    assert plan.write(tmp_path / "p")
    assert (tmp_path / "p" / "a.txt").read_bytes() == b"one"


def test_a_directory_of_someone_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("important")
    with pytest.raises(ProjectError, match=r"holds files that are no semifreddo project; choose"):
        ProjectPlan(FILES).write(tmp_path / "precious")
    assert tree(tmp_path / "precious") == {"thesis.tex": b"important"}
    (tmp_path / "file").touch()
    with pytest.raises(ProjectError, match=r"holds files that are no semifreddo project"):
        ProjectPlan(FILES).write(tmp_path / "file")


def test_a_full_disk_leaves_the_old_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ProjectPlan({"old": b"1"})
    old.write(tmp_path / "p")
    real = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "c":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    message = r"p: cannot write the project: the disk is full; free some space and run again$"
    with pytest.raises(ProjectError, match=message):
        ProjectPlan(FILES).write(tmp_path / "p")
    with pytest.raises(ProjectError, match=message.replace("p:", "q:")):
        ProjectPlan(FILES).write(tmp_path / "q")
    assert old.is_written(tmp_path / "p")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_an_interrupt_at_the_swap_keeps_the_old_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ProjectPlan({"old": b"1"})
    old.write(tmp_path / "p")
    real = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise KeyboardInterrupt
        return real(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ProjectPlan(FILES).write(tmp_path / "p")
    assert old.is_written(tmp_path / "p")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_read_only_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        ProjectError, match=r"cannot write the project: (Not a directory|File exis)"
    ):
        ProjectPlan(FILES).write(tmp_path / "file" / "p")


names = st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}", fullmatch=True)


@settings(deadline=None)
@given(st.dictionaries(names, st.binary(max_size=9), max_size=6))
def test_the_archive_holds_the_files_and_is_stable(files: dict[str, bytes]) -> None:
    try:
        plan = ProjectPlan(files)
    except ProjectError:
        return
    data = plan.tarball("p")
    assert data == ProjectPlan(dict(reversed(files.items()))).tarball("p")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        packed = {entry.name: archive.extractfile(entry) for entry in archive.getmembers()}
        assert {name: file.read() for name, file in packed.items() if file is not None} == {
            f"p/{name}": content for name, content in files.items()
        }
