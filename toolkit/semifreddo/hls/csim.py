"""Compiles the C simulation of an HLS project with plain g++."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from semifreddo.core.digest import digest_bytes, digest_json
from semifreddo.core.errors import ProjectError
from semifreddo.core.files import atomic_path, write_atomic
from semifreddo.tools.runner import find_tool, run, tool_version

COMPILER_HINT = "install a C++ compiler, e.g. with: apt-get install g++"

_FLAGS = ("-std=c++14", "-O2", "-fwrapv", "-Wall", "-Wno-unknown-pragmas", "-Wno-unused-label")


def read_description(project_dir: Path) -> dict[str, Any]:
    """``semifreddo.json`` of a project.

    Raises:
        ProjectError: Missing or not one.
    """
    path = project_dir / "semifreddo.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != "semifreddo-hls/1":
            raise ValueError(f"format {data['format']!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(f"{path}: not an HLS project written by semifreddo ({error})") from error
    assert isinstance(data, dict)
    return data


def build_csim(
    project_dir: Path,
    *,
    jobs: int = 2,
    timeout_s: float = 900.0,
    trace: bool = False,
    exact: bool = False,
) -> Path:
    """Compile the C simulation, unless it is up to date.

    Args:
        project_dir: A written project.
        jobs: Compiler processes at the same time.
        timeout_s: Limit for each compiler process.
        trace: Keep every layer's stream (slower).
        exact: Integers of exactly the synthesized widths (much slower to compile and to run).

    Returns:
        The program, inside the project.

    Raises:
        ProjectError: No such project.
        ToolError: g++ is missing or failed.
    """
    name = read_description(project_dir)["net"]
    compiler = find_tool(os.environ.get("CXX", "g++"), COMPILER_HINT)
    defines = [f"-DSEMIFREDDO_{flag}" for flag, on in (("TRACE", trace), ("EXACT", exact)) if on]
    build = project_dir / "csim" / "build" / ("-".join(d[2:].lower() for d in defines) or "plain")
    program, stamp = build / name, build / "stamp.json"
    digest = digest_json([_sources_digest(project_dir), tool_version(compiler), _FLAGS, defines])
    if program.is_file() and stamp.is_file() and stamp.read_text() == digest:
        return program
    common = [compiler, *_FLAGS, *defines, "-isystem", "firmware/ap_types"]
    sources = [f"firmware/{name}.cpp", "csim/main.cpp"]

    def compile_one(source: str) -> Path:
        target = build.relative_to(project_dir) / f"{Path(source).stem}.o"
        run(
            [*common, "-c", source, "-o", target],
            cwd=project_dir,
            timeout_s=timeout_s,
            log=build / f"{Path(source).stem}.log",
            outputs=[project_dir / target],
        )
        return project_dir / target

    build.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        objects = list(pool.map(compile_one, sources))
    with atomic_path(program) as temporary:
        command = [compiler, *objects, "-o", temporary]
        run(command, cwd=project_dir, timeout_s=timeout_s, log=build / "link.log")
    program.chmod(0o755)
    write_atomic(stamp, digest)
    return program


def _sources_digest(project_dir: Path) -> str:
    files = [*(project_dir / "firmware").rglob("*"), project_dir / "csim" / "main.cpp"]
    return digest_json(
        {
            str(path.relative_to(project_dir)): digest_bytes(path.read_bytes())
            for path in files
            if path.is_file()
        }
    )
