"""Every parser on every real file: the figures that a reader finds in it, and no others.

The files are output of Vivado HLS 2019.2 and 2020.1, Vitis HLS and Vivado 2025.1 from public
repositories. They are no part of this repository.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from semifreddo.vivado.handoff import Handoff, parse_handoff
from semifreddo.vivado.reports import (
    CosimReport,
    CsynthReport,
    TimingReport,
    UtilizationReport,
    parse_cosim,
    parse_csynth_xml,
    parse_timing,
    parse_utilization,
)

DATA = Path(os.environ.get("SEMIFREDDO_DATA", Path(__file__).parents[3] / "shared" / "data"))
REAL = DATA / "tool_reports"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not REAL.is_dir(), reason="real reports are not here (SEMIFREDDO_DATA)"),
]

VITIS = (10.0, 7.3, 117, 117, 100, 100, 2625, 2722, 3, 4, 0)
MYPROJECT = (5.0, 4.049, 10, 10, 8, 8, 2532, 7969, 73, 0, 0)
READ = [
    ("hls4ml_vivado/myproject_csynth.xml", parse_csynth_xml, CsynthReport("2020.1", *MYPROJECT)),
    (
        "hls4ml_vivado/vivado_synth.rpt",
        parse_utilization,
        UtilizationReport("2020.1", 1526, 2428, 66, 0),
    ),
    ("vitis_hls/csynth.xml", parse_csynth_xml, CsynthReport("2025.1.1", *VITIS)),
    ("vitis_hls/top_kernel_csynth.xml", parse_csynth_xml, CsynthReport("2025.1.1", *VITIS)),
    # One transaction: there is no interval.
    ("vitis_hls/top_kernel_cosim.rpt", parse_cosim, CosimReport(True, 140, 140, 140)),
    (
        "vitis_hls/bd_0_wrapper_utilization_placed.rpt",
        parse_utilization,
        UtilizationReport("2025.1", 1906, 3019, 3, 2),
    ),
    (
        "vitis_hls/bd_0_wrapper_timing_summary_routed.rpt",
        parse_timing,
        TimingReport("2025.1", 7.155, 0.0, 0, 0.027, 4.427),
    ),
    (
        "vivado_hls/myproject_axi_csynth.xml",
        parse_csynth_xml,
        CsynthReport("2019.2", 5.0, 6.982, 287, 287, 288, 288, 37975, 11873, 21, 20, 0),
    ),
    (
        "vivado_hls/design_1_axi_dma_0_0_utilization_synth.rpt",
        parse_utilization,
        UtilizationReport("2019.2", 1710, 2177, 0, 6),
    ),
    (
        "vivado_hls/design_1_myproject_axi_0_3_utilization_synth.rpt",
        parse_utilization,
        UtilizationReport("2019.2", 15176, 14503, 21, 4),
    ),
    (
        "vivado_hls/design_1_wrapper_utilization_placed.rpt",
        parse_utilization,
        UtilizationReport("2019.2", 17654, 18333, 21, 10),
    ),
    (  # written while every block was a black box: check_utilization refuses such a report
        "vivado_hls/design_1_wrapper_utilization_synth.rpt",
        parse_utilization,
        UtilizationReport("2019.2", 0, 0, 0, 0),
    ),
    (
        "vivado_hls/design_1_wrapper_timing_summary_routed.rpt",
        parse_timing,
        TimingReport("2019.2", 0.226, 0.0, 0, 0.016, 3.75),
    ),
    ("vivado_hls/design_1.hwh", parse_handoff, Handoff("2019.2", 100.0, 0x20000000)),
    ("vitis_hls/bd_0.hwh", parse_handoff, Handoff("2025.1.1")),  # a core alone, no processor
]
OF_ITS_KIND: dict[Callable[[str], Any], Callable[[str], bool]] = {
    parse_csynth_xml: lambda name: name.endswith("csynth.xml"),
    parse_cosim: lambda name: name.endswith("cosim.rpt"),
    parse_utilization: lambda name: "_utilization_" in name or name == "vivado_synth.rpt",
    parse_timing: lambda name: "timing_summary" in name,
    parse_handoff: lambda name: name.endswith(".hwh"),
}


@pytest.mark.parametrize(("name", "parse", "expected"), READ, ids=[row[0] for row in READ])
def test_a_report_is_read(name: str, parse: Callable[[str], Any], expected: Any) -> None:
    assert parse((REAL / name).read_text(errors="replace")) == expected


@pytest.mark.parametrize("parse", OF_ITS_KIND, ids=lambda parse: parse.__name__)
def test_nothing_is_read_of_other_reports(parse: Callable[[str], Any]) -> None:
    """A parser given another tool's file finds no figure in it; a version is the file's own."""
    others = [path for path in REAL.rglob("*.*") if not OF_ITS_KIND[parse](path.name)]
    assert len(others) >= 10
    for path in others:
        if path.suffix == ".md":
            continue
        found = parse(path.read_text(errors="replace"))
        figures = {one.name: getattr(found, one.name) for one in fields(found)}
        figures.pop("version", None)
        assert set(figures.values()) == {None}, (path, figures)
