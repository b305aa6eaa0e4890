"""OpenSTA's reports, and what is said where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liberties import real_liberty
from semifreddo.core.errors import ToolError
from semifreddo.tools.liberty import map_to_cells
from semifreddo.tools.opensta import Analysis, analyse, find_sta

TWO = """
module two (input wire clk, input wire [7:0] a, output reg [7:0] q);
    reg [7:0] b;
    always @(posedge clk) begin
        b <= a;
        q <= b * b + 8'd3;
    end
endmodule
"""


def analysed(verilog: Path, library: Path, work: Path, rate: float, period: float = 20) -> Analysis:
    cells = verilog.parent / "netlist.json"
    pins = {}
    for name, cell in json.loads(cells.read_bytes())["modules"]["two"]["cells"].items():
        pins |= {f"{name}/{pin}": rate for pin in cell["connections"] if pin != "CLK"}
    return analyse(
        [verilog.resolve()],
        "two",
        liberty=library,
        clock="clk",
        period_ns=period,
        toggles=pins,
        workdir=work,
        timeout_s=60,
    )


def test_path_and_power_of_real_cells(tmp_path: Path) -> None:
    library = real_liberty()
    made = map_to_cells(
        {"two.sv": TWO}, "two", liberty=library, workdir=tmp_path / "map", timeout_s=120
    )
    half = analysed(made.verilog, library, tmp_path / "half", 0.5)
    rest = analysed(made.verilog, library, tmp_path / "rest", 0.0)
    fast = analysed(made.verilog, library, tmp_path / "fast", 0.5, period=10)
    assert half.path is not None and fast.path is not None
    assert 0.5 < half.path.ns < 20, "a multiplier of 8 bits in 180 nm"
    assert fast.path.ns == pytest.approx(half.path.ns, abs=1e-3), "whatever the clock"
    assert rest.power.total < half.power.total
    assert rest.power.total == pytest.approx(rest.power.sequential, rel=0.01), "the clock's"
    assert fast.power.total == pytest.approx(2 * half.power.total, rel=0.01)
    assert sum(half.power.by_instance.values()) == pytest.approx(half.power.total, rel=1e-3)


PRINTED = """Startpoint: core/g1 (rising edge-triggered flip-flop clocked by clock)
Endpoint: core/unit/g2 (rising edge-triggered flip-flop clocked by clock)
Path Group: clock
            19.8381   data required time
---------------------------------------
             -1.2500   slack (VIOLATED)

Sequential             1.0e-03 2.0e-03 3.0e-03 6.0e-03  60.0%
Combinational          1.0e-03 1.0e-03 2.0e-03 4.0e-03  40.0%
Total                  2.0e-03 3.0e-03 5.0e-03 1.0e-02 100.0%
instance core/g1 4.0e-03
instance core/unit/g2 6.0e-03
"""


def fake_sta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    tool, said = tmp_path / "bin" / "sta", tmp_path / "said"
    tool.parent.mkdir(exist_ok=True)
    said.write_text(text)
    kept = f"cp sta.tcl {tmp_path}/script; echo $* >{tmp_path}/asked"
    tool.write_text(f"#!/bin/sh\n{kept}; cat {said}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")


def ask(tmp_path: Path) -> Analysis:
    return analyse(
        [tmp_path / "a.v", tmp_path / "b.v"],
        "top",
        liberty=tmp_path / "cells.lib",
        clock="aclk",
        period_ns=20,
        toggles={"core/g1/Q": 0.25},
        workdir=tmp_path / "work",
        timeout_s=10,
    )


def test_what_is_asked_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_sta(tmp_path, monkeypatch, PRINTED)
    found = ask(tmp_path)
    assert found.path is not None
    assert (found.path.ns, found.path.start, found.path.end) == (21.25, "core/g1", "core/unit/g2")
    assert (found.power.sequential, found.power.total) == (0.006, 0.01)
    assert found.power.by_instance == {"core/g1": 0.004, "core/unit/g2": 0.006}
    script = (tmp_path / "script").read_text().splitlines()
    assert script[:9] == [
        f"read_liberty {{{tmp_path}/cells.lib}}",
        f"read_verilog {{{tmp_path}/a.v}}",
        f"read_verilog {{{tmp_path}/b.v}}",
        "link_design top",
        "create_clock -name clock -period 20 [get_ports aclk]",
        "report_checks -digits 4",
        "set_power_activity -input -activity 0",
        "sta::set_power_pin_activity [get_pins {core/g1/Q}] 0.25 0.5",
        "report_power -digits 6",
    ]
    assert (tmp_path / "asked").read_text() == "-no_splash -exit sta.tcl\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("No paths found.\n" + PRINTED[PRINTED.index("Sequential") :], ""),
        ("Error: a.v, line 35 syntax error, unexpected '.'.\n" + PRINTED, "line 35 syntax error"),
        ("Warning: sta.tcl, 6 port 'aclk' not found.\n" + PRINTED, "port 'aclk' not found"),
        ("nothing\n", "reports no power"),
        (PRINTED.replace("Sequential ", "Clock "), "reports no power"),
        (PRINTED.replace("Total ", "All "), "reports no power"),
    ],
)
def test_reports_that_are_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    fake_sta(tmp_path, monkeypatch, text)
    if not message:
        assert ask(tmp_path).path is None
        return
    with pytest.raises(ToolError, match=rf"^OpenSTA: .*{message}.*; see .*sta\.log$"):
        ask(tmp_path)


def test_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"^sta not found; install it with: apt-get"):
        find_sta()
