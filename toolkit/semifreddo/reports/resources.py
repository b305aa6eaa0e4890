"""What a design takes of its board, by who says so, as shares that a bar can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semifreddo.reports.figures import CellFigures, RtlLayerFigures, SynthesisFigures
from semifreddo.reports.report import BuildReport

KINDS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram18": "BRAM18"}


@dataclass(frozen=True)
class Claim:
    """What somebody says that the design takes of one resource.

    Attributes:
        by: Who: a prediction, or a tool.
        count: In the board's own units.
        share: Of the board; None if the board has none.
    """

    by: str
    count: int
    share: float | None


@dataclass(frozen=True)
class Usage:
    """One resource of the board.

    Attributes:
        budget: Share of it that the design may use; None if nobody limits it.
    """

    kind: str
    board: int
    budget: float | None
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class LayerCount:
    """One resource of one layer.

    Attributes:
        count: Measured, or predicted if nobody has measured.
        predicted: None if it is the same as ``count``, or nobody has predicted.
        share: Of the largest layer's, for a bar.
    """

    kind: str
    count: int
    predicted: int | None
    share: float


@dataclass(frozen=True)
class LayerResources:
    """What a layer takes."""

    name: str
    counts: tuple[LayerCount, ...]


def _claims(report: BuildReport) -> list[tuple[str, dict[str, int | None]]]:
    """By who says so: a prediction first, what was placed last."""
    found: list[tuple[str, dict[str, int | None]]] = []
    if report.rtl is not None:
        predicted: dict[str, int | None] = {kind: getattr(report.rtl, kind) for kind in KINDS}
        predicted["lut"] = round(report.rtl.lut * report.rtl.part_luts)
        found.append(("Verilog, predicted", predicted))
    for what, source in (
        ("Verilog", report.synthesis),
        ("HLS core", report.hls),
        ("placed and routed", report.bitstream),
    ):
        if source is not None:
            cells = {kind: getattr(source, kind) for kind in KINDS}
            found.append((f"{what}, {source.tool}", cells))
        if isinstance(source, SynthesisFigures) and source.lut_pairs is not None:
            pairs: dict[str, int | None] = dict.fromkeys(KINDS) | {"lut": source.lut_pairs}
            found.append((f"{what}, two in a LUT6_2 where they fit", pairs))
    return found


def usages(report: BuildReport) -> list[Usage]:
    """Every resource of the board and what was said of it; empty if nothing was."""
    claims = _claims(report)
    if not claims:
        return []
    found = []
    for kind, title in KINDS.items():
        board = getattr(report.target, kind)
        said = tuple(
            Claim(by, count, count / board if board else None)
            for by, cells in claims
            if (count := cells[kind]) is not None
        )
        found.append(Usage(title, board, report.target.board_share, said))
    return found


def layer_resources(report: BuildReport) -> list[LayerResources]:
    """Every layer, and what is between and around them: measured where somebody has."""
    predicted: Sequence[RtlLayerFigures] = report.rtl.layers if report.rtl else ()
    measured: Sequence[CellFigures] = report.synthesis.parts if report.synthesis else ()
    by_name = {cells.name: cells for cells in measured}
    guessed = {layer.name: layer for layer in predicted}
    names = [*guessed, *(name for name in by_name if name not in guessed)]
    scale = report.rtl.part_luts if report.rtl else 1.0

    def counts(name: str, kind: str) -> tuple[int, int | None]:
        guess = getattr(guessed[name], kind) if name in guessed else None
        if guess is not None and kind == "lut":
            guess = round(guess * scale)
        if name not in by_name:
            return guess or 0, None
        count = getattr(by_name[name], kind)
        return count, None if guess == count else guess

    found = {name: {kind: counts(name, kind) for kind in KINDS} for name in names}
    largest = {kind: max((found[name][kind][0] for name in names), default=0) for kind in KINDS}
    return [
        LayerResources(
            name,
            tuple(
                LayerCount(title, *found[name][kind], found[name][kind][0] / (largest[kind] or 1))
                for kind, title in KINDS.items()
            ),
        )
        for name in names
    ]
