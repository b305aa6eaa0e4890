"""Stage ``rtl``: the Verilog of a network, with the hardware choices that its board allows."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

from semifreddo.core.files import write_atomic
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.doctor import installed_version
from semifreddo.flow.stage import Figures, Stage, Workspace
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.reports.figures import RtlFigures, RtlLayerFigures
from semifreddo.rtl.design import RtlDesign, make_design
from semifreddo.rtl.estimate import Estimate, estimate
from semifreddo.rtl.schedule import Choice, RtlSchedule

RTL_DIR = "rtl"
"""In the build folder: ``verilog/`` with every file of the design, and its schedule."""

_SCHEDULE = "schedule.json"
_VERILOG = "verilog"


def schedule_of(config: BuildConfig, net: StreamNet) -> tuple[RtlSchedule, tuple[str, ...]]:
    """Hardware choices of a design, and the scheduler's explanation of them.

    Raises:
        ConfigError: A fixed choice does not fit the network, or the network not the board.
    """
    fixed = {name: override.applied(Choice()) for name, override in config.rtl.layers.items()}
    schedule = RtlSchedule(fixed, frozenset(config.rtl.unrolled))
    schedule.check(net)
    return schedule, ()


def load_design(build: Path) -> RtlDesign:
    """The design that the stage has made in a build folder, made again from its schedule."""
    data = json.loads((build / RTL_DIR / _SCHEDULE).read_text(encoding="utf-8"))
    return make_design(load_net(build / "net.json"), RtlSchedule.from_json(data))


def _choice(choice: Choice, frozen: bool, loadable: bool) -> str:
    """A layer's choices as people read them."""
    parts = []
    if loadable:
        channels = choice.channels_per_cycle or "all"
        parts.append(f"{choice.rows_per_cycle} rows × {channels} channels ({choice.multiplier})")
    if frozen:
        bits = f"{choice.digit_bits} bits per cycle" if choice.digit_bits else "all bits at once"
        parts.append(bits)
    return ", ".join(parts)


def _layers(net: StreamNet, schedule: RtlSchedule, found: Estimate) -> list[RtlLayerFigures]:
    weights = {layer.name: getattr(layer, "weight", None) for layer in net.layers}
    figures = []
    for layer in found.layers:
        text = ""
        if (name := weights.get(layer.name)) is not None:
            block = net.block[name]
            frozen, loadable = block.frozen_channels, block.configurable_channels
            text = _choice(schedule[layer.name], bool(len(frozen)), bool(len(loadable)))
        figures.append(
            RtlLayerFigures(
                layer.name, text, layer.cycles, layer.lut, layer.ff, layer.dsp, layer.bram18
            )
        )
    return figures


def _run(work: Workspace) -> Figures:
    config, net = work.config, load_net(work.build / "net.json")
    start = time.perf_counter()
    schedule, explanation = schedule_of(config, net)
    design = make_design(net, schedule)
    seconds = time.perf_counter() - start
    folder = work.out / RTL_DIR
    design.write(folder / _VERILOG)
    write_atomic(folder / _SCHEDULE, json.dumps(schedule.to_json(), indent=1) + "\n")
    found = estimate(net, schedule)
    total = found.total
    for line in explanation:
        work.report(f"      {line}")
    interval = design.cycles_per_image
    figures = RtlFigures(
        files=len(design.files),
        source_bytes=sum(len(text.encode()) for text in design.files.values()),
        digest=design.digest,
        seconds=round(seconds, 3),
        interval_cycles=interval,
        bottleneck=design.bottleneck,
        frames_per_second=round(config.clock_mhz * 1e6 / interval, 1),
        lut=round(total.lut),
        ff=round(total.ff),
        dsp=round(total.dsp),
        bram18=round(total.bram18),
        explanation=explanation,
        layers=tuple(_layers(net, schedule, found)),
    )
    work.report(
        f"      {figures.files} files; a frame every {interval} cycles, "
        f"{figures.frames_per_second:.0f} frames/s at {config.clock_mhz:g} MHz, set by "
        f"{figures.bottleneck}"
    )
    work.report(
        f"      about {figures.lut} LUT, {figures.ff} FF, {figures.dsp} DSP, "
        f"{figures.bram18} BRAM18"
    )
    return {"rtl": dataclasses.asdict(figures)}


RTL_STAGE = Stage(
    name="rtl",
    summary="integer network to Verilog",
    reads=("net.json",),
    writes=(RTL_DIR,),
    code=("rtl", "adders", "flow"),
    run=_run,
    settings=lambda config: [
        dataclasses.asdict(config.rtl) | {"unrolled": sorted(config.rtl.unrolled)},
        dataclasses.asdict(config.board.resources),
        config.clock_mhz,
        installed_version("da4ml"),
    ],
)
