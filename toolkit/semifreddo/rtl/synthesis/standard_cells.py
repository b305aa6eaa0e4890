"""A design in standard cells, part by part: area, slowest path, and power on images.

The parts are those of :mod:`semifreddo.rtl.synthesis.parts`. Their netlists are put together and
clocked on images, which must give the network's integers; how often each pin changes meanwhile goes
into OpenSTA, with the netlists. The bus takes a word of 32 bits per cycle, so what layers with
wide words take at their own rate is measured without it, on their streams. Memories become
flip-flops, wires are not modelled, and gates have no delay while they are clocked, so glitches are
not in the power.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

from semifreddo.core.digest import digest_file, digest_json
from semifreddo.core.files import write_atomic
from semifreddo.core.fixed import IntArray
from semifreddo.rtl.design.written import Verilog
from semifreddo.rtl.synthesis.activity import Activity, activity_of, stream_activity
from semifreddo.rtl.synthesis.gates import Modules
from semifreddo.rtl.synthesis.parts import Part, design_parts, each_part
from semifreddo.tools.liberty import CellArea, cell_models, map_to_cells, mapping_script
from semifreddo.tools.opensta import Analysis, analyse
from semifreddo.tools.runner import Progress
from semifreddo.tools.yosys import find_yosys

_STA_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class MappedPart:
    """A part in standard cells.

    Attributes:
        part: The part.
        area: What it takes; the black boxes in it take nothing.
        verilog: Text of the netlist, gzipped.
        gates: The netlist as JSON, gzipped.
        how: ``kept``, or the seconds it took.
    """

    part: Part
    area: CellArea
    verilog: Path
    gates: Path
    how: str


@dataclass(frozen=True)
class PartCells:
    """What a part takes.

    Attributes:
        area: In the liberty file's unit.
        watts: While images follow each other.
    """

    area: CellArea
    watts: float


@dataclass(frozen=True)
class DesignCells:
    """A design in standard cells.

    Attributes:
        parts: By name: the layers, ``streams`` and, unless it was left out, ``bus``.
        analysis: Slowest path and power of the whole; registers are named by the part they are in.
        activity: What the power is from.
    """

    parts: Mapping[str, PartCells]
    analysis: Analysis
    activity: Activity

    @property
    def area(self) -> float:
        """All parts together."""
        return sum(found.area.total for found in self.parts.values())


def measure_cells(
    design: Verilog,
    images: IntArray,
    *,
    liberty: Path,
    clock_mhz: float,
    cache: Path,
    timeout_s: float,
    bus: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> DesignCells:
    """Map a design to standard cells, clock it on images, and analyse it.

    Args:
        design: The design.
        images: Raw images (count, height, width, channels), which follow each other.
        liberty: The cells: area, function, timing and power.
        clock_mhz: Of which the power is.
        cache: Folder of parts from before; the new ones go there too.
        timeout_s: Limit for each part.
        bus: Whether the bus front end belongs to it; otherwise pixels and results are streams.
        jobs: Parts at once; one per core if left out.
        progress: Gets a line when a part is done.

    Raises:
        DataError: The liberty file cannot be read.
        LadderError: The netlist does not compute the network's integers.
        ToolError: Yosys or OpenSTA is missing or fails, or the library lacks a cell.
        ToolTimeoutError: A part takes too long.
    """
    say = progress or (lambda _: None)
    parts = design_parts(design) if bus else design_parts(design)[:-1]
    top, clock = (design.top, "aclk") if bus else (design.layers.module, "clk")
    made = each_part(
        parts,
        lambda part, cancel: map_part(
            part, liberty=liberty, cache=cache, timeout_s=timeout_s, cancel=cancel
        ),
        lambda found: f"{found.area.cells} cells, area {found.area.total:.0f} ({found.how})",
        jobs=jobs,
        progress=progress,
    )
    modules: dict[str, Any] = {}
    for mapped in made:
        netlist = json.loads(gzip.decompress(mapped.gates.read_bytes()))["modules"]
        modules[mapped.part.top] = netlist[mapped.part.top]
    work = cache / f"work-cells-{top}"
    models = cell_models(liberty, workdir=work, timeout_s=timeout_s)
    clocked = activity_of if bus else stream_activity
    activity = clocked(design, modules, models, images)
    say(f"netlist of {len(activity.rates)} pins: exact on {activity.images} images")
    netlists = []
    for mapped in made:
        netlists.append(work.resolve() / f"{mapped.part.top}.v")
        write_atomic(netlists[-1], gzip.decompress(mapped.verilog.read_bytes()))
    found = analyse(
        netlists,
        top,
        liberty=liberty.resolve(),
        clock=clock,
        period_ns=1000 / clock_mhz,
        toggles=activity.rates,
        workdir=work,
        timeout_s=_STA_TIMEOUT_S,
    )
    shutil.rmtree(work)
    inside = _instances(modules, top, parts)
    watts = dict.fromkeys(inside.values(), 0.0)
    for instance, power in found.power.by_instance.items():
        watts[_part_of(instance, inside)] += power
    return DesignCells(
        {each.part.name: PartCells(each.area, watts[each.part.name]) for each in made},
        _named(found, inside),
        activity,
    )


def map_part(
    part: Part, *, liberty: Path, cache: Path, timeout_s: float, cancel: Event | None = None
) -> MappedPart:
    """Map a part to standard cells, or take what is kept of it."""
    script = mapping_script(part.files, part.top)
    key = digest_json(
        [script, find_yosys().text, dict(part.files), part.black_boxes, digest_file(liberty)]
    )
    kept, verilog, gates = (cache / f"{key}.{name}" for name in ("area", "v.gz", "json.gz"))
    if kept.is_file() and verilog.is_file() and gates.is_file():
        return MappedPart(part, CellArea(**json.loads(kept.read_bytes())), verilog, gates, "kept")
    work = cache / f"work-cells-{part.top}-{key[:12]}"
    done = map_to_cells(
        part.files,
        part.top,
        liberty=liberty,
        workdir=work,
        timeout_s=timeout_s,
        black_boxes=part.black_boxes,
        cancel=cancel,
    )
    write_atomic(verilog, gzip.compress(done.verilog.read_bytes(), 1, mtime=0))
    write_atomic(gates, gzip.compress(done.gates.read_bytes(), 1, mtime=0))
    write_atomic(kept, json.dumps(asdict(done.area)))
    shutil.rmtree(work)
    return MappedPart(part, done.area, verilog, gates, f"{done.area.seconds:.0f} s")


def _instances(modules: Modules, top: str, parts: Sequence[Part]) -> dict[str, str]:
    """Part by the path of its instance, with a slash behind it; the part at the top has no path."""
    names = {part.top: part.name for part in parts}
    found = {"": names[top]}

    def walk(module: str, path: str) -> None:
        for instance, cell in modules[module]["cells"].items():
            if cell["type"] in modules:
                inner = f"{path}{instance}/"
                found[inner] = names[cell["type"]]
                walk(cell["type"], inner)

    walk(top, "")
    return found


def _part_of(instance: str, inside: Mapping[str, str]) -> str:
    path = instance
    while path:
        path = path[: path.rstrip("/").rfind("/") + 1]
        if path in inside:
            return inside[path]
    return inside[""]


def _named(found: Analysis, inside: Mapping[str, str]) -> Analysis:
    """The same, with parts in place of instances at the ends of the slowest path."""
    path = found.path
    if path is None:
        return found
    start, end = _part_of(path.start, inside), _part_of(path.end, inside)
    return Analysis(type(path)(path.ns, start, end), found.power)
