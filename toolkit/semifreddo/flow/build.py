"""The flow: all stages in order, and the report of what came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar

from semifreddo.core.errors import ConfigError, SemifreddoError
from semifreddo.core.files import write_atomic
from semifreddo.core.tables import nearest, read_table
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.bundle import bundle_stage
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.csim import CSIM
from semifreddo.flow.doctor import package_versions
from semifreddo.flow.lock import build_lock
from semifreddo.flow.lower import LOWER
from semifreddo.flow.project import PROJECT
from semifreddo.flow.stage import Stage, StageRecord, clean_scratch, run_stage
from semifreddo.ir.serial import load_net
from semifreddo.reports.report import (
    BuildReport,
    BundleFigures,
    CsimFigures,
    NetFigures,
    ProjectFigures,
    RungFigures,
    StageFigures,
    TargetFigures,
    TaskFigures,
)

_CURVES = {
    "Training of the frozen core": "train/core/curve.png",
    "Training of the task": "train/task/curve.png",
}
"""Pictures that `semifreddo train` leaves in the build folder, shown in the report."""

STAGE_NAMES = ("lower", "project", "csim", "bundle")

T = TypeVar("T")


@dataclass(frozen=True)
class _Rungs:
    rungs: tuple[RungFigures, ...] = ()


def stages(config: BuildConfig) -> tuple[Stage, ...]:
    """The stages of a design, in order."""
    return (LOWER, PROJECT, CSIM, bundle_stage(config))


def _position(name: str) -> int:
    if name not in STAGE_NAMES:
        raise ConfigError(f"there is no stage {name!r}{nearest(name, STAGE_NAMES)}")
    return STAGE_NAMES.index(name)


def build(
    config: BuildConfig,
    *,
    first: str | None = None,
    until: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> BuildReport:
    """Bring a design's build folder up to date.

    Stages whose inputs have not changed are skipped; so an interrupted build goes on where it was.

    Args:
        config: The design.
        first: Run this stage and all after it even if they are up to date.
        until: Stop after this stage.
        progress: Takes one line at a time.

    Returns:
        The report, which is also written to ``build/report.json`` (and ``report.html``).

    Raises:
        SemifreddoError: A stage failed; the report is written all the same.
        LimitError: The design is built but a figure is outside its limit.
    """
    force = len(STAGE_NAMES) if first is None else _position(first)
    last = len(STAGE_NAMES) - 1 if until is None else _position(until)
    records: list[StageRecord] = []
    with build_lock(config.build_dir):
        clean_scratch(config.build_dir)
        try:
            for index, stage in enumerate(stages(config)[: last + 1]):
                progress(f"[{index + 1}/{len(STAGE_NAMES)}] {stage.name}: {stage.summary}")
                record = run_stage(stage, config, force=index >= force, report=progress)
                progress(_outcome(record))
                records.append(record)
        except SemifreddoError:
            _write(config, assemble(config, records))
            raise
        report = assemble(config, records)
        _write(config, report)
    if until is None:
        report.check_limits(config.limits)
    return report


def _outcome(record: StageRecord) -> str:
    return "      up to date" if record.skipped else f"      done in {record.seconds:.1f} s"


def _read(cls: type[T], data: object) -> T | None:
    return None if data is None else read_table(cls, data, "stage record", [])


def assemble(config: BuildConfig, records: Sequence[StageRecord]) -> BuildReport:
    """Put the figures of stages together; what no stage measured stays None."""
    figures: dict[str, Any] = {}
    for record in records:
        figures.update(record.figures)
    ladder = _read(_Rungs, {"rungs": figures.get("ladder", [])})
    board = config.board
    return BuildReport(
        design=config.name,
        finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=package_versions() | _texts(figures.get("versions")),
        target=TargetFigures(
            board=board.name,
            part=board.part,
            clock_mhz=config.clock_mhz,
            **dataclasses.asdict(board.resources),
        ),
        stages=tuple(
            StageFigures(record.stage, round(record.seconds, 3), record.skipped)
            for record in records
        ),
        net=_read(NetFigures, figures.get("net")),
        task=_read(TaskFigures, figures.get("task")),
        project=_read(ProjectFigures, figures.get("project")),
        csim=_read(CsimFigures, figures.get("csim")),
        ladder=() if ladder is None else ladder.rungs,
        bundle=_read(BundleFigures, figures.get("bundle")),
    )


def _texts(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def _write(config: BuildConfig, report: BuildReport) -> None:
    report.save(config.build_dir / "report.json")
    page = _page(config, report)
    if page is not None:
        write_atomic(config.build_dir / "report.html", page)


def _page(config: BuildConfig, report: BuildReport) -> str | None:
    """The report for people; None without the packages that draw it."""
    try:
        from semifreddo.reports.html import render_html
    except ImportError:
        return None
    net = vectors = None
    if report.net is not None:
        net = load_net(config.build_dir / "net.json")
        vectors = VectorSet.load(config.build_dir / "vectors.npz")
    curves = {title: config.build_dir / name for title, name in _CURVES.items()}
    pictures = {title: path.read_bytes() for title, path in curves.items() if path.is_file()}
    return render_html(report, net, vectors, pictures)
