"""Stage ``cosim``: the Verilog in Verilator; all vectors under stalls, tasks swapped on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semifreddo.core.errors import ToolError
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.backend import Backend, Device
from semifreddo.flow.config import BuildConfig, CosimSection
from semifreddo.flow.device import compiled, default_workers, open_device
from semifreddo.flow.ladder import climb_in_stage, figures_of, save_ladder
from semifreddo.flow.rungs import device_rung
from semifreddo.flow.stage import Figures, Stage, Workspace
from semifreddo.flow.stages.rtl import RTL_DIR, RTL_STAGE, built_design
from semifreddo.ir.net import StreamNet
from semifreddo.ir.serial import load_net
from semifreddo.ir.task import Task
from semifreddo.reports.figures import CosimFigures, TrafficFigures
from semifreddo.rtl.design.written import WrittenDesign
from semifreddo.rtl.simulation.cosim import Stalls
from semifreddo.rtl.simulation.transport import open_rtl
from semifreddo.rtl.simulation.trials import Trials
from semifreddo.rtl.simulation.verilator import build as verilate
from semifreddo.rtl.simulation.verilator import find_verilator
from semifreddo.sim import reference
from semifreddo.sim.ladder import Rung

DEVICE = "cosim/device"
"""The compiled simulation, in the build folder."""

LADDER = "cosim/ladder.json"
WAVES = "cosim/waves.vcd"

_COMPILED = "cosim/build"
_SWAP_IMAGES = 60
_WAVE_IMAGES = 2


def stalls_of(section: CosimSection) -> Stalls:
    """How often the design's co-simulation stalls its input and output."""
    return Stalls(
        input_per_mille=round(1000 * section.input_stalls),
        output_per_mille=round(1000 * section.output_stalls),
        seed=section.seed,
        watchdog_cycles=section.watchdog_cycles,
    )


@contextlib.contextmanager
def rtl_rung(config: BuildConfig, executable: Path, net: StreamNet, task: Task) -> Iterator[Rung]:
    """The verilated design under random stalls; if it is wrong, all layers' words are compared."""
    timeout_s = config.cosim.timeout_s
    factory = partial(open_rtl, stalls=stalls_of(config.cosim))
    with open_device(factory, executable, "rtl", net, task, timeout_s=timeout_s) as accelerator:

        def trace(images: npt.NDArray[np.integer]) -> Mapping[str, npt.NDArray[np.int64]]:
            if np.array_equal(accelerator.predict(images).raw, reference.run(net, images)):
                return reference.trace(net, images)  # it is the expectation that is off
            return Trials(executable, net, timeout_s).trace(task, images)

        yield device_rung(accelerator, trace)


def _compile(work: Workspace, design: WrittenDesign, *, waves: bool = False) -> Path:
    return verilate(
        design,
        work.build / _COMPILED / ("waves" if waves else "plain"),
        waves=waves,
        optimize=work.config.cosim.optimize and not waves,
        jobs=default_workers(),
        timeout_s=work.config.cosim.compile_timeout_s,
    )


def _run(work: Workspace) -> Figures:
    config, net = work.config, load_net(work.build / "net.json")
    task = Task.load(work.build / "task.json")
    vectors = VectorSet.load(work.build / "vectors.npz")
    if config.cosim.images is not None:
        vectors = vectors.head(config.cosim.images)
    design = built_design(work.build)
    work.report("      compiling with Verilator")
    program, seconds = compiled(lambda: _compile(work, design))
    work.report(f"      compiled in {seconds:.1f} s")
    executable = work.out / DEVICE
    executable.parent.mkdir()
    shutil.copy2(program, executable)
    with rtl_rung(config, executable, net, task) as rung:
        ladder = climb_in_stage(work, net, vectors, [rung])
    save_ladder(ladder, work.out / LADDER)
    if config.cosim.waves:
        _write_waves(work, design, task, vectors)
    figures: Figures = {
        "ladder": [dataclasses.asdict(found) for found in figures_of(ladder)],
        "versions": {"verilator": find_verilator().text},
    }
    if all(result.status == "equal" for result in ladder.results):
        measured = _measure(work, design, executable, task, vectors)
        measured = dataclasses.replace(measured, compile_seconds=round(seconds, 3))
        figures["cosim"] = dataclasses.asdict(measured)
    return figures


def _write_waves(work: Workspace, design: WrittenDesign, task: Task, vectors: VectorSet) -> None:
    """Waveforms of the first images, from a slower variant of the simulation."""
    work.report("      compiling with waveforms")
    trials = Trials(_compile(work, design, waves=True), design.net, work.config.cosim.timeout_s)
    images = vectors.images[:_WAVE_IMAGES]
    trials.waves(task, images, stalls_of(work.config.cosim), work.out / WAVES)


def _measure(
    work: Workspace, design: WrittenDesign, executable: Path, task: Task, vectors: VectorSet
) -> CosimFigures:
    """Speed, stalls between layers, and tasks swapped in mid-stream."""
    section = work.config.cosim
    trials = Trials(executable, design.net, section.timeout_s)
    found = trials.measure(task, vectors)
    swapped = trials.swap_tasks(task, vectors.images[:_SWAP_IMAGES], stalls_of(section))
    # The first images come out while FIFOs still fill. No image follows the last one: its end comes
    # out alone, a few cycles later.
    intervals = found.exchange.interval_cycles[:-1]
    figures = CosimFigures(
        compile_seconds=0.0,
        executable_bytes=trials.executable.stat().st_size,
        images=len(vectors),
        latency_cycles=found.exchange.latency_cycles,
        interval_cycles=int(intervals[len(intervals) // 2 :].max(initial=0)),
        frames_per_second=round(len(vectors) / found.seconds, 1),
        stalled_images=len(vectors),
        swapped_images=swapped,
        waves=WAVES if section.waves else None,
        traffic_cycles=int(found.exchange.end_cycles[-1]),
        layers=tuple(
            TrafficFigures(name, seen.words, seen.stalled_cycles, seen.starved_cycles)
            for name, seen in found.traffic.items()
        ),
    )
    work.report(
        f"      a frame every {figures.interval_cycles} cycles and latency "
        f"{figures.latency_cycles}, predicted {design.cycles_per_image} and "
        f"{design.latency_cycles}; {swapped} images around task swaps equal; simulates "
        f"{figures.frames_per_second:.0f} frames/s"
    )
    return figures


def _waits_for_verilator() -> str:
    """What is missing for compiling the simulation, and how to get it."""
    try:
        find_verilator()
    except ToolError as error:
        return str(error)
    return ""


def _absent() -> tuple[Rung, ...]:
    reason = _waits_for_verilator()
    return (Rung("rtl", None, reason),) if reason else ()


def cosim_stage(config: BuildConfig) -> Stage:
    """The stage; waveforms are one of its outputs if they are wanted."""
    return Stage(
        name="cosim",
        summary="simulate the Verilog and climb to its rung",
        reads=("net.json", "task.json", "vectors.npz", RTL_DIR),
        writes=(DEVICE, LADDER, *((WAVES,) if config.cosim.waves else ())),
        code=(
            "rtl/design/written",
            "rtl/components/verilog",
            "rtl/simulation",
            "tools",
            "runtime",
            "sim",
            "flow",
        ),
        run=_run,
        decides=("cosim",),
        waits=lambda *_: _waits_for_verilator(),
    )


RTL = Backend(
    stages=lambda config: (RTL_STAGE, cosim_stage(config)),
    device=Device("rtl", DEVICE, LADDER, rtl_rung),
    absent=_absent,
)
