"""Stage ``bitstream`` of ECP5 boards: Yosys, nextpnr and ecppack."""

from __future__ import annotations

import dataclasses

from semifreddo.core.errors import ToolError
from semifreddo.flow.backend import Backend
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.stage import Figures, Report, Stage, Workspace
from semifreddo.flow.stages.rtl import RTL_DIR, built_design
from semifreddo.flow.stages.synth import CACHE
from semifreddo.reports.figures import BitstreamFigures
from semifreddo.rtl.synthesis.ecp5 import build_bitstream, plan_ecp5
from semifreddo.tools.nextpnr import find_ecppack, find_nextpnr, locate_ecppack, locate_nextpnr
from semifreddo.tools.yosys import find_yosys, locate_yosys

_WORK = "bitstream/build"
_CELLS = {"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram18": "DP16KD"}
"""nextpnr's names of what the report counts."""


def _waits(config: BuildConfig, wanted: bool, report: Report) -> str:
    try:
        for locate in (locate_yosys, locate_nextpnr, locate_ecppack):
            locate()
        if not (wanted or config.synth.run):
            return "takes minutes; run it with --until bitstream, or always with [synth] run = true"
        for find in (find_yosys, find_nextpnr, find_ecppack):
            find(lambda line: report(f"      {line}"))
    except ToolError as error:
        return str(error)
    return ""


def _run(work: Workspace) -> Figures:
    config = work.config
    plan = plan_ecp5(built_design(work.build), config.board, clock_mhz=config.clock_mhz)
    file = _file(config)
    (work.build / _WORK).mkdir(parents=True, exist_ok=True)
    made = build_bitstream(
        plan,
        work.build / _WORK,
        work.out / file,
        cache=work.build / CACHE,
        jobs=config.synth.workers,
        timeout_s=config.synth.timeout_s,
        seeds=config.synth.seeds,
        progress=lambda line: work.report(f"      {line}"),
    )
    used = made.routed.utilisation
    figures = BitstreamFigures(
        tool="nextpnr-ecp5",
        file=file,
        size_bytes=made.bitstream.stat().st_size,
        fmax_mhz=round(made.routed.slowest_mhz, 1),
        **{name: used[cell].used for name, cell in _CELLS.items() if cell in used},
    )
    return {"bitstream": dataclasses.asdict(figures)}


def _file(config: BuildConfig) -> str:
    return f"bitstream/{config.name}.bit"


def _stages(config: BuildConfig) -> tuple[Stage, ...]:
    if config.board.family != "ecp5":
        return ()
    return (
        Stage(
            name="bitstream",
            summary="place, route and pack for the ECP5",
            reads=("net.json", RTL_DIR),
            writes=(_file(config),),
            code=(
                "rtl/design/written",
                "rtl/components/verilog",
                "rtl/library",
                "rtl/synthesis",
                "boards",
                "tools",
                "flow",
            ),
            run=_run,
            decides=("name", "clock_mhz", "synth.seeds"),
            files=("board.folder",),
            uses=("board", "synth"),
            waits=_waits,
        ),
    )


ECP5 = Backend(stages=_stages)
