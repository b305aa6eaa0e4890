"""The tables of ``docs/performance.md`` about sizes of hardware, one measurement each.

Every design is simulated against the integers before it is counted.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from semifreddo.core.errors import ConfigError
from semifreddo.core.tables import option
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, RtlSchedule
from semifreddo.rtl.design.design import RtlDesign, make_design
from semifreddo.rtl.synthesis.parts import Part, files_below
from semifreddo.studies.hardware.networks import block_net, conv_net, dense_net
from semifreddo.studies.hardware.rivals import da4ml_rtl, plain_constants
from semifreddo.studies.hardware.workbench import Workbench, markdown
from semifreddo.studies.measurement import Measurement
from semifreddo.tools.cells import CellCounts
from semifreddo.tools.runner import Progress

BITS = ((8, False), (6, False), (4, False), (3, False), (2, False), (8, True))
"""Bits of the weights of table 1, and whether they are powers of two."""

FOLDED_BITS = ((8, False), (4, False))
"""The same where a pixel takes 27 cycles."""


def residency(
    bench: Workbench,
    bits: Sequence[tuple[int, bool]] = BITS,
    folded: Sequence[tuple[int, bool]] = FOLDED_BITS,
) -> str:
    """Table 1: one 3x3 convolution 3 to 16, frozen, half frozen and loadable."""
    rows: list[Sequence[object]] = []
    for cycles, kinds in ((1, bits), (27, folded)):
        for width, powers in kinds:
            found = {
                (frozen, dsp): _layer(
                    bench,
                    conv_net(3, 16, bits=width, frozen=frozen, powers_of_two=powers),
                    Choice(
                        rows_per_cycle=27 // cycles,
                        digit_bits=0 if cycles == 1 else 1,
                        multiplier="dsp" if dsp else "lut",
                    ),
                )
                for frozen in (16, 8, 0)
                for dsp in ((False,) if frozen == 16 else (False, True))
            }
            frozen = found[16, False]
            rows.append(
                (
                    cycles,
                    f"{width}, powers of two" if powers else width,
                    frozen.lut,
                    frozen.ff,
                    found[8, False].lut,
                    _with_dsp(found[8, True]),
                    found[0, False].lut,
                    _with_dsp(found[0, True]),
                    found[0, False].lut / frozen.lut,
                )
            )
    head = ("cycles per pixel", "weight bits", "frozen LUT", "frozen FF", "half LUT", "half + DSP")
    return markdown((*head, "loadable LUT", "loadable + DSP", "loadable / frozen"), rows)


def _with_dsp(found: CellCounts) -> str:
    return f"{found.lut:,} + {found.dsp}"


def digits(
    bench: Workbench,
    layers: Sequence[tuple[int, int, int, int]] = ((3, 16, 8, 8), (16, 32, 4, 8), (16, 32, 4, 4)),
    widths: Sequence[int] = (0, 4, 2, 1),
) -> str:
    """Table 2: digit width against LUTs and cycles, frozen layers.

    Args:
        bench: Simulates and counts.
        layers: Channels in and out, bits of the weights and of the activations.
        widths: Bits per cycle; 0 is all of them.
    """
    rows: list[Sequence[object]] = []
    for inputs, outputs, bits, activation_bits in layers:
        net = conv_net(inputs, outputs, bits=bits, frozen=outputs, activation_bits=activation_bits)
        whole: CellCounts | None = None
        for width in widths:
            choice = Choice(digit_bits=width)
            found = _layer(bench, net, choice)
            whole = whole or found
            design = _design(net, choice)
            rows.append(
                (
                    f"{inputs}→{outputs}, {bits}/{activation_bits}",
                    width or "all",
                    design.core.units[0].cycles // net.input.pixels,
                    found.lut,
                    found.lut / whole.lut,
                    found.lut_pairs,
                    found.lut_pairs / whole.lut,
                    found.ff,
                )
            )
    head = (
        "layer, weight/activation bits",
        "bits per cycle",
        "cycles per pixel",
        "LUT",
        "of parallel",
    )
    return markdown((*head, "LUT, pairs as one", "of parallel LUT", "FF"), rows)


def standard_cells(bench: Workbench, liberty: Path) -> str:
    """Table 3: size of a SemifreddoNet block at equal throughput, three residencies.

    At 18 cycles per pixel loadable cores take 18 for two of their 36 rows at once, frozen ones 16
    for a bit at once, and the blends 8 for a channel at once.
    """
    rows: list[Sequence[object]] = []
    for rate, core, blend in (
        (1, Choice(rows_per_cycle=36), Choice()),
        (18, Choice(rows_per_cycle=2, digit_bits=1), Choice(channels_per_cycle=1)),
    ):
        names = {f"core{index}": core for index in range(3)}
        schedule = RtlSchedule(names | {"blend1": blend, "blend2": blend})
        sizes = {}
        for frozen in (3, 1, 0):
            design = make_design(block_net(frozen), schedule)
            bench.prove(design)
            top = design.core.module
            [cells] = bench.cells([Part(top, top, files_below(design.files, top))], use_dsp=False)
            sizes[frozen] = bench.area(design.files, top, liberty), cells.lut
        whole, whole_lut = sizes[0]
        for frozen, name in ((0, "all loadable"), (1, "frozen core"), (3, "all frozen")):
            area, lut = sizes[frozen]
            rows.append(
                (
                    rate,
                    name,
                    round(area.total),
                    round(area.logic),
                    whole.total / area.total,
                    whole.logic / area.logic,
                    lut,
                    whole_lut / lut,
                )
            )
    head = ("cycles per pixel", "block", "area", "of it logic", "loadable / this", "logic only")
    return markdown((*head, "xc7 LUT", "loadable / this"), rows)


def rivals(bench: Workbench, sizes: tuple[int, ...] = (16, 32, 32, 5)) -> str:
    """Table 4: this RTL, plain constants left to Yosys, and da4ml's own RTL."""
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
        top = design.core.module
        parts.append(Part(top, top, files_below(design.files, top)))
    found = bench.cells(parts, use_dsp=False)
    rows = [
        (
            name,
            max(unit.figures.word_cycles for unit in design.core.units),
            cells.lut,
            cells.lut_as_ram,
            cells.lut / found[0].lut,
            (cells.lut - cells.lut_as_ram) / (found[0].lut - found[0].lut_as_ram),
            cells.lut_pairs,
            cells.ff,
        )
        for (name, design), cells in zip(designs.items(), found, strict=True)
    ]
    head = ("way", "cycles per input", "LUT", "of it FIFOs", "of this RTL", "without FIFOs")
    return markdown((*head, "LUT, pairs as one", "FF"), rows)


def _design(net: StreamNet, choice: Choice) -> RtlDesign:
    return make_design(net, RtlSchedule({"conv": choice}))


def _layer(bench: Workbench, net: StreamNet, choice: Choice) -> CellCounts:
    """Cells of the only layer of a network."""
    design = _design(net, choice)
    bench.prove(design)
    top = design.core.units[0].module
    part = Part(top, top, files_below(design.files, top))
    return bench.cells([part], use_dsp=choice.multiplier == "dsp")[0]


@dataclass(frozen=True)
class HardwareTable(Measurement):
    """One of the tables above."""

    timeout_s: float = option(3600.0, help="seconds for each run of a tool", low=1)

    def run(self, folder: Path, jobs: int, say: Progress) -> str:
        return self.measure(Workbench(folder, self.timeout_s, jobs, say))

    @abc.abstractmethod
    def measure(self, bench: Workbench) -> str:
        """Prove, count, and give the table."""


@dataclass(frozen=True)
class Residency(HardwareTable):
    """Table 1."""

    name: ClassVar[str] = "residency"
    title: ClassVar[str] = "frozen, half frozen and loadable"

    def measure(self, bench: Workbench) -> str:
        return residency(bench)


@dataclass(frozen=True)
class DigitWidth(HardwareTable):
    """Table 2."""

    name: ClassVar[str] = "digit_width"
    title: ClassVar[str] = "digit width of frozen layers"

    def measure(self, bench: Workbench) -> str:
        return digits(bench)


@dataclass(frozen=True)
class StandardCells(HardwareTable):
    """Table 3."""

    name: ClassVar[str] = "standard_cells"
    title: ClassVar[str] = "a whole block, in standard cells"

    liberty: Path | None = option(None, help="standard cells")  # noqa: RUF009 -- makes a field

    def measure(self, bench: Workbench) -> str:
        if self.liberty is None:
            raise ConfigError(f"study {self.name}: name a liberty file with --set liberty=FILE")
        return standard_cells(bench, self.liberty)


@dataclass(frozen=True)
class Rivals(HardwareTable):
    """Table 4."""

    name: ClassVar[str] = "rivals"
    title: ClassVar[str] = "other ways to make the same network"

    def measure(self, bench: Workbench) -> str:
        return rivals(bench)
