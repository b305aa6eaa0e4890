"""BuildReport: what a build gave, as typed figures.

Units are in the field names. A figure that was not measured is None, never 0, and a limit on a
figure that is None fails.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semifreddo.core.errors import DataError, LimitError
from semifreddo.core.files import write_atomic
from semifreddo.core.plain_json import parse_json
from semifreddo.core.tables import option, read_table
from semifreddo.reports.figures import (
    ArchiveFigures,
    BitstreamFigures,
    BundleFigures,
    CosimFigures,
    CsimFigures,
    HlsFigures,
    LastFigures,
    NetFigures,
    ProjectFigures,
    RtlFigures,
    RungFigures,
    StageFigures,
    StandardCellFigures,
    SynthesisFigures,
    TargetFigures,
    TaskFigures,
    VectorFigures,
)

FORMAT = "semifreddo-report/1"
MAX_FILE_BYTES = 16 << 20


@dataclass(frozen=True)
class Limit:
    """Bounds of a figure; at least one is given."""

    min: float | None = option(None, help="smallest allowed value")
    max: float | None = option(None, help="largest allowed value")

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("a limit needs min or max")


@dataclass(frozen=True)
class LimitResult:
    """A limit and the figure it bounds; ``figure`` is None if it was not measured."""

    name: str
    limit: Limit
    figure: float | None

    @property
    def passed(self) -> bool:
        """Whether the figure exists and is inside."""
        if self.figure is None:
            return False
        low = self.limit.min is None or self.figure >= self.limit.min
        return low and (self.limit.max is None or self.figure <= self.limit.max)

    def __str__(self) -> str:
        figure = "was not measured" if self.figure is None else f"is {self.figure:g}"
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (("at least", self.limit.min), ("at most", self.limit.max))
            if bound is not None
        ]
        return f"{self.name} {figure}, allowed is {' and '.join(bounds)}"


@dataclass(frozen=True)
class BuildReport:
    """All figures of one build.

    Attributes:
        versions: Packages and tools that took part.
        command: What made the build; empty if no command did.
        ladder: Every rung, in climbing order.
        last: The last build of the same design whose figures were others.
    """

    design: str
    finished: str
    versions: Mapping[str, str]
    target: TargetFigures
    command: str = ""
    stages: tuple[StageFigures, ...] = ()
    net: NetFigures | None = None
    task: TaskFigures | None = None
    vectors: VectorFigures | None = None
    project: ProjectFigures | None = None
    csim: CsimFigures | None = None
    rtl: RtlFigures | None = None
    cosim: CosimFigures | None = None
    synthesis: SynthesisFigures | None = None
    cells: StandardCellFigures | None = None
    hls: HlsFigures | None = None
    archive: ArchiveFigures | None = None
    bitstream: BitstreamFigures | None = None
    ladder: tuple[RungFigures, ...] = ()
    bundle: BundleFigures | None = None
    last: LastFigures | None = None

    def figure(self, name: str) -> float | None:
        """A number by dotted name, e.g. ``task.payload_bytes``; None if it was not measured.

        Raises:
            KeyError: There is no such figure.
        """
        if name not in set(figure_names()):
            raise KeyError(name)
        value: Any = self
        for part in name.split("."):
            value = None if value is None else getattr(value, part)
        return None if value is None else float(value)

    def check_limits(self, limits: Mapping[str, Limit]) -> tuple[LimitResult, ...]:
        """Compare figures with limits.

        Args:
            limits: By dotted figure name.

        Raises:
            LimitError: A figure is outside its limit, or was not measured; all are named.
        """
        results = tuple(
            LimitResult(name, limit, self.figure(name)) for name, limit in limits.items()
        )
        failed = [str(result) for result in results if not result.passed]
        if failed:
            raise LimitError(f"{self.design}: {'; '.join(failed)}")
        return results

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps({"format": FORMAT} | dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "report") -> BuildReport:
        """Inverse of :meth:`to_json`.

        Raises:
            DataError: Not such a text.
        """
        try:
            data = parse_json(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not a {FORMAT} file ({error})") from error
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise DataError(f"{where}: not a {FORMAT} file")
        problems: list[str] = []
        report = read_table(cls, data, where, problems)
        if report is None:
            raise DataError("; ".join(problems))
        return report

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        write_atomic(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> BuildReport:
        """Read a file.

        Raises:
            DataError: Missing, too large, or not a report.
        """
        if not path.is_file():
            raise DataError(f"{path}: no such report; `semifreddo build` writes it")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB, so not a report")
        try:
            return cls.from_json(path.read_text(encoding="utf-8"), str(path))
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not a {FORMAT} file (not text)") from error


def _numbers(cls: type, prefix: str) -> Iterator[str]:
    for name, hint in typing.get_type_hints(cls).items():
        kinds = (hint,) if isinstance(hint, type) else ()
        if isinstance(hint, types.UnionType):
            kinds = typing.get_args(hint)
        if int in kinds or float in kinds:
            yield prefix + name
        for kind in kinds:
            if dataclasses.is_dataclass(kind):
                yield from _numbers(typing.cast(type, kind), f"{prefix}{name}.")


def figure_names() -> list[str]:
    """Dotted names of all figures that a limit can bound."""
    names = _numbers(BuildReport, "")
    return sorted(name for name in names if not name.startswith("last."))  # another build's
