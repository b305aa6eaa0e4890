// A mark, or BITS of them, that comes out CYCLES cycles later; nothing is on its way after reset.
`default_nettype none

module sf_delay #(
    parameter integer CYCLES = 1,
    parameter integer BITS   = 1
) (
    input  wire            clk,
    input  wire            rst,
    input  wire [BITS-1:0] in,
    output wire [BITS-1:0] out
);
    generate
        if (CYCLES == 0) begin : g_wire
            assign out = in;
        end else begin : g_shift
            reg [CYCLES*BITS-1:0] marks;
            wire [(CYCLES+1)*BITS-1:0] next = {marks, in};
            always @(posedge clk) marks <= rst ? '0 : next[CYCLES*BITS-1:0];
            assign out = marks[CYCLES*BITS-1-:BITS];
        end
    endgenerate
endmodule

`default_nettype wire
