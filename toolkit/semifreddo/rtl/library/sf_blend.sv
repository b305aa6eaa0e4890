// (k * a + (8 - k) * b), the alpha blend of two numbers in eighths: k is 0..8. Combinational.
//
// k = 4 * high + low with high in 0..2 and low in -1..2, so that two rows of adders are enough. A bit
// of a row is one function of five signals in front of a carry chain: one LUT. The differences keep
// a plain signal the operand beside the chain, where it costs nothing (see sf_multiply).
`default_nettype none

module sf_blend #(
    parameter integer BITS = 8  // of the signed operands
) (
    input  wire        [     3:0] k,
    input  wire signed [BITS-1:0] a,
    input  wire signed [BITS-1:0] b,
    output wire signed [BITS+2:0] mix
);
    localparam integer WIDE = BITS + 1;
    wire minus = k[0] && k[1];
    wire four = k[2] ^ minus;
    wire eight = k[3] || (k[2] && minus);

    wire [WIDE-1:0] difference = {a[BITS-1], a} - {b[BITS-1], b};
    // In units of four: 2 * b + high * difference.
    wire [WIDE-1:0] high = four ? difference : eight ? difference << 1 : '0;
    wire [WIDE:0] upper = {b, 2'b00} - {~high, 1'b1};
    // And low * difference; below the lowest bit its sign makes the carry into the chain.
    wire [WIDE+1:0] by_four = {upper[WIDE:1], 2'b00};
    wire [WIDE+1:0] extended = {difference[WIDE-1], difference[WIDE-1], difference};
    wire [WIDE+1:0] low = minus ? ~extended : k[0] ? extended : k[1] ? extended << 1 : '0;
    wire [WIDE+2:0] sum = {by_four, minus} - {~low, ~minus};

    assign mix = sum[WIDE+2:1];
endmodule

`default_nettype wire
