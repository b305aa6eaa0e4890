"""Library modules synthesised alone: selectors by their inputs, and FIFOs by their depth.

``semifreddo study components`` prints what :mod:`semifreddo.rtl.components.memories` predicts of
them beside what Yosys makes (7 series).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from semifreddo.core.columns import markdown_table
from semifreddo.core.tables import option
from semifreddo.rtl import library
from semifreddo.rtl.components.component import Component, place
from semifreddo.rtl.components.lanes import Pick
from semifreddo.rtl.components.memories import Fifo
from semifreddo.rtl.components.verilog import Port, module, stream_ports
from semifreddo.rtl.synthesis.parts import Part, synthesize_parts
from semifreddo.studies.measurement import Measurement
from semifreddo.tools.runner import Progress

_BITS = 16
_DEPTHS = (2, 3, 4, 5, 8, 9, 16, 29, 38, 64, 100, 200, 600)


def pick_part(inputs: int) -> tuple[Pick, Part]:
    """A selector of 16 bits."""
    made = Pick(_BITS * inputs, _BITS)
    number = max(1, (inputs - 1).bit_length())
    ports = (
        Port("input", "clk"),
        Port("input", "number", number),
        Port("input", "word", made.bits),
        Port("output", "picked", _BITS),
    )
    return made, _part(f"pick_{inputs}", made, ports)


def fifo_part(depth: int, *, credited: bool) -> tuple[Fifo, Part]:
    """A FIFO of words of 16 bits."""
    made = Fifo(_BITS, depth, credited=credited)
    ports = (
        Port("input", "clk"),
        Port("input", "rst"),
        *stream_ports("in", _BITS, source=False),
        *stream_ports("out", _BITS, source=True),
    )
    return made, _part(f"fifo_{depth}{'_credited' * credited}", made, ports)


def _part(name: str, made: Component, ports: tuple[Port, ...]) -> Part:
    body = [place(made, "made", {port.name: port.name for port in ports})]
    text = module(name, f"{made.module} alone.", ports, body)
    return Part(name, name, {f"{name}.sv": text} | library.needed([text]))


@dataclass(frozen=True)
class Components(Measurement):
    """Selectors and FIFOs, predicted and synthesised."""

    name: ClassVar[str] = "components"
    title: ClassVar[str] = "what selectors and FIFOs take, predicted and synthesised"

    inputs: int = option(33, help="largest number of inputs of a selector", low=2)
    timeout_s: float = option(600.0, help="seconds for a module", low=1)

    def run(self, folder: Path, jobs: int, say: Progress) -> str:
        chosen = list(self._chosen())
        made = synthesize_parts(
            [part for _, part in chosen],
            family="xc7",
            cache=folder,
            timeout_s=self.timeout_s,
            jobs=jobs,
            progress=say,
        )
        rows = []
        for (component, part), found in zip(chosen, made, strict=True):
            area = component.counts().area()
            cells = found.cells
            rows.append((part.name, f"{area.lut:.0f}", cells.lut, f"{area.ff:.0f}", cells.ff))
        head = ("module", "LUT predicted", "found", "flip-flops predicted", "found")
        return markdown_table(head, rows)

    def _chosen(self) -> Iterator[tuple[Component, Part]]:
        for inputs in range(2, self.inputs + 1):
            yield pick_part(inputs)
        for depth in _DEPTHS:
            for credited in (False, True):
                yield fifo_part(depth, credited=credited)
