"""What a design's first run through the vendor's tools tells, and the files that tell it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from semifreddo.core.block_design import CORE
from semifreddo.core.errors import SemifreddoError
from semifreddo.core.first_light import Fact, Files, State
from semifreddo.core.hls_registers import find, registers
from semifreddo.flow.build import build
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.doctor import diagnose
from semifreddo.flow.stages.vivado import project_folder
from semifreddo.hls.cycles import interval
from semifreddo.hls.schedule import ScheduledNet, default_schedule
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.serial import load_net
from semifreddo.reports.report import BuildReport
from semifreddo.vivado import records
from semifreddo.vivado.handoff import parse_handoff, registers_of
from semifreddo.vivado.reports import (
    CsynthReport,
    InstanceReport,
    parse_csynth_xml,
    parse_hierarchy,
    parse_timing,
    text_of,
)
from semifreddo.vivado.stages import stages

ALIKE = 0.25
"""Share by which LUTs, flip-flops and cycles may differ from what was expected of them."""

_TEXTS = ("logs/*.log", "reports/*", "project.json", "tcl/settings.tcl", "ip/core/component.xml")
_MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class FirstLight:
    """The facts of one run, and the files that they were read from."""

    facts: tuple[Fact, ...]
    files: Files
    machine: dict[str, object]


def first_light(config: BuildConfig, progress: Callable[[str], None]) -> FirstLight:
    """Build a design up to its bitstream and look at what the tools left behind, come what may.

    Args:
        config: The design; ``vivado.products`` may name a folder that did not get to its end.
        progress: Takes one line at a time.
    """
    failure = ""
    try:
        build(config, until="bitstream", progress=progress)
    except SemifreddoError as error:
        failure = str(error)
        progress(f"      {failure}")
    section = config.vivado
    folder = (
        project_folder(config.build_dir, section.core)
        if section.products is None
        else config.path(section.products)
    )
    report = None
    with contextlib.suppress(SemifreddoError):
        report = BuildReport.load(config.build_dir / "report.json")
    return FirstLight(
        facts=tuple(_facts(config, folder, report, failure)),
        files=dict(_files(folder, config.build_dir / "report.json")),
        machine=dataclasses.asdict(diagnose()),
    )


def _files(folder: Path, report: Path) -> Iterator[tuple[str, bytes]]:
    """What facts are read from; a file too large to send is cut to its end."""
    found = [(path.relative_to(folder).as_posix(), path) for t in _TEXTS for path in folder.glob(t)]
    for name, path in [*sorted(found), ("report.json", report)]:
        if path.is_file():
            yield name, path.read_bytes()[-_MOST_BYTES:]


def _facts(
    config: BuildConfig, folder: Path, report: BuildReport | None, failure: str
) -> Iterator[Fact]:
    reports = folder / "reports"
    yield _tools(config, folder, failure)
    rows = parse_hierarchy(text_of(reports / "utilization_hierarchical.rpt"))
    core = next((row for row in rows if row.instance.split("/")[-1] == CORE), None)
    csynth = parse_csynth_xml(text_of(reports / "csynth.xml"))
    if core is not None:
        yield from _core(core, _expected(config, report, csynth))
        yield _around(rows[0], core)
    timing = parse_timing(text_of(reports / "timing_summary.rpt"))
    if timing.wns_ns is not None:
        slacks = f"setup {timing.wns_ns} ns, hold {timing.whs_ns} ns, pulse {timing.wpws_ns} ns"
        met = all(s is not None and s >= 0 for s in (timing.wns_ns, timing.whs_ns, timing.wpws_ns))
        yield Fact("timing", _state(met), slacks, f"none negative at {config.clock_mhz:g} MHz")
    yield from _handoff(config, text_of(reports / "block_design.hwh"))
    yield from _loops(config, csynth)


def _state(as_expected: bool) -> State:
    return "as expected" if as_expected else "different"


def _tools(config: BuildConfig, folder: Path, failure: str) -> Fact:
    names = [stage.name for stage in stages(config.name, config.vivado.core)]
    done = [name for name in names if records.load(folder, name) is not None]
    if not done and not (folder / "logs").is_dir():
        return Fact("tools", "not seen", failure or "no tool has run", "all stages end well")
    found = f"done: {', '.join(done) or 'none'}" + (f"; {failure}" if failure else "")
    return Fact("tools", _state(not failure), found, "all stages end well")


def _expected(
    config: BuildConfig, report: BuildReport | None, csynth: CsynthReport
) -> dict[str, int | None]:
    """Resources of the core, by our estimate or by that of HLS."""
    source: object = csynth if config.vivado.core == "hls" else report and report.rtl
    return {name: getattr(source, name, None) for name in ("lut", "ff", "dsp", "bram18")}


def _core(core: InstanceReport, expected: dict[str, int | None]) -> Iterator[Fact]:
    close = True
    for name in ("lut", "ff"):
        found, wanted = getattr(core, name), expected[name] or 0
        close = close and found is not None and abs(found - wanted) <= ALIKE * wanted
    yield Fact(
        "size",
        _state(close) if expected["lut"] is not None else "measured",
        f"{core.lut} LUT, {core.ff} FF",
        f"{expected['lut']} LUT, {expected['ff']} FF, within {ALIKE:.0%}",
    )
    yield _exactly("memories", "bram18", core, expected, f", {core.lutram} LUT as memory")
    yield _exactly("slices", "dsp", core, expected, "")


def _exactly(
    name: str, key: str, core: InstanceReport, expected: dict[str, int | None], more: str
) -> Fact:
    found, wanted = getattr(core, key), expected[key]
    state: State = "measured" if wanted is None else _state(found == wanted)
    return Fact(name, state, f"{found} {key}{more}", "" if wanted is None else f"{wanted} {key}")


def _around(whole: InstanceReport, core: InstanceReport) -> Fact:
    counts = [
        f"{getattr(whole, key) - getattr(core, key)} {key}"
        for key in ("lut", "ff", "bram18")
        if getattr(whole, key) is not None and getattr(core, key) is not None
    ]
    return Fact("around", "measured", ", ".join(counts) + " outside the core")


def _handoff(config: BuildConfig, text: str) -> Iterator[Fact]:
    if not text or config.board.ps is None:
        return
    memory = config.board.ps.ddr_bytes
    made, clock = parse_handoff(text), config.clock_mhz
    found = [f"{made.clock_mhz} MHz", f"DMA reaches {made.dma_bytes} bytes"]
    wanted = [f"{clock:g} MHz within 1 %", f"{memory} bytes or more"]
    good = made.clock_mhz is not None and abs(made.clock_mhz - clock) <= 0.01 * clock
    good = good and made.dma_bytes is not None and made.dma_bytes >= memory
    if config.vivado.core == "hls":
        rule = registers(AddressMap.of(load_net(config.build_dir / "net.json")).words)
        told = registers_of(text, CORE) or {}
        good = good and all(find(told, name) == at for name, at in rule.items())
        found.append("registers " + ", ".join(f"{n} 0x{at:X}" for n, at in told.items()))
        wanted.append("registers " + ", ".join(f"{n} 0x{at:X}" for n, at in rule.items()))
    yield Fact("handoff", _state(good), "; ".join(found), "; ".join(wanted))


def _loops(config: BuildConfig, csynth: CsynthReport) -> Iterator[Fact]:
    if csynth.interval_max_cycles is None:
        return
    net = load_net(config.build_dir / "net.json")
    wanted = interval(ScheduledNet(net, default_schedule(net)))
    found = csynth.interval_max_cycles
    yield Fact(
        "loops",
        _state(abs(found - wanted) <= ALIKE * wanted),
        f"an image every {found} cycles",
        f"{wanted} cycles, within {ALIKE:.0%}",
    )
