// Ones among TERMS bits (the others are zero), plus a carry of 0 to 3: the sum bit and the next carry of an adder that
// works one bit at a time.
//
// As tables of all cases: from gates, tools would make more LUTs than three. For simulation at full
// speed (SF_FAST) it is written as a sum.
`default_nettype none

module sf_count #(
    parameter integer TERMS = 3  // 2 to 4
) (
    input  wire       a,
    input  wire       b,
    input  wire       c,
    input  wire       d,
    input  wire [1:0] carry,
    output wire       sum,
    output wire [1:0] next
);
`ifdef SF_FAST
    wire [2:0] third = {2'b00, TERMS > 2 && c};
    wire [2:0] fourth = {2'b00, TERMS > 3 && d};
    wire [2:0] total = {2'b00, a} + {2'b00, b} + third + fourth + {1'b0, carry};
    assign sum  = total[0];
    assign next = total[2:1];
`else
    localparam integer CASES = 4 << TERMS;

    // Bit `place` of the total in every case of {carry, terms}.
    function automatic [CASES-1:0] bits_of_totals(input integer place);
        integer at, k, total;
        for (at = 0; at < CASES; at = at + 1) begin
            total = at >> TERMS;
            for (k = 0; k < TERMS; k = k + 1) total = total + ((at >> k) & 1);
            bits_of_totals[at] = total[place];
        end
    endfunction

    localparam [CASES-1:0] SUM = bits_of_totals(0);
    localparam [CASES-1:0] LOW = bits_of_totals(1);
    localparam [CASES-1:0] HIGH = bits_of_totals(2);
    wire [3:0] terms = {d, c, b, a};
    wire [TERMS+1:0] place = {carry, terms[TERMS-1:0]};
    assign sum  = SUM[place];
    assign next = {HIGH[place], LOW[place]};
`endif
endmodule

`default_nettype wire
