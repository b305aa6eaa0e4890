"""Report parsers. The texts are small re-creations of the public formats, not copied files."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from semifreddo.vivado.reports import (
    CosimReport,
    CsynthReport,
    InstanceReport,
    TimingReport,
    UtilizationReport,
    parse_cosim,
    parse_csynth_xml,
    parse_hierarchy,
    parse_timing,
    parse_utilization,
)

XML = """<?xml version="1.0"?>
<profile><ReportVersion><Version>{version}</Version></ReportVersion>
<UserAssignments><unit>ns</unit><TargetClockPeriod>10.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates><SummaryOfTimingAnalysis>
<EstimatedClockPeriod>8.419</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><Best-caseLatency>410</Best-caseLatency>
<Worst-caseLatency>{worst}</Worst-caseLatency><Interval-min>288</Interval-min>
<Interval-max>800</Interval-max></SummaryOfOverallLatency></PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>7</BRAM_18K><{dsp}>12</{dsp}><FF>6001</FF><LUT>9002</LUT>
<URAM>0</URAM></Resources><AvailableResources><LUT>53200</LUT></AvailableResources>
</AreaEstimates></profile>
"""

UTILIZATION_7 = """
| Tool Version : Vivado v.2019.2 (lin64) Build 1
1. Slice Logic
+----------------------------+-------+-------+-----------+-------+
|          Site Type         |  Used | Fixed | Available | Util% |
+----------------------------+-------+-------+-----------+-------+
| Slice LUTs                 | 12034 |     0 |     53200 | 22.62 |
|   LUT as Logic             | 11000 |     0 |     53200 | 20.68 |
| Slice Registers            | 15211 |     0 |    106400 | 14.30 |
|   Register as Flip Flop    | 15200 |     0 |    106400 | 14.29 |
+----------------------------+-------+-------+-----------+-------+
2. Memory
|     Site Type     | Used | Fixed | Available | Util% |
| Block RAM Tile    | 10.5 |     0 |       140 |  7.50 |
|   RAMB36/FIFO*    |    8 |     0 |       140 |  5.71 |
3. DSP
|    Site Type   | Used | Fixed | Available | Util% |
| DSPs           |   12 |     0 |       220 |  5.45 |
8. Primitives
| Ref Name | Used | Functional Category |
| Slice LUTs | 99 | a trap |
"""

UTILIZATION_PLUS = """
| Tool Version : Vivado v.2024.1 (lin64) Build 1
|          Site Type         | Used | Fixed | Prohibited | Available | Util% |
| CLB LUTs*                  | 5365 |     0 |          0 |    117120 |  4.58 |
| CLB Registers              | 6171 |     0 |          0 |    234240 |  2.63 |
| Block RAM Tile             |    2 |     0 |          0 |       144 |  1.39 |
| URAM                       |    3 |     0 |          0 |        64 |  4.69 |
| DSPs                       |   43 |     0 |          0 |      1248 |  3.45 |
"""

TIMING = """
| Tool Version      : Vivado v.2020.1 (lin64) Build 1
| Design Timing Summary
| ---------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  \
THS Failing Endpoints  THS Total Endpoints     WPWS(ns)     TPWS(ns)
    -------      -------  ---------------------  -------------------      -------      -------  \
---------------------  -------------------     --------     --------
     {wns}       -3.500                      7                30110        0.021        0.000  \
                    0                30110        3.750        0.000
"""

COSIM = """
Report time       : a day
+----------+----------+-----------------------------------------------+
|   RTL    |  Status  | min | avg | max | min | avg | max |
+----------+----------+-----+-----+-----+-----+-----+-----+
|      VHDL|        NA|   NA|   NA|   NA|   NA|   NA|   NA|
|   Verilog|      {status}|  411|  500|  921|  288|  300|  800|
"""

FULL = CsynthReport("2019.2", 10.0, 8.419, 410, 922, 288, 800, 9002, 6001, 12, 7, 0)


def test_csynth_xml() -> None:
    assert parse_csynth_xml(XML.format(version="2019.2", worst=922, dsp="DSP48E")) == FULL
    newer = parse_csynth_xml(XML.format(version="2024.1", worst="undef", dsp="DSP"))
    assert (newer.version, newer.latency_max_cycles, newer.dsp) == ("2024.1", None, 12)


def test_utilization() -> None:
    assert parse_utilization(UTILIZATION_7) == UtilizationReport(
        "2019.2", 12034, 15211, 12, 21, None
    )
    assert parse_utilization(UTILIZATION_PLUS) == UtilizationReport("2024.1", 5365, 6171, 43, 4, 3)


def test_timing() -> None:
    assert parse_timing(TIMING.format(wns=" 0.731")) == TimingReport(
        "2020.1", 0.731, -3.5, 7, 0.021, 3.75
    )
    assert parse_timing(TIMING.format(wns=" 0.731")).met is True
    assert parse_timing(TIMING.format(wns="-1.250")).met is False
    assert parse_timing(TIMING.format(wns="    NA")).met is None
    assert parse_timing("WNS(ns)  TNS(ns)\n").met is None


def test_cosim() -> None:
    assert parse_cosim(COSIM.format(status="Pass")) == CosimReport(
        True, 411, 500, 921, 288, 300, 800
    )
    assert parse_cosim(COSIM.format(status="Fail")).passed is False
    assert parse_cosim("| Verilog | Pass |").passed is True


def test_absent_is_none_never_zero() -> None:
    for text in ("", "nothing of the kind\n", "|  |\n||\n"):
        assert parse_csynth_xml(text) == CsynthReport()
        assert parse_utilization(text) == UtilizationReport()
        assert parse_timing(text) == TimingReport()
        assert parse_cosim(text) == CosimReport()


REAL = (XML, UTILIZATION_7, UTILIZATION_PLUS, TIMING, COSIM)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A report cut, doubled and overwritten in places, or just some text."""
    text = draw(st.sampled_from(REAL))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        end = draw(st.integers(at, min(len(text), at + 40)))
        text = text[:at] + draw(st.text(max_size=8) | st.sampled_from(["|", "\n", "1e999"]))
        text += draw(st.sampled_from(REAL))[end:]
    return text


@example("|nan|inf|1e400|")
@example("| Site Type | Used |\n|  |\n")
@given(damaged() | st.text())
def test_no_text_makes_a_parser_fail(text: str) -> None:
    for parse in (parse_csynth_xml, parse_cosim, parse_utilization, parse_timing):
        values = vars(parse(text)).values()
        assert all(value is None or isinstance(value, int | float | str) for value in values)


@pytest.mark.parametrize(
    ("wns", "whs", "wpws", "met"),
    [
        (0.0, 0.0, 0.0, True),
        (0.1, 0.1, -0.001, False),
        (0.1, -0.001, 0.1, False),
        (-0.001, 0.1, 0.1, False),
        (0.1, 0.1, None, True),
        (None, 0.1, 0.1, None),
    ],
)
def test_every_slack_counts(
    wns: float | None, whs: float | None, wpws: float | None, met: bool | None
) -> None:
    assert TimingReport(wns_ns=wns, whs_ns=whs, wpws_ns=wpws).met is met


HIERARCHY = """
| Instance | Module | Total LUTs | Logic LUTs | LUTRAMs | FFs | RAMB36 | RAMB18 | {dsp} |
| system | (top) | 900 | 700 | 200 | 1800 | 3 | 1 | 12 |
|   core | tiny_ip | 600 | 500 | 100 | 1200 | 2 | 0 | 12 |
| short | row |
|   odd | x | - | 0 | 1.5 | 7 | - | 4 | NA |
"""


@pytest.mark.parametrize("dsp", ["DSP48 Blocks", "DSP Blocks", "DSPs"])
def test_hierarchy(dsp: str) -> None:
    assert parse_hierarchy(HIERARCHY.format(dsp=dsp)) == (
        InstanceReport("system", "(top)", 900, 200, 1800, 12, 7),
        InstanceReport("core", "tiny_ip", 600, 100, 1200, 12, 4),
        InstanceReport("odd", "x", None, None, 7, None, None),
    )
    assert parse_hierarchy(HIERARCHY.replace("| Instance | Module", "| Module | Instance")) == ()
    bare = "| Instance | Module | FFs |\n| a | b | 3 |\n"
    assert parse_hierarchy(bare) == (InstanceReport("a", "b", ff=3),)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("12", 12),
        ("12.0", 12),
        ("1,234", 1234),
        ("<1", 1),
        ("~7", 7),
        ("12.5", None),
        ("inf", None),
        ("-", None),
        ("", None),
    ],
)
def test_how_tools_write_numbers(text: str, count: int | None) -> None:
    assert parse_utilization(f"| Site Type | Used |\n| DSPs | {text} |\n").dsp == count


def test_names_of_other_versions() -> None:
    rows = "| DSP Slices | 3 |\n| Register as Flip Flop* | 4 |\n"
    found = parse_utilization(f"| Used | Site Type |\n{rows}| Site Type | Used |\n{rows}")
    assert (found.dsp, found.ff, found.lut) == (None, None, None), "the first row of a name counts"
    found = parse_utilization(f"| Site Type | Used |\n{rows}| DSP Slices | 9 |\n| alone |\n")
    assert (found.dsp, found.ff) == (3, 4)
    assert parse_utilization("Vivado v.2019.2 and v2020.1").version == "2019.2"
    assert parse_utilization("Vivado v2020.1").version == "2020.1"
    assert parse_utilization("Vivado 2020.1, env2020.1").version is None


@pytest.mark.parametrize("gap", [0, 1, 2, 3])
def test_figures_stand_within_three_lines_of_their_head(gap: int) -> None:
    rules = "    -------      -------      -------\n" * gap
    text = f"    WNS(ns)      TNS(ns)      WHS(ns)\n{rules}    0.5    -1.5    0.25\n"
    expected = TimingReport(wns_ns=0.5, tns_ns=-1.5, whs_ns=0.25) if gap < 3 else TimingReport()
    assert parse_timing(text) == expected
    assert parse_timing(text.replace("0.25", "0.25 7")) == TimingReport(), "another table's row"
    assert parse_timing(text + text.replace("0.5", "9.5")) == expected, "the first head counts"


@pytest.mark.parametrize("language", ["Verilog", "VHDL", "SystemC", "Rust"])
@pytest.mark.parametrize("status", ["Pass", "Fail", "NA", "", "Odd"])
def test_languages_of_a_co_simulation(language: str, status: str) -> None:
    """A row of figures, also a short one; what was not simulated is no verdict."""
    found = parse_cosim(f"| C | Pass |\n| {language} | {status} | 5 | 6 |\n")
    if language == "Rust" or status in ("NA", ""):
        assert found == CosimReport()
    else:
        assert found == CosimReport({"Pass": True, "Fail": False}.get(status), 5, 6)
