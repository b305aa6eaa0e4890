"""What vendor tools need of the packaged Verilog: no error, no forward name, no file beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from nets import blended
from rtl.random_nets import random_net
from semifreddo.core.errors import ToolError
from semifreddo.rtl.components.memories import Bank
from semifreddo.rtl.design import make_design
from semifreddo.rtl.synthesis import packaged_files
from semifreddo.tools.runner import run
from semifreddo.tools.yosys import find_yosys

LIBRARY = Path(__file__).parents[2] / "toolkit" / "semifreddo" / "rtl" / "library"
LISTED = {
    "SignCompare": "counters are compared with parameters, which are signed and never negative",
    "SignConversion": "a part of a signed vector is unsigned until a port or wire gives it a sign",
    "ArithOpMismatch": "an index is computed of an unsigned value and integers",
    "BitwiseOpMismatch": "masks are wider than what they mask",
    "EmptyOutputPortConn": "a FIFO behind credits has a ready that nobody asks for",
    "WidthExpand": "a number is extended by assignment",
    "WidthTruncate": "a number is cut by assignment",
}
FORWARD = re.compile(r"g_\w+\[\s*\w+\s*\+")
"""A generate block of a later index."""


def diagnosed(files: Mapping[str, str]) -> tuple[list[str], set[str]]:
    """Errors, and the kinds of warnings, that slang finds in a design."""
    pyslang = pytest.importorskip("pyslang", reason="needs pyslang (extra dev)")
    compilation = pyslang.ast.Compilation()
    sources = pyslang.SourceManager()
    for name, text in files.items():
        compilation.addSyntaxTree(pyslang.syntax.SyntaxTree.fromText(text, sources, name, name))
    found = list(compilation.getAllDiagnostics())
    errors = [str(one.code) for one in found if one.isError()]
    kinds = {str(one.code) for one in found if not one.isError()}
    return errors, {kind.removeprefix("DiagCode(").removesuffix(")") for kind in kinds}


@pytest.mark.parametrize("seed", [None, 3])
def test_slang_finds_nothing(seed: int | None) -> None:
    net, schedule = (blended(), None) if seed is None else random_net(seed)
    design = make_design(net) if schedule is None else make_design(net, schedule)
    files = packaged_files(design.files, design.top)
    errors, warnings = diagnosed(files)
    assert errors == []
    assert warnings <= set(LISTED)
    top = files[f"{design.top}.sv"]
    broken = files | {f"{design.top}.sv": top.replace("aresetn", "aresetm", 1)}
    assert diagnosed(broken)[0]


def test_what_goes_into_an_ip() -> None:
    design = make_design(blended())
    beside = {"sf_beside.sv": "module sf_beside; endmodule\n"}
    files = packaged_files({**design.files, **beside}, design.top)
    assert "sf_probe.sv" in design.files and "sf_probe.sv" not in files
    assert "sf_beside.sv" not in files
    text = "".join(files.values())
    assert "SF_PROBE" not in text and "sf_probe" not in re.sub(r"//.*", "", text)
    reached = set(re.findall(r"\b\w+\b", re.sub(r"//.*", "", text)))
    assert {name.partition(".")[0] for name in files} <= reached


def test_no_name_of_a_later_iteration() -> None:
    """Vivado resolves names of earlier generate iterations; of later ones it may not."""
    for file in sorted(LIBRARY.glob("*.sv")):
        code = re.sub(r"//.*", "", file.read_text())
        assert not FORWARD.search(code), file.name
    assert FORWARD.search("g_column[x+1].g_line[line].pixel")
    assert not FORWARD.search("g_row[row-1].sum_out")


@pytest.mark.parametrize(
    "bank",
    [
        Bank(144, 64, 1, 2, (0,), registered=True),
        Bank(9, 24, 1, 1, (0,), registered=True),
    ],
    ids=["blocks", "luts"],
)
def test_a_bank_alone_has_the_memories_of_its_plan(bank: Bank, tmp_path: Path) -> None:
    """Without flattening, as a tool sees it that decides module by module."""
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(f"no synthesis: {error}")
    for name in ("sf_bank.sv",):
        (tmp_path / name).write_text((LIBRARY / name).read_text())
    values = " ".join(
        f"-set {name} {value}" for name, value in bank.parameters().items() if name != "OFFSETS"
    )
    script = f"""read_verilog -sv sf_bank.sv
chparam {values} sf_bank
synth_xilinx -family xc7 -noiopad -noclkbuf -top sf_bank
tee -o stat.json stat -json
"""
    (tmp_path / "synth.ys").write_text(script)
    run([yosys.program, "-q", "-s", "synth.ys"], cwd=tmp_path, timeout_s=120, log=tmp_path / "log")
    cells = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    blocks = cells.get("RAMB18E1", 0) + 2 * cells.get("RAMB36E1", 0)
    assert blocks == bank.counts().counts.get("bram18", 0)
    assert blocks or any(name.startswith("RAM") for name in cells)
