"""Stage ``rtl``: the Verilog of a network, with the hardware choices that its board allows."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

from semifreddo.core.columns import width_of
from semifreddo.core.files import write_atomic
from semifreddo.flow.budget import budget_of
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.doctor import installed_version
from semifreddo.flow.stage import Figures, Stage, Workspace
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.reports.figures import RtlFigures, RtlLayerFigures
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.design.written import VERILOG, WrittenDesign, load_design, save_design
from semifreddo.rtl.scheduler.family import luts_for_one
from semifreddo.rtl.scheduler.search import Scheduled, choose

RTL_DIR = "rtl"
"""In the build folder: the saved design, with every file in ``verilog/``, and its schedule."""

VERILOG_DIR = f"{RTL_DIR}/{VERILOG}"

_SCHEDULE = "schedule.json"
_EXPLANATION = "schedule.txt"
_INDENT = 6
"""Of what a stage says, which goes to standard error."""


def schedule_of(config: BuildConfig, net: StreamNet) -> Scheduled:
    """The hardware choices of a design, and why.

    Raises:
        ConfigError: A fixed choice does not fit the network, or the network not the board.
    """
    return choose(
        net,
        budget_of(config),
        config.clock_mhz,
        config.rtl.target_fps,
        target_latency_us=config.rtl.target_latency_us,
        fixed=config.rtl.layers,
        unrolled=frozenset(config.rtl.unrolled),
        multipliers=config.rtl.multipliers,
        pairs=config.rtl.lut_pairs,
    )


def built_design(build: Path) -> WrittenDesign:
    """The design that the stage has written into a build folder.

    Raises:
        ProjectError: It is missing or damaged.
    """
    return load_design(build / RTL_DIR, load_net(build / "net.json"))


def generated_again(build: Path, net: StreamNet) -> RtlDesign:
    """The design of a network, generated with the schedule that the stage has chosen."""
    data = json.loads((build / RTL_DIR / _SCHEDULE).read_text(encoding="utf-8"))
    return make_design(net, RtlSchedule.from_json(data))


def _run(work: Workspace) -> Figures:
    config, net = work.config, load_net(work.build / "net.json")
    start = time.perf_counter()
    work.report(f"{' ' * _INDENT}frozen weights to adders with da4ml, schedule, Verilog")
    scheduled = schedule_of(config, net)
    design = make_design(net, scheduled.schedule)
    seconds = time.perf_counter() - start
    folder = work.out / RTL_DIR
    save_design(design, folder)
    write_atomic(folder / _SCHEDULE, json.dumps(scheduled.schedule.to_json(), indent=1) + "\n")
    write_atomic(folder / _EXPLANATION, f"{scheduled.explanation}\n")
    for line in scheduled.explanation.text(width_of(sys.stderr, _INDENT)).splitlines():
        work.report(f"{' ' * _INDENT}{line}".rstrip())
    if (luts := luts_for_one(config.board.family)) > 1:
        part = config.board.part
        work.report(f"      LUTs are predicted as those of 7 series; one is {luts:g} of {part}")
    interval = design.cycles_per_image
    figures = RtlFigures(
        files=len(design.files),
        source_bytes=sum(len(text.encode()) for text in design.files.values()),
        digest=design.digest,
        seconds=round(seconds, 3),
        interval_cycles=interval,
        bottleneck=design.bottleneck,
        frames_per_second=round(config.clock_mhz * 1e6 / interval, 1),
        latency_cycles=design.latency_cycles,
        reason=scheduled.explanation.reason,
        part_luts=luts_for_one(config.board.family),
        **scheduled.explanation.total,
        layers=tuple(
            RtlLayerFigures(**dataclasses.asdict(row)) for row in scheduled.explanation.layers
        ),
    )
    work.report(
        f"      {figures.files} files made in {seconds:.1f} s; why: build/{RTL_DIR}/{_EXPLANATION}"
    )
    return {"rtl": dataclasses.asdict(figures)}


RTL_STAGE = Stage(
    name="rtl",
    summary="integer network to Verilog",
    reads=("net.json",),
    writes=(RTL_DIR,),
    code=(
        "boards",
        "rtl/choices",
        "rtl/library",
        "rtl/components",
        "rtl/adders",
        "rtl/timing",
        "rtl/units",
        "rtl/design",
        "rtl/scheduler",
        "adders",
        "flow",
    ),
    run=_run,
    decides=("rtl", "board.part", "board.resources", "clock_mhz"),
    versions=lambda: installed_version("da4ml"),
)
