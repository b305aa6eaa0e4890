"""What a tool's success has to satisfy: the edges of every check."""

from __future__ import annotations

from pathlib import Path

import pytest

from semifreddo.core.errors import LimitError, ToolError
from semifreddo.vivado.checks import (
    check_cosim,
    check_handoff,
    check_registers,
    check_timing,
    check_utilization,
    check_version,
    first_error,
    hint,
    tool_release,
)

BUDGET = {"lut": 53200, "ff": 106400, "dsp": 220, "bram18": 280}
ROWS = {"lut": "Slice LUTs", "ff": "Slice Registers", "dsp": "DSPs", "bram18": "Block RAM Tile"}


def utilization(path: Path, **used: int | None) -> Path:
    """A report that counts this; None leaves the row out. A tile is two memories of 18 Kbit."""
    lines = ["| Site Type | Used | Fixed | Available | Util% |"]
    for name, count in (BUDGET | used).items():
        if count is not None:
            shown = count / 2 if name == "bram18" else count
            lines.append(f"| {ROWS[name]} | {shown:g} | 0 | {BUDGET[name]} | 1.0 |")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_part_that_is_full_to_the_last_is_fine(tmp_path: Path) -> None:
    check_utilization(utilization(tmp_path / "report"), BUDGET)


@pytest.mark.parametrize("name", list(BUDGET))
def test_one_too_many_of_anything(tmp_path: Path, name: str) -> None:
    report = utilization(tmp_path / "report", **{name: BUDGET[name] + 1})
    with pytest.raises(LimitError) as error:
        check_utilization(report, BUDGET)
    assert str(error.value) == (
        f"over budget: needs {BUDGET[name] + 1} of {BUDGET[name]} {name}; see {report}; lower the "
        "parallelism in the schedule or take a larger board"
    )
    with pytest.raises(ToolError, match=rf"report: does not tell {name}, so nothing is proven"):
        check_utilization(utilization(tmp_path / "report", **{name: None}), BUDGET)


def test_all_that_is_over_budget_is_told(tmp_path: Path) -> None:
    report = utilization(tmp_path / "report", lut=53201, dsp=221, ff=None)
    with pytest.raises(LimitError, match=r"^over budget: needs 53201 of 53200 lut, 221 of 220 dsp"):
        check_utilization(report, BUDGET)


def test_a_design_of_nothing_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="counts no LUT at all"):
        check_utilization(utilization(tmp_path / "report", lut=0), BUDGET)
    with pytest.raises(ToolError, match="gone: cannot be read: No such file"):
        check_utilization(tmp_path / "gone", BUDGET)


def handoff(path: Path, clock: str | None, reach: str | None) -> Path:
    inside = f'<PARAMETER NAME="PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ" VALUE="{clock}"/>' * bool(clock)
    for master in ("M_AXI_MM2S", "M_AXI_S2MM") if reach else ():
        for other, kind in ((master, "REGISTER"), ("M_AXI_SG", "MEMORY")):
            inside += (
                f'<MEMRANGE MASTERBUSINTERFACE="{other}" MEMTYPE="{kind}" BASEVALUE="0x0" '
                'HIGHVALUE="0xFFF"/>'
            )
        inside += (
            f'<MEMRANGE MASTERBUSINTERFACE="{master}" MEMTYPE="MEMORY" BASEVALUE="0x0" '
            f'HIGHVALUE="{reach}"/>'
        )
    path.write_text(f"<EDKSYSTEM>{inside}</EDKSYSTEM>")
    return path


@pytest.mark.parametrize(
    ("clock", "fine"),
    [("100", True), ("101", True), ("99", True), ("101.01", False), ("98.99", False)],
)
def test_a_clock_may_be_one_per_cent_off(tmp_path: Path, clock: str, fine: bool) -> None:
    made = handoff(tmp_path / "a.hwh", clock, "0x1FFFFFFF")
    if fine:
        assert check_handoff(made, 100.0, 0x2000_0000) == []
        return
    with pytest.raises(LimitError) as error:
        check_handoff(made, 100.0, 0x2000_0000)
    assert str(error.value) == (
        f"the processor's dividers make {clock} MHz of 100 MHz; set design.clock_mhz = {clock}; "
        f"see {made}"
    )


def test_the_dma_reaches_all_memory(tmp_path: Path) -> None:
    made = handoff(tmp_path / "a.hwh", "100", "0x1FFFFFFF")
    assert check_handoff(made, 100.0, 0x2000_0000) == []
    with pytest.raises(LimitError, match="the DMA reaches 0x20000000 of 0x20000001 bytes"):
        check_handoff(made, 100.0, 0x2000_0001)
    notes = check_handoff(handoff(tmp_path / "b.hwh", None, None), 100.0, 1)
    assert ["clock" in note for note in notes] == [True, False]
    assert "does not tell what memory the DMA reaches" in notes[1]


def timing(path: Path, wns: str, whs: str, wpws: str) -> Path:
    path.write_text(
        f"WNS(ns)    TNS(ns)    WHS(ns)    WPWS(ns)\n-------    -------    -------    --------\n"
        f"{wns}   0.000   {whs}   {wpws}\n"
    )
    return path


def test_timing(tmp_path: Path) -> None:
    check_timing(timing(tmp_path / "a", "0.000", "0.000", "0.000"), 100.0)
    for slacks in (("-0.001", "1", "1"), ("1", "-0.001", "1"), ("1", "1", "-0.001")):
        with pytest.raises(LimitError, match="timing not met: setup slack"):
            check_timing(timing(tmp_path / "a", *slacks), 100.0)
    for wns, whs, enough in (("-2.500", "0.100", 80), ("3.000", "-0.200", 100)):
        with pytest.raises(LimitError) as error:
            check_timing(timing(tmp_path / "a", wns, whs, "0.1"), 100.0)
        assert str(error.value) == (
            f"timing not met: setup slack {float(wns):g} ns, hold slack {float(whs):g} ns at "
            f"100 MHz; see {tmp_path / 'a'}; design.clock_mhz = {enough} would do for setup"
        )
    with pytest.raises(ToolError, match="does not tell the worst slacks"):
        check_timing(timing(tmp_path / "a", "NA", "0.1", "0.1"), 100.0)


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("| Verilog | Pass | 1 |", True),
        ("| Verilog | Fail | 1 |", False),
        ("| VHDL | NA |", False),
        ("", False),
    ],
)
def test_cosim(tmp_path: Path, text: str, fine: bool) -> None:
    (tmp_path / "a").write_text(text)
    if fine:
        check_cosim(tmp_path / "a")
        return
    with pytest.raises(ToolError, match="the co-simulation did not pass"):
        check_cosim(tmp_path / "a")


def test_versions() -> None:
    assert tool_release("Vivado v2020.1 (64-bit)") == "2020.1"
    assert tool_release("nothing", Path("/opt/Xilinx/Vivado/2019.2/bin/vivado")) == "2019.2"
    assert tool_release("nothing", Path("/opt/2019.2.1/vivado")) == "2019.2"
    assert tool_release("nothing", Path("/tools/2018.1/Vivado/2020.1/bin/vivado")) == "2020.1"
    assert tool_release("v2020.1", Path("/opt/2019.2/vivado")) == "2020.1"
    assert tool_release("av2020.1") is None and tool_release("v1920.1") is None
    assert tool_release("nothing", Path("/opt/vivado")) is None
    assert tool_release("nothing") is None
    traps = {"vivado 2020.1": "this one", "vivado": "any"}
    assert check_version("vivado", "2020.1", ("2019.2", "2020.1"), traps) == "this one"
    assert check_version("vivado", "2019.2", ("2019.2", "2020.1"), traps) == "any"
    assert check_version("vitis", "2019.2", ("2019.2",), traps) == ""
    for found, shown in (("2021.1", "2021.1"), (None, "unknown")):
        with pytest.raises(ToolError) as error:
            check_version("vivado", found, ("2019.2", "2020.1"), traps)
        assert str(error.value) == (
            f"vivado is version {shown}, this project is for 2019.2, 2020.1; source settings64.sh "
            "of one of these, or try it with --any-version"
        )


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("ERROR: bad lexical cast: source type value", "install AMD's y2k22 patch"),
        ("tar: No space left on device", "the disk is full"),
        ("write: disk quota exceeded", "the disk is full"),
        ("ERROR: [Common 17-345] A valid license was not found", "no licence for this part"),
        ("The license was not found for feature 'Synthesis'", "no licence for this part"),
        ("could not find a valid license", "no licence for this part"),
        ("ERROR: [Coretcl 2-106] Specified part", "does not have the part"),
        ("Specified part could not be found.", "does not have the part"),
        ("ERROR: the part 'xc7z020' is not installed", "does not have the part"),
        ("libtinfo.so.5: cannot open shared object file", "install libtinfo5"),
        ("Abnormal program termination (11)", "the tool crashed; run again"),
        ("[Common 17-179] Fork failed", "the tool crashed; run again"),
        ("what(): std::bad_alloc", "ran out of memory"),
        ("Cannot allocate memory", "ran out of memory"),
        ("java: out of memory", "ran out of memory"),
        ("line 12: 345 Killed", "ran out of memory"),
        ("ERROR: [Place 30-640] Place Check", "the design does not fit"),
        ("ERROR: [Place 30-487] The packing", "the design does not fit"),
        ("[DRC UTLZ-1] Resource utilization", "the design does not fit"),
        ("all is well", None),
        ("libtinfo-so-5, Common 17-345, Abnormal program termination 11", None),
    ],
)
def test_hints(tmp_path: Path, line: str, known: str | None) -> None:
    log = tmp_path / "log"
    assert hint(log) == ""
    log.write_text(f"begin\n{line}\nend\n")
    assert known in hint(log) if known else hint(log) == ""


def test_the_first_error_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert first_error(log) == ""
    log.write_text("WARNING: a\n  ERROR: quoted\nERROR: [x] b \nERROR: c\n")
    assert first_error(log) == "ERROR: [x] b"
    log.write_text("no ERROR here\n")
    assert first_error(log) == ""


def component(path: Path, **offsets: str) -> Path:
    space = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
    text = "".join(
        f"<s:register><s:name>{name}</s:name><s:addressOffset>{offset}</s:addressOffset></s:register>"
        for name, offset in offsets.items()
    )
    path.write_text(f'<s:component xmlns:s="{space}">{text}</s:component>')
    return path


def test_registers_that_the_runtime_reaches(tmp_path: Path) -> None:
    made = component(tmp_path / "c.xml", CTRL="0x0", frames="0x10")
    check_registers(made, {"CTRL": 4, "frames": 4}, 0x14)
    with pytest.raises(ToolError) as error:
        check_registers(made, {"CTRL": 4, "frames": 5}, 0x14)
    assert str(error.value) == (
        f"{made}: register frames ends at 0x15, the block design maps 0x14 bytes, so the runtime "
        "cannot reach it"
    )
    lacks = "the core that HLS made has no register load_task, only"
    for found, names in ((made, "CTRL, frames"), (component(tmp_path / "d.xml"), "none")):
        with pytest.raises(ToolError) as error:
            check_registers(found, {"load_task": 4}, 0x14)
        assert str(error.value) == f"{found}: {lacks} {names}, so the runtime cannot drive it"
