"""BuildConfig: a design's ``design.toml``, typed, with the origin of every value."""

# ruff: noqa: RUF009 -- option() makes a field, it is no shared default

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from semifreddo.boards import BoardSpec, load_board
from semifreddo.core.errors import ConfigError, DataError
from semifreddo.core.preprocessing import Preprocessing
from semifreddo.core.reserved import why_reserved
from semifreddo.core.tables import nearest, option, read_table
from semifreddo.core.toml import parse_toml_key, parse_toml_value, read_toml
from semifreddo.flow.train_section import TrainSection, check_training
from semifreddo.reports.report import Limit, figure_names
from semifreddo.rtl.choices import OFFERED, Multiplier, Override

FILE_NAME = "design.toml"
FREEZES_ALL = 20_000
"""Weights up to which everything is frozen if neither the model nor the design says what."""

TASK_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"


@dataclass(frozen=True)
class DesignSection:
    """``[design]``: what is built and for what."""

    name: str = option(
        help="identifier of the design; no word of C, C++ or Verilog, not in capitals only",
        pattern="[A-Za-z][A-Za-z0-9_]*",
    )
    model: Path = option(Path("model.onnx"), help="QONNX file, relative to the design")
    checkpoint: Path = option(
        Path("model.safetensors"), help="checkpoint of the model, for the torch rung"
    )
    board: str = option("pynq_z2", help="board name, or path of a board.toml")
    clock_mhz: float | None = option(
        None, help="clock of the logic in MHz; the board's default if absent", low=1, high=1000
    )
    tool: Literal["vivado", "vitis"] = option("vivado", help="HLS tool the project is for")


@dataclass(frozen=True)
class ModelSection:
    """``[model]``: the class of a Brevitas model of your own. Naming it runs your code."""

    source: str = option(
        help="FILE.py:CLASS, a file of the design's folder, or MODULE:CLASS, importable; a "
        "function that gives a model will do. Verbs that need the model run this code, and only "
        "the code that this key names: checkpoints and bundles are data",
        pattern=r"[^:]+:[A-Za-z_]\w*",
    )
    arguments: Mapping[str, Any] = option(
        factory=dict, help="keyword arguments of the class or function"
    )
    freeze: tuple[str, ...] = option(
        (),
        help="what `train` freezes between its two trainings: patterns of module paths or tensor "
        "names; none: all stays loadable",
    )
    fraction: float = option(
        1.0, help="fraction of the output channels of what `freeze` names", low=0, high=1
    )


@dataclass(frozen=True)
class InputSection:
    """``[input]``: what the input of a QONNX file means, where the file itself does not say it."""

    bits: int | None = option(
        None,
        help="width of the input's integers, for a file without an input quantizer",
        low=1,
        high=32,
    )
    signed: bool = option(False, help="whether they are two's complement")
    scale: float | None = option(None, help="real value of a raw 1; the model reads raw * scale")
    mean: tuple[float, ...] | None = option(
        None,
        help="the model sees (pixel / 255 - mean) / deviation; one number, or one per channel. "
        "Without it a file of another tool sees pixel / 255",
        low=1,
    )
    deviation: tuple[float, ...] | None = option(None, help="see mean; above zero", low=1)

    def __post_init__(self) -> None:
        if (self.bits is None) != (self.scale is None):
            raise ValueError("needs bits and scale, or none of them")
        if self.bits is None and self.signed:
            raise ValueError("signed says nothing without bits and scale")
        if self.bits is not None and self.bits < 1 + self.signed:
            raise ValueError("bits is 1, and a signed number has two or more")
        if self.scale is not None and self.scale <= 0:
            raise ValueError(f"scale is {self.scale:g}, expected a number above zero")
        if (self.mean is None) != (self.deviation is None):
            raise ValueError("needs mean and deviation, or none of them")
        try:
            Preprocessing(mean=self.mean or (), deviation=self.deviation or ())
        except DataError as error:
            raise ValueError(str(error)) from None


@dataclass(frozen=True)
class VectorsSection:
    """``[vectors]``: images and answers that every rung must give."""

    file: Path | None = option(None, help="golden vectors (.npz); absent: random images")
    test_images: int | None = option(
        None,
        help="test images, balanced over the classes, that `export` answers into the file, and of "
        "a task that `retarget` proves; absent: all; 0: `export` leaves the file alone, because "
        "its images come from elsewhere",
        low=0,
    )
    random_count: int = option(64, help="random images without a file", low=1, high=100_000)
    bundled_count: int = option(256, help="vectors packed into the bundle", low=1, high=100_000)


@dataclass(frozen=True)
class TaskSection:
    """``[task]``: the task of the model, and more tasks to pack."""

    name: str | None = option(
        None, help="name of the model's task; the design's if absent", pattern=TASK_NAME
    )
    labels: tuple[str, ...] | None = option(
        None, help="class names; the model's metadata if absent", low=1
    )
    extra: tuple[Path, ...] = option((), help="more task files for the bundle")


@dataclass(frozen=True)
class FreezeSection:
    """``[freeze]``: which weights of a model without a freeze plan become logic."""

    weights: Literal["all", "none", "cheapest"] | None = option(
        None,
        help="all weights become logic, or none, or those layers that take fewer LUTs so at the "
        "rate of [rtl], as the scheduler predicts. Without a key of this section: all of a model "
        f"of up to {FREEZES_ALL:,} weights, none of a larger one. A model that semifreddo exported "
        "carries a plan instead",
    )
    share: float | None = option(
        None, help="the first layers, up to this share of all weights, become logic", low=0, high=1
    )
    tensors: tuple[str, ...] | None = option(
        None, help="name patterns (* and ?) of weight tensors that become logic; [] for none"
    )

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}, which exclude each other; keep one")


@dataclass(frozen=True)
class CsimSection:
    """``[csim]``: how the C simulation is compiled and run."""

    workers: int | None = option(None, help="processes; one per core if absent", low=1, high=256)
    compile_timeout_s: float = option(1800.0, help="seconds the compiler may take", low=1)
    timeout_s: float = option(600.0, help="seconds one exchange with it may take", low=0.1)


@dataclass(frozen=True)
class RtlSection:
    """``[rtl]``: how fast and how large the open RTL backend's hardware is.

    Without ``target_fps`` it is made as fast as it fits into its share of the board.
    """

    target_fps: float | None = option(
        None, help="frames per second it must reach; absent: as fast as it fits", low=0.001
    )
    target_latency_us: float | None = option(
        None,
        help="microseconds from an image's first word to its last result; needs target_fps",
        low=0.001,
    )
    board_share: float = option(
        0.7, help="share of the board's LUTs, FFs, DSPs and memories it may use", low=0.01, high=1
    )
    dsp_share: float | None = option(
        None, help="share of the DSP slices alone; board_share if absent", low=0, high=1
    )
    lut_pairs: bool = option(
        False,
        help="count two LUTs that fit into one LUT6_2 as one of the board's, as the parts of 7 "
        "series and UltraScale have them; an estimate until it is placed",
    )
    multipliers: tuple[Multiplier, ...] = option(
        OFFERED,
        help="what the scheduler may multiply with: LUTs, a DSP slice for each product, a slice "
        "for several products with the same operand, of weights that are only -1 and 1, LUTs that "
        "turn signs, or, of weights that are sums of one or two powers of two, LUTs that shift",
        low=1,
    )
    layers: Mapping[str, Override] = option(
        factory=dict, help="by name of a layer: what is fixed; the scheduler chooses the rest"
    )
    unrolled: tuple[str, ...] = option((), help="repeats that are built once per pass")


@dataclass(frozen=True)
class CosimSection:
    """``[cosim]``: how the RTL is simulated."""

    images: int | None = option(
        None, help="vectors to simulate, three or more to see an interval; all if absent", low=3
    )
    input_stalls: float = option(0.2, help="share of cycles without input", low=0, high=0.95)
    output_stalls: float = option(
        0.2, help="share of cycles without taking output", low=0, high=0.95
    )
    seed: int = option(1, help="seed of the stalls", low=0)
    watchdog_cycles: int = option(
        200_000, help="cycles without any movement that count as a hang", low=100
    )
    waves: bool = option(False, help="write waveforms of the first two images (VCD)")
    optimize: bool = option(True, help="compile for speed; false compiles faster")
    compile_timeout_s: float = option(1800.0, help="seconds each compilation step may take", low=1)
    timeout_s: float = option(600.0, help="seconds one exchange with it may take", low=0.1)


@dataclass(frozen=True)
class SynthSection:
    """``[synth]``: open synthesis and, for an ECP5 board, place and route."""

    run: bool = option(
        False, help="run in every build; otherwise only with --until synth or --until bitstream"
    )
    timeout_s: float = option(3600.0, help="seconds a layer, or place and route, may take", low=1)
    seeds: tuple[int, ...] = option(
        (1, 2, 3), help="seeds of place and route, tried in turn until one meets the clock", low=1
    )
    workers: int | None = option(
        None, help="layers at once; one per core if absent", low=1, high=256
    )
    liberty: Path | None = option(
        None,
        help="standard cells (.lib): area, slowest path and power of the Verilog in them, too; "
        "needs OpenSTA",
    )
    images: int = option(
        4, help="with liberty: golden vectors on which the power is measured", low=1, high=1000
    )


@dataclass(frozen=True)
class VivadoSection:
    """``[vivado]``: which core gets into the bitstream, and where Vivado runs."""

    core: Literal["rtl", "hls"] = option(
        "rtl", help="the open Verilog, which the runtime drives, or the HLS project"
    )
    host: str | None = option(None, help="machine with Vivado, as ssh takes it")
    products: Path | None = option(None, help="unpacked archive that has been run elsewhere")
    jobs: int = option(2, help="processes Vivado may use", low=1, high=256)
    timeout_s: float | None = option(
        None, help="seconds a stage may take; each stage has its own limit if absent", low=1
    )
    any_version: bool = option(False, help="accept tool versions that the board does not list")
    cosim: bool = option(False, help="with core hls: run the vendor's co-simulation too")


@dataclass(frozen=True)
class DesignFile:
    """The whole file."""

    design: DesignSection = option(help="what is built")
    model: ModelSection | None = option(None, help="the class of a Brevitas model of your own")
    input: InputSection = option(
        InputSection(), help="what the model's input means, if the file does not say it"
    )
    vectors: VectorsSection = option(VectorsSection(), help="images and answers of every rung")
    task: TaskSection = option(TaskSection(), help="the model's task, and more to pack")
    freeze: FreezeSection = option(
        FreezeSection(), help="which weights of a model without a freeze plan become logic"
    )
    csim: CsimSection = option(CsimSection(), help="the C simulation")
    rtl: RtlSection = option(RtlSection(), help="speed and size of the open Verilog")
    cosim: CosimSection = option(CosimSection(), help="the simulation of the Verilog")
    synth: SynthSection = option(SynthSection(), help="open synthesis, place and route")
    vivado: VivadoSection = option(VivadoSection(), help="the Vivado project and where it runs")
    limits: Mapping[str, Limit] = option(
        factory=dict, help="by dotted name of a figure of the report: its bounds; min, max or both"
    )
    train: TrainSection | None = option(None, help="how `semifreddo train` makes the model")


@dataclass(frozen=True)
class HardwareWanted:
    """Board, speed and clock of a design's Verilog."""

    board: BoardSpec
    rtl: RtlSection
    clock_mhz: float


@dataclass(frozen=True, kw_only=True)
class BuildConfig(DesignFile):
    """A design, complete and checked: the sections of the file, and what surrounds them.

    Attributes:
        root: Folder of ``design.toml``; paths in it are relative to here.
        board: The board of the design.
        origins: Where each ``section.key`` comes from: ``default``, ``board <name>``,
            ``design.toml`` or ``command line``.
    """

    root: Path
    board: BoardSpec
    origins: Mapping[str, str]

    @property
    def name(self) -> str:
        """Identifier of the design."""
        return self.design.name

    @property
    def build_dir(self) -> Path:
        """Where everything made goes; may be deleted at any time."""
        return self.root / "build"

    @property
    def bundle_path(self) -> Path:
        """The finished bundle."""
        return self.build_dir / f"{self.name}.sfb"

    @property
    def clock_mhz(self) -> float:
        """Clock of the logic, in MHz."""
        return self.design.clock_mhz or self.board.clock_mhz

    @property
    def task_name(self) -> str:
        """Name of the model's task."""
        return self.task.name or self.name

    @property
    def cheapest_at(self) -> HardwareWanted | None:
        """What decides which weights are frozen, if the scheduler decides."""
        wanted = self.freeze.weights == "cheapest"
        return HardwareWanted(self.board, self.rtl, self.clock_mhz) if wanted else None

    def path(self, relative: Path) -> Path:
        """A path of the file, seen from here."""
        return self.root / relative


def load_config(path: Path, overrides: Sequence[str] = ()) -> BuildConfig:
    """Read a design.

    Args:
        path: A design's folder, or its ``design.toml``.
        overrides: ``section.key=value``, or a key of a table inside a section, with a TOML value,
            from the command line.

    Raises:
        ConfigError: Every problem of the file, the board and the overrides, in one line.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"{file}: no such file; a design is a folder with a {FILE_NAME}")
    table = read_toml(file)
    problems: list[str] = []
    set_keys = _apply_overrides(table, overrides, problems)
    content = read_table(DesignFile, table, file.name, problems)
    board = None
    if content is not None:
        if reason := why_reserved(content.design.name):
            problems.append(
                f"design.name {content.design.name!r} {reason}; choose another, "
                f"{content.design.name}_net for instance"
            )
        board = _load_board(content.design.board, file.parent, problems)
        _check_limits(content.limits, problems)
        check_training(content.train, problems, own=content.model is not None)
    if problems or content is None or board is None:
        raise ConfigError(f"{file}: {'; '.join(problems)}")
    return BuildConfig(
        root=file.parent,
        **{field.name: getattr(content, field.name) for field in dataclasses.fields(content)},
        board=board,
        origins=_origins(content, table, set_keys, board),
    )


def _apply_overrides(
    table: dict[str, Any], overrides: Sequence[str], problems: list[str]
) -> set[str]:
    keys = set()
    for text in overrides:
        key, equals, value = text.partition("=")
        parts = parse_toml_key(key)
        if not equals or len(parts) < 2:
            problems.append(f"--set {text!r}: expected section.key=value")
            continue
        inner: Any = table
        for depth, part in enumerate(parts[:-1], 1):
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                problems.append(f"--set {text!r}: {'.'.join(parts[:depth])!r} is not a section")
                break
        else:
            inner[parts[-1]] = parse_toml_value(value.strip())
            keys.add(".".join(parts))
    return keys


def _load_board(name: str, root: Path, problems: list[str]) -> BoardSpec | None:
    try:
        return load_board(root / name if name.endswith(".toml") else name)
    except ConfigError as error:
        problems.append(str(error))
        return None


def _check_limits(limits: Mapping[str, Limit], problems: list[str]) -> None:
    names = figure_names()
    for name in limits:
        if name not in names:
            problems.append(f"[limits]: there is no figure {name!r}{nearest(name, names)}")


def _origins(
    content: DesignFile, table: Mapping[str, Any], set_keys: set[str], board: BoardSpec
) -> dict[str, str]:
    origins = {}
    for section in dataclasses.fields(content):
        values = getattr(content, section.name)
        if not dataclasses.is_dataclass(values):
            continue
        for item in dataclasses.fields(values):
            key = f"{section.name}.{item.name}"
            if any(f"{known}.".startswith(f"{key}.") for known in set_keys):
                origins[key] = "command line"
            elif item.name in table.get(section.name, {}):
                origins[key] = FILE_NAME
            else:
                origins[key] = "default"
    if content.design.clock_mhz is None:
        origins["design.clock_mhz"] = f"board {board.name}"
    return origins
