"""Runs the stages of a written Vivado project and checks what they made.

The same code runs here and, as a copy in the project, on the machine with Vivado; it needs nothing
but the standard library (Python 3.8). A stage is done when its tool ended with exit code 0, every
product is new, and the product's own figures are good (timing met, resources within the part). A
finished stage is skipped next time; after one that ran, all later ones run again.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semifreddo.core import scratch
from semifreddo.core.errors import ConfigError, ProjectError, SemifreddoError, ToolError
from semifreddo.tools.runner import run
from semifreddo.vivado import checks, records
from semifreddo.vivado.stages import VivadoStage, stages

INTERRUPTED = 130
DESCRIPTION = "project.json"
_OPTIONAL = ("cosim",)
_VERSION_TIMEOUT_S = 120.0

Settings = Any
"""Parsed ``project.json``; written by ``plan.py``, so its form is trusted."""


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes:
        until: Last stage; None for all.
        first: Run this stage and all after it even if they are done.
        jobs: Processes that Vivado may use.
        timeout_s: Limit of every stage instead of its own.
        any_version: Do not insist on the tool versions of the board.
        cosim: Run the vendor's co-simulation too.
    """

    until: str | None = None
    first: str | None = None
    jobs: int = 2
    timeout_s: float | None = None
    any_version: bool = False
    cosim: bool = False


def read_description(root: Path) -> Settings:
    """``project.json`` of a written project.

    Raises:
        ProjectError: It is not there or damaged.
    """
    path = root / DESCRIPTION
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        data["name"], data["backend"], data["tools"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(f"{path}: no description of a project ({error})") from error
    return data


def hls_program(tools: Sequence[str]) -> str:
    """Program of the HLS tool of a project: ``vivado_hls``, ``vitis-run`` or ``vitis_hls``."""
    if "vivado_hls" in tools:
        return "vivado_hls"
    return "vitis-run" if shutil.which("vitis-run") else "vitis_hls"


def is_finished(root: Path) -> bool:
    """Whether all stages of a project are done and nothing has changed since."""
    data = read_description(root)
    plan = stages(data["name"], data["backend"])
    return all(_is_done(root, stage) for stage in plan if stage.name not in _OPTIONAL)


def run_project(root: Path, options: Options, report: Callable[[str], None]) -> None:
    """Bring a project up to date.

    Args:
        root: The written project.
        options: How.
        report: Takes one line at a time.

    Raises:
        SemifreddoError: A stage failed; the message says where to look.
    """
    data = read_description(root)
    every = stages(data["name"], data["backend"])
    names = [stage.name for stage in every]
    for name in (options.until, options.first):
        if name is not None and name not in names:
            raise ConfigError(f"there is no stage {name!r}; stages are {', '.join(names)}")
    if options.jobs < 1:
        raise ConfigError(f"--jobs {options.jobs}: Vivado needs one process at least")
    asked = (options.until, options.first, "cosim" if options.cosim else None)
    wanted = [s for s in every if s.name not in _OPTIONAL or s.name in asked]
    last = [stage.name for stage in wanted].index(options.until or wanted[-1].name)
    with _lock(root):
        for folder in ("work", "reports", "logs", "out"):
            (root / folder).mkdir(exist_ok=True)
        work = _Work(root, data, options, report)
        forced = False
        for number, stage in enumerate(wanted[: last + 1], 1):
            report(f"[{number}/{len(wanted)}] {stage.name}: {stage.summary}")
            forced = forced or stage.name == options.first
            if not forced and _is_done(root, stage):
                report("      up to date")
                continue
            work.run_stage(stage)
            forced = stage.name not in _OPTIONAL


@contextmanager
def _lock(root: Path) -> Iterator[None]:
    with (root / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProjectError(f"{root}: another run is at work here; wait for its end") from error
        yield


def _key(root: Path, stage: VivadoStage) -> str:
    scripts = (stage.script, "tcl/common.tcl", "tcl/settings.tcl")
    return records.digest(root, (*stage.reads, *scripts))


def _is_done(root: Path, stage: VivadoStage) -> bool:
    known = records.load(root, stage.name)
    return (
        known is not None
        and all((root / name).exists() for name in (*stage.writes, *stage.keeps))
        and known == (_key(root, stage), records.digest(root, stage.writes))
    )


@dataclass
class _Work:
    """One run of a project's stages; remembers the versions it has looked at."""

    root: Path
    data: Settings
    options: Options
    report: Callable[[str], None]
    versions: dict[str, str] = field(default_factory=dict)

    def run_stage(self, stage: VivadoStage) -> None:
        root = self.root
        records.forget(root, stage.name)
        program = "vivado" if stage.tool == "vivado" else hls_program(list(self.data["tools"]))
        self._check_program(program)
        log = root / "logs" / f"{stage.name}.log"
        try:
            done = run(
                _command(program, stage, self.options),
                cwd=root / "work",
                timeout_s=self.options.timeout_s or stage.timeout_s,
                log=log,
                outputs=[root / name for name in stage.writes],
            )
            self._check_products(stage)
        except SemifreddoError as error:
            causes = [cause for cause in (checks.hint(log), checks.first_error(log)) if cause]
            raise type(error)(f"stage {stage.name}: {'; '.join([*causes, str(error)])}") from error
        missing = [name for name in stage.keeps if not (root / name).exists()]
        if missing:
            raise ToolError(f"stage {stage.name}: {program} did not make {missing[0]}; see {log}")
        records.save(root, stage.name, _key(root, stage), records.digest(root, stage.writes))
        self.report(f"      done in {done.seconds:.0f} s, log in logs/{stage.name}.log")

    def _check_program(self, program: str) -> None:
        """Find a program once per run and look at its version."""
        if program in self.versions:
            return
        place = shutil.which(program)
        if place is None:
            raise ToolError(
                f"{program} not found; source settings64.sh of the Xilinx tools and run again"
            )
        tool = "vitis_hls" if program == "vitis-run" else program
        with scratch.folder("version") as folder:
            log = Path(folder) / "version.log"
            flag = "--version" if program == "vitis-run" else "-version"
            run([program, flag], cwd=Path(folder), timeout_s=_VERSION_TIMEOUT_S, log=log)
            banner = log.read_text(encoding="utf-8", errors="replace")
            found = checks.tool_release(banner, Path(place).resolve())
        if not self.options.any_version:
            wanted = tuple(self.data["tools"][tool])
            trap = checks.check_version(tool, found, wanted, self.data["traps"])
            if trap:
                self.report(f"      note: {tool} {found}: {trap}")
        self.versions[program] = found or "unknown"

    def _check_products(self, stage: VivadoStage) -> None:
        reports = self.root / "reports"
        if stage.name == "hls":
            control = self.data["control"]
            component = self.root / "ip/core/component.xml"
            checks.check_registers(component, control["registers"], control["bytes"])
        if stage.name == "block_design":
            clock, ddr = self.data["clock_mhz"], self.data["ddr_bytes"]
            for note in checks.check_handoff(self.root / stage.writes[0], clock, ddr):
                self.report(f"      note: {note}")
        if stage.name in ("synth", "impl"):
            checks.check_utilization(self.root / stage.writes[0], self.data["budget"])
        if stage.name == "impl":
            checks.check_timing(reports / "timing_summary.rpt", self.data["clock_mhz"])
        if stage.name == "cosim":
            checks.check_cosim(reports / "cosim.rpt")


def _command(program: str, stage: VivadoStage, options: Options) -> list[str]:
    script = f"../{stage.script}"
    if program == "vivado":
        batch = ["vivado", "-mode", "batch", "-nojournal", "-nolog", "-notrace"]
        return [*batch, "-source", script, "-tclargs", f"jobs={options.jobs}"]
    if program == "vitis-run":
        return ["vitis-run", "--mode", "hls", "--tcl", script]
    return [program, "-f", script]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.sh", description="Builds the bitstream; finished stages are skipped."
    )
    parser.add_argument("--until", metavar="STAGE", help="stop after this stage")
    parser.add_argument("--from", dest="first", metavar="STAGE", help="run again from this stage")
    parser.add_argument("--jobs", type=int, default=2, help="processes of Vivado (default 2)")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="limit of each stage")
    parser.add_argument("--any-version", action="store_true", help="accept any tool version")
    parser.add_argument("--cosim", action="store_true", help="run the vendor's co-simulation too")
    return parser


def main(root: Path, argv: Sequence[str]) -> int:
    """The command line of a project.

    Returns:
        Exit code: 0 fine, 1 an error, 2 a wrong option, 130 interrupted.
    """
    arguments = _parser().parse_args(argv)
    options = Options(
        until=arguments.until,
        first=arguments.first,
        jobs=arguments.jobs,
        timeout_s=arguments.timeout,
        any_version=arguments.any_version,
        cosim=arguments.cosim,
    )

    def report(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    try:
        run_project(root, options, report)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run the same command again to resume\n")
        return INTERRUPTED
    except SemifreddoError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {error}; make room if the disk is full, and run again\n")
        return 1
    made = options.until or "bitstream"
    report("done: out/" if made == "bitstream" else f"done until {made}")
    return 0
