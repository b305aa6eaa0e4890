"""Figures of a build report, by who measured them.

Units are in the field names. A figure that was not measured is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class TargetFigures:
    """What the design is built for.

    Attributes:
        board_share: Share of the board's resources that the design may use.
    """

    board: str
    part: str
    clock_mhz: float
    lut: int
    ff: int
    dsp: int
    bram18: int
    board_share: float | None = None


@dataclass(frozen=True)
class NetFigures:
    """Size of the network.

    Attributes:
        frozen_values: Weights, biases and blend factors that are logic.
        configurable_values: Those that are loadable.
        multiplications: Multiplications of one inference, pooling and blending not counted.
        frozen_multiplications: Those by frozen weights.
    """

    device_digest: str
    layers: int
    frozen_values: int
    configurable_values: int
    frozen_bits: int
    configurable_bits: int
    multiplications: int
    frozen_multiplications: int


@dataclass(frozen=True)
class TaskFigures:
    """A task: the one the build was checked with, or one of the bundle."""

    name: str
    labels: tuple[str, ...]
    payload_bytes: int
    test_accuracy: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class VectorFigures:
    """The images that every rung computed.

    Attributes:
        random: Whether they are random, with the integer reference's answers: nobody gave golden
            vectors.
    """

    images: int
    random: bool


@dataclass(frozen=True)
class ProjectFigures:
    """The written HLS project.

    Attributes:
        interval_cycles: Predicted cycles between images.
        task_memory_bram18: 18 Kbit memories that hold a task's words before the layers take them;
            they stand beside the layers' own, which no estimate of a layer counts.
    """

    tool: str
    files: int
    source_bytes: int
    digest: str
    interval_cycles: int | None = None
    task_memory_bram18: int | None = None


@dataclass(frozen=True)
class CsimFigures:
    """The compiled C simulation."""

    compile_seconds: float
    executable_bytes: int
    frames_per_second: float | None = None


@dataclass(frozen=True)
class RtlLayerFigures:
    """What the scheduler chose for a layer, and what it predicts.

    Attributes:
        choice: In words; empty if there is nothing to choose.
        cycles: Per image.
        busy: Share of the interval between two images in which it works.
        lut: Predicted, as are ``ff``, ``dsp`` and ``bram18``.
        note: Why it is not smaller, or not faster.
    """

    name: str
    kind: str
    choice: str
    cycles: int
    busy: float
    lut: int
    ff: int
    dsp: int
    bram18: int
    note: str


@dataclass(frozen=True)
class RtlFigures:
    """The Verilog of the open backend, as predicted.

    Attributes:
        seconds: From the integer network to all files.
        interval_cycles: Between results when images follow each other.
        bottleneck: What sets the interval.
        frames_per_second: At the design's clock.
        reason: Why it is no faster.
        latency_cycles: From the first word in to the last result word out, for the first image.
        part_luts: LUTs of the board's part for one that is predicted, which is one of 7 series.
    """

    files: int
    source_bytes: int
    digest: str
    seconds: float
    interval_cycles: int
    bottleneck: str
    frames_per_second: float
    reason: str
    lut: int
    ff: int
    dsp: int
    bram18: int
    latency_cycles: int | None = None
    part_luts: float = 1.0
    layers: tuple[RtlLayerFigures, ...] = ()


@dataclass(frozen=True)
class TrafficFigures:
    """A layer's stream in the simulation without stalls from outside.

    Attributes:
        stalled_cycles: Cycles in which a word waited for its reader.
        starved_cycles: Cycles in which the reader waited for a word.
    """

    name: str
    words: int
    stalled_cycles: int
    starved_cycles: int


@dataclass(frozen=True)
class CosimFigures:
    """The verilated RTL.

    Attributes:
        latency_cycles: From the first word in to the last result word out, for the first image.
        interval_cycles: Between results when images follow each other, the longest seen in the
            second half of the images (FIFOs have filled by then); the last image, which none
            follows, left out.
        frames_per_second: Of the simulation, one process, nothing stalled.
        stalled_images: Images that went through with random stalls on both streams.
        swapped_images: Images around task swaps in mid-stream.
        waves: File of waveforms, if they were asked for.
        traffic_cycles: Cycles over which the traffic of ``layers`` was counted.
    """

    compile_seconds: float
    executable_bytes: int
    images: int
    latency_cycles: int
    interval_cycles: int
    frames_per_second: float
    stalled_images: int
    swapped_images: int
    waves: str | None = None
    traffic_cycles: int | None = None
    layers: tuple[TrafficFigures, ...] = ()


@dataclass(frozen=True)
class CellFigures:
    """What a part of the design takes.

    Attributes:
        lut_pairs: LUTs if two that fit into one LUT6_2 are one; None if nobody has counted them.
    """

    name: str
    lut: int
    ff: int
    dsp: int
    bram18: int
    lut_pairs: int | None = None


@dataclass(frozen=True)
class PathFigures:
    """The slowest path that ends in a part, estimated before anything is placed.

    Attributes:
        name: The part.
        ns: Its delay, with wires of an assumed length.
        where: Where it begins, where it ends, and through what.
    """

    name: str
    ns: float
    where: str


@dataclass(frozen=True)
class SynthesisFigures:
    """What synthesis measured.

    Attributes:
        tool: Which one, with its version.
        parts: By layer, and what is between and around the layers.
        lut_pairs: LUTs if two that fit into one LUT6_2 are one; None if nobody has counted them.
        paths: By part, slowest first; empty if nobody knows the delays of the family's cells.
    """

    tool: str
    lut: int
    ff: int
    dsp: int
    bram18: int
    seconds: float
    parts: tuple[CellFigures, ...] = ()
    lut_pairs: int | None = None
    paths: tuple[PathFigures, ...] = ()


@dataclass(frozen=True)
class StandardCellPartFigures:
    """What a part of the design takes in standard cells; see :class:`StandardCellFigures`."""

    name: str
    area: float
    flip_flop_area: float
    milliwatts: float


@dataclass(frozen=True)
class StandardCellFigures:
    """The Verilog in standard cells. Wires are not modelled, memories are flip-flops.

    Attributes:
        tool: The tools, with their versions, and the liberty file.
        area: In the unit of the liberty file.
        flip_flop_area: Of it, flip-flops.
        delay_ns: Of the slowest path between two registers, the last one's setup time included.
        slowest: The parts in which that path begins and ends.
        clock_mhz: Of which the power is.
        milliwatts: On ``images`` images that follow each other, by the toggle rates of the clocked
            netlist, which were exact. Without glitches.
        cycles: From the first word of the first image to the last result.
        parts: By layer, and what is between and around the layers.
    """

    tool: str
    area: float
    flip_flop_area: float
    delay_ns: float | None
    slowest: str
    clock_mhz: float
    milliwatts: float
    images: int
    cycles: int
    parts: tuple[StandardCellPartFigures, ...] = ()


@dataclass(frozen=True)
class HlsFigures:
    """The HLS core by the vendor's tools: estimated by its synthesis, measured by its simulation.

    Attributes:
        estimated_ns: Clock period that it expects to reach.
        latency_cycles: The longest, as is ``interval_cycles``, of an image.
        simulated_latency_cycles: The shortest, as is ``simulated_interval_cycles``: of a start with
            one image and no task (``hls/templates/test_bench.cpp``).
    """

    tool: str
    estimated_ns: float | None = None
    latency_cycles: int | None = None
    interval_cycles: int | None = None
    simulated_latency_cycles: int | None = None
    simulated_interval_cycles: int | None = None
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram18: int | None = None


@dataclass(frozen=True)
class ArchiveFigures:
    """The Vivado project in one file.

    Attributes:
        core: ``rtl`` or ``hls``.
    """

    file: str
    core: str
    files: int
    size_bytes: int
    digest: str


@dataclass(frozen=True)
class BitstreamFigures:
    """A placed and routed design.

    Attributes:
        fmax_mhz: Highest clock at which timing is met.
    """

    tool: str
    file: str
    size_bytes: int
    fmax_mhz: float | None = None
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram18: int | None = None


@dataclass(frozen=True)
class RungFigures:
    """One rung of the truth ladder: climbed, or not available and why.

    Attributes:
        status: ``explained`` if integers differ within the round-off of single precision.
        values: Integers compared layer by layer, of a rung in single precision.
        differing: How many of them differ.
    """

    name: str
    status: Literal["equal", "explained", "different", "unavailable"]
    images: int
    wrong_images: int | None
    seconds: float | None
    detail: str
    values: int | None = None
    differing: int | None = None


@dataclass(frozen=True)
class StageFigures:
    """One stage of the build.

    Attributes:
        skipped: Its outputs were up to date.
        waits: Why it could not run here; empty if it could.
        outputs: Files and folders it made, relative to the build folder.
    """

    name: str
    seconds: float | None
    skipped: bool
    waits: str = ""
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class BundleFigures:
    """The bundle file, with the tasks in it."""

    file: str
    size_bytes: int
    sha256: str
    tasks: tuple[TaskFigures, ...] = ()


@dataclass(frozen=True)
class ChangeFigures:
    """A figure that an earlier build gave otherwise, by its dotted name."""

    name: str
    then: float
    now: float


@dataclass(frozen=True)
class LastFigures:
    """The last build of the same design whose figures were others.

    Attributes:
        finished: When it gave them.
        command: What made it; empty if no command did.
        changes: What is different now; none if only board or clock are.
    """

    finished: str
    command: str
    board: str
    clock_mhz: float
    changes: tuple[ChangeFigures, ...] = ()
