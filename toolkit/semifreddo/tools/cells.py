"""Counting the cells of a synthesised netlist, from Yosys' JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from semifreddo.boards.spec import Family
from semifreddo.core.errors import ToolError
from semifreddo.tools.lut_pairs import count_with_pairs


@dataclass(frozen=True)
class CellCounts:
    """Cells of a netlist.

    Attributes:
        lut: Look-up tables of any use: logic, shift registers and memories. ECP5: four-input
            LUTs, with two for every CCU2C (carry) and for every 16 x 4 memory the six of its
            slices.
        lut_pairs: The same when logic LUTs that share inputs are counted as one LUT6_2 (an
            estimate, see :mod:`semifreddo.tools.lut_pairs`). ECP5 has none: equal to ``lut``.
        lut_as_srl: Of ``lut``, those used as shift registers.
        lut_as_ram: Of ``lut``, those used as memories.
        ff: Flip-flops.
        dsp: DSP48 slices; MULT18X18D on ECP5.
        bram18: Block memories of 18 Kbit; a 36 Kbit block counts as two.
        carry: CARRY4, CARRY8 or CCU2C.
    """

    lut: int = 0
    lut_pairs: int = 0
    lut_as_srl: int = 0
    lut_as_ram: int = 0
    ff: int = 0
    dsp: int = 0
    bram18: int = 0
    carry: int = 0

    def __add__(self, other: CellCounts) -> CellCounts:
        return CellCounts(
            *(getattr(self, item.name) + getattr(other, item.name) for item in fields(self))
        )

    def __mul__(self, times: int) -> CellCounts:
        return CellCounts(*(getattr(self, item.name) * times for item in fields(self)))


# LUTs that a memory takes: UG474 table 2-3 (7 series), UG574 table 3-1 (UltraScale).
_RAM_LUTS: Mapping[str, int] = {
    "RAM16X1S": 1,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM512X1S": 8,
    "RAM16X1D": 2,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM256X1D": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
}
_BRAM18 = {"RAMB18E1": 1, "RAMB36E1": 2, "RAMB18E2": 1, "RAMB36E2": 2, "DP16KD": 1, "PDPW16KD": 1}
_DSP = {"DSP48E1", "DSP48E2", "MULT18X18D"}
_CARRY = {"CARRY4", "CARRY8", "CCU2C"}
_FF = re.compile(r"(FD[RSCP]E(_1)?|TRELLIS_FF)")
_LUT = re.compile(r"LUT[1-6]|INV")
_UNCOUNTED = re.compile(r"MUXF[789]|[IO]BUF|BUFG|GND|VCC|PFUMX|L6MUX21|EHXPLLL|\$scopeinfo")


def count_cells(
    netlist: Mapping[str, Any], top: str, family: Family, black_boxes: Collection[str] = ()
) -> CellCounts:
    """Count the cells of a flat module.

    Args:
        netlist: Parsed JSON of Yosys' ``write_json``.
        top: The module.
        family: What it was synthesised for.
        black_boxes: Modules whose instances count nothing: they are counted elsewhere.

    Raises:
        ToolError: The module is not there, or has a cell that no counting rule knows.
    """
    try:
        cells: Iterable[Mapping[str, Any]] = netlist["modules"][top]["cells"].values()
    except KeyError as error:
        raise ToolError(f"Yosys' netlist has no {error}; expected module {top}") from None
    cells = [cell for cell in cells if cell["type"] not in black_boxes]
    kinds = Counter(cell["type"] for cell in cells)
    unknown = sorted(kind for kind in kinds if not _known(kind))
    if unknown:
        raise ToolError(
            f"netlist of {top}: no rule counts the cell {unknown[0]}; add it to tools/cells.py"
        )
    logic = [_inputs(cell) for cell in cells if _LUT.fullmatch(cell["type"])]
    srl = sum(number for kind, number in kinds.items() if kind.startswith("SRL"))
    ram = sum(_RAM_LUTS.get(kind, 0) * number for kind, number in kinds.items())
    lut = len(logic) + srl + ram
    carry = sum(number for kind, number in kinds.items() if kind in _CARRY)
    if family == "ecp5":
        # As nextpnr packs them: a CCU2C is two LUTs, a TRELLIS_DPR16X4 four for its bits and two
        # for its write port.
        ram = kinds["TRELLIS_DPR16X4"] * 6
        lut = len(logic) + ram + 2 * carry
    pairs = lut if family == "ecp5" else count_with_pairs(logic) + srl + ram
    return CellCounts(
        lut=lut,
        lut_pairs=pairs,
        lut_as_srl=srl,
        lut_as_ram=ram,
        ff=sum(number for kind, number in kinds.items() if _FF.fullmatch(kind)),
        dsp=sum(number for kind, number in kinds.items() if kind in _DSP),
        bram18=sum(_BRAM18.get(kind, 0) * number for kind, number in kinds.items()),
        carry=carry,
    )


def _known(kind: str) -> bool:
    return (
        kind in _RAM_LUTS
        or kind in _BRAM18
        or kind in _DSP
        or kind in _CARRY
        or kind in {"TRELLIS_DPR16X4", "SRL16E", "SRLC16E", "SRLC32E"}
        or any(pattern.fullmatch(kind) for pattern in (_FF, _LUT, _UNCOUNTED))
    )


def _inputs(cell: Mapping[str, Any]) -> frozenset[int]:
    """The distinct signals a LUT reads; constants are strings in Yosys' JSON."""
    return frozenset(
        bit
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "input"
        for bit in bits
        if isinstance(bit, int)
    )
