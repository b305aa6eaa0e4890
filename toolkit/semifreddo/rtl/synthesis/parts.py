"""Out-of-context synthesis of a design, part by part, and what each part takes.

A part is one layer's module with everything below it, the streams between the layers (forks, FIFOs
and feature-map buffers; the layers are black boxes), or the bus front end (the layers together are
one black box). A part's result is kept under the digest of what it depends on: its files, the
script, Yosys' version and the counting rules. So a change synthesises again only what it changed.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from semifreddo.boards.spec import Family
from semifreddo.core.digest import digest_file, digest_json
from semifreddo.core.files import write_atomic
from semifreddo.rtl.components.verilog import synthesised
from semifreddo.rtl.design.written import Verilog
from semifreddo.tools import cells as counting
from semifreddo.tools import lut_pairs
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.delays import LIBRARIES
from semifreddo.tools.runner import Progress
from semifreddo.tools.yosys import find_yosys, synthesis_script, synthesize

Made = TypeVar("Made")


@dataclass(frozen=True)
class Part:
    """Something that is synthesised on its own.

    Attributes:
        name: A layer's name, ``streams`` or ``bus``.
        top: Its module.
        files: Text of the module and of all it uses, by file name.
        black_boxes: Modules that are declared only.
    """

    name: str
    top: str
    files: Mapping[str, str]
    black_boxes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Synthesized:
    """A part that has been synthesised.

    Attributes:
        cells: What it takes.
        netlist: Yosys' JSON netlist, gzipped, if netlists are kept.
        how: ``kept``, or the seconds it took.
    """

    cells: CellCounts
    netlist: Path | None
    how: str


@dataclass(frozen=True)
class DesignResources:
    """What a design takes, by part.

    Attributes:
        family: What it was synthesised for.
        by_layer: Cells by layer name.
        streams: Forks, FIFOs and buffers between the layers.
        bus: Packets, registers, result words.
        netlists: Yosys' JSON netlists, gzipped, by part, of families whose delays are known.
    """

    family: Family
    by_layer: Mapping[str, CellCounts]
    streams: CellCounts
    bus: CellCounts
    netlists: Mapping[str, Path] = field(default_factory=dict)

    @property
    def total(self) -> CellCounts:
        """All parts together."""
        return sum(self.by_layer.values(), self.streams + self.bus)


def design_parts(design: Verilog) -> list[Part]:
    """The parts of a design; every cell of it is in exactly one."""
    layers = design.layers
    units = {unit.module: unit.layer for unit in layers.units}
    parts = []
    for module, layer in units.items():
        files = files_below(design.files, module)
        files[f"{module}.sv"] = _with_parameters(files[f"{module}.sv"], module, layers.text)
        parts.append(Part(layer, module, files))
    streams = files_below(design.files, layers.module, tuple(units))
    parts.append(Part("streams", layers.module, streams, tuple(units)))
    bus = files_below(design.files, design.top, (layers.module,))
    parts.append(Part("bus", design.top, bus, (layers.module,)))
    return parts


def files_below(
    files: Mapping[str, str], top: str, black_boxes: Collection[str] = ()
) -> dict[str, str]:
    """The files of a module and of all it uses; of black boxes only what their ports are."""
    found: dict[str, str] = {}
    pending = [top]
    while pending:
        module = pending.pop()
        name = f"{module}.sv"
        if name in found or name not in files:
            continue
        if module in black_boxes:
            found[name] = declaration(files[name])
            continue
        found[name] = files[name]
        pending += re.findall(r"\b\w+\b", _code(files[name]))
    return dict(sorted(found.items()))


def packaged_files(files: Mapping[str, str], top: str) -> dict[str, str]:
    """What goes into an IP: the files that the top reaches, without what only a simulation sees."""
    return files_below({name: synthesised(text) for name, text in files.items()}, top)


def _with_parameters(text: str, module: str, user: str) -> str:
    """A module whose parameters' defaults are what its only user sets."""
    instance = re.search(rf"\b{module} #\((.*?)\) \w+ \(", user, re.DOTALL)
    for name, value in re.findall(r"\.(\w+)\((\w+)\)", instance[1] if instance else ""):
        text = re.sub(rf"(\bparameter integer {name}\s*= )\w+", rf"\g<1>{value}", text)
    return text


def _code(text: str) -> str:
    """A text without comments and without what only simulations see."""
    return re.sub(r"//.*", "", synthesised(text))


def declaration(text: str) -> str:
    """A generated module without its body, for Yosys to take as a black box."""
    head, _, _ = text.partition("\n);\n")
    ports = head[head.index("\nmodule ") + 1 :]
    return f"(* blackbox *)\n{ports}\n);\nendmodule\n"


def synthesize_design(
    design: Verilog,
    *,
    family: Family,
    cache: Path,
    timeout_s: float,
    use_dsp: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> DesignResources:
    """Synthesise every part of a design, several at once, and count.

    Args:
        design: What to synthesise.
        family: ``xc7``, ``xcup`` or ``ecp5``.
        cache: Folder of results from before; the new ones go there too.
        timeout_s: Limit for each part.
        use_dsp: Whether multipliers may become DSP slices.
        jobs: Parts at once; one per core if left out.
        progress: Gets a line when a part is done.

    Raises:
        ToolError: Yosys is missing, too old or fails.
        ToolTimeoutError: A part takes too long.
    """
    parts = design_parts(design)
    made = synthesize_parts(
        parts,
        family=family,
        cache=cache,
        timeout_s=timeout_s,
        use_dsp=use_dsp,
        netlists=family in LIBRARIES,
        jobs=jobs,
        progress=progress,
    )
    cells = [part.cells for part in made]
    layers = {part.name: found for part, found in zip(parts[:-2], cells, strict=False)}
    kept = {
        part.name: each.netlist
        for part, each in zip(parts, made, strict=True)
        if each.netlist is not None
    }
    return DesignResources(family, layers, cells[-2], cells[-1], kept)


def synthesize_parts(
    parts: Sequence[Part],
    *,
    family: Family,
    cache: Path,
    timeout_s: float,
    use_dsp: bool = True,
    netlists: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> list[Synthesized]:
    """Synthesise parts, several at once, in their order; see :func:`synthesize_design`.

    Args:
        parts: What to synthesise.
        family: ``xc7``, ``xcup`` or ``ecp5``.
        cache: Folder of results from before; the new ones go there too.
        timeout_s: Limit for each part.
        use_dsp: Whether multipliers may become DSP slices.
        netlists: Whether netlists are wanted.
        jobs: Parts at once; one per core if left out.
        progress: Gets a line when a part is done.
    """
    return each_part(
        parts,
        lambda part, cancel: synthesize_part(
            part,
            family=family,
            cache=cache,
            timeout_s=timeout_s,
            use_dsp=use_dsp,
            netlist=netlists,
            cancel=cancel,
        ),
        lambda made: f"{summary(made.cells)} ({made.how})",
        jobs=jobs,
        progress=progress,
    )


def each_part(
    parts: Sequence[Part],
    make: Callable[[Part, threading.Event], Made],
    about: Callable[[Made], str],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> list[Made]:
    """Make something of each part, several at once, in their order.

    Args:
        parts: The parts.
        make: Runs the tool; is told by the event to stop.
        about: What is said of a part that is done.
        jobs: Parts at once; one per core if left out.
        progress: Gets a line when a part is done.

    Raises:
        ToolError: Yosys is missing, or what ``make`` raises.
    """
    find_yosys(progress)  # prepares it once, before several threads want it
    say = progress or (lambda _: None)
    stop = threading.Event()
    found: dict[int, Made] = {}
    # The largest first, so that none is left over for one core at the end.
    order = sorted(range(len(parts)), key=lambda index: -len("".join(parts[index].files.values())))
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        try:
            tasks = {pool.submit(make, parts[index], stop): index for index in order}
            for task in as_completed(tasks):
                index = tasks[task]
                found[index] = made = task.result()
                say(f"{parts[index].name}: {about(made)}")
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [found[index] for index in range(len(parts))]


def synthesize_part(
    part: Part,
    *,
    family: Family,
    cache: Path,
    timeout_s: float,
    use_dsp: bool = True,
    netlist: bool = False,
    cancel: threading.Event | None = None,
) -> Synthesized:
    """Synthesise a part, or take what is kept of it."""
    script = synthesis_script(part.files, part.top, family=family, use_dsp=use_dsp)
    key = digest_json(
        [script, find_yosys().text, dict(part.files), part.black_boxes, _counting_rules()]
    )
    kept, packed = cache / f"{key}.json", cache / f"{key}.netlist.gz" if netlist else None
    if kept.is_file() and (packed is None or packed.is_file()):
        return Synthesized(CellCounts(**json.loads(kept.read_bytes())), packed, "kept")
    work = cache / f"work-{part.top}-{key[:12]}"
    done = synthesize(
        part.files,
        part.top,
        family=family,
        workdir=work,
        timeout_s=timeout_s,
        use_dsp=use_dsp,
        black_boxes=part.black_boxes,
        cancel=cancel,
    )
    if packed is not None:
        write_atomic(packed, gzip.compress(done.netlist.read_bytes(), 1, mtime=0))
    write_atomic(kept, json.dumps(asdict(done.cells)))
    shutil.rmtree(work)
    return Synthesized(done.cells, packed, f"{done.seconds:.0f} s")


@lru_cache(maxsize=1)
def _counting_rules() -> str:
    return digest_json(
        [digest_file(Path(module.__file__ or "")) for module in (counting, lut_pairs)]
    )


def summary(found: CellCounts) -> str:
    """A line about cells: ``312 LUT, 280 FF, 2 DSP``."""
    texts = [f"{found.lut} LUT", f"{found.ff} FF"]
    texts += [f"{found.dsp} DSP"] if found.dsp else []
    texts += [f"{found.bram18} BRAM18"] if found.bram18 else []
    return ", ".join(texts)
