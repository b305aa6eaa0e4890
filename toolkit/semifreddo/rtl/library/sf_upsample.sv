// Makes a block of FH x FW pixels of every pixel, and tells which of them are wanted.
//
// `pixel` is the image's pixel that the next result comes from, in `row` and `column` of its block;
// it stays until it is `taken`. What later rows of the blocks need of a pixel (`keep`, made of
// `pixel`) lies in a FIFO as long as a row of the image and comes out as `kept`.
// `yields` tells that the result lies in the rectangle of OUT_H x OUT_W results that begins at
// (TOP, LEFT).
`default_nettype none

module sf_upsample #(
    parameter integer BITS = 8,  // of a pixel
    parameter integer KEEP = 8,  // bits of it that later rows need
    parameter integer HEIGHT = 4,
    parameter integer WIDTH = 4,
    parameter integer FH = 2,
    parameter integer FW = 2,
    parameter integer TOP = 0,
    parameter integer LEFT = 0,
    parameter integer OUT_H = 8,
    parameter integer OUT_W = 8,
    parameter integer BLOCK = 0,  // the FIFO lies in block memories
    parameter integer ROW = FH > 1 ? $clog2(FH) : 1,
    parameter integer COLUMN = FW > 1 ? $clog2(FW) : 1
) (
    input  wire              clk,
    input  wire              rst,
    input  wire              in_valid,
    output wire              in_ready,
    input  wire [  BITS-1:0] in_data,
    input  wire [  BITS-1:0] again,  // `kept` in its places of a pixel
    output wire [  KEEP-1:0] kept,
    input  wire [  KEEP-1:0] keep,
    output wire              there,
    input  wire              taken,
    output wire [  BITS-1:0] pixel,
    output wire              yields,
    output wire [   ROW-1:0] row,
    output wire [COLUMN-1:0] column
);
    localparam integer Y = $clog2(HEIGHT * FH + 1);
    localparam integer X = $clog2(WIDTH * FW + 1);
    localparam [31:0] LAST_Y = HEIGHT * FH - 1;
    localparam [31:0] LAST_X = WIDTH * FW - 1;
    localparam [31:0] LAST_ROW = FH - 1;
    localparam [31:0] LAST_COLUMN = FW - 1;

    reg [Y-1:0] y;
    reg [X-1:0] x;
    reg [ROW-1:0] in_y;  // within the block
    reg [COLUMN-1:0] in_x;
    wire row_ends = x == LAST_X[X-1:0];
    wire image_ends = row_ends && y == LAST_Y[Y-1:0];
    wire fresh = in_y == 0;  // the row comes from the input
    wire begins = in_x == 0;

    assign row = in_y;
    assign column = in_x;

    always @(posedge clk) begin
        if (rst) begin
            y <= '0;
            x <= '0;
            in_y <= '0;
            in_x <= '0;
        end else if (taken) begin
            x <= row_ends ? '0 : x + 1'b1;
            in_x <= in_x == LAST_COLUMN[COLUMN-1:0] ? '0 : in_x + 1'b1;
            if (row_ends) begin
                y <= image_ends ? '0 : y + 1'b1;
                in_y <= in_y == LAST_ROW[ROW-1:0] ? '0 : in_y + 1'b1;
            end
        end
    end

    wire above, below, left_of, right_of;  // outside of the rectangle
    generate
        if (TOP > 0) begin : g_top
            localparam [31:0] FIRST = TOP;
            assign above = y < FIRST[Y-1:0];
        end else begin : g_no_top
            assign above = 1'b0;
        end
        if (TOP + OUT_H < HEIGHT * FH) begin : g_bottom
            localparam [31:0] END = TOP + OUT_H;
            assign below = y >= END[Y-1:0];
        end else begin : g_no_bottom
            assign below = 1'b0;
        end
        if (LEFT > 0) begin : g_left
            localparam [31:0] FIRST = LEFT;
            assign left_of = x < FIRST[X-1:0];
        end else begin : g_no_left
            assign left_of = 1'b0;
        end
        if (LEFT + OUT_W < WIDTH * FW) begin : g_right
            localparam [31:0] END = LEFT + OUT_W;
            assign right_of = x >= END[X-1:0];
        end else begin : g_no_right
            assign right_of = 1'b0;
        end
    endgenerate
    assign yields = !above && !below && !left_of && !right_of;

    wire [BITS-1:0] first;  // the pixel in the first column of its block
    wire first_there;
    assign in_ready = taken && begins && fresh;
    generate
        if (FH > 1) begin : g_rows
            wire kept_there;
            sf_fifo #(
                .BITS    (KEEP),
                .DEPTH   (WIDTH),
                .CREDITED(1),
                .BLOCK   (BLOCK)
            ) line (
                .clk      (clk),
                .rst      (rst),
                .in_valid (taken && begins && in_y != LAST_ROW[ROW-1:0]),
                .in_ready (),
                .in_data  (keep),
                .out_valid(kept_there),
                .out_ready(taken && begins && !fresh),
                .out_data (kept)
            );
            assign first = fresh ? in_data : again;
            assign first_there = fresh ? in_valid : kept_there;
        end else begin : g_row
            assign kept = keep;
            assign first = in_data;
            assign first_there = in_valid;
        end
        if (FW > 1) begin : g_columns
            reg [BITS-1:0] held;
            always @(posedge clk) if (taken && begins) held <= first;
            assign pixel = begins ? first : held;
            assign there = !begins || first_there;
        end else begin : g_column
            assign pixel = first;
            assign there = first_there;
        end
    endgenerate
endmodule

`default_nettype wire
