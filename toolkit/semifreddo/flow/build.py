"""The flow: all stages in order, and the report of what came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any

from semifreddo.core.errors import ConfigError, SemifreddoError
from semifreddo.core.files import write_atomic
from semifreddo.core.tables import nearest, read_table
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.backend import Backend
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.doctor import package_versions
from semifreddo.flow.history import remembered
from semifreddo.flow.lock import build_lock
from semifreddo.flow.rungs import board_rungs
from semifreddo.flow.stage import Stage, StageRecord, clean_scratch, run_stage
from semifreddo.flow.stages.bundle import bundle_stage, tasks_of
from semifreddo.flow.stages.cosim import RTL
from semifreddo.flow.stages.csim import CSIM
from semifreddo.flow.stages.ecp5 import ECP5
from semifreddo.flow.stages.lower import LOWER
from semifreddo.flow.stages.project import PROJECT_DIR
from semifreddo.flow.stages.rtl import RTL_DIR
from semifreddo.flow.stages.synth import SYNTH
from semifreddo.flow.stages.vendor import VENDOR
from semifreddo.flow.stages.vivado import VIVADO
from semifreddo.flow.trained import check_trained
from semifreddo.ir.serial import load_net
from semifreddo.reports.figures import RungFigures
from semifreddo.reports.report import BuildReport
from semifreddo.sim.ladder import Rung

BACKENDS = (
    CSIM,
    RTL,
    SYNTH,
    ECP5,
    VENDOR,
    VIVADO,
    Backend(absent=board_rungs),
)
"""All backends, in the order in which their stages run, between ``lower`` and ``bundle``.

To add one: a module of ``flow/stages`` with its stages and a ``Backend`` that lists them (csim.py
is one), and an entry here. Figures its stages return are fields of
:class:`~semifreddo.reports.report.BuildReport`, where their types are declared. A device that its
stages make gets into the bundle, ``check`` and ``demo`` without further code.
"""

_RESOURCES = ("lut", "ff", "dsp", "bram18")

_CURVES = {
    "Training of the frozen core": "train/core/curve.png",
    "Training of the task": "train/task/curve.png",
}
"""Pictures that `semifreddo train` leaves in the build folder, shown in the report."""

_FILES = {
    "report.json": "this page's figures, for other programs",
    "net.txt": "the integer network, readable",
    f"{PROJECT_DIR}/ADDRESS_MAP.md": "the weight port, for a driver of one's own",
    f"{RTL_DIR}/schedule.txt": "why every layer of the Verilog is as fast as it is",
}
"""Files of the build folder that people read, by path; the report links to those that exist."""


def stages(config: BuildConfig) -> tuple[Stage, ...]:
    """The stages of a design, in order."""
    devices = [backend.device for backend in BACKENDS if backend.device is not None]
    middle = (stage for backend in BACKENDS for stage in backend.stages(config))
    boards = [board for backend in BACKENDS if (board := backend.board(config)) is not None]
    return (LOWER, *middle, bundle_stage(config, devices, boards))


def _position(name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise ConfigError(f"there is no stage {name!r}{nearest(name, names)}")
    return names.index(name)


def build(
    config: BuildConfig,
    *,
    first: str | None = None,
    until: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
    command: str = "",
) -> BuildReport:
    """Bring a design's build folder up to date.

    Stages whose inputs have not changed are skipped; so an interrupted build goes on where it was.

    Args:
        config: The design.
        first: Run this stage and all after it even if they are up to date.
        until: Stop after this stage.
        progress: Takes one line at a time.
        command: What the user typed, for the report.

    Returns:
        The report, which is also written to ``build/report.json`` (and ``report.html``).

    Raises:
        SemifreddoError: A stage failed; the report is written all the same.
        LimitError: The design is built but a figure is outside its limit.
    """
    plan = stages(config)
    names = [stage.name for stage in plan]
    force = len(plan) if first is None else _position(first, names)
    last = len(plan) - 1 if until is None else _position(until, names)
    _check_before(config)
    records: list[StageRecord] = []
    with build_lock(config.build_dir):
        clean_scratch(config.build_dir)
        try:
            for index, stage in enumerate(plan[: last + 1]):
                title = f"[{index + 1}/{len(plan)}] {stage.name}:"
                record = run_stage(
                    stage,
                    config,
                    force=index >= force,
                    wanted=stage.name in (first, until),
                    report=progress,
                    begin=partial(progress, f"{title} {stage.summary}"),
                )
                progress(_outcome(record, title))
                records.append(record)
        except SemifreddoError:
            _write(config, assemble(config, records, command))
            raise
        report = _write(config, assemble(config, records, command))
    if until is None:
        report.check_limits(config.limits)
    return report


def _check_before(config: BuildConfig) -> None:
    """Refuse, before anything is built, what the design and the board alone show to be wrong.

    Raises:
        ConfigError: The clock is outside the board's limits, or the design's own class is missing.
        CheckpointError: The checkpoint that the ladder will read is damaged, or of another model.
        TaskError: A further task is missing, damaged, or has the name of another.
    """
    config.board.check_clock(config.clock_mhz)
    check_trained(config)
    tasks_of(config, config.task_name)


def _outcome(record: StageRecord, title: str) -> str:
    """How a stage ended, in one line if it did not run."""
    if record.waits:
        return f"{title} waits: {record.waits}"
    return f"{title} up to date" if record.skipped else f"      done in {record.seconds:.1f} s"


def assemble(config: BuildConfig, records: Sequence[StageRecord], command: str = "") -> BuildReport:
    """Put the figures of stages together; what no stage measured stays None."""
    table: dict[str, Any] = {
        "design": config.name,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "target": {
            "board": config.board.name,
            "part": config.board.part,
            "clock_mhz": config.clock_mhz,
            "board_share": config.rtl.board_share,
            **{name: getattr(config.board.resources, name) for name in _RESOURCES},
        },
        "command": command,
        "stages": [
            {
                "name": record.stage,
                "seconds": None if record.waits else round(record.seconds, 3),
                "skipped": record.skipped,
                "waits": record.waits,
                "outputs": list(record.outputs),
            }
            for record in records
        ],
    }
    versions, climbed = package_versions(), []
    for record in records:
        figures = dict(record.figures)
        versions |= figures.pop("versions", {})
        climbed += figures.pop("ladder", [])
        table |= figures
    table |= {"versions": versions, "ladder": climbed + _absent(climbed)}
    problems: list[str] = []
    report = read_table(BuildReport, table, "stage records", problems)
    if report is None:
        raise SemifreddoError(f"{config.build_dir}: {'; '.join(problems)}; this is a bug")
    return report


def absent_rungs(known: Iterable[str]) -> list[Rung]:
    """Rungs that are not among those known, and why."""
    reasons: dict[str, str] = {}
    for backend in BACKENDS:
        if backend.device is not None:
            reasons[backend.device.name] = "not built yet"
        reasons |= {rung.name: rung.reason for rung in backend.absent()}
    for name in known:
        reasons.pop(name, None)
    return [Rung(name, None, reason) for name, reason in reasons.items()]


def _absent(climbed: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rungs that no stage has climbed; none while nothing is climbed."""
    if not climbed:
        return []
    rungs = absent_rungs(entry["name"] for entry in climbed)
    return [
        dataclasses.asdict(RungFigures(rung.name, "unavailable", 0, None, None, rung.reason))
        for rung in rungs
    ]


def _write(config: BuildConfig, report: BuildReport) -> BuildReport:
    """Write the report and its page, with what has changed since the last build."""
    report = remembered(config.build_dir, report)
    report.save(config.build_dir / "report.json")
    page = _page(config, report)
    if page is not None:
        write_atomic(config.build_dir / "report.html", page)
    return report


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
    files = {path: what for path, what in _FILES.items() if (config.build_dir / path).is_file()}
    return render_html(report, net, vectors, pictures, files)
