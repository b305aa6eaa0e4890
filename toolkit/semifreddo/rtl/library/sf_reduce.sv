// Maximum or sum over windows that do not overlap: one running value per output column.
//
// `pixel` is taken in every cycle in which `taken` is high. `done` marks, two cycles after the last
// pixel of a window, the cycle in which `result` is right. `yields` tells beforehand that the pixel
// that comes next is such a last one.
`default_nettype none

module sf_reduce #(
    parameter integer CHANNELS = 4,
    parameter integer BITS = 8,
    parameter integer SIGNED = 0,
    parameter integer SUM = 0,  // 1: sum, 0: maximum
    parameter integer OUT_BITS = 8,  // of one result, signed like the pixels
    parameter integer HEIGHT = 4,
    parameter integer WIDTH = 4,
    parameter integer KH = 2,
    parameter integer KW = 2,
    parameter integer SH = 2,
    parameter integer SW = 2,
    parameter integer OUT_H = 2,
    parameter integer OUT_W = 2
) (
    input  wire                         clk,
    input  wire                         rst,
    input  wire                         taken,
    input  wire [    CHANNELS*BITS-1:0] pixel,
    output wire                         yields,
    output wire                         done,
    output wire [CHANNELS*OUT_BITS-1:0] result
);
    localparam integer ROWS = $clog2(HEIGHT + 1);
    localparam integer COLUMNS = $clog2(WIDTH + 1);
    localparam integer PLACE = OUT_W > 1 ? $clog2(OUT_W) : 1;

    reg [ROWS-1:0] row;
    reg [COLUMNS-1:0] column;
    reg [$clog2(SH+1)-1:0] y;  // within the stride
    reg [$clog2(SW+1)-1:0] x;
    reg [COLUMNS-1:0] place;  // output column
    reg [ROWS-1:0] place_row;

    wire in_window = x < KW && y < KH && place < OUT_W && place_row < OUT_H;
    wire row_last = column == WIDTH - 1;
    wire image_last = row_last && row == HEIGHT - 1;

    assign yields = in_window && x == KW - 1 && y == KH - 1;

    always @(posedge clk) begin
        if (rst) begin
            row <= '0;
            column <= '0;
            x <= '0;
            y <= '0;
            place <= '0;
            place_row <= '0;
        end else if (taken) begin
            column <= row_last ? '0 : column + 1'b1;
            x <= row_last || x == SW - 1 ? '0 : x + 1'b1;
            if (row_last) place <= '0;
            else if (x == SW - 1) place <= place + 1'b1;
            if (row_last) begin
                row <= image_last ? '0 : row + 1'b1;
                y <= image_last || y == SH - 1 ? '0 : y + 1'b1;
                if (image_last) place_row <= '0;
                else if (y == SH - 1) place_row <= place_row + 1'b1;
            end
        end
    end

    // Stage 1 runs along the row of a window, stage 2 down its rows.
    reg across_valid;
    reg across_top;
    reg across_bottom;
    reg [PLACE-1:0] across_place;
    reg finished;
    always @(posedge clk) begin
        across_valid  <= !rst && taken && in_window && x == KW - 1;
        across_top    <= y == 0;
        across_bottom <= y == KH - 1;
        across_place  <= place[PLACE-1:0];
        finished      <= !rst && across_valid && across_bottom;
    end
    assign done = finished;

    genvar k;
    generate
        for (k = 0; k < CHANNELS; k = k + 1) begin : g_channel
            wire sign = SIGNED != 0 && pixel[k*BITS+BITS-1];
            wire signed [OUT_BITS:0] value = {{(OUT_BITS + 1 - BITS) {sign}}, pixel[k*BITS+:BITS]};
            reg signed [OUT_BITS:0] across;
            reg signed [OUT_BITS:0] down[0:OUT_W-1];
            reg signed [OUT_BITS:0] total;
            wire signed [OUT_BITS:0] above = down[across_place];
            wire signed [OUT_BITS:0] wider = SUM != 0 ? across + value
                                           : across < value ? value : across;
            wire signed [OUT_BITS:0] deeper = SUM != 0 ? above + across
                                            : above < across ? across : above;
            wire signed [OUT_BITS:0] merged = across_top ? across : deeper;
            always @(posedge clk) begin
                if (taken) across <= x == 0 ? value : wider;
                if (across_valid) begin
                    down[across_place] <= merged;
                    total <= merged;
                end
            end
            assign result[k*OUT_BITS+:OUT_BITS] = total[OUT_BITS-1:0];
        end
    endgenerate
endmodule

`default_nettype wire
