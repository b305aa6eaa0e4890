"""Sums of products with -1 and 1, proven equal to plain products for all values and signs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtl import equivalence
from rtl.equivalence import Side, library_side
from semifreddo.rtl.components.signs import Signs

PLAIN = """
module plain #(
    parameter integer X_BITS = 1, parameter integer X_SIGNED = 0, parameter integer LANES = 2,
    parameter integer ROWS = 3, parameter integer SUM = 4, parameter integer LATE = 1
) (
    input wire clk, input wire [ROWS*X_BITS-1:0] x, input wire [ROWS*LANES-1:0] negative,
    output wire [LANES*SUM-1:0] sums
);
    genvar k, i;
    generate
        for (k = 0; k < LANES; k = k + 1) begin : g_lane
            reg signed [SUM-1:0] sum;
            reg signed [X_BITS+1:0] value;
            integer r;
            always @* begin
                sum = 0;
                for (r = 0; r < ROWS; r = r + 1) begin
                    value = $signed({X_SIGNED != 0 && x[r*X_BITS+X_BITS-1], x[r*X_BITS+:X_BITS]});
                    sum = sum + (negative[r*LANES+k] ? -value : value);
                end
            end
            for (i = 0; i < LATE; i = i + 1) begin : g_late
                reg [SUM-1:0] held;
                if (i == 0) always @(posedge clk) held <= sum;
                else always @(posedge clk) held <= g_late[i-1].held;
            end
            assign sums[k*SUM+:SUM] = g_late[LATE-1].held;
        end
    endgenerate
endmodule
"""


@pytest.mark.parametrize(
    ("bits", "signed", "lanes", "rows"),
    [
        (1, False, 2, 1),
        (1, False, 2, 2),
        (1, False, 1, 3),
        (1, False, 2, 7),
        (1, False, 1, 13),
        (1, False, 1, 16),
        (1, True, 2, 3),
        (2, False, 2, 4),
        (3, True, 1, 5),
        (6, False, 1, 2),
    ],
)
def test_all_values_with_all_signs(
    bits: int, signed: bool, lanes: int, rows: int, tmp_path: Path
) -> None:
    found = Signs(bits, signed, lanes, rows)
    text = PLAIN.replace("integer LATE = 1", f"integer LATE = {found.stages}")
    parameters = {
        "X_BITS": bits,
        "X_SIGNED": int(signed),
        "LANES": lanes,
        "ROWS": rows,
        "SUM": found.sum_bits,
    }
    gold, gate = Side("plain", text), library_side("sf_signs")
    assert "SUCCESS" in equivalence.prove(tmp_path, gold, gate, parameters, found.stages)
