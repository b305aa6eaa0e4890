"""Compiles the C simulation of an HLS project with plain g++."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from semifreddo.core.digest import digest_file, digest_json
from semifreddo.core.errors import ProjectError
from semifreddo.core.files import atomic_path, write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.core.scratch import mark, sweep_beside
from semifreddo.tools.runner import find_tool, run, tool_version

COMPILER_HINT = "install a C++ compiler, e.g. with: apt-get install g++"

_FLAGS = ("-std=c++14", "-fwrapv", "-isystem", "firmware/ap_types")


def compiler() -> Path:
    """The C++ compiler: ``$CXX`` or ``g++``.

    Raises:
        ToolError: Not found; says how to install one.
    """
    return find_tool(os.environ.get("CXX", "g++"), COMPILER_HINT)


def read_description(project_dir: Path) -> dict[str, Any]:
    """``semifreddo.json`` of a project.

    Raises:
        ProjectError: Missing or not one.
    """
    path = project_dir / "semifreddo.json"
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
        if data["format"] != "semifreddo-hls/1":
            raise ValueError(f"format {data['format']!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(f"{path}: not an HLS project written by semifreddo ({error})") from error
    assert isinstance(data, dict)
    return data


def build_csim(
    project_dir: Path,
    executable: Path | None = None,
    *,
    jobs: int = 2,
    timeout_s: float = 900.0,
    trace: bool = False,
    exact: bool = False,
) -> Path:
    """Compile the C simulation, unless it is up to date.

    Args:
        project_dir: A written project.
        executable: The program to write; by default one inside the project.
        jobs: Compiler processes at the same time.
        timeout_s: Limit for each compiler process.
        trace: Let the program tell every layer's stream.
        exact: Integers of exactly the synthesized widths (much slower to compile and to run).

    Returns:
        The program. Beside it lie its log and a stamp that tells what it was made from.

    Raises:
        ProjectError: No such project.
        ToolError: g++ is missing or failed.
    """
    name = str(read_description(project_dir)["net"])
    defines = [f"-DSEMIFREDDO_{flag}" for flag, on in (("TRACE", trace), ("EXACT", exact)) if on]
    if executable is None:
        variant = "-".join(["csim", *(["trace"] * trace), *(["exact"] * exact)])
        executable = project_dir / "csim" / "build" / variant
    program = executable.resolve()
    stamp = program.with_name(f"{program.name}.stamp")
    tool = compiler()
    # Not -O3: its -ftree-loop-distribution makes g++ 12 compute other integers for some networks
    # (tests/ladder/test_matrix.py), in which sanitizers and valgrind find no fault.
    command = [str(tool), *_FLAGS, "-O0" if exact else "-O2", *defines]
    digest = digest_json([_sources_digest(project_dir), tool_version(tool), command])
    if program.is_file() and stamp.is_file() and stamp.read_text() == digest:
        return executable
    program.parent.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    sources = [f"firmware/{name}.cpp", "csim/main.cpp"]
    _compile(project_dir, command, sources, program, jobs, timeout_s)
    write_atomic(stamp, digest)
    return executable


def _compile(  # noqa: PLR0917
    project_dir: Path,
    command: Sequence[str],
    sources: Sequence[str],
    program: Path,
    jobs: int,
    timeout_s: float,
) -> None:
    """Sources to objects in a temporary directory, objects to the program."""
    log = program.with_name(f"{program.name}.log")
    sweep_beside(program.parent.glob(".csim-*"), r"\.csim-")
    with (
        tempfile.TemporaryDirectory(prefix=mark(".csim-"), dir=program.parent) as directory,
        atomic_path(program) as temporary,
    ):

        def compile_one(source: str) -> Path:
            target = Path(directory) / f"{Path(source).stem}.o"
            run(
                [*command, "-c", source, "-o", target],
                cwd=project_dir,
                timeout_s=timeout_s,
                log=log.with_suffix(f".{Path(source).stem}.log"),
                outputs=[target],
            )
            return target

        with ThreadPoolExecutor(max(1, jobs)) as pool:
            objects = list(pool.map(compile_one, sources))
        link: list[str | Path] = [command[0], *objects, "-o", temporary]
        run(link, cwd=project_dir, timeout_s=timeout_s, log=log, outputs=[temporary])
    program.chmod(0o755)


def _sources_digest(project_dir: Path) -> str:
    files = [*(project_dir / "firmware").rglob("*"), project_dir / "csim" / "main.cpp"]
    return digest_json(
        {str(path.relative_to(project_dir)): digest_file(path) for path in files if path.is_file()}
    )
