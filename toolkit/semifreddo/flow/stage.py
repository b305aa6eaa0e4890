"""A stage: declared inputs and outputs, run only when needed, published whole or not at all.

A stage works in a scratch folder. Its outputs are moved into the build folder when all exist, and
its record is written last; so after a crash, Ctrl-C or a full disk a stage is either done or will
run again. The record holds a key: the digest of everything that went in (files, settings, outputs
of earlier stages, and the toolkit's own code). With the same key and undamaged outputs the stage is
skipped.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from semifreddo.core.digest import digest_file, digest_json
from semifreddo.core.errors import SemifreddoError, ToolError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.core.progress import heard_by
from semifreddo.core.scratch import sweep
from semifreddo.core.tables import option, read_table
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.seen import files_of, plain, seen, value_of

_PACKAGE = Path(__file__).resolve().parents[1]
_SCRATCH = ".scratch"
_RECORDS = ".stages"
_INDENT = " " * 6
"""In front of what a stage says, below its name."""
_PRODUCTS = "build"
"""A folder of this name inside an output is a tool's working place and no part of the output."""

Figures = dict[str, Any]
Report = Callable[[str], None]
"""Takes one line about progress."""


@dataclass(frozen=True)
class Workspace:
    """What a running stage sees.

    Attributes:
        config: The design, as far as the stage declares that it sees it.
        build: The build folder, where outputs of earlier stages lie; read only.
        out: Scratch folder for this stage's outputs, named as declared.
        report: Takes one line about progress.
    """

    config: BuildConfig
    build: Path
    out: Path
    report: Report


@dataclass(frozen=True)
class Stage:
    """One step of the flow.

    Attributes:
        name: The verb, also on the command line.
        summary: One line for people.
        reads: Outputs of earlier stages it needs.
        writes: Its own outputs: files or folders, relative to the build folder.
        code: Subpackages or modules whose code decides the result.
        run: Makes the outputs and gives figures that go into the record.
        decides: Keys of the design whose values decide the result (``rtl``, ``board.part``,
            ``clock_mhz``; see :func:`~semifreddo.flow.seen.seen`).
        files: Keys that name files of the design whose contents decide it; an absent one counts as
            absent.
        more_files: Further such files, which no key names.
        uses: Keys that it looks at and that decide nothing: limits of time, processes, messages.
        versions: Versions of packages that decide the result, as JSON.
        waits: Why it cannot run here, e.g. which tool is missing and how to get it; empty if it
            can. A plain build goes on without such a stage. Is told whether the user asked for this
            stage by name, and what takes a line about progress: a tool's first run takes minutes.
    """

    name: str
    summary: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    code: tuple[str, ...]
    run: Callable[[Workspace], Figures]
    decides: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    more_files: Callable[[BuildConfig], tuple[Path, ...]] = lambda _: ()
    uses: tuple[str, ...] = ()
    versions: Callable[[], object] = lambda: None
    waits: Callable[[BuildConfig, bool, Report], str] = lambda *_: ""

    def outputs(self, config: BuildConfig) -> dict[str, Path]:
        """Declared outputs in the build folder."""
        return {name: config.build_dir / name for name in self.writes}


@dataclass(frozen=True)
class StageRecord:
    """Proof that a stage ran.

    Attributes:
        key: Digest of all that went in.
        outputs: Digest of each output.
        figures: What the stage measured.
        waits: Why it did not run, if it did not.
    """

    stage: str
    key: str
    seconds: float
    outputs: Mapping[str, str]
    figures: Mapping[str, Any] = field(default_factory=dict)
    skipped: bool = option(False, help="taken from an earlier run")
    waits: str = ""

    @classmethod
    def load(cls, path: Path) -> StageRecord | None:
        """Read a record; a missing or damaged one is none."""
        try:
            return read_table(cls, parse_json(path.read_text(encoding="utf-8")), "", [])
        except (OSError, ValueError):
            return None

    def save(self, path: Path) -> None:
        """Write the record atomically."""
        data = {
            "stage": self.stage,
            "key": self.key,
            "seconds": self.seconds,
            "outputs": dict(self.outputs),
            "figures": dict(self.figures),
        }
        write_atomic(path, json.dumps(data, indent=1) + "\n")


def digest_tree(path: Path) -> str | None:
    """Digest of a file, or of a folder's file names and contents; None if there is nothing.

    Folders named ``build`` are left out.
    """
    if path.is_file():
        return digest_file(path)
    if not path.is_dir():
        return None
    files = {file.relative_to(path): file for file in sorted(path.rglob("*")) if file.is_file()}
    return digest_json(
        [
            [name.as_posix(), digest_file(file)]
            for name, file in files.items()
            if _PRODUCTS not in name.parent.parts
        ]
    )


@cache
def code_digest(parts: tuple[str, ...]) -> str:
    """Digest of the toolkit's own files, so that a changed toolkit builds again.

    Args:
        parts: Names of subpackages, or of modules beside them.
    """
    files = [file for part in parts for file in (_PACKAGE / part).rglob("*")]
    files += [_PACKAGE / f"{part}.py" for part in parts]
    return digest_json(
        {
            file.relative_to(_PACKAGE).as_posix(): digest_file(file)
            for file in files
            if file.is_file() and file.suffix != ".pyc"
        }
    )


def record_path(config: BuildConfig, stage: str) -> Path:
    """Where the record of a stage lies."""
    return config.build_dir / _RECORDS / f"{stage}.json"


def stage_key(stage: Stage, config: BuildConfig) -> str:
    """Digest of everything that goes into a stage."""
    return digest_json(
        {
            "stage": stage.name,
            "code": code_digest((*stage.code, "core", "ir")),
            "settings": {key: plain(value_of(config, key)) for key in stage.decides},
            "versions": stage.versions(),
            "files": [digest_tree(path) for path in _files(stage, config)],
            "reads": [digest_tree(config.build_dir / name) for name in stage.reads],
        }
    )


def _files(stage: Stage, config: BuildConfig) -> list[Path]:
    found = [path for key in stage.files for path in files_of(config, key)]
    return [*found, *stage.more_files(config)]


def is_current(record: StageRecord | None, stage: Stage, config: BuildConfig) -> bool:
    """Whether a record stands for what the stage would make now."""
    if record is None or record.key != stage_key(stage, config):
        return False
    outputs = stage.outputs(config)
    return set(record.outputs) == set(outputs) and all(
        digest_tree(path) == record.outputs[name] for name, path in outputs.items()
    )


def clean_scratch(build: Path) -> None:
    """Remove what interrupted processes left, also elsewhere; the build lock must be held."""
    sweep()
    shutil.rmtree(build / _SCRATCH, ignore_errors=True)


def run_stage(
    stage: Stage,
    config: BuildConfig,
    *,
    force: bool = False,
    wanted: bool = False,
    report: Report = lambda _: None,
    begin: Callable[[], None] = lambda: None,
) -> StageRecord:
    """Bring a stage up to date. The build lock must be held.

    Args:
        stage: The stage; the stages before it are up to date.
        config: The design.
        force: Run also if nothing has changed.
        wanted: The user asked for this stage, so it must not wait.
        report: Takes one line about progress.
        begin: Called before it runs; a stage that is up to date or waits does not.

    Raises:
        ToolError: It is wanted and cannot run here.
        SemifreddoError: Whatever went wrong; the build folder holds the old outputs, or none.
    """
    path = record_path(config, stage.name)
    record = StageRecord.load(path)
    if record is not None and not force and is_current(record, stage, config):
        return StageRecord(
            record.stage, record.key, record.seconds, record.outputs, record.figures, skipped=True
        )
    if reason := stage.waits(config, wanted, report):
        if wanted:
            raise ToolError(f"stage {stage.name}: {reason}")
        _withdraw(stage, config)
        return StageRecord(stage.name, "", 0.0, {}, waits=reason)
    begin()
    key = stage_key(stage, config)
    scratch = config.build_dir / _SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=f"{stage.name}-", dir=scratch) as folder:
        out = Path(folder) / "out"
        out.mkdir()
        visible = seen(config, stage.name, (*stage.decides, *stage.files, *stage.uses))
        with heard_by(lambda line: report(f"{_INDENT}{line}")):
            figures = stage.run(Workspace(visible, config.build_dir, out, report))
        missing = [name for name in stage.writes if not (out / name).exists()]
        if missing:
            raise SemifreddoError(f"stage {stage.name}: did not make {missing[0]!r}; this is a bug")
        path.unlink(missing_ok=True)
        _publish(stage, out, config.build_dir, Path(folder) / "old")
    outputs = {name: digest_tree(target) or "" for name, target in stage.outputs(config).items()}
    record = StageRecord(stage.name, key, time.perf_counter() - start, outputs, figures)
    record.save(path)
    return record


def _withdraw(stage: Stage, config: BuildConfig) -> None:
    """Remove what an earlier run made of other inputs, so that nothing is built from it."""
    record_path(config, stage.name).unlink(missing_ok=True)
    for path in stage.outputs(config).values():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _publish(stage: Stage, out: Path, build: Path, old: Path) -> None:
    old.mkdir()
    for index, name in enumerate(stage.writes):
        target = build / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(old / str(index))
        (out / name).rename(target)
