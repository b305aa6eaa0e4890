from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from semifreddo.core.errors import SemifreddoError, ToolError
from semifreddo.core.progress import tell
from semifreddo.flow.build import stages
from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.flow.lock import BuildLockedError, build_lock
from semifreddo.flow.stage import (
    Figures,
    Stage,
    Workspace,
    clean_scratch,
    code_digest,
    record_path,
    run_stage,
)


@pytest.fixture
def config(tmp_path: Path) -> BuildConfig:
    (tmp_path / "design.toml").write_text('[design]\nname = "x"\n')
    (tmp_path / "input.txt").write_text("1")
    return load_config(tmp_path)


def double(work: Workspace) -> Figures:
    text = (work.config.root / "input.txt").read_text()
    (work.out / "result.txt").write_text(text * 2)
    (work.out / "tree").mkdir()
    (work.out / "tree" / "a").write_text(text)
    return {"length": 2 * len(text)}


STAGE = Stage(
    name="double",
    summary="",
    reads=(),
    writes=("result.txt", "tree"),
    code=("flow",),
    run=double,
    more_files=lambda config: (config.root / "input.txt",),
    decides=("clock_mhz",),
)


def test_runs_once(config: BuildConfig) -> None:
    first = run_stage(STAGE, config)
    again = run_stage(STAGE, config)
    assert (first.skipped, again.skipped) == (False, True)
    assert again.figures == first.figures == {"length": 2}
    assert (config.build_dir / "result.txt").read_text() == "11"


def test_runs_again_when_something_changes(config: BuildConfig) -> None:
    run_stage(STAGE, config)
    (config.root / "input.txt").write_text("2")
    assert not run_stage(STAGE, config).skipped
    assert (config.build_dir / "result.txt").read_text() == "22"
    faster = dataclasses.replace(config, design=dataclasses.replace(config.design, clock_mhz=50.0))
    assert not run_stage(STAGE, faster).skipped
    assert run_stage(STAGE, faster).skipped
    assert not run_stage(STAGE, faster, force=True).skipped


@pytest.mark.parametrize("damage", ["delete", "edit", "extra", "record"])
def test_runs_again_when_outputs_are_damaged(config: BuildConfig, damage: str) -> None:
    run_stage(STAGE, config)
    if damage == "delete":
        (config.build_dir / "result.txt").unlink()
    elif damage == "edit":
        (config.build_dir / "tree" / "a").write_text("edited")
    elif damage == "extra":
        (config.build_dir / "tree" / "b").write_text("new")
    else:
        record_path(config, "double").write_text("{")
    assert not run_stage(STAGE, config).skipped
    assert (config.build_dir / "result.txt").read_text() == "11"
    assert not (config.build_dir / "tree" / "b").exists()
    assert run_stage(STAGE, config).skipped


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(28, "No space left on device"), SemifreddoError("no")]
)
def test_interrupted_stage_leaves_the_old_outputs(
    config: BuildConfig, error: BaseException
) -> None:
    run_stage(STAGE, config)
    (config.root / "input.txt").write_text("3")

    def fail(work: Workspace) -> Figures:
        (work.out / "result.txt").write_text("half")
        raise error

    with pytest.raises(type(error)):
        run_stage(dataclasses.replace(STAGE, run=fail), config)
    assert (config.build_dir / "result.txt").read_text() == "11"
    assert list((config.build_dir / ".scratch").iterdir()) == []
    assert not run_stage(STAGE, config).skipped
    assert (config.build_dir / "result.txt").read_text() == "33"


def test_stopped_while_publishing_runs_again(
    config: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(STAGE, config)
    (config.root / "input.txt").write_text("4")
    rename = Path.rename

    def stop(self: Path, target: Path) -> Path:
        if self.name == "tree" and "out" in self.parts:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        run_stage(STAGE, config)
    monkeypatch.undo()
    assert not record_path(config, "double").exists()
    assert not run_stage(STAGE, config).skipped
    assert (config.build_dir / "tree" / "a").read_text() == "4"


def test_missing_output_is_an_error(config: BuildConfig) -> None:
    lazy = dataclasses.replace(STAGE, run=lambda work: {})
    with pytest.raises(SemifreddoError, match=r"stage double: did not make 'result.txt'"):
        run_stage(lazy, config)
    assert not record_path(config, "double").exists()


def test_scratch_of_a_killed_process_is_removed(config: BuildConfig) -> None:
    left = config.build_dir / ".scratch" / "double-abc" / "out"
    left.mkdir(parents=True)
    clean_scratch(config.build_dir)
    assert not left.exists()


def test_two_builds_do_not_meet(tmp_path: Path) -> None:
    """Locks belong to an open file, so a second one in this process stands for another process."""
    message = f"process {os.getpid()} is building here; wait until it is done"
    refused = pytest.raises(BuildLockedError, match=message)
    with build_lock(tmp_path), refused, build_lock(tmp_path):
        pass
    with build_lock(tmp_path):
        pass


def test_code_digest_sees_subpackages_and_modules() -> None:
    assert len({code_digest(("hls",)), code_digest(("adders",)), code_digest(("nothing",))}) == 3


def test_every_part_a_stage_names_exists(config: BuildConfig) -> None:
    empty = code_digest(())
    for stage in stages(config):
        for part in stage.code:
            assert code_digest((part,)) != empty, f"{stage.name}: there is no {part}"


def test_what_a_computation_tells_is_reported_below_its_stage(config: BuildConfig) -> None:
    def run(work: Workspace) -> Figures:
        tell("half done")
        return double(work)

    said: list[str] = []
    run_stage(dataclasses.replace(STAGE, run=run), config, report=said.append)
    assert said == ["      half done"]


def test_a_stage_waits_unless_it_is_asked_for(config: BuildConfig) -> None:
    """Nothing is left of an earlier run, so that nothing is built from it."""
    run_stage(STAGE, config)
    (config.root / "input.txt").write_text("2")
    waiting = dataclasses.replace(STAGE, waits=lambda *_: "needs a tool")
    with pytest.raises(ToolError) as error:
        run_stage(waiting, config, wanted=True)
    assert str(error.value) == "stage double: needs a tool"
    record = run_stage(waiting, config)
    assert (record.waits, record.outputs, record.skipped) == ("needs a tool", {}, False)
    assert not (config.build_dir / "result.txt").exists()
