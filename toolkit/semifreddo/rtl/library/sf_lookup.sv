// A constant for every index. Combinational: a function of INDEX signals for each bit.
//
// COLUMNS has bit b of all constants behind each other, from bit (b << INDEX) on.
`default_nettype none

module sf_lookup #(
    parameter integer INDEX = 8,
    parameter integer BITS = 8,
    parameter [(BITS << INDEX)-1:0] COLUMNS = '0
) (
    input  wire [INDEX-1:0] index,
    output wire [ BITS-1:0] value
);
    localparam integer WORDS = 1 << INDEX;
    genvar b;
    generate
        for (b = 0; b < BITS; b = b + 1) begin : g_bit
            localparam [WORDS-1:0] COLUMN = COLUMNS[b*WORDS+:WORDS];
            assign value[b] = COLUMN[index];
        end
    endgenerate
endmodule

`default_nettype wire
