"""The report baseline of a design: figures that were committed once, compared with those of now.

Cycles must be the same; resources may differ by the band that the baseline states. A figure that no
tool has measured is null in the baseline, and stays out of the comparison until one has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from semifreddo.core.errors import DataError, LimitError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.core.tables import option, read_table
from semifreddo.reports.report import BuildReport

FILE_NAME = "baseline.json"
FORMAT = "semifreddo-baseline/1"
MAX_FILE_BYTES = 1 << 20
DEFAULT_BAND = 0.05

_RESOURCES = ("lut", "ff", "dsp", "bram18")
EXACT = (
    "net.frozen_values",
    "net.configurable_values",
    "net.multiplications",
    "task.payload_bytes",
    "rtl.interval_cycles",
    "rtl.latency_cycles",
    "cosim.interval_cycles",
    "cosim.latency_cycles",
    "hls.interval_cycles",
    "hls.latency_cycles",
    "hls.simulated_interval_cycles",
    "hls.simulated_latency_cycles",
)
BANDED = tuple(
    f"{section}.{name}"
    for section in ("rtl", "synthesis", "hls", "bitstream")
    for name in _RESOURCES
)
FIGURES = (*EXACT, *BANDED)
"""What a baseline holds."""

Status = Literal["equal", "in band", "different", "new", "not measured"]


@dataclass(frozen=True)
class Baseline:
    """Figures of a design on a board at a clock.

    Attributes:
        band: Share by which resources may differ, e.g. 0.05.
        figures: By dotted name; None if no tool had measured it.
    """

    board: str = option(help="board name")
    clock_mhz: float = option(help="clock in MHz", low=1)
    band: float = option(help="share by which resources may differ", low=0, high=1)
    figures: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.figures) - set(FIGURES))
        if unknown:
            raise ValueError(f"figures: {unknown[0]!r} is none of a baseline's figures")

    @classmethod
    def of(cls, report: BuildReport, band: float = DEFAULT_BAND) -> Baseline:
        """The figures of a report."""
        return cls(
            board=report.target.board,
            clock_mhz=report.target.clock_mhz,
            band=band,
            figures={name: report.figure(name) for name in FIGURES},
        )

    def updated(self, report: BuildReport) -> Baseline:
        """The figures of a report with this band; a tool that did not run keeps its figures."""
        new = Baseline.of(report, self.band)
        if (new.board, new.clock_mhz) != (self.board, self.clock_mhz):
            return new
        kept = {
            name: self.figures.get(name) if value is None else value
            for name, value in new.figures.items()
        }
        return replace(new, figures=kept)

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read a baseline.

        Raises:
            DataError: Missing or damaged.
        """
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ValueError("too large")
            data = parse_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{path}: cannot be read as a baseline ({error})") from error
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise DataError(f"{path}: not a {FORMAT} file")
        problems: list[str] = []
        found = read_table(cls, data, str(path), problems)
        if found is None:
            raise DataError("; ".join(problems))
        return found

    def save(self, path: Path) -> None:
        """Write the file atomically; whole numbers without a point."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "board": self.board,
            "clock_mhz": _plain(self.clock_mhz),
            "band": self.band,
            "figures": {name: _plain(value) for name, value in self.figures.items()},
        }
        write_atomic(path, json.dumps(data, indent=1) + "\n")


def _plain(value: float | None) -> float | None:
    return int(value) if value is not None and value == int(value) else value


@dataclass(frozen=True)
class Change:
    """One figure, then and now."""

    name: str
    then: float | None
    now: float | None
    band: float

    @property
    def status(self) -> Status:
        """How they compare."""
        if self.now is None:
            return "not measured"
        if self.then is None:
            return "new"
        if self.now == self.then:
            return "equal"
        near = abs(self.now - self.then) <= self.band * self.then
        return "in band" if near else "different"

    def __str__(self) -> str:
        then, now = _text(self.then), _text(self.now)
        share = ""
        if self.then and self.now is not None:
            share = f" ({100 * (self.now / self.then - 1):+.1f} %)"
        allowed = f"within {100 * self.band:g} %" if self.band else "exactly"
        return f"{self.name}: was {then}, is {now}{share}, allowed {allowed}"


def _text(value: float | None) -> str:
    return "not measured" if value is None else f"{value:g}"


@dataclass(frozen=True)
class BaselineDiff:
    """A report against its baseline.

    Attributes:
        changes: All figures of the baseline, in its order.
        mismatch: Why nothing was compared; empty if it was.
    """

    changes: tuple[Change, ...]
    mismatch: str = ""

    @property
    def different(self) -> tuple[Change, ...]:
        """Figures that moved too far."""
        return tuple(change for change in self.changes if change.status == "different")

    def lines(self) -> Iterator[str]:
        """For people: what moved or is new, then how many did not."""
        if self.mismatch:
            yield self.mismatch
            return
        for change in self.changes:
            if change.status in ("different", "in band"):
                yield f"{change.status:9} {change}"
            elif change.status == "new":
                yield f"{'new':9} {change.name}: {_text(change.now)}, not in the baseline yet"
        for status in ("equal", "not measured"):
            count = sum(change.status == status for change in self.changes)
            if count:
                yield f"{status:9} {count} of {len(self.changes)} figures"

    def check(self, where: str = "baseline") -> None:
        """Refuse a report that has moved too far.

        Raises:
            LimitError: Names every figure.
        """
        if self.different:
            moved = "; ".join(map(str, self.different))
            raise LimitError(
                f"{where}: {moved}; if this is meant, write the baseline anew with "
                "`semifreddo check --write-baseline`"
            )


def compare(baseline: Baseline, report: BuildReport) -> BaselineDiff:
    """Compare a report with its baseline."""
    target = report.target
    if (target.board, target.clock_mhz) != (baseline.board, baseline.clock_mhz):
        return BaselineDiff(
            (),
            f"the baseline is for {baseline.board} at {baseline.clock_mhz:g} MHz, this build for "
            f"{target.board} at {target.clock_mhz:g} MHz: not compared",
        )
    return BaselineDiff(
        tuple(
            Change(name, then, report.figure(name), baseline.band if name in BANDED else 0.0)
            for name, then in baseline.figures.items()
        )
    )
