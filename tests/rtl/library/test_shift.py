"""Shifted sums, proven equal to plain products for all values and all weights that are promised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtl import equivalence
from rtl.equivalence import Side, library_side
from semifreddo.ir.allowed import sums_of_powers
from semifreddo.rtl.components.shifts import Codes, Shifts

PORTS = """
module {name} #(
    parameter integer X_BITS = 1, parameter integer X_SIGNED = 0, parameter integer ROWS = 1,
    parameter integer DEPTH = 1, parameter integer TERMS = 1, parameter integer POWERS = 7,
    parameter integer CODE = 4, parameter integer SUM = 8
) (
    input wire clk, input wire [ROWS*X_BITS-1:0] x, input wire [ROWS*{pick}-1:0] picks,
    output wire [SUM-1:0] sum
);
    localparam [{size}-1:0] TABLE = {table};
    genvar i;
    generate
"""
PLAIN = """
        reg signed [SUM-1:0] exact;
        reg signed [X_BITS:0] value;
        reg signed [{bits}-1:0] weight;
        integer r;
        always @* begin
            exact = 0;
            for (r = 0; r < ROWS; r = r + 1) begin
                value = {{X_SIGNED != 0 && x[r*X_BITS+X_BITS-1], x[r*X_BITS+:X_BITS]}};
                weight = TABLE[picks[r*{pick}+:{pick}]*{bits}+:{bits}];
                exact = exact + value * weight;
            end
        end
        for (i = 0; i < {late}; i = i + 1) begin : g_late
            reg [SUM-1:0] held;
            if (i == 0) always @(posedge clk) held <= exact;
            else always @(posedge clk) held <= g_late[i-1].held;
        end
        assign sum = g_late[{late}-1].held;
    endgenerate
endmodule
"""
CODED = """
        wire [ROWS*TERMS*CODE-1:0] codes;
        for (i = 0; i < ROWS; i = i + 1) begin : g_row
            sf_terms #(.BITS({bits}), .TERMS(TERMS), .POWERS(POWERS), .CODE(CODE)) terms (
                .value(TABLE[picks[i*{pick}+:{pick}]*{bits}+:{bits}]),
                .codes(codes[i*TERMS*CODE+:TERMS*CODE])
            );
        end
        sf_shift #(
            .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .ROWS(ROWS), .DEPTH(DEPTH), .TERMS(TERMS),
            .POWERS(POWERS), .CODE(CODE), .SUM(SUM)
        ) shift (.clk(clk), .x(x), .w(codes), .sum(sum));
    endgenerate
endmodule
"""


def sides(bits: int, terms: int, late: int) -> tuple[Side, Side]:
    """Products with every weight of a table, and shifts with the codes of the same weight."""
    weights = sums_of_powers(bits, terms)
    pick = (len(weights) - 1).bit_length()
    padded = [*weights, *[0] * ((1 << pick) - len(weights))]
    mask = (1 << bits) - 1
    table = sum((weight & mask) << place * bits for place, weight in enumerate(padded))
    size = bits << pick
    words = {"pick": pick, "bits": bits, "late": late, "size": size, "table": f"{size}'h{table:x}"}
    plain = (PORTS + PLAIN).format(name="plain", **words)
    coded = (PORTS + CODED).format(name="coded", **words)
    library = "".join(library_side(name).text for name in ("sf_terms", "sf_shift"))
    return Side("plain", plain), Side("coded", library + coded)


@pytest.mark.parametrize(
    ("bits", "terms", "x_bits", "signed", "rows", "depth"),
    [
        (10, 1, 2, False, 1, 1),
        (8, 1, 4, False, 1, 1),
        (8, 1, 3, True, 2, 4),
        (7, 1, 2, False, 3, 3),
        (6, 1, 3, False, 1, 2),
        (5, 1, 2, True, 3, 4),
        (4, 1, 4, True, 2, 2),
        (4, 1, 1, False, 4, 4),
        (3, 1, 3, False, 2, 3),
        (2, 1, 3, True, 3, 3),
        (2, 1, 1, False, 1, 1),
        (8, 2, 3, True, 1, 1),
        (8, 2, 2, False, 1, 2),
        (5, 2, 2, False, 2, 2),
        (4, 2, 3, True, 1, 2),
        (3, 2, 2, False, 2, 2),
    ],
)
def test_all_values_with_all_weights(
    bits: int, terms: int, x_bits: int, signed: bool, rows: int, depth: int, tmp_path: Path
) -> None:
    codes = Codes(terms, bits - 1)
    found = Shifts(codes, True, x_bits, depth)
    assert found.depth == depth
    gold, gate = sides(bits, terms, found.stages)
    parameters = {
        "X_BITS": x_bits,
        "X_SIGNED": int(signed),
        "ROWS": rows,
        "DEPTH": depth,
        "TERMS": terms,
        "POWERS": codes.powers,
        "CODE": codes.term_bits,
        "SUM": found.sum_bits,
    }
    assert "SUCCESS" in equivalence.prove(tmp_path, gold, gate, parameters, found.stages)


def decoded(codes: Codes, code: int) -> int:
    """The value of a code, term by term."""
    value, exponents = 0, (1 << codes.exponent_bits) - 1
    for term in range(codes.terms):
        own = code >> term * codes.term_bits
        if own & exponents:
            size = 1 << exponents - (own & exponents)
            value += -size if own >> codes.exponent_bits & 1 else size
        else:
            assert not own >> codes.exponent_bits & 1
    return value


@pytest.mark.parametrize("terms", [1, 2])
@pytest.mark.parametrize("powers", range(1, 10))
def test_codes_mean_their_values(powers: int, terms: int) -> None:
    """Each value has a code of its own; where a word of constants is made, Python encodes."""
    codes = Codes(terms, powers)
    values = np.array(sums_of_powers(powers + 1, terms))
    found = codes.encode(values)
    assert [decoded(codes, code) for code in found.tolist()] == values.tolist()
    assert found.max() < 1 << codes.bits and found[values == 0] == 0
    assert Codes.of(values) in {codes, Codes(1, powers)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0], Codes(1, 1)),
        ([1, -1, 0], Codes(1, 1)),
        ([-64, 1], Codes(1, 7)),
        ([3, 1], Codes(2, 2)),
        ([96, -1], Codes(2, 7)),
        ([7], Codes(2, 4)),
        ([97], None),
        ([11], None),
    ],
)
def test_the_fewest_terms_of_some_integers(values: list[int], expected: Codes | None) -> None:
    assert Codes.of(np.array(values)) == expected
