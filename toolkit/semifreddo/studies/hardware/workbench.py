"""Figures of a design that was proven right first: simulate, then count.

Everything is kept by content, so a measurement that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semifreddo.core.columns import markdown_table
from semifreddo.core.errors import LadderError
from semifreddo.core.files import write_atomic
from semifreddo.ir.address_map import AddressMap
from semifreddo.rtl.design.design import RtlDesign
from semifreddo.rtl.simulation.cosim import Simulation, Stalls
from semifreddo.rtl.simulation.verilator import build
from semifreddo.rtl.synthesis.parts import Part, synthesize_parts
from semifreddo.sim import reference
from semifreddo.studies.hardware.networks import pictures
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.runner import Progress

_IMAGES = 6
_STALLS = ((0, 0), (300, 400))


@dataclass(frozen=True)
class Workbench:
    """Where results are kept, and how long things may take.

    Attributes:
        cache: Folder of results.
        timeout_s: Limit of each tool run.
        jobs: Synthesis runs at once.
        say: Gets a line per step.
    """

    cache: Path
    timeout_s: float
    jobs: int
    say: Progress

    def prove(self, design: RtlDesign) -> None:
        """Simulate a design under stalls against the integers.

        Raises:
            LadderError: They differ.
            ToolError: Verilator is missing or fails.
            TransportError: The simulation hangs.
        """
        proof = self.cache / f"exact-{design.digest}"
        if proof.is_file():
            return
        net, images = design.net, pictures(design.net, _IMAGES)
        place = self.cache / "simulations" / f"{design.net.name}-{design.digest[:12]}"
        executable = build(design, place, optimize=False, timeout_s=self.timeout_s)
        expected = reference.run(net, images)
        packets = [design.bus.image_packet(images)]
        if net.configurable_blocks:
            packets.insert(0, design.bus.task_packet(AddressMap.of(net).pack(net)))
        for offered, taken in _STALLS:
            with Simulation(executable, design.bus) as simulation:
                simulation.configure(Stalls(offered, taken))
                found = simulation.exchange(packets, _IMAGES, self.timeout_s).results
            if not np.array_equal(found, expected):
                raise LadderError(
                    f"{net.name}: the RTL does not compute the network's integers; nothing counted"
                )
        shutil.rmtree(place)
        write_atomic(proof, "")
        self.say(f"{design.net.name} {design.digest[:8]}: exact under stalls")

    def cells(self, parts: Sequence[Part], *, use_dsp: bool) -> list[CellCounts]:
        """7-series cells of each part.

        Raises:
            ToolError: Yosys is missing or fails.
        """
        made = synthesize_parts(
            parts,
            family="xc7",
            cache=self.cache,
            timeout_s=self.timeout_s,
            use_dsp=use_dsp,
            jobs=self.jobs,
            progress=self.say,
        )
        return [part.cells for part in made]


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; numbers with thousands separators."""
    return markdown_table(head, [[_text(cell) for cell in row] for row in rows])


def _text(cell: object) -> str:
    if cell is None:
        return "–"  # noqa: RUF001 -- nothing was measured
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
