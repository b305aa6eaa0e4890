"""Trees of adders, proven equal to one long sum for every number of terms and all values."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtl import equivalence
from rtl.equivalence import Side, library_side

PLAIN = """
module plain #(
    parameter integer TERMS = 4, parameter integer BITS = 8, parameter integer LEVELS = 2,
    parameter integer DEPTH = 1
) (
    input wire clk, input wire [TERMS*BITS-1:0] terms,
    output wire signed [BITS+LEVELS-1:0] result
);
    reg signed [BITS+LEVELS-1:0] sum;
    integer i;
    always @* begin
        sum = 0;
        for (i = 0; i < TERMS; i = i + 1) sum = sum + $signed(terms[i*BITS+:BITS]);
    end
    genvar k;
    generate
        for (k = 0; k <= DEPTH; k = k + 1) begin : g_late
            wire signed [BITS+LEVELS-1:0] value;
            if (k == 0) assign value = sum;
            else begin : g_register
                reg signed [BITS+LEVELS-1:0] held;
                always @(posedge clk) held <= g_late[k-1].value;
                assign value = held;
            end
        end
    endgenerate
    assign result = g_late[DEPTH].value;
endmodule
"""


@pytest.mark.parametrize("terms", [1, 2, 3, 5, 7, 8])
def test_every_term_counts_once(terms: int, tmp_path: Path) -> None:
    levels = (terms - 1).bit_length()
    depth = (levels + 1) // 2  # a register behind every second level and behind the last
    text = PLAIN.replace("integer DEPTH = 1", f"integer DEPTH = {depth}")
    parameters = {"TERMS": terms, "BITS": 2, "LEVELS": levels}
    gold, gate = Side("plain", text), library_side("sf_sum")
    assert "SUCCESS" in equivalence.prove(tmp_path, gold, gate, parameters, depth)
