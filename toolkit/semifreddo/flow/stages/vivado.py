"""Stages ``archive`` and ``bitstream``: a design's Vivado project, and what Vivado makes of it.

The archive is made everywhere. The bitstream waits for Vivado, which may be here, on another
machine over ssh (``vivado.host``), or wherever a person has run the archive (``vivado.products``).
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from semifreddo.core.errors import ProjectError
from semifreddo.core.files import write_atomic
from semifreddo.core.project import STAMP, ProjectPlan
from semifreddo.flow.backend import Backend, BoardDevice
from semifreddo.flow.config import BuildConfig
from semifreddo.flow.stage import Figures, Report, Stage, Workspace
from semifreddo.flow.stages.project import PROJECT_DIR
from semifreddo.flow.stages.rtl import RTL_DIR, built_design
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.serial import load_net
from semifreddo.reports.figures import ArchiveFigures, BitstreamFigures
from semifreddo.rtl.synthesis.parts import packaged_files
from semifreddo.vivado.cores import Core, HlsCore, RtlCore
from semifreddo.vivado.driver import (
    Options,
    hls_program,
    is_finished,
    run_project,
)
from semifreddo.vivado.plan import plan_bitstream
from semifreddo.vivado.remote import Archive, run_remotely
from semifreddo.vivado.reports import parse_timing, parse_utilization, text_of

FOLDER = "vivado"
"""In the build folder: archive, bitstream, handoff, reports; ``build/`` is Vivado's own."""

_WORK = f"{FOLDER}/build"
_REPORTS = f"{FOLDER}/reports"
_MADE_BY_RUNS = ("work", "reports", "logs", "out", "ip", ".done", ".lock")
_KEPT_REPORTS = ("utilization.rpt", "timing_summary.rpt", "csynth.rpt", "cosim.rpt")


def archive_name(config: BuildConfig) -> str:
    """File name of the archive."""
    return f"{config.name}-{config.board.name}.tar.gz"


def hls_core(config: BuildConfig, build: Path) -> HlsCore:
    """The HLS project that the stage ``project`` has written."""
    net = load_net(build / "net.json")
    project = build / PROJECT_DIR
    files = {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and path.name != STAMP and "build" not in path.relative_to(project).parts
    }
    return HlsCore(net.name, config.design.tool, files, AddressMap.of(net).words)


def core_of(config: BuildConfig, build: Path) -> Core:
    """The hardware that gets into the bitstream."""
    if config.vivado.core == "hls":
        return hls_core(config, build)
    design = built_design(build)
    return RtlCore(design.top, packaged_files(design.files, design.top))


def hls_tool(config: BuildConfig) -> str:
    """Program of a design's HLS tool."""
    return hls_program([{"vivado": "vivado_hls", "vitis": "vitis_hls"}[config.design.tool]])


def project_folder(build: Path, core: str) -> Path:
    """Where the Vivado project of a core lies with what its tools leave behind."""
    return build / _WORK / core


def plan_of(config: BuildConfig, build: Path) -> ProjectPlan:
    """The Vivado project of a built design."""
    return plan_bitstream(
        core_of(config, build), config.board, name=config.name, clock_mhz=config.clock_mhz
    )


def _archive(work: Workspace) -> Figures:
    config = work.config
    plan = plan_of(config, work.build)
    path = work.out / FOLDER / archive_name(config)
    write_atomic(path, plan.tarball(config.name))
    target = config.build_dir / FOLDER / path.name
    work.report(f"      {target}: {len(plan.files)} files; for a machine with Vivado:")
    work.report(f"      tar xzf {path.name} && cd {config.name} && ./run.sh")
    figures = ArchiveFigures(
        file=f"{FOLDER}/{path.name}",
        core=config.vivado.core,
        files=len(plan.files),
        size_bytes=path.stat().st_size,
        digest=plan.digest,
    )
    return {"archive": dataclasses.asdict(figures)}


def _waits(config: BuildConfig, _: bool, __: Report) -> str:
    section = config.vivado
    if section.products is not None or section.host is not None:
        return ""
    programs = ["vivado"]
    if section.core == "hls":
        programs.insert(0, hls_tool(config))
    missing = [name for name in programs if shutil.which(name) is None]
    if not missing:
        return ""
    return (
        f"{' and '.join(missing)} not on PATH; run the archive where Vivado is (tar xzf "
        f"{config.build_dir / FOLDER / archive_name(config)}, cd {config.name}, ./run.sh) and come "
        "back with --set vivado.products=<that folder>, or give --set vivado.host=<machine>"
    )


def sync_project(plan: ProjectPlan, folder: Path) -> None:
    """Make a folder hold a project's files, and keep what earlier runs made beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.name not in _MADE_BY_RUNS:
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    for name, data in plan.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _check_products(plan: ProjectPlan, folder: Path) -> None:
    """Refuse a folder that is not this project, finished."""
    if not folder.is_dir():
        raise ProjectError(f"vivado.products: {folder} is no folder")
    for name, data in plan.files.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            raise ProjectError(
                f"vivado.products: {folder} is not this design's project ({name} is missing or "
                "another); run the archive that this build has made"
            )
    if not is_finished(folder):
        raise ProjectError(f"vivado.products: {folder} is not finished; run ./run.sh there again")


def _build(work: Workspace) -> Path:
    """A folder with the finished project."""
    config, section = work.config, work.config.vivado
    plan = plan_of(config, work.build)
    if section.products is not None:
        folder = config.path(section.products)
        _check_products(plan, folder)
        return folder
    folder = project_folder(work.build, section.core)
    sync_project(plan, folder)
    if section.host is None:
        options = Options(
            jobs=section.jobs,
            timeout_s=section.timeout_s,
            any_version=section.any_version,
            cosim=section.cosim,
        )
        run_project(folder, options, lambda line: work.report(f"      {line}"))
        return folder
    for made in ("out", "reports", ".done"):
        shutil.rmtree(folder / made, ignore_errors=True)
    archive = Archive(work.build / FOLDER / archive_name(config), config.name, plan.digest)
    run_remotely(archive, section.host, _arguments(config), folder, report=work.report)
    return folder


def _arguments(config: BuildConfig) -> tuple[str, ...]:
    section = config.vivado
    words = ["--jobs", str(section.jobs)]
    if section.timeout_s is not None:
        words += ["--timeout", f"{section.timeout_s:g}"]
    words += ["--any-version"] if section.any_version else []
    words += ["--cosim"] if section.cosim else []
    return tuple(words)


def _bitstream(work: Workspace) -> Figures:
    config = work.config
    folder = _build(work)
    (work.out / _REPORTS).mkdir(parents=True)
    for suffix in ("bit", "hwh"):
        file = folder / "out" / f"{config.name}.{suffix}"
        if not file.is_file():
            raise ProjectError(f"{folder}: there is no out/{file.name}; see {folder / 'logs'}")
        shutil.copyfile(file, work.out / FOLDER / file.name)
    for name in _KEPT_REPORTS:
        if (folder / "reports" / name).is_file():
            shutil.copyfile(folder / "reports" / name, work.out / _REPORTS / name)
    return {"bitstream": dataclasses.asdict(_figures(config, work.out / FOLDER))}


def _figures(config: BuildConfig, made: Path) -> BitstreamFigures:
    used = parse_utilization(text_of(made / "reports" / "utilization.rpt"))
    timing = parse_timing(text_of(made / "reports" / "timing_summary.rpt"))
    fmax = None
    if timing.wns_ns is not None:
        fmax = round(1000.0 / (1000.0 / config.clock_mhz - timing.wns_ns), 1)
    file = made / f"{config.name}.bit"
    return BitstreamFigures(
        tool=f"Vivado {used.version or timing.version or 'of unknown version'}",
        file=f"{FOLDER}/{file.name}",
        size_bytes=file.stat().st_size,
        fmax_mhz=fmax,
        lut=used.lut,
        ff=used.ff,
        dsp=used.dsp,
        bram18=used.bram18,
    )


def _stages(config: BuildConfig) -> tuple[Stage, ...]:
    if config.board.ps is None:
        return ()
    source = RTL_DIR if config.vivado.core == "rtl" else PROJECT_DIR
    archive = f"{FOLDER}/{archive_name(config)}"
    return (
        Stage(
            name="archive",
            summary=f"Vivado project for {config.board.title}, in one file",
            reads=("net.json", source),
            writes=(archive,),
            code=("vivado", "tools", "rtl/synthesis/parts", "boards", "flow"),
            run=_archive,
            decides=("name", "vivado.core", "design.tool", "clock_mhz"),
            files=("board.folder",),
            uses=("board",),
        ),
        Stage(
            name="bitstream",
            summary="synthesis, implementation and bitstream by Vivado",
            reads=("net.json", source, archive),
            writes=(*_files(config), _REPORTS),
            code=("vivado", "tools", "flow"),
            run=_bitstream,
            # The archive has all that decides. Where Vivado runs does not: a bitstream stays when
            # no Vivado is named any more.
            uses=("name", "design.tool", "clock_mhz", "board", "vivado"),
            waits=_waits,
        ),
    )


def _files(config: BuildConfig) -> tuple[str, str]:
    """Bitstream and handoff, in the build folder."""
    return f"{FOLDER}/{config.name}.bit", f"{FOLDER}/{config.name}.hwh"


def board_device(config: BuildConfig) -> BoardDevice | None:
    """The bitstream as a device in the bundle; None on boards without a processing system."""
    if config.board.ps is None:
        return None
    return BoardDevice("pynq", _files(config))


VIVADO = Backend(stages=_stages, board=board_device)
