"""OpenSTA: slowest path and power of a netlist of standard cells. Wires are not modelled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semifreddo.core.errors import ToolError
from semifreddo.core.files import write_atomic
from semifreddo.tools.runner import find_tool, run

_HOW = "install it with: apt-get install opensta"
_PATH = re.compile(
    r"^Startpoint: (?P<start>\S+).*?^Endpoint: (?P<end>\S+).*?"
    r"^ *(?P<slack>-?\d+\.\d+) +slack",
    re.MULTILINE | re.DOTALL,
)
_POWER = re.compile(r"^(Sequential|Total)(?: +\S+){3} +(\S+)", re.MULTILINE)
_INSTANCE = re.compile(r"^instance (\S+) (\S+)$", re.MULTILINE)
_ERROR = re.compile(r"^(?:Error: .*|Warning: .* not found\..*)$", re.MULTILINE)


@dataclass(frozen=True)
class SlowestPath:
    """The slowest path between two registers.

    Attributes:
        ns: Delay with the setup time of the register at its end.
        start: Where it begins: an instance, the instances around it before it, with slashes.
        end: Where it ends.
    """

    ns: float
    start: str
    end: str


@dataclass(frozen=True)
class Power:
    """Power at a clock, in watts.

    Attributes:
        sequential: Of flip-flops, their clock pins included.
        total: Of all cells, with leakage.
        by_instance: Of each cell, by its name with those of the instances around it.
    """

    sequential: float
    total: float
    by_instance: Mapping[str, float]


@dataclass(frozen=True)
class Analysis:
    """What OpenSTA found in a netlist.

    Attributes:
        path: None if no path leads from a register to a register.
        power: As the toggle rates make it.
    """

    path: SlowestPath | None
    power: Power


def find_sta() -> Path:
    """Where OpenSTA is.

    Raises:
        ToolError: It is not on PATH; says how to get it.
    """
    return find_tool("sta", _HOW)


def analyse(
    netlists: Sequence[Path],
    top: str,
    *,
    liberty: Path,
    clock: str,
    period_ns: float,
    toggles: Mapping[str, float],
    workdir: Path,
    timeout_s: float,
) -> Analysis:
    """Slowest path and power of a netlist.

    Args:
        netlists: Verilog of all modules.
        top: The module.
        liberty: The cells, with timing and power.
        clock: The port with the clock.
        period_ns: Of the clock.
        toggles: Changes per clock cycle of the cells' pins but those of the clock, by name,
            ``instance/pin``. It has to name all of them: where OpenSTA works out some by itself,
            long chains of gates come out as no number.
        workdir: Gets script and log.
        timeout_s: Limit of the run.

    Raises:
        ToolError: OpenSTA is missing, fails, or reports something else.
        ToolTimeoutError: Not finished in time.
    """
    lines = [
        f"read_liberty {{{liberty}}}",
        *(f"read_verilog {{{path}}}" for path in netlists),
        f"link_design {top}",
        f"create_clock -name clock -period {period_ns:g} [get_ports {clock}]",
        "report_checks -digits 4",
        "set_power_activity -input -activity 0",
        # The command that documents this, set_power_activity -pins, fails in Debian's build.
        *(
            f"sta::set_power_pin_activity [get_pins {{{pin}}}] {rate:.6g} 0.5"
            for pin, rate in toggles.items()
        ),
        "report_power -digits 6",
        "foreach cell [get_cells -hierarchical *] {",
        "  set found [lindex [sta::instance_power $cell [sta::cmd_corner]] 3]",
        '  puts "instance [get_full_name $cell] $found"',
        "}",
    ]
    write_atomic(workdir / "sta.tcl", "\n".join(lines) + "\n")
    log = workdir / "sta.log"
    run([find_sta(), "-no_splash", "-exit", "sta.tcl"], cwd=workdir, timeout_s=timeout_s, log=log)
    text = log.read_text(encoding="utf-8", errors="replace")
    totals = {name: float(total) for name, total in _POWER.findall(text)}
    failed = _ERROR.search(text)
    if failed or totals.keys() != {"Sequential", "Total"}:
        raise ToolError(f"OpenSTA: {failed[0] if failed else 'reports no power'}; see {log}")
    instances = {name: float(watts) for name, watts in _INSTANCE.findall(text)}
    path = None
    if (match := _PATH.search(text)) is not None:
        path = SlowestPath(period_ns - float(match["slack"]), match["start"], match["end"])
    return Analysis(path, Power(totals["Sequential"], totals["Total"], instances))
