// Puts words together from GROUPS groups of channels, the first in the lowest bits, and holds them
// until they are taken.
//
// A group comes in whenever `in_valid` is high, the last one of a word with `in_last`. DEPTH words
// have a place (sf_issue counts them). If these are two, the first is the register in which groups
// come together and the second is the output; otherwise there is a FIFO behind that register.
// A word can be taken two cycles after its last group came in.
`default_nettype none

module sf_collect #(
    parameter integer BITS   = 8,  // of a word
    parameter integer GROUP  = 8,  // of a group; what the last one has too much is cut off
    parameter integer GROUPS = 1,
    parameter integer DEPTH  = 2
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             in_valid,
    input  wire             in_last,
    input  wire [GROUP-1:0] in_data,
    output wire             out_valid,
    input  wire             out_ready,
    output wire [ BITS-1:0] out_data
);
    reg [GROUPS*GROUP-1:0] groups;
    wire [(GROUPS+1)*GROUP-1:0] next = {in_data, groups};
    wire [BITS-1:0] word = groups[BITS-1:0];
    reg complete;  // `word` waits for its place

    always @(posedge clk) if (in_valid) groups <= next[(GROUPS+1)*GROUP-1:GROUP];

    generate
        if (DEPTH == 2) begin : g_output
            reg there;
            reg [BITS-1:0] held;
            wire moves = complete && (!there || out_ready);
            always @(posedge clk) begin
                complete <= !rst && ((in_valid && in_last) || (complete && !moves));
                there <= !rst && (moves || (there && !out_ready));
                if (moves) held <= word;
            end
            assign out_valid = there;
            assign out_data  = held;
        end else begin : g_fifo
            always @(posedge clk) complete <= !rst && in_valid && in_last;
            sf_fifo #(
                .BITS (BITS),
                .DEPTH(DEPTH),
                .CREDITED(1)
            ) fifo (
                .clk      (clk),
                .rst      (rst),
                .in_valid (complete),
                .in_ready (),
                .in_data  (word),
                .out_valid(out_valid),
                .out_ready(out_ready),
                .out_data (out_data)
            );
        end
    endgenerate
endmodule

`default_nettype wire
