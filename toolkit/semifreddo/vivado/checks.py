"""What a vendor tool's success has to satisfy beyond its exit code, and what its failures mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from semifreddo.core.errors import LimitError, ToolError
from semifreddo.core.hls_registers import find
from semifreddo.vivado.handoff import parse_handoff
from semifreddo.vivado.ipxact import parse_registers
from semifreddo.vivado.reports import parse_cosim, parse_timing, parse_utilization

_HINTS = (
    (
        r"bad lexical cast",
        "this HLS version cannot export an IP after 2021: install AMD's y2k22 patch (answer record "
        "76960), or take a version after 2021.2",
    ),
    (r"No space left on device|disk quota exceeded", "the disk is full; make room and run again"),
    (
        r"\[Common 17-345\]|license was not found|not find a valid license",
        "Vivado has no licence for this part or IP; see Help > Manage License",
    ),
    (
        r"\[Coretcl 2-106\]|Specified part could not be found|ERROR: .*part .* not installed",
        "this installation does not have the part; add the device with the Vivado installer",
    ),
    (r"libtinfo\.so\.5", "install libtinfo5 (libncurses5), which this version of the tool needs"),
    (r"Abnormal program termination \(11\)|\[Common 17-179\]", "the tool crashed; run again"),
    (
        r"std::bad_alloc|Cannot allocate memory|out of memory|Killed",
        "the machine ran out of memory; close other programs or give --jobs 1",
    ),
    (
        r"\[Place 30-640\]|\[Place 30-487\]|\[DRC UTLZ-1\]",
        "the design does not fit; lower its parallelism in the schedule or take a larger board",
    ),
)


def hint(log: Path) -> str:
    """What a failure's log is known to mean; empty if nothing is known."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return next((known for pattern, known in _HINTS if re.search(pattern, text)), "")


def first_error(log: Path) -> str:
    """The first error of a log: what comes after it are mostly its consequences."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in lines if line.startswith("ERROR")), "")


_CLOCK_TOLERANCE = 0.01
"""Dividers of a PLL make some clocks only nearly."""


def tool_release(banner: str, program: Path | None = None) -> str | None:
    """``2019.2`` of what a vendor tool prints for ``-version``; None if nothing names one.

    Args:
        banner: What it prints.
        program: Where it is: the installer puts every version into a folder of its name, which
            counts if the banner tells no version.
    """
    found = re.search(r"\bv(20\d\d\.\d)", banner)
    if found is None and program is not None:
        folders = (re.fullmatch(r"(20\d\d\.\d)(\.\d)?", part) for part in program.parts[::-1])
        found = next((folder for folder in folders if folder), None)
    return found[1] if found else None


def check_version(
    tool: str, found: str | None, wanted: tuple[str, ...], traps: Mapping[str, str]
) -> str:
    """Refuse a tool version that the board does not list.

    Returns:
        What is known to go wrong with this version; empty if nothing.

    Raises:
        ToolError: The version is another one, or unknown.
    """
    if found not in wanted:
        raise ToolError(
            f"{tool} is version {found or 'unknown'}, this project is for {', '.join(wanted)}; "
            "source settings64.sh of one of these, or try it with --any-version"
        )
    return traps.get(f"{tool} {found}", traps.get(tool, ""))


def check_utilization(report: Path, budget: Mapping[str, int]) -> None:
    """Refuse a design that does not fit its part.

    Raises:
        LimitError: Something is over budget, or not in the report.
    """
    used = parse_utilization(_text(report))
    if used.lut == 0:
        raise ToolError(
            f"{report}: counts no LUT at all, so the blocks were empty and nothing is proven"
        )
    over, absent = [], []
    for name in ("lut", "ff", "dsp", "bram18"):
        count = getattr(used, name)
        if count is None:
            absent.append(name)
        elif count > budget[name]:
            over.append(f"{count} of {budget[name]} {name}")
    if over:
        raise LimitError(
            f"over budget: needs {', '.join(over)}; see {report}; lower the parallelism in the "
            "schedule or take a larger board"
        )
    if absent:
        raise ToolError(f"{report}: does not tell {', '.join(absent)}, so nothing is proven")


def check_handoff(handoff: Path, clock_mhz: float, ddr_bytes: int) -> list[str]:
    """Refuse a block design with another clock, or whose DMA does not reach the board's memory.

    Returns:
        What could not be proven, a line each.

    Raises:
        LimitError: The clock is off by more than 1 %, or memory is out of reach.
        ToolError: The file cannot be read.
    """
    made = parse_handoff(_text(handoff))
    notes = []
    if made.clock_mhz is None:
        notes.append(f"{handoff} does not tell the clock that was made; PYNQ shows it on the board")
    elif abs(made.clock_mhz - clock_mhz) > _CLOCK_TOLERANCE * clock_mhz:
        raise LimitError(
            f"the processor's dividers make {made.clock_mhz:g} MHz of {clock_mhz:g} MHz; set "
            f"design.clock_mhz = {made.clock_mhz:g}; see {handoff}"
        )
    if made.dma_bytes is None:
        notes.append(f"{handoff} does not tell what memory the DMA reaches")
    elif made.dma_bytes < ddr_bytes:
        raise LimitError(
            f"the DMA reaches 0x{made.dma_bytes:x} of 0x{ddr_bytes:x} bytes of memory; "
            f"see {handoff}"
        )
    return notes


def check_registers(component: Path, wanted: Mapping[str, int], control_bytes: int) -> None:
    """Refuse an HLS core that the runtime cannot drive.

    Args:
        component: Its ``component.xml``.
        wanted: Bytes of each register by name.
        control_bytes: What the block design maps of its AXI4-Lite port.

    Raises:
        ToolError: A register is missing, or lies where it cannot be reached.
    """
    found = parse_registers(_text(component))
    for name, size in wanted.items():
        place = find(found, name)
        if place is None:
            raise ToolError(
                f"{component}: the core that HLS made has no register {name}, only "
                f"{', '.join(found) or 'none'}, so the runtime cannot drive it"
            )
        if place + size > control_bytes:
            raise ToolError(
                f"{component}: register {name} ends at 0x{place + size:x}, the block design maps "
                f"0x{control_bytes:x} bytes, so the runtime cannot reach it"
            )


def check_timing(report: Path, clock_mhz: float) -> None:
    """Refuse a design that is too slow for its clock.

    Raises:
        LimitError: A slack is negative.
        ToolError: The report does not tell the slacks.
    """
    timing = parse_timing(_text(report))
    if timing.met is None:
        raise ToolError(f"{report}: does not tell the worst slacks, so timing is not proven")
    if not timing.met:
        assert timing.wns_ns is not None
        slowest = 1000.0 / (1000.0 / clock_mhz - min(timing.wns_ns, 0.0))
        raise LimitError(
            f"timing not met: setup slack {timing.wns_ns:g} ns, hold slack {timing.whs_ns:g} ns at "
            f"{clock_mhz:g} MHz; see {report}; design.clock_mhz = {int(slowest)} would do for setup"
        )


def check_cosim(report: Path) -> None:
    """Refuse a co-simulation that did not pass.

    Raises:
        ToolError: It failed, or the report does not say.
    """
    if parse_cosim(_text(report)).passed is not True:
        raise ToolError(f"{report}: the co-simulation did not pass")


def _text(report: Path) -> str:
    try:
        return report.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ToolError(f"{report}: cannot be read: {error.strerror}") from error
