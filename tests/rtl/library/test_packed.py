"""Products that share DSP slices, proven equal to plain products for all values of small widths."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from rtl import equivalence
from rtl.equivalence import Side, library_side
from semifreddo.core.errors import ToolError
from semifreddo.rtl.components.packing import LONGEST_CHAIN, WORD_BITS, Packing
from semifreddo.rtl.synthesis.parts import Part, synthesize_parts

PLAIN = """
module plain #(
    parameter integer X_BITS = 8, parameter integer X_SIGNED = 0,
    parameter integer W_BITS = 8, parameter integer W_SIGNED = 1,
    parameter integer LANES = 2, parameter integer FIELDS = 2, parameter integer STRIDE = 17,
    parameter integer ROWS = 2, parameter integer DEPTH = 2, parameter integer SUM = 17
) (
    input wire clk,
    input wire [ROWS*X_BITS-1:0] x, input wire [ROWS*LANES*W_BITS-1:0] w,
    output wire [LANES*SUM-1:0] sums
);
    genvar k, i;
    generate
        for (k = 0; k < LANES; k = k + 1) begin : g_lane
            localparam integer NEXT = (k / FIELDS + 1) * FIELDS;
            localparam integer SHORT = W_SIGNED != 0 && k + 1 < (NEXT < LANES ? NEXT : LANES);
            reg signed [SUM-1:0] sum;
            integer r;
            always @* begin
                sum = -(SHORT << (W_BITS - 1));
                for (r = 0; r < ROWS; r = r + 1)
                    sum = sum
                        + $signed({X_SIGNED != 0 && x[r*X_BITS+X_BITS-1], x[r*X_BITS+:X_BITS]})
                        * $signed({W_SIGNED != 0 && w[(r*LANES+k)*W_BITS+W_BITS-1],
                                   w[(r*LANES+k)*W_BITS+:W_BITS]});
            end
            for (i = 0; i <= DEPTH; i = i + 1) begin : g_late
                reg [SUM-1:0] held;
                if (i == 0) always @(posedge clk) held <= sum;
                else always @(posedge clk) held <= g_late[i-1].held;
            end
            assign sums[k*SUM+:SUM] = g_late[DEPTH].held;
        end
    endgenerate
endmodule
"""


def prove(folder: Path, packing: Packing, rows: int, *, stride: int | None = None) -> str:
    """Let Yosys prove that chains of slices give the sums of products; gives its log."""
    parameters = parameters_of(packing, rows) | {"STRIDE": stride or packing.stride}
    gold, gate = Side("plain", PLAIN), library_side("sf_packed")
    return equivalence.prove(folder, gold, gate, parameters, packing.depth + 1)


def parameters_of(packing: Packing, rows: int) -> dict[str, int]:
    """As ``sf_packed`` is given."""
    return {
        "X_BITS": packing.x_bits,
        "X_SIGNED": int(packing.x_signed),
        "W_BITS": packing.w_bits,
        "W_SIGNED": int(packing.w_signed),
        "LANES": packing.lanes,
        "FIELDS": packing.fields,
        "STRIDE": packing.stride,
        "ROWS": rows,
        "DEPTH": packing.depth,
        "SUM": packing.sum_bits,
    }


def tight(x: tuple[int, bool], w: tuple[int, bool], lanes: int, fields: int, depth: int) -> Packing:
    """Fields as narrow as their sums allow."""
    fitting = (
        packing
        for stride in range(2, WORD_BITS)
        if (packing := Packing(*x, *w, lanes, fields, stride, depth)).fits
    )
    return next(fitting)


CASES = [
    # Operand, weight, lanes, fields, depth, rows.
    ((2, False), (2, True), 2, 2, 2, 2),
    ((2, True), (2, True), 3, 3, 2, 2),
    ((2, True), (3, False), 3, 2, 2, 1),
    ((3, False), (2, False), 2, 2, 1, 1),
    ((1, False), (1, True), 4, 2, 3, 3),
    ((1, True), (1, False), 3, 2, 3, 2),
    ((3, False), (3, True), 2, 2, 1, 1),
]


@pytest.mark.parametrize(("x", "w", "lanes", "fields", "depth", "rows"), CASES)
def test_all_values(
    x: tuple[int, bool],
    w: tuple[int, bool],
    lanes: int,
    fields: int,
    depth: int,
    rows: int,
    tmp_path: Path,
) -> None:
    """Also in fields without a bit to spare."""
    packing = tight(x, w, lanes, fields, depth)
    assert "SUCCESS" in prove(tmp_path, packing, rows)


def test_a_field_that_is_too_narrow_is_found(tmp_path: Path) -> None:
    packing = tight((2, False), (2, True), 2, 2, 2)
    with pytest.raises(ToolError, match="failed with exit code 1"):
        prove(tmp_path, packing, 2, stride=packing.stride - 1)


@pytest.mark.parametrize("signed", [False, True])
def test_words_of_eight_bits(signed: bool) -> None:
    """The arithmetic of `sf_packed` in integers, on random and extreme values."""
    packing = Packing.best((8, signed), (8, True), 2, 8)
    assert packing is not None
    rng = np.random.default_rng(3)
    edges = (-128, 127) if signed else (0, 255)
    size, half, mask = (4000, packing.depth), 1 << (packing.stride - 1), (1 << packing.stride) - 1
    for drawn in (
        lambda low, high: rng.integers(low, high + 1, size),
        lambda *e: rng.choice(e, size),
    ):
        x, low, high = drawn(*edges), drawn(-128, 127), drawn(-128, 127)
        word = (high << packing.stride) + low + packing.raise_
        start = half + packing.raise_ * ~x.sum(axis=1)
        total = (word * x).sum(axis=1) + start
        assert (total >> packing.stride == (high * x).sum(axis=1)).all()
        found = (total & mask) - half + packing.raise_
        assert (found == (low * x).sum(axis=1)).all()


@pytest.mark.parametrize(
    ("x", "w", "fields", "stride", "depth"),
    [
        ((8, False), (8, True), 2, 17, 2),
        ((8, True), (8, True), 2, 17, 4),
        ((7, False), (8, True), 2, 17, 4),
        ((4, False), (4, True), 3, 10, 4),
        ((8, False), (4, True), 2, 21, 4),
        ((2, False), (2, True), 6, 4, 1),
    ],
)
def test_what_fits_a_slice(
    x: tuple[int, bool], w: tuple[int, bool], fields: int, stride: int, depth: int
) -> None:
    packing = Packing.best(x, w, 60, 8)
    assert packing is not None
    assert (packing.fields, packing.stride, packing.depth) == (fields, stride, depth)
    assert (fields - 1) * stride + w[0] + (not w[1]) <= WORD_BITS


@pytest.mark.parametrize(
    ("x", "rows"),
    [
        ((7, False), 4),
        ((8, True), 4),
        *(pytest.param((bits, False), 4, marks=pytest.mark.slow) for bits in (4, 6, 8)),
    ],
)
def test_a_chain_adds_in_its_slices(x: tuple[int, bool], rows: int, tmp_path: Path) -> None:
    """Left to LUTs are the sum of operands with which it begins, and what waits."""
    packing = Packing.best(x, (8, True), 2, rows)
    assert packing is not None
    given = parameters_of(packing, min(rows, packing.depth))
    sizes = [given["ROWS"] * packing.x_bits, given["ROWS"] * 2 * 8, 2 * packing.sum_bits]
    x_, w_, sums = (f"wire [{size - 1}:0] {name}" for size, name in zip(sizes, "xws", strict=True))
    text = (
        f"module chain (input wire clk, input {x_}, input {w_}, output {sums});\n    sf_packed #("
        + ", ".join(f".{name}({value})" for name, value in given.items())
        + ") packed_ (.clk(clk), .x(x), .w(w), .sums(s));\nendmodule\n"
    )
    library = files("semifreddo.rtl.library") / "sf_packed.sv"
    part = Part("chain", "chain", {"chain.sv": text, "sf_packed.sv": library.read_text()}, ())
    (found,) = synthesize_parts(
        [part], family="xc7", cache=tmp_path, timeout_s=300, jobs=1, progress=lambda _: None
    )
    assert found.cells.dsp == min(rows, packing.depth)
    operands = (min(rows, packing.depth) - 1) * (packing.x_bits + 3)
    assert 4 * found.cells.carry <= operands + 8


def test_what_fits_no_slice() -> None:
    assert Packing.best((8, False), (12, True), 8, 4) is None
    assert Packing.best((18, False), (2, True), 8, 4) is None
    assert Packing.best((8, False), (8, True), 1, 4) is None


def test_waits_of_a_short_chain() -> None:
    packing = Packing.best((4, False), (4, True), 3, 9)
    assert packing is not None and packing.depth == LONGEST_CHAIN == 4
    assert list(packing.waits(9)) == [0, 1, 2, 3, 0, 1, 2, 3, 3]
    assert [packing.low(lane) for lane in range(3)] == [True, True, False]
