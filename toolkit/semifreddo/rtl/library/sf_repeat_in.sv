// A stream into a folded block: pass 0 reads from outside, later passes what the block gave back.
`default_nettype none

module sf_repeat_in #(
    parameter integer BITS   = 8,
    parameter integer WORDS  = 16,  // per pass
    parameter integer PASSES = 2
) (
    input  wire            clk,
    input  wire            rst,
    input  wire            in_valid,
    output wire            in_ready,
    input  wire [BITS-1:0] in_data,
    input  wire            back_valid,
    output wire            back_ready,
    input  wire [BITS-1:0] back_data,
    output wire            out_valid,
    input  wire            out_ready,
    output wire [BITS-1:0] out_data
);
    wire outside;  // this word comes from outside

    sf_pass #(
        .WORDS (WORDS),
        .PASSES(PASSES),
        .PASS  (0)
    ) counter (
        .clk  (clk),
        .rst  (rst),
        .taken(out_valid && out_ready),
        .here (outside)
    );

    assign out_valid  = outside ? in_valid : back_valid;
    assign out_data   = outside ? in_data : back_data;
    assign in_ready   = outside && out_ready;
    assign back_ready = !outside && out_ready;
endmodule

`default_nettype wire
