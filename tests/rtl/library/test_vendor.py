"""What vendor tools need of the packaged Verilog: no error, no forward name, no file beside it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from nets import blended, wide
from rtl.random_nets import random_net
from semifreddo.core.errors import ToolError
from semifreddo.rtl.components.geometry import Geometry
from semifreddo.rtl.components.memories import Bank, Fifo
from semifreddo.rtl.components.windows import Taps, Window
from semifreddo.rtl.design.design import make_design
from semifreddo.rtl.scheduler.estimate import estimate
from semifreddo.rtl.synthesis.parts import packaged_files
from semifreddo.tools.runner import run
from semifreddo.tools.yosys import find_yosys

LIBRARY = Path(__file__).parents[3] / "toolkit" / "semifreddo" / "rtl" / "library"
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
    text = re.sub(r"//.*", "", "".join(files.values()))
    assert "SF_" not in text and "`if" not in text and "sf_probe" not in text
    reached = set(re.findall(r"\b\w+\b", text))
    assert {name.partition(".")[0] for name in files} <= reached


def test_no_name_of_a_later_iteration() -> None:
    """Vivado resolves names of earlier generate iterations; of later ones it may not."""
    for file in sorted(LIBRARY.glob("*.sv")):
        code = re.sub(r"//.*", "", file.read_text())
        assert not FORWARD.search(code), file.name
    assert FORWARD.search("g_column[x+1].g_line[line].pixel")
    assert not FORWARD.search("g_row[row-1].sum_out")


def unflattened(top: str, files: Mapping[str, str], folder: Path, set_up: str = "") -> Counter[str]:
    """Cells that Yosys makes module by module, as a tool does that does not look across them."""
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(f"no synthesis: {error}")
    for name, text in files.items():
        (folder / name).write_text(text)
    script = f"""read_verilog -sv {" ".join(files)}
{set_up}
synth_xilinx -family xc7 -noiopad -noclkbuf -top {top}
tee -o stat.json stat -json
"""
    (folder / "synth.ys").write_text(script)
    run([yosys.program, "-q", "-s", "synth.ys"], cwd=folder, timeout_s=500, log=folder / "log")
    told = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    return Counter(told)


def blocks(cells: Counter[str]) -> int:
    """Memories of 18 Kbit."""
    return cells["RAMB18E1"] + 2 * cells["RAMB36E1"]


WIDE = Geometry(4, 70, (3, 3), (1, 1), 1, 1, (4, 70))


@pytest.mark.parametrize(
    "component",
    [
        Bank(144, 64, 1, 2, (0,), registered=True),
        pytest.param(Bank(9, 24, 1, 1, (0,), registered=True), marks=pytest.mark.slow),
        Window(WIDE, 24),
        pytest.param(Window(WIDE, 2), marks=pytest.mark.slow),
        Taps(WIDE, 64, 8),
        pytest.param(Taps(WIDE, 4, 2), marks=pytest.mark.slow),
        Fifo(48, 71),
        pytest.param(Fifo(4, 71), marks=pytest.mark.slow),
    ],
    ids=[
        f"{kind}-{place}"
        for kind in ("bank", "window", "taps", "fifo")
        for place in ("blocks", "luts")
    ],
)
def test_a_component_alone_has_the_memories_of_its_plan(
    component: Bank | Fifo | Taps | Window, tmp_path: Path
) -> None:
    library = {path.name: path.read_text() for path in LIBRARY.glob("*.sv")}
    values = {name: v for name, v in component.parameters().items() if isinstance(v, int)}
    set_up = "chparam " + " ".join(f"-set {name} {v}" for name, v in values.items())
    cells = unflattened(
        component.module,
        packaged_files(library, component.module),
        tmp_path,
        f"{set_up} {component.module}",
    )
    planned = component.counts().counts.get("bram18", 0)
    assert blocks(cells) == planned
    assert planned or any(name.startswith("RAM") for name in cells)
    # Where no address is read while it is written, nothing compares addresses around it.
    assert not planned or isinstance(component, Fifo) or cells["LUT3"] < 24


def test_products_for_dsp_slices_say_so() -> None:
    """Vivado makes small products of LUTs unless the product itself asks for a slice."""
    code = re.sub(r"//.*", "", (LIBRARY / "sf_multiply.sv").read_text())
    (branch,) = re.findall(r"if \(DSP != 0\) begin(.*?)\bend else\b", code, re.DOTALL)
    declared = re.findall(r"(.*)\bwire signed [^;]*?= x_wide \* w_wide;", branch)
    assert [before.strip() for before in declared] == ['(* use_dsp = "yes" *)']


@pytest.mark.slow
def test_a_design_has_the_block_memories_of_its_plan(tmp_path: Path) -> None:
    """Weight banks, the rows of a wide image and a deep FIFO, module by module."""
    net = wide()
    design = make_design(net)
    cells = unflattened(design.top, packaged_files(design.files, design.top), tmp_path)
    planned = estimate(net).total.bram18
    assert planned >= 3
    assert blocks(cells) == planned
