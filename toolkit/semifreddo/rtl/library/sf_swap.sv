// Which weight bank a layer reads: the banks flip between two images, never inside one.
//
// The layer counts its own images by the operands it takes. Every layer therefore flips when its
// own first operand of image `flip_image` is due, while layers before and behind it may be working
// on other images. The top level changes flip_image only when the layers have all followed the
// previous flip.
`default_nettype none

module sf_swap #(
    parameter integer OPERANDS = 16  // per image
) (
    input  wire        clk,
    input  wire        rst,
    input  wire        taken,       // the last cycle of an operand
    input  wire [15:0] flip_image,  // the first image that uses flip_bank
    input  wire        flip_bank,
    output wire        bank
);
    localparam integer COUNT = OPERANDS > 1 ? $clog2(OPERANDS) : 1;
    localparam [31:0] LAST = OPERANDS - 1;

    reg [COUNT-1:0] operand;
    reg [15:0] image;
    reg held;
    reg first;  // no cycle of this image has been computed

    assign bank = first && image == flip_image ? flip_bank : held;

    always @(posedge clk) begin
        if (rst) begin
            operand <= '0;
            image <= '0;
            held <= 1'b0;
            first <= 1'b1;
        end else begin
            held <= bank;
            if (taken) begin
                operand <= operand == LAST[COUNT-1:0] ? '0 : operand + 1'b1;
                first   <= operand == LAST[COUNT-1:0];
                if (operand == LAST[COUNT-1:0]) image <= image + 1'b1;
            end
        end
    end
endmodule

`default_nettype wire
