// A mark that comes out CYCLES cycles later; nothing is on its way after reset.
`default_nettype none

module sf_delay #(
    parameter integer CYCLES = 1
) (
    input  wire clk,
    input  wire rst,
    input  wire in,
    output wire out
);
    generate
        if (CYCLES == 0) begin : g_wire
            assign out = in;
        end else begin : g_shift
            reg [CYCLES-1:0] marks;
            wire [CYCLES:0] next = {marks, in};
            always @(posedge clk) marks <= rst ? '0 : next[CYCLES-1:0];
            assign out = marks[CYCLES-1];
        end
    endgenerate
endmodule

`default_nettype wire
