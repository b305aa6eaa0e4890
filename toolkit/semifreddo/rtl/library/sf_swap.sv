// Which weight bank a layer reads: the banks flip between two images, never inside one.
//
// The lowest bit of `bank` is the bank; above it is the number of the pass, for a layer that runs
// PASSES times per image.
//
// The layer counts its own images by the operands it takes. Every layer therefore flips when its
// own first operand of image `flip_image` is due, while layers before and behind it may be working
// on other images. The top level changes flip_image only when the layers have all followed the
// previous flip.
`default_nettype none

module sf_swap #(
    parameter integer OPERANDS = 16,  // per pass
    parameter integer PASSES   = 1,   // per image
    parameter integer SELECT   = 1 + (PASSES > 1 ? $clog2(PASSES) : 0)
) (
    input  wire              clk,
    input  wire              rst,
    input  wire              taken,       // the last cycle of an operand
    input  wire [      15:0] flip_image,  // the first image that uses flip_bank
    input  wire              flip_bank,
    output wire [SELECT-1:0] bank
);
    localparam integer COUNT = OPERANDS > 1 ? $clog2(OPERANDS) : 1;
    localparam [31:0] LAST = OPERANDS - 1;

    reg [COUNT-1:0] operand;
    reg [15:0] image;
    reg held;
    reg first;  // no cycle of this image has been computed
    wire pass_last;
    wire operand_last = operand == LAST[COUNT-1:0];
    wire now = first && image == flip_image ? flip_bank : held;

    generate
        if (PASSES > 1) begin : g_passes
            localparam [31:0] LAST_PASS = PASSES - 1;
            reg [SELECT-2:0] pass;
            always @(posedge clk) begin
                if (rst) pass <= '0;
                else if (taken && operand_last) pass <= pass_last ? '0 : pass + 1'b1;
            end
            assign pass_last = pass == LAST_PASS[SELECT-2:0];
            assign bank = {pass, now};
        end else begin : g_one
            assign pass_last = 1'b1;
            assign bank = now;
        end
    endgenerate

    always @(posedge clk) begin
        if (rst) begin
            operand <= '0;
            image <= '0;
            held <= 1'b0;
            first <= 1'b1;
        end else begin
            held <= now;
            if (taken) begin
                operand <= operand_last ? '0 : operand + 1'b1;
                first   <= operand_last && pass_last;
                if (operand_last && pass_last) image <= image + 1'b1;
            end
        end
    end
endmodule

`default_nettype wire
