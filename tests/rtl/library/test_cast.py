"""Casts of every rounding and overflow, evaluated by Yosys for all values of a width."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from rtl.equivalence import library_side
from semifreddo.core.errors import ToolError
from semifreddo.core.fixed import FixedType, Overflow, Rounding
from semifreddo.rtl.components.numbers import Cast
from semifreddo.tools.runner import run
from semifreddo.tools.yosys import find_yosys

BITS = 6
FRAC = 4
VALUES = np.arange(-(1 << (BITS - 1)), 1 << (BITS - 1))
TARGETS = [
    FixedType(width, FRAC - drop, signed, rounding, overflow)
    for rounding, overflow, (width, drop) in product(
        Rounding, Overflow, [(3, 2), (4, 1), (5, 0), (6, -1), (1, 3), (2, 3)]
    )
    for signed in (True, False)
    if signed or overflow is not Overflow.SATURATE_SYMMETRIC
    if width > 1 or overflow is not Overflow.SATURATE_SYMMETRIC
]


def casts(offset: int, *, negate: bool) -> list[Cast]:
    low, high = (-31, 32) if negate else (-32, 31)
    return [Cast(BITS, low, high, FRAC - target.frac, target, offset, negate) for target in TARGETS]


def evaluated(chosen: list[Cast], folder: Path) -> np.ndarray:
    """Results of all casts, unsigned, ``(casts, values)`` in the order of the values' bits."""
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(f"no evaluation: {error}")
    lines, place = [], 0
    for index, cast in enumerate(chosen):
        told = ", ".join(
            f'.{name}("{value}")' if name in ("ROUNDING", "OVERFLOW") else f".{name}({value})"
            for name, value in cast.parameters().items()
        )
        width = cast.target.width
        lines.append(f"sf_cast #({told}) c{index} (.value(value), .result(out[{place}+:{width}]));")
        place += width
    top = "\n".join(lines)
    head = f"module top (input wire [{BITS - 1}:0] value, output wire [{place - 1}:0] out);"
    (folder / "top.sv").write_text(f"{library_side('sf_cast').text}\n{head}\n{top}\nendmodule\n")
    script = "read_verilog -sv top.sv; hierarchy -top top; proc; flatten; opt_clean\n"
    (folder / "eval.ys").write_text(f"{script}cd top; eval -table value -show out\n")
    log = folder / "eval.log"
    run([yosys.program, "-s", "eval.ys"], cwd=folder, timeout_s=120, log=log)
    rows = re.findall(rf"{BITS}'([01]+) *\| *{place}'([01]+)", log.read_text())
    assert len(rows) == 1 << BITS
    found = np.zeros((len(chosen), 1 << BITS), np.int64)
    for value, bits in rows:
        end = len(bits)
        for index, cast in enumerate(chosen):
            found[index, int(value, 2)] = int(bits[end - cast.target.width : end], 2)
            end -= cast.target.width
    return found


@pytest.mark.parametrize(("offset", "negate"), [(0, False), (5, False), (-9, False), (3, True)])
def test_every_mode_is_exact(offset: int, negate: bool, tmp_path: Path) -> None:
    chosen = casts(offset, negate=negate)
    found = evaluated(chosen, tmp_path)
    for index, cast in enumerate(chosen):
        target = cast.target
        expected = target.cast((-VALUES if negate else VALUES) + offset, FRAC)
        codes = expected & ((1 << target.width) - 1)
        order = VALUES & ((1 << BITS) - 1)
        assert np.array_equal(found[index, order], codes), (target, offset, negate)
