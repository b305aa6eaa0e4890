// Sends results over an AXI4-Stream: every value sign-extended to WORDS 32-bit words, in order.
//
// TLAST marks the last word of every `batch`-th image, so that one DMA transfer can take many.
`default_nettype none

module sf_egress #(
    parameter integer CHANNELS = 4,
    parameter integer BITS     = 8,
    parameter integer SIGNED   = 1,
    parameter integer PIXELS   = 1,                 // per image
    parameter integer WORDS    = (BITS + 31) / 32
) (
    input  wire                     clk,
    input  wire                     rst,
    input  wire [             15:0] batch,
    input  wire                     in_valid,
    output wire                     in_ready,
    input  wire [CHANNELS*BITS-1:0] in_data,
    output wire                     out_valid,
    input  wire                     out_ready,
    output wire [             31:0] out_data,
    output wire                     out_last,
    output reg  [             31:0] images  // that have left completely
);
    localparam integer STEPS = CHANNELS * WORDS;
    localparam integer STEP = STEPS > 1 ? $clog2(STEPS) : 1;
    localparam integer PIXEL = PIXELS > 1 ? $clog2(PIXELS) : 1;

    wire [STEPS*32-1:0] words;
    genvar k;
    generate
        for (k = 0; k < CHANNELS; k = k + 1) begin : g_channel
            wire sign = SIGNED != 0 && in_data[k*BITS+BITS-1];
            assign words[k*WORDS*32+:WORDS*32] = {
                {(WORDS * 32 - BITS) {sign}}, in_data[k*BITS+:BITS]
            };
        end
    endgenerate

    reg [STEP-1:0] step;
    reg [PIXEL-1:0] pixel;
    reg [15:0] image;  // of the batch
    wire free;
    reg step_last;  // step is STEPS - 1
    wire pixel_last = step_last && pixel == PIXELS - 1;
    wire batch_last = pixel_last && image + 16'd1 >= batch;
    wire [31:0] words_now = words[step*32+:32];

    assign in_ready = free && step_last;

    sf_fifo #(
        .BITS (33),
        .DEPTH(2)
    ) buffer (
        .clk      (clk),
        .rst      (rst),
        .in_valid (in_valid),
        .in_ready (free),
        .in_data  ({batch_last, words_now}),
        .out_valid(out_valid),
        .out_ready(out_ready),
        .out_data ({out_last, out_data})
    );

    always @(posedge clk) begin
        if (rst) begin
            step <= '0;
            step_last <= STEPS == 1;
            pixel <= '0;
            image <= '0;
            images <= '0;
        end else if (in_valid && free) begin
            step <= step_last ? '0 : step + 1'b1;
            step_last <= STEPS == 1 || step == STEPS - 2;
            if (step_last) pixel <= pixel_last ? '0 : pixel + 1'b1;
            if (pixel_last) begin
                image  <= batch_last ? '0 : image + 16'd1;
                images <= images + 1;
            end
        end
    end
endmodule

`default_nettype wire
