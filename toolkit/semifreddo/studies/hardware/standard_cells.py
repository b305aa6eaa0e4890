"""What freezing is worth in silicon: a trained block in standard cells and in 7-series LUTs.

The block is the second one of the networks of :mod:`semifreddo.studies.few_digits`: three cores,
two blends, window formers, line memories, FIFOs. All of it is frozen, or all is loadable, or one
core of three is frozen. What is frozen is measured whole. Loadable hardware is the same for all
weights, so one loadable core and its blend are measured and counted three times and twice; of the
wide ones at a pixel per cycle a few output channels, from which all follow on a line.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from semifreddo.core.digest import digest_file, digest_json
from semifreddo.core.errors import ConfigError
from semifreddo.core.files import write_atomic
from semifreddo.core.fixed import IntArray
from semifreddo.core.tables import option
from semifreddo.flow.training import net_of
from semifreddo.ir.layers import Blend, Conv
from semifreddo.ir.net import StreamNet
from semifreddo.rtl.choices import Choice, Multiplier, RtlSchedule
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.synthesis.parts import design_parts
from semifreddo.rtl.synthesis.standard_cells import measure_cells
from semifreddo.studies.few_digits import (
    BLOCKS,
    LARGE,
    MODEL,
    POWERS,
    PRUNED,
    SMALL,
    TERNARY,
    UNIFORM,
    WAYS,
    FewDigits,
    network_cell,
)
from semifreddo.studies.hardware.tables import RECORD, Row, recorded
from semifreddo.studies.hardware.trained_blocks import (
    BLENDS,
    CORES,
    CutNet,
    frozen_block,
    loadable_core,
)
from semifreddo.studies.hardware.workbench import Workbench, markdown
from semifreddo.studies.measurement import Measurement
from semifreddo.studies.pool import Serial
from semifreddo.studies.runner import DEFAULT_SEEDS, Runner
from semifreddo.studies.tables import spread
from semifreddo.tools.liberty import mapping_script, read_liberty
from semifreddo.tools.opensta import find_sta
from semifreddo.tools.runner import Progress
from semifreddo.tools.yosys import find_yosys
from semifreddo.train.checkpoint import load_checkpoint
from semifreddo.train.seen import raw_images

CLOCK_MHZ = 20.0
"""Of which the power is."""

RATES = (1, 18)
"""Cycles per pixel."""

IMAGES: Mapping[int, int] = {1: 3, 18: 2}
"""Images that follow each other, by the cycles per pixel; the first is not counted."""

SLICES: Mapping[tuple[str, int], tuple[int, ...]] = {
    **{(block, rate): (BLOCKS[block][1],) for block in BLOCKS for rate in RATES},
    (LARGE, 1): (2, 4),
}
"""Output channels of the loadable cores that are measured, by block and cycles per pixel."""

MULTIPLIERS: Mapping[str, Multiplier] = {UNIFORM: "lut", POWERS: "shift", TERNARY: "shift"}
"""Loadable hardware by the weights that it takes; pruned ones are loaded as uniform ones."""

ALL_LOADABLE, ONE_FROZEN, ALL_FROZEN = "all loadable", "one core frozen", "all frozen"
RESIDENCIES = (ALL_LOADABLE, ONE_FROZEN, ALL_FROZEN)
AIMS = (10, 6)
"""Loadable divided by frozen that was aimed at: of few-digit weights, and of uniform ones."""

MOST_LOST = 1.0
"""Points of accuracy that few-digit weights may cost."""

_KEY = ("block", "cycles", "weights", "residency")
"""What tells the rows of a record apart."""

SEED = 0
"""Of the networks whose silicon is measured."""

ORDER = (
    *((LARGE, 1, way) for way in (PRUNED, UNIFORM)),
    *((SMALL, 1, way) for way in (TERNARY, UNIFORM, PRUNED, POWERS)),
    *((LARGE, 1, way) for way in (POWERS, TERNARY)),
    *((block, 18, way) for block in (SMALL, LARGE) for way in WAYS),
)
"""What is measured first is what the aims are about."""


@dataclass(frozen=True)
class Silicon:
    """What hardware takes.

    Attributes:
        area: Standard cells, in the unit of the liberty file.
        state: Of it, flip-flops.
        ns: Its slowest path between registers.
        mw: Power at :data:`CLOCK_MHZ` while pixels follow each other.
        lut: 7-series LUTs.
        ff: 7-series flip-flops.
    """

    area: float
    state: float
    ns: float
    mw: float
    lut: float
    ff: float

    def __add__(self, other: Silicon) -> Silicon:
        """Both beside each other."""
        sums = {name: value + getattr(other, name) for name, value in asdict(self).items()}
        return Silicon(**sums | {"ns": max(self.ns, other.ns)})

    def times(self, factor: float) -> Silicon:
        """So many of them."""
        return Silicon(**{n: v * factor for n, v in asdict(self).items()} | {"ns": self.ns})

    def at(self, channels: int, mine: int, other: Silicon, its: int) -> Silicon:
        """What more channels take, on the line through this one and another one.

        Args:
            channels: So many.
            mine: Channels of this one.
            other: Another measured one, whose slowest path counts.
            its: Its channels.
        """
        step = other + self.times(-1)
        return replace(self + step.times((channels - mine) / (its - mine)), ns=other.ns)


Parts = Mapping[str, Silicon]
"""By layer, and ``streams``."""


def measured_parts(bench: Workbench, cut: CutNet, schedule: RtlSchedule, liberty: Path) -> Parts:
    """What the parts of a network take, exact on its images; all have the slowest path of all.

    Raises:
        LadderError: The netlist computes other integers.
        ToolError: Yosys or OpenSTA is missing or fails.
    """
    design = make_design(cut.net, schedule)
    tools = [mapping_script((), ""), find_yosys().text, digest_file(liberty), CLOCK_MHZ]
    key = digest_json([design.digest, cut.images.tolist(), *tools])
    kept = bench.cache / f"silicon-{key}.json"
    if not kept.is_file():
        found = measure_cells(
            design,
            cut.images,
            liberty=liberty,
            clock_mhz=CLOCK_MHZ,
            cache=bench.cache,
            timeout_s=bench.timeout_s,
            bus=False,
            jobs=bench.jobs,
            progress=bench.say,
        )
        parts = design_parts(design)[:-1]
        counts = bench.cells(parts, use_dsp=False)
        path = found.analysis.path
        made = {
            part.name: Silicon(
                cells.area.total,
                cells.area.sequential,
                path.ns if path else 0.0,
                1000 * cells.watts,
                count.lut,
                count.ff,
            )
            for part, count in zip(parts, counts, strict=True)
            for cells in (found.parts[part.name],)
        }
        write_atomic(kept, json.dumps({name: asdict(part) for name, part in made.items()}))
    return {name: Silicon(**part) for name, part in json.loads(kept.read_bytes()).items()}


def schedule_of(net: StreamNet, rate: int, multiplier: Multiplier) -> RtlSchedule:
    """Choices with which a block takes a pixel in at most so many cycles."""
    cores = [layer for layer in net.layers if isinstance(layer, Conv)]
    blends = [layer for layer in net.layers if isinstance(layer, Blend)]
    rows = net.block[cores[0].weight].rows
    core = Choice(rows_per_cycle=-(-rows // rate), multiplier=multiplier)
    blend = Choice()
    if rate > 1:
        core = replace(core, digit_bits=1)
        blend = Choice(channels_per_cycle=-(-blends[0].output.channels // rate))
    choices = {layer.name: core for layer in cores}
    return RtlSchedule(choices | {layer.name: blend for layer in blends})


@dataclass(frozen=True)
class Network:
    """A trained network and real images, raw."""

    net: StreamNet
    images: IntArray

    def frozen(self, bench: Workbench, rate: int, liberty: Path) -> Parts:
        """The parts of the frozen block."""
        cut = frozen_block(self.net, self.images[: IMAGES[rate]])
        return measured_parts(bench, cut, schedule_of(cut.net, rate, "lut"), liberty)

    def loadable(
        self, bench: Workbench, block: str, rate: int, multiplier: Multiplier, liberty: Path
    ) -> Parts:
        """A loadable core and its blend, by the names of their layers."""
        wanted = BLOCKS[block][1]
        found: list[tuple[int, Parts]] = []
        for channels in SLICES[block, rate]:
            cut = loadable_core(self.net, self.images[: IMAGES[rate]], channels)
            schedule = schedule_of(cut.net, rate, multiplier)
            found.append((channels, measured_parts(bench, cut, schedule, liberty)))
        names = (CORES[1], BLENDS[0])
        if len(found) == 1:
            return {name: found[0][1][name] for name in names}
        (few, first), (more, second) = found
        return {name: first[name].at(wanted, few, second[name], more) for name in names}


def residencies(frozen: Parts, loadable: Parts) -> dict[str, Silicon]:
    """A block by residency; the streams between its layers are those of the frozen one."""
    core, blend, streams = loadable[CORES[1]], loadable[BLENDS[0]], frozen["streams"]
    blends = blend.times(2) + replace(streams, ns=0.0)
    return {
        ALL_LOADABLE: core.times(3) + blends,
        ONE_FROZEN: core.times(2) + replace(frozen[CORES[0]], ns=0.0) + blends,
        ALL_FROZEN: sum(frozen.values(), Silicon(0, 0, 0, 0, 0, 0)),
    }


def weight_bits(net: StreamNet, residency: str) -> int:
    """Bits of loadable values that a block holds, in both banks of its memories."""
    names = {ALL_LOADABLE: (*CORES, *BLENDS), ONE_FROZEN: (*CORES[1:], *BLENDS)}
    layers = [layer for layer in net.layers if layer.name in names.get(residency, ())]
    blocks = [net.block[name] for layer in layers for name in layer.block_names]
    return 2 * sum(block.raw.size * block.bits for block in blocks)


def _accuracies(study: Runner) -> dict[tuple[str, str], list[float]]:
    """Test accuracies of all seeds by block and weights; none before the test."""
    found: dict[tuple[str, str], list[float]] = {}
    for item in study.results():
        if item.test:
            key = item.cell.point["block"], item.cell.way
            found.setdefault(key, []).append(item.test["accuracy"])
    return found


def _row(place: tuple[str, int, str, str], found: Silicon, bits: int) -> Row:
    numbers = {name: round(value) for name, value in asdict(found).items()}
    exact = {"ns": round(found.ns, 2), "mw": round(found.mw, 2)}
    return dict(zip(_KEY, place, strict=True)) | numbers | exact | {"weight_bits": bits}


def _by_key(rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[name] for name in _KEY): row for row in rows}


def _ratios(of: Row, to: Row) -> list[float]:
    """Area, LUTs and flip-flops together, delay, power."""
    cells = [row["lut"] + row["ff"] for row in (of, to)]
    return [of["area"] / to["area"], cells[0] / cells[1], of["ns"] / to["ns"], of["mw"] / to["mw"]]


def table(rows: Sequence[Row]) -> str:
    """All figures as Markdown, and what is loadable divided by what stands in a row."""
    head = [
        *("block", "cycles per pixel", "weights", "test accuracy, %", "residency"),
        *("area", "of it flip-flops", "ns", "mW", "weight memory, bits", "LUT", "FF"),
        *("loadable / this: area", "LUT + FF", "ns", "mW"),
        *("4-bit loadable / this: area", "LUT + FF"),
    ]
    known = _by_key(rows)
    lines: list[tuple[object, ...]] = []
    for block, rate, way in sorted(ORDER, key=lambda key: (key[1], *_place(key[0], key[2]))):
        for residency in RESIDENCIES:
            row = known.get((block, rate, way, residency))
            if row is None:
                lines.append((block, rate, way, "not measured", *[None] * (len(head) - 4)))
                break
            own = known[block, rate, way, ALL_LOADABLE]
            any_weights = _any_weights(known, block, rate)
            accuracy = row["accuracy"]
            lines.append(
                (
                    block,
                    rate,
                    way,
                    spread(accuracy) if accuracy else "not measured",
                    residency,
                    *(row[n] for n in ("area", "state", "ns", "mw", "weight_bits", "lut", "ff")),
                    *_ratios(own, row),
                    *(_ratios(any_weights, row)[:2] if any_weights else (None, None)),
                )
            )
    return markdown(head, lines)


def targets(rows: Sequence[Row]) -> str:
    """What was aimed at, for the wide block at a pixel per cycle, and what came of it: Markdown."""
    known = _by_key(rows)
    whole = _any_weights(known, LARGE, 1)
    head = ("weights", "aim", "area", "LUT + FF", "ns", "mW", "4-bit loadable / this: area")
    lines: list[tuple[object, ...]] = []
    for way in WAYS:
        row = known.get((LARGE, 1, way, ALL_FROZEN))
        aim = AIMS[way == UNIFORM]
        if row is None or whole is None:
            lines.append((way, aim, *[None] * 6, "not measured"))
            continue
        found = _ratios(known[LARGE, 1, way, ALL_LOADABLE], row)
        lost = _points(row["of_uniform"]) - _points(row["accuracy"])
        misses = [
            f"{name} {value:.2f}"
            for name, value in zip(("area", "LUT + FF"), found, strict=False)
            if value < aim
        ]
        if lost > MOST_LOST:
            misses.append(f"loses {lost:.2f} points")
        result = f"missed: {', '.join(misses)}" if misses else "hit"
        lines.append((way, aim, *found, *_ratios(whole, row)[:2], result))
    return markdown((*head, "LUT + FF", "result"), lines)


def _any_weights(known: Mapping[tuple[Any, ...], Row], block: str, rate: int) -> Row | None:
    """The block that takes any 4-bit weights: pruned ones are loaded into the same hardware."""
    keys = ((block, rate, way, ALL_LOADABLE) for way in (UNIFORM, PRUNED))
    return next((known[key] for key in keys if key in known), None)


def _points(accuracy: Sequence[float] | None) -> float:
    """Mean test accuracy in per cent; nothing is known to be lost before the test."""
    return 100 * statistics.fmean(accuracy) if accuracy else 0.0


def _place(block: str, way: str) -> tuple[int, int]:
    return list(BLOCKS).index(block), list(WAYS).index(way)


@dataclass(frozen=True)
class StandardCells(Measurement):
    """Area, slowest path, power, weight memory and LUTs of trained blocks."""

    name: ClassVar[str] = "standard_cells"
    title: ClassVar[str] = "a trained block in silicon"

    liberty: Path | None = option(None, help="standard cells")  # noqa: RUF009 -- makes a field
    data: Path | None = option(None, help="Fashion-MNIST")  # noqa: RUF009 -- makes a field
    timeout_s: float = option(7200.0, help="seconds for each run of a tool", low=1)

    def run(self, folder: Path, jobs: int, say: Progress) -> str:
        if self.liberty is None or self.data is None:
            raise ConfigError(
                f"study {self.name}: name a liberty file and the folder of Fashion-MNIST with "
                "--set liberty=FILE --set data=DIR"
            )
        read_liberty(self.liberty)
        find_sta()
        find_yosys(say)
        study = Runner(FewDigits(), DEFAULT_SEEDS, folder.parent, self.data)
        study.validate(Serial(), say)
        accuracies = _accuracies(study)
        bench = Workbench(folder, self.timeout_s, jobs, say)
        rows: list[Row] = []
        for block, rate, way in ORDER:
            found = self._rows(bench, study, block, rate, way)
            tested = {
                "accuracy": accuracies.get((block, way)),
                "of_uniform": accuracies.get((block, UNIFORM)),
            }
            rows += [row | tested for row in found]
            write_atomic(folder / RECORD, recorded(self.name, rows))
            say(f"{block}, {rate} cycles per pixel, {way}: measured")
        say(f"{folder / RECORD}: for docs/studies/{self.name}.json")
        return f"{table(rows)}\n{targets(rows)}"

    def _network(self, study: Runner, block: str, way: str) -> Network:
        trained = load_checkpoint(study.folder / network_cell(way, SEED, block).key / MODEL)
        split = study.study.load(study.data).development.val
        images = raw_images(trained.model, split.head(max(IMAGES.values())))
        return Network(net_of(trained, "network"), np.asarray(images, np.int64))

    def _rows(self, bench: Workbench, study: Runner, block: str, rate: int, way: str) -> list[Row]:
        """The three residencies of one block."""
        assert self.liberty is not None  # run
        loaded = way if way in MULTIPLIERS else UNIFORM
        network, other = (self._network(study, block, each) for each in (way, loaded))
        frozen = network.frozen(bench, rate, self.liberty)
        loadable = other.loadable(bench, block, rate, MULTIPLIERS[loaded], self.liberty)
        return [
            _row((block, rate, way, residency), found, weight_bits(other.net, residency))
            for residency, found in residencies(frozen, loadable).items()
        ]
