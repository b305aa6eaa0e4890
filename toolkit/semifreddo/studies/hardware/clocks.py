"""How good the estimate of the clock is: against nextpnr, on an ECP5, over many different layers.

Each layer is synthesised alone, its slowest path is estimated, and then it is placed and routed
without pins. Of 7 series no free tool says how fast a design becomes, so its wires are an
assumption, and only the ECP5's were chosen by these figures.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np

from semifreddo.core.columns import markdown_table
from semifreddo.core.files import write_atomic
from semifreddo.core.tables import option
from semifreddo.rtl.synthesis.parts import Part, Synthesized, synthesize_parts
from semifreddo.studies.hardware.calibration import SEED, sample_part
from semifreddo.studies.hardware.sample_layers import samples
from semifreddo.studies.measurement import Measurement
from semifreddo.tools.delays import cell_delays
from semifreddo.tools.nextpnr import place_and_route
from semifreddo.tools.runner import Progress
from semifreddo.tools.slow_paths import WIRES, slowest_paths

_WANTED_MHZ = 200.0
"""More than any layer reaches, so that nextpnr does what it can."""


@dataclass(frozen=True)
class Timed:
    """A layer with its estimate, and nextpnr's answer, in nanoseconds."""

    title: str
    lut: int
    estimated: float
    routed: float

    @property
    def ratio(self) -> float:
        """Estimated for each nanosecond that was routed."""
        return self.estimated / self.routed


@dataclass(frozen=True)
class Clocks(Measurement):
    """Estimated and routed delays."""

    name: ClassVar[str] = "clocks"
    title: ClassVar[str] = "how far the estimate of a design's clock is off"

    layers: int = option(16, help="how many random layers", low=1)
    most_luts: int = option(3_000, help="larger layers are left out", low=1)
    timeout_s: float = option(600.0, help="seconds for a layer, in each tool", low=1)

    def run(self, folder: Path, jobs: int, say: Progress) -> str:
        chosen = islice(samples(SEED), self.layers)
        parts = [sample_part(sample, index) for index, sample in enumerate(chosen)]
        made = synthesize_parts(
            parts,
            family="ecp5",
            cache=folder,
            timeout_s=self.timeout_s,
            netlists=True,
            jobs=jobs,
            progress=say,
        )
        timed = []
        for part, each in zip(parts, made, strict=True):
            if each.cells.lut <= self.most_luts:
                timed.append(self._time(part, each, folder))
                say(f"{part.name}: {timed[-1].estimated:.2f} ns, {timed[-1].routed:.2f} routed")
        return f"{listing(timed)}\n\n{summary(timed)}\n"

    def _time(self, part: Part, made: Synthesized, folder: Path) -> Timed:
        """Estimate and route a layer; what was routed before is kept."""
        assert made.netlist is not None
        text = gzip.decompress(made.netlist.read_bytes())
        found = json.loads(text)
        paths = slowest_paths(
            lambda _: found, {part.top}, part.top, cell_delays("ecp5"), WIRES["ecp5"]
        )
        work = folder / f"routed-{made.netlist.name.partition('.')[0]}"
        kept = work / "ns"
        if not kept.is_file():
            work.mkdir(parents=True, exist_ok=True)
            write_atomic(work / "layer.json", text)
            routed = place_and_route(
                work / "layer.json",
                None,
                size="45k",
                package="CABGA381",
                speed=6,
                clock_mhz=_WANTED_MHZ,
                workdir=work,
                timeout_s=self.timeout_s,
                seed=1,
            )
            write_atomic(kept, repr(1000 / routed.slowest_mhz))
        ns = float(kept.read_text())
        return Timed(part.name, made.cells.lut, paths[part.top].ns, ns)


def listing(timed: Sequence[Timed]) -> str:
    """Every layer, as a Markdown table."""
    rows = [
        (each.title, each.lut, f"{each.estimated:.2f}", f"{each.routed:.2f}", f"{each.ratio:.2f}")
        for each in timed
    ]
    return markdown_table(("layer", "LUT4", "estimated ns", "routed ns", "ratio"), rows).rstrip()


def summary(timed: Sequence[Timed]) -> str:
    """The distribution of the ratios in a line."""
    ratios = np.array([each.ratio for each in timed])
    return (
        f"{len(timed)} layers: estimated for each routed nanosecond {ratios.mean():.2f} on "
        f"average, deviation {ratios.std():.2f}, {ratios.min():.2f} to {ratios.max():.2f}"
    )
