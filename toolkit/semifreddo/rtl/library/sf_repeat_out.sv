// A stream out of a folded block: the last pass goes onward, earlier ones back to the block's input.
//
// Words without a reader are dropped: without BACK those of earlier passes, without ONWARD those of
// the last one.
`default_nettype none

module sf_repeat_out #(
    parameter integer WORDS  = 16,  // per pass
    parameter integer PASSES = 2,
    parameter integer BACK   = 1,
    parameter integer ONWARD = 1
) (
    input  wire clk,
    input  wire rst,
    input  wire in_valid,
    output wire in_ready,
    output wire back_valid,
    input  wire back_ready,
    output wire out_valid,
    input  wire out_ready
);
    wire last;

    sf_pass #(
        .WORDS (WORDS),
        .PASSES(PASSES),
        .PASS  (PASSES - 1)
    ) counter (
        .clk  (clk),
        .rst  (rst),
        .taken(in_valid && in_ready),
        .here (last)
    );

    assign back_valid = in_valid && !last && BACK != 0;
    assign out_valid  = in_valid && last && ONWARD != 0;
    assign in_ready   = last ? out_ready || ONWARD == 0 : back_ready || BACK == 0;
endmodule

`default_nettype wire
