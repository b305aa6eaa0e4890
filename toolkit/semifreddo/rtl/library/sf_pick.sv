// A word's channels group by group, in a register: group g is GROUP bits from g * GROUP on.
// What the last one lacks is free.
`default_nettype none

module sf_pick #(
    parameter integer BITS   = 8,  // of the word
    parameter integer GROUP  = 4,
    parameter integer GROUPS = (BITS + GROUP - 1) / GROUP,
    parameter integer NUMBER = GROUPS > 1 ? $clog2(GROUPS) : 1
) (
    input  wire              clk,
    input  wire [NUMBER-1:0] number,  // of the group
    input  wire [  BITS-1:0] word,
    output reg  [ GROUP-1:0] picked
);
    wire [GROUP-1:0] groups[0:GROUPS-1];

    genvar g;
    generate
        for (g = 0; g < GROUPS; g = g + 1) begin : g_group
            localparam integer LEFT = BITS - g * GROUP;
            if (LEFT < GROUP) begin : g_rest
                assign groups[g] = {{(GROUP - LEFT) {1'bx}}, word[g*GROUP+:LEFT]};
            end else begin : g_whole
                assign groups[g] = word[g*GROUP+:GROUP];
            end
        end
    endgenerate

    always @(posedge clk) picked <= groups[number];
endmodule

`default_nettype wire
