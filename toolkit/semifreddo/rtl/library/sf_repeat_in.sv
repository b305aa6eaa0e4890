// A stream into a folded block: pass 0 reads from outside, later passes what the block gave back.
//
// With SPACING the first words of images stay so many cycles apart, for blocks in which the interval
// between images would otherwise alternate between long and short.
`default_nettype none

module sf_repeat_in #(
    parameter integer BITS   = 8,
    parameter integer WORDS  = 16,  // per pass
    parameter integer PASSES = 2,
    parameter integer SPACING = 0
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

    wire early;  // the next image must wait

    generate
        if (SPACING > 1) begin : g_spacing
            localparam [31:0] REST = SPACING - 1;
            reg [$clog2(SPACING)-1:0] rest;
            reg begun;  // the last word was of pass 0
            assign early = outside && !begun && rest != 0;
            always @(posedge clk) begin
                if (rst) begin
                    rest  <= '0;
                    begun <= 1'b0;
                end else begin
                    if (out_valid && out_ready) begun <= outside;
                    if (out_valid && out_ready && outside && !begun) begin
                        rest <= REST[$clog2(SPACING)-1:0];
                    end else if (rest != 0) begin
                        rest <= rest - 1'b1;
                    end
                end
            end
        end else begin : g_free
            assign early = 1'b0;
        end
    endgenerate

    assign out_valid  = outside ? in_valid && !early : back_valid;
    assign out_data   = outside ? in_data : back_data;
    assign in_ready   = outside && out_ready && !early;
    assign back_ready = !outside && out_ready;
endmodule

`default_nettype wire
