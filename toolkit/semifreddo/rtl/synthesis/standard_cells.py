"""A design in standard cells, part by part: area, slowest path, and power on images.

The parts are those of :mod:`semifreddo.rtl.synthesis.parts`. Their netlists are put together and
clocked on images, which must give the network's integers; how often each pin changes meanwhile goes
into OpenSTA, with the netlists. Memories become flip-flops, wires are not modelled, and gates have
no delay while they are clocked, so glitches are not in the power.
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

import numpy as np

from semifreddo.core.digest import digest_file, digest_json
from semifreddo.core.errors import LadderError, ToolError
from semifreddo.core.files import write_atomic
from semifreddo.core.fixed import IntArray
from semifreddo.ir.address_map import AddressMap
from semifreddo.ir.bus import BusFormat, Words
from semifreddo.rtl.design.written import Verilog
from semifreddo.rtl.synthesis.gates import GateNetlist, Modules, Run
from semifreddo.rtl.synthesis.parts import Part, design_parts, each_part
from semifreddo.sim import reference
from semifreddo.tools.liberty import CellArea, cell_models, map_to_cells, mapping_script
from semifreddo.tools.opensta import Analysis, analyse
from semifreddo.tools.runner import Progress
from semifreddo.tools.yosys import find_yosys

_RESET_CYCLES = 4
_SETTLING_CYCLES = 2
_PATIENCE = 4
"""Of an image's latency: after so long a silence the netlist hangs."""
_CLOCK = "aclk"
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
class Activity:
    """What the clocked netlist did.

    Attributes:
        rates: Changes per cycle of each pin, from the first word of the first image to the last
            result.
        cycles: So many cycles that was.
        images: So many images.
    """

    rates: Mapping[str, float]
    cycles: int
    images: int


@dataclass(frozen=True)
class DesignCells:
    """A design in standard cells.

    Attributes:
        parts: By name: the layers, ``streams`` and ``bus``.
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
        jobs: Parts at once; one per core if left out.
        progress: Gets a line when a part is done.

    Raises:
        DataError: The liberty file cannot be read.
        LadderError: The netlist does not compute the network's integers.
        ToolError: Yosys or OpenSTA is missing or fails, or the library lacks a cell.
        ToolTimeoutError: A part takes too long.
    """
    say = progress or (lambda _: None)
    parts = design_parts(design)
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
    work = cache / f"work-cells-{design.top}"
    models = cell_models(liberty, workdir=work, timeout_s=timeout_s)
    activity = activity_of(design, modules, models, images)
    say(f"netlist of {len(activity.rates)} pins: exact on {activity.images} images")
    netlists = []
    for mapped in made:
        netlists.append(work.resolve() / f"{mapped.part.top}.v")
        write_atomic(netlists[-1], gzip.decompress(mapped.verilog.read_bytes()))
    found = analyse(
        netlists,
        design.top,
        liberty=liberty.resolve(),
        clock=_CLOCK,
        period_ns=1000 / clock_mhz,
        toggles=activity.rates,
        workdir=work,
        timeout_s=_STA_TIMEOUT_S,
    )
    shutil.rmtree(work)
    inside = _instances(modules, design, parts)
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


def activity_of(design: Verilog, modules: Modules, models: Modules, images: IntArray) -> Activity:
    """Clock a design's netlist on images that follow each other.

    Args:
        design: The design.
        modules: Its netlist: every module with its cells, as Yosys' JSON.
        models: Of the cells.
        images: Raw images (count, height, width, channels).

    Raises:
        LadderError: It does not compute the network's integers.
        ToolError: It hangs, or a cell is of a kind that cannot be clocked.
    """
    net, bus = design.net, BusFormat.of(design.net)
    run = GateNetlist(modules, design.top, models).run(1)
    _reset(run)
    patience = _PATIENCE * design.latency_cycles
    if net.configurable_blocks:
        task = bus.task_packet(AddressMap.of(net).pack(net))
        _exchange(run, task, 0, patience, count=False)
    wanted = len(images) * bus.output_cycles
    words = _exchange(run, bus.image_packet(images), wanted, patience, count=True)
    if not np.array_equal(bus.results(words), reference.run(net, images)):
        raise LadderError(
            f"{net.name}: the netlist of standard cells does not compute the network's integers; "
            "nothing was measured"
        )
    return Activity(run.rates(_CLOCK), run.cycles, len(images))


def _reset(run: Run) -> None:
    run.drive("m_axis_tready", 1)
    for cycle in range(_RESET_CYCLES + _SETTLING_CYCLES):
        run.drive("aresetn", int(cycle >= _RESET_CYCLES))
        run.settle()
        run.edge(count=False)


def _exchange(run: Run, packet: Words, wanted: int, patience: int, *, count: bool) -> Words:
    """Send a packet without a pause; the result words until as many as are wanted have come."""
    got: list[int] = []
    sent, still = 0, 0
    while sent < len(packet) or len(got) < wanted:
        offered = sent < len(packet)
        run.drive("s_axis_tvalid", int(offered))
        if offered:
            run.drive("s_axis_tdata", int(packet[sent]))
            run.drive("s_axis_tlast", int(sent == len(packet) - 1))
        run.settle()
        taken = offered and bool(run.read("s_axis_tready")[0])
        given = bool(run.read("m_axis_tvalid")[0])
        if given:
            got.append(int(run.read("m_axis_tdata")[0]))
        run.edge(count=count)
        sent += taken
        still = 0 if taken or given else still + 1
        if still > patience:
            raise ToolError(
                f"netlist of standard cells: took {sent} of {len(packet)} words, gave {len(got)} "
                f"of {wanted}, and then nothing for {patience} cycles"
            )
    run.drive("s_axis_tvalid", 0)
    return np.array(got, np.uint32)


def _instances(modules: Modules, design: Verilog, parts: Sequence[Part]) -> dict[str, str]:
    """Part by the path of its instance, with a slash behind it; the bus has no path."""
    names = {part.top: part.name for part in parts}
    found = {"": names[design.top]}

    def walk(module: str, path: str) -> None:
        for instance, cell in modules[module]["cells"].items():
            if cell["type"] in modules:
                inner = f"{path}{instance}/"
                found[inner] = names[cell["type"]]
                walk(cell["type"], inner)

    walk(design.top, "")
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
