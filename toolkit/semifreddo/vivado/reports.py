"""Parsers of the vendor tools' reports: what is absent is None, and no text makes them fail.

The layouts differ between versions and families in columns (``Prohibited`` in newer ones), names
(``Slice`` on 7 series, ``CLB`` on UltraScale+; ``DSP48E`` and ``DSP``) and separators. Nothing here
depends on the version, only on the names of columns and rows.

Runs on the machine with Vivado too, with Python 3.8 or newer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

_VERSION = re.compile(r"\bv\.?(20\d\d\.\d)")
_RULE = re.compile(r"[\s|+:=-]*")


@dataclass(frozen=True)
class CsynthReport:
    """What HLS estimates before synthesis.

    Attributes:
        version: Of the tool, e.g. ``2019.2``.
        bram18: Memories of 18 Kbit.
    """

    version: str | None = None
    target_ns: float | None = None
    estimated_ns: float | None = None
    latency_min_cycles: int | None = None
    latency_max_cycles: int | None = None
    interval_min_cycles: int | None = None
    interval_max_cycles: int | None = None
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram18: int | None = None
    uram: int | None = None


@dataclass(frozen=True)
class CosimReport:
    """What the vendor's co-simulation measured.

    Attributes:
        passed: Whether the test bench passed.
    """

    passed: bool | None = None
    latency_min_cycles: int | None = None
    latency_average_cycles: int | None = None
    latency_max_cycles: int | None = None
    interval_min_cycles: int | None = None
    interval_average_cycles: int | None = None
    interval_max_cycles: int | None = None


@dataclass(frozen=True)
class UtilizationReport:
    """What Vivado counts after synthesis or implementation.

    Attributes:
        bram18: Memories of 18 Kbit: twice the block RAM tiles.
    """

    version: str | None = None
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram18: int | None = None
    uram: int | None = None


@dataclass(frozen=True)
class TimingReport:
    """The design timing summary.

    Attributes:
        wns_ns: Worst setup slack; negative if the clock is not met.
        tns_ns: Sum of all negative setup slacks.
        whs_ns: Worst hold slack.
        wpws_ns: Worst pulse-width slack.
    """

    version: str | None = None
    wns_ns: float | None = None
    tns_ns: float | None = None
    failing_endpoints: int | None = None
    whs_ns: float | None = None
    wpws_ns: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether setup and hold are met; None if the report does not say."""
        if self.wns_ns is None or self.whs_ns is None:
            return None
        return min(self.wns_ns, self.whs_ns, self.wpws_ns or 0.0) >= 0


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text.strip().replace(",", "").lstrip("~<"))
    except ValueError:
        return None
    return value if isfinite(value) else None


def _whole(text: str | None) -> int | None:
    value = _number(text)
    return None if value is None or value != int(value) else int(value)


def _version(text: str) -> str | None:
    found = _VERSION.search(text)
    return found[1] if found else None


def _cells(line: str) -> list[str] | None:
    """Cells of a table row; None for any other line."""
    line = line.strip()
    if not (line.startswith("|") and line.endswith("|") and len(line) > 1) or _RULE.fullmatch(line):
        return None
    return [cell.strip() for cell in line[1:-1].split("|")]


def _rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        cells = _cells(line)
        if cells is not None:
            yield cells


def text_of(report: Path) -> str:
    """A report, or nothing if there is none."""
    return report.read_text(encoding="utf-8", errors="replace") if report.is_file() else ""


def parse_csynth_xml(text: str) -> CsynthReport:
    """``<top>_csynth.xml`` of Vivado HLS or Vitis HLS."""

    def tag(name: str, inside: str) -> str | None:
        found = re.search(rf"<{name}>\s*([^<]*?)\s*</{name}>", inside)
        return found[1] if found else None

    def section(name: str) -> str:
        found = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        return found[1] if found else ""

    if not section("ReportVersion"):  # another report of the tool, with figures of other stages
        return CsynthReport()
    latency, used = section("SummaryOfOverallLatency"), section("Resources")
    return CsynthReport(
        version=tag("Version", section("ReportVersion")),
        target_ns=_number(tag("TargetClockPeriod", text)),
        estimated_ns=_number(tag("EstimatedClockPeriod", text)),
        latency_min_cycles=_whole(tag("Best-caseLatency", latency)),
        latency_max_cycles=_whole(tag("Worst-caseLatency", latency)),
        interval_min_cycles=_whole(tag("Interval-min", latency)),
        interval_max_cycles=_whole(tag("Interval-max", latency)),
        lut=_whole(tag("LUT", used)),
        ff=_whole(tag("FF", used)),
        dsp=_whole(tag("DSP48E", used) or tag("DSP", used)),
        bram18=_whole(tag("BRAM_18K", used)),
        uram=_whole(tag("URAM", used)),
    )


def parse_cosim(text: str) -> CosimReport:
    """``<top>_cosim.rpt``; the row of the simulated language."""
    for cells in _rows(text):
        status = cells[1].lower() if len(cells) > 1 else ""
        if cells[0] in ("Verilog", "VHDL", "SystemC") and status not in ("", "na"):
            figures = [_whole(cell) for cell in cells[2:8]]
            figures += [None] * (6 - len(figures))
            return CosimReport({"pass": True, "fail": False}.get(status), *figures)
    return CosimReport()


_UTILIZATION = {
    "lut": ("Slice LUTs", "CLB LUTs"),
    "ff": ("Slice Registers", "CLB Registers", "Register as Flip Flop"),
    "dsp": ("DSPs", "DSP Slices"),
    "bram36": ("Block RAM Tile",),
    "uram": ("URAM",),
}


def parse_utilization(text: str) -> UtilizationReport:
    """``report_utilization -file``."""
    used: dict[str, str] = {}
    column = None
    for cells in _rows(text):
        if "Used" in cells and ("Site Type" in cells or "Ref Name" in cells):
            column = cells.index("Used") if "Site Type" in cells else None
        elif column is not None and column < len(cells):
            used.setdefault(cells[0].rstrip("*").strip(), cells[column])

    def find(key: str) -> str | None:
        return next((used[name] for name in _UTILIZATION[key] if name in used), None)

    tiles = _number(find("bram36"))
    return UtilizationReport(
        version=_version(text),
        lut=_whole(find("lut")),
        ff=_whole(find("ff")),
        dsp=_whole(find("dsp")),
        bram18=None if tiles is None else round(2 * tiles),
        uram=_whole(find("uram")),
    )


def parse_timing(text: str) -> TimingReport:
    """``report_timing_summary -file``: its design timing summary."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        names = re.split(r"\s{2,}", line.strip())
        if names[:2] == ["WNS(ns)", "TNS(ns)"]:
            for row in lines[number + 1 : number + 4]:
                values = row.split()
                if len(values) == len(names) and not _RULE.fullmatch(row):
                    return _timing(text, {name: values[at] for at, name in enumerate(names)})
            break
    return TimingReport(version=_version(text))


def _timing(text: str, row: dict[str, str]) -> TimingReport:
    return TimingReport(
        version=_version(text),
        wns_ns=_number(row.get("WNS(ns)")),
        tns_ns=_number(row.get("TNS(ns)")),
        failing_endpoints=_whole(row.get("TNS Failing Endpoints")),
        whs_ns=_number(row.get("WHS(ns)")),
        wpws_ns=_number(row.get("WPWS(ns)")),
    )


@dataclass(frozen=True)
class InstanceReport:
    """A row of ``report_utilization -hierarchical``; what it does not tell is None."""

    instance: str
    module: str
    lut: int | None = None
    lutram: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram18: int | None = None


_HIERARCHY = {
    "lut": ("Total LUTs",),
    "lutram": ("LUTRAMs",),
    "ff": ("FFs",),
    "dsp": ("DSP48 Blocks", "DSP Blocks", "DSPs"),
}


def parse_hierarchy(text: str) -> tuple[InstanceReport, ...]:
    """``report_utilization -hierarchical``: the whole design first, then its instances."""
    head: list[str] = []
    found = []
    for cells in _rows(text):
        if cells[:2] == ["Instance", "Module"]:
            head = cells
        elif head and len(cells) == len(head):
            row = dict(zip(head, cells))  # noqa: B905 -- Python 3.8 runs this too
            counts = {
                key: next((_whole(row[name]) for name in names if name in row), None)
                for key, names in _HIERARCHY.items()
            }
            tiles, halves = _whole(row.get("RAMB36")), _whole(row.get("RAMB18"))
            bram18 = None if tiles is None or halves is None else 2 * tiles + halves
            found.append(InstanceReport(cells[0], cells[1], **counts, bram18=bram18))
    return tuple(found)
