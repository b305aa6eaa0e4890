"""The tables of ``docs/performance.md`` about sizes of hardware, one measurement each.

Every design is simulated against the integers before it is counted.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from semifreddo.core.files import write_atomic
from semifreddo.core.tables import option
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.synthesis.parts import Part, files_below
from semifreddo.studies.hardware.networks import conv_net, dense_net
from semifreddo.studies.hardware.rivals import da4ml_rtl, plain_constants
from semifreddo.studies.hardware.workbench import Workbench, markdown
from semifreddo.studies.measurement import Measurement
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.runner import Progress

Row: TypeAlias = dict[str, Any]
"""Counts of one row of a table, as its record keeps them."""

RECORD = "record.json"

BITS = ((8, False), (6, False), (4, False), (3, False), (2, False), (8, True))
"""Bits of the weights of table 1, and whether they are powers of two."""

FOLDED_BITS = ((8, False), (4, False))
"""The same where a pixel takes 27 cycles."""


def residency(
    bench: Workbench,
    bits: Sequence[tuple[int, bool]] = BITS,
    folded: Sequence[tuple[int, bool]] = FOLDED_BITS,
) -> list[Row]:
    """Table 1: one 3x3 convolution 3 to 16, frozen, half frozen and loadable."""
    rows: list[Row] = []
    for cycles, kinds in ((1, bits), (27, folded)):
        for width, powers in kinds:
            row: Row = {"cycles": cycles, "bits": width, "powers_of_two": powers}
            for name, frozen, dsp in _RESIDENCIES:
                net = conv_net(3, 16, bits=width, frozen=frozen, powers_of_two=powers)
                choice = Choice(
                    rows_per_cycle=27 // cycles,
                    digit_bits=0 if cycles == 1 else 1,
                    multiplier="dsp" if dsp else "lut",
                )
                found = _layer(bench, net, choice)
                row[name] = {"lut": found.lut, "ff": found.ff, "dsp": found.dsp}
            rows.append(row)
    return rows


_RESIDENCIES = (
    ("frozen", 16, False),
    ("half", 8, False),
    ("half_dsp", 8, True),
    ("loadable", 0, False),
    ("loadable_dsp", 0, True),
)
"""Of the 16 output channels, how many are frozen, and whether DSP slices multiply."""


def residency_table(rows: Sequence[Row]) -> str:
    """Table 1 as Markdown."""
    head = ("cycles per pixel", "weight bits", "frozen LUT", "frozen FF", "half LUT", "half + DSP")
    return markdown(
        (*head, "loadable LUT", "loadable + DSP", "loadable / frozen"),
        [
            (
                row["cycles"],
                f"{row['bits']}, powers of two" if row["powers_of_two"] else row["bits"],
                row["frozen"]["lut"],
                row["frozen"]["ff"],
                row["half"]["lut"],
                _with_dsp(row["half_dsp"]),
                row["loadable"]["lut"],
                _with_dsp(row["loadable_dsp"]),
                row["loadable"]["lut"] / row["frozen"]["lut"],
            )
            for row in rows
        ],
    )


def _with_dsp(cells: Mapping[str, int]) -> str:
    return f"{cells['lut']:,} + {cells['dsp']}"


def digits(
    bench: Workbench,
    layers: Sequence[tuple[int, int, int, int]] = ((3, 16, 8, 8), (16, 32, 4, 8), (16, 32, 4, 4)),
    widths: Sequence[int] = (0, 4, 2, 1),
) -> list[Row]:
    """Table 2: digit width against LUTs and cycles, frozen layers.

    Args:
        bench: Simulates and counts.
        layers: Channels in and out, bits of the weights and of the activations.
        widths: Bits per cycle; 0 is all of them.
    """
    rows: list[Row] = []
    for inputs, outputs, bits, activation_bits in layers:
        net = conv_net(inputs, outputs, bits=bits, frozen=outputs, activation_bits=activation_bits)
        for width in widths:
            choice = Choice(digit_bits=width)
            found, design = _layer(bench, net, choice), _design(net, choice)
            rows.append(
                {
                    "layer": f"{inputs}→{outputs}, {bits}/{activation_bits}",
                    "digit_bits": width,
                    "cycles": design.layers.units[0].cycles // net.input.pixels,
                    "lut": found.lut,
                    "lut_pairs": found.lut_pairs,
                    "ff": found.ff,
                }
            )
    return rows


def digits_table(rows: Sequence[Row]) -> str:
    """Table 2 as Markdown; the first row of a layer is the parallel one."""
    head = (
        "layer, weight/activation bits",
        "bits per cycle",
        "cycles per pixel",
        "LUT",
        "of parallel",
    )
    parallel: dict[str, int] = {}
    lines = []
    for row in rows:
        whole = parallel.setdefault(row["layer"], row["lut"])
        lines.append(
            (
                row["layer"],
                row["digit_bits"] or "all",
                row["cycles"],
                row["lut"],
                row["lut"] / whole,
                row["lut_pairs"],
                row["lut_pairs"] / whole,
                row["ff"],
            )
        )
    return markdown((*head, "LUT, pairs as one", "of parallel LUT", "FF"), lines)


def rivals(bench: Workbench, sizes: tuple[int, ...] = (16, 32, 32, 5)) -> list[Row]:
    """Table 3: this RTL, plain constants left to Yosys, and da4ml's own RTL."""
    net = dense_net(sizes)
    ours = make_design(net)
    bits = {layer.name: Choice(digit_bits=1) for layer in net.layers}
    serial = make_design(net, RtlSchedule(bits))
    folder = bench.cache / f"da4ml-{ours.digest[:12]}"
    designs: Mapping[str, RtlDesign] = {
        "this RTL, all bits at once": ours,
        "plain constants, left to Yosys": plain_constants(ours),
        "da4ml's own RTL, pipelined": da4ml_rtl(ours, folder),
        "this RTL, one bit per cycle": serial,
    }
    parts = []
    for design in designs.values():
        bench.prove(design)
        top = design.layers.module
        parts.append(Part(top, top, files_below(design.files, top)))
    found = bench.cells(parts, use_dsp=False)
    return [
        {
            "way": name,
            "cycles": max(unit.figures.word_cycles for unit in design.layers.units),
            "lut": cells.lut,
            "lut_as_ram": cells.lut_as_ram,
            "lut_pairs": cells.lut_pairs,
            "ff": cells.ff,
        }
        for (name, design), cells in zip(designs.items(), found, strict=True)
    ]


def rivals_table(rows: Sequence[Row]) -> str:
    """Table 3 as Markdown; the first row is this RTL."""
    ours = rows[0]
    head = ("way", "cycles per input", "LUT", "of it FIFOs", "of this RTL", "without FIFOs")
    return markdown(
        (*head, "LUT, pairs as one", "FF"),
        [
            (
                row["way"],
                row["cycles"],
                row["lut"],
                row["lut_as_ram"],
                row["lut"] / ours["lut"],
                (row["lut"] - row["lut_as_ram"]) / (ours["lut"] - ours["lut_as_ram"]),
                row["lut_pairs"],
                row["ff"],
            )
            for row in rows
        ],
    )


def _design(net: StreamNet, choice: Choice) -> RtlDesign:
    return make_design(net, RtlSchedule({"conv": choice}))


def _layer(bench: Workbench, net: StreamNet, choice: Choice) -> CellCounts:
    """Cells of the only layer of a network."""
    design = _design(net, choice)
    bench.prove(design)
    top = design.layers.units[0].module
    part = Part(top, top, files_below(design.files, top))
    return bench.cells([part], use_dsp=choice.multiplier == "dsp")[0]


@dataclass(frozen=True)
class HardwareTable(Measurement):
    """One of the tables above; the committed counts are ``docs/studies/NAME.json``."""

    timeout_s: float = option(3600.0, help="seconds for each run of a tool", low=1)

    def run(self, folder: Path, jobs: int, say: Progress) -> str:
        rows = self.rows(Workbench(folder, self.timeout_s, jobs, say))
        record = folder / RECORD
        write_atomic(record, recorded(self.name, rows))
        say(f"{record}: the counts, for docs/studies/{self.name}.json")
        return self.table(rows)

    @abc.abstractmethod
    def rows(self, bench: Workbench) -> Sequence[Row]:
        """Prove and count."""

    @abc.abstractmethod
    def table(self, rows: Sequence[Row]) -> str:
        """What was counted, as Markdown."""


def recorded(name: str, rows: Sequence[Row]) -> str:
    """The text of a record: one line for each row."""
    lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return f'{{\n "study": "{name}",\n "rows": [\n{lines}\n ]\n}}\n'


@dataclass(frozen=True)
class Residency(HardwareTable):
    """Table 1."""

    name: ClassVar[str] = "residency"
    title: ClassVar[str] = "frozen, half frozen and loadable"

    def rows(self, bench: Workbench) -> Sequence[Row]:
        return residency(bench)

    def table(self, rows: Sequence[Row]) -> str:
        return residency_table(rows)


@dataclass(frozen=True)
class DigitWidth(HardwareTable):
    """Table 2."""

    name: ClassVar[str] = "digit_width"
    title: ClassVar[str] = "digit width of frozen layers"

    def rows(self, bench: Workbench) -> Sequence[Row]:
        return digits(bench)

    def table(self, rows: Sequence[Row]) -> str:
        return digits_table(rows)


@dataclass(frozen=True)
class Rivals(HardwareTable):
    """Table 3."""

    name: ClassVar[str] = "rivals"
    title: ClassVar[str] = "other ways to make the same network"

    def rows(self, bench: Workbench) -> Sequence[Row]:
        return rivals(bench)

    def table(self, rows: Sequence[Row]) -> str:
        return rivals_table(rows)
