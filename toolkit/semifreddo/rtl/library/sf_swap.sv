// Which weight bank a layer reads: the banks flip between two images, never inside one.
//
// The lowest bit of `bank` is the bank; above it is the number of the pass, for a layer that runs
// PASSES times per image.
//
// The layer counts its own images by the operands it takes. Every layer therefore flips when its
// own first operand of image `flip_image` is due, while layers before and behind it may be working
// on other images. The top level changes flip_image only when the layers have all followed the
// previous flip, and cycles before the first pixel of that image goes in: so `bank` is a register.
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
    reg now;
    reg first;  // no operand of this image has been taken
    wire pass_last;
    wire operand_last = operand == LAST[COUNT-1:0];
    wire image_last = taken && operand_last && pass_last;
    wire [15:0] following = image + 1'b1;
    // Whether the next cycle may be the first that computes image `flip_image`.
    wire flips = image_last ? following == flip_image : first && !taken && image == flip_image;

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
            now <= 1'b0;
            first <= 1'b1;
        end else begin
            if (flips) now <= flip_bank;
            if (image_last) image <= following;
            if (taken) begin
                operand <= operand_last ? '0 : operand + 1'b1;
                first   <= operand_last && pass_last;
            end
        end
    end
endmodule

`default_nettype wire
