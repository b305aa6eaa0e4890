// (k * a + (8 - k) * b), the alpha blend of two numbers in eighths: k is 0..8. Combinational.
`default_nettype none

module sf_blend #(
    parameter integer BITS = 8  // of the signed operands
) (
    input  wire        [     3:0] k,
    input  wire signed [BITS-1:0] a,
    input  wire signed [BITS-1:0] b,
    output wire signed [BITS+2:0] mix
);
    wire signed [BITS+2:0] a_wide = {{3{a[BITS-1]}}, a};
    wire signed [BITS+2:0] b_wide = {{3{b[BITS-1]}}, b};
    wire signed [BITS+2:0] difference = a_wide - b_wide;
    wire signed [BITS+2:0] part = (k[0] ? difference : '0) + (k[1] ? difference <<< 1 : '0);
    wire signed [BITS+2:0] rest = (b_wide <<< 3) + (k[2] ? difference <<< 2 : '0);

    assign mix = k[3] ? a_wide <<< 3 : part + rest;
endmodule

`default_nettype wire
