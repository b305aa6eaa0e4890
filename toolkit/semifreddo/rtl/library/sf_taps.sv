// Keeps the pixels of a sliding kernel's window in a memory, and reads a part of one pixel at a time.
//
// For a reader that takes the window tap by tap. Every tick of `sf_slide` writes the newest pixel into the
// next of WORDS places, which are used in turn, so a pixel of the window stands as many places behind the
// newest as ticks have passed. What lies outside the image is read as zero. A tick writes only when the
// window before it is taken, so places that are read stay as they are.
//
// `tap` counts the window's pixels, columns within rows, and `part` the PARTS parts of a pixel, channel 0
// in the first. What they name is read while the window is there, and comes a cycle later.
`default_nettype none

module sf_taps #(
    parameter integer BITS   = 8,  // of a pixel, all channels
    parameter integer HEIGHT = 4,
    parameter integer WIDTH  = 4,
    parameter integer KH     = 3,
    parameter integer KW     = 3,
    parameter integer SH     = 1,
    parameter integer SW     = 1,
    parameter integer LEFT   = 1,
    // How it slides: `sf_slide`.
    parameter integer LAG      = 1,
    parameter integer LAST_U   = 3,
    parameter integer SPAN     = 4,
    parameter integer TRAILS   = 1,
    parameter integer SKIP     = 1,
    parameter integer LAST_ROW = 4,
    parameter integer DRAIN    = 1,
    parameter integer OVERLAP  = 1,
    parameter integer PATIENCE = 0,
    parameter integer WORDS = 16,  // a power of two: (KH-1)*SPAN + KW or more, more in block memories
    parameter integer PARTS = 2,
    parameter integer BLOCK = 0,  // whether these are block memories
    parameter integer TAP   = KH * KW > 1 ? $clog2(KH * KW) : 1,
    parameter integer PART  = PARTS > 1 ? $clog2(PARTS) : 1
) (
    input  wire                  clk,
    input  wire                  rst,
    input  wire                  in_valid,
    output wire                  in_ready,
    input  wire [      BITS-1:0] in_data,
    output wire                  out_valid,
    input  wire                  out_ready,
    input  wire [       TAP-1:0] tap,
    input  wire [      PART-1:0] part,
    output wire [BITS/PARTS-1:0] out_data
);
    localparam integer PLACE = WIDTH > 1 ? $clog2(WIDTH) : 1;
    localparam integer WORD = $clog2(WORDS);
    localparam integer SIZE = BITS / PARTS;

    wire tick, shift;
    /* verilator lint_off UNUSEDSIGNAL */
    wire takes_pixel;  // no rows are kept apart
    wire [PLACE-1:0] place;
    /* verilator lint_on UNUSEDSIGNAL */
    wire [KH-1:0] real_rows;
    wire [KW-1:0] real_columns;
    sf_slide #(
        .HEIGHT  (HEIGHT),
        .WIDTH   (WIDTH),
        .KH      (KH),
        .KW      (KW),
        .SH      (SH),
        .SW      (SW),
        .LEFT    (LEFT),
        .LAG     (LAG),
        .LAST_U  (LAST_U),
        .SPAN    (SPAN),
        .TRAILS  (TRAILS),
        .SKIP    (SKIP),
        .LAST_ROW(LAST_ROW),
        .DRAIN   (DRAIN),
        .OVERLAP (OVERLAP),
        .PATIENCE(PATIENCE)
    ) slide (
        .clk         (clk),
        .rst         (rst),
        .in_valid    (in_valid),
        .in_ready    (in_ready),
        .out_valid   (out_valid),
        .out_ready   (out_ready),
        .tick        (tick),
        .takes_pixel (takes_pixel),
        .place       (place),
        .shift       (shift),
        .real_rows   (real_rows),
        .real_columns(real_columns)
    );

    reg [BITS-1:0] newest;
    reg [WORD-1:0] next;  // place of the newest pixel
    reg [KW*KH-1:0] rows;  // that are in the image, column by column
    reg [KW-1:0] columns;
    wire [(KW+1)*KH-1:0] all_rows = {real_rows, rows};
    always @(posedge clk) begin
        if (tick) newest <= in_data;
        if (shift) begin
            rows <= all_rows[KW*KH+KH-1:KH];
            columns <= real_columns;
        end
        if (rst) next <= '0;
        else if (shift) next <= next + 1'b1;
    end

    genvar x, y, p;
    wire [WORD-1:0] behind[0:KH*KW-1];  // the place that is written next
    wire [KH*KW-1:0] in_image;
    generate
        for (y = 0; y < KH; y = y + 1) begin : g_row
            for (x = 0; x < KW; x = x + 1) begin : g_column
                localparam integer TICKS = (KH - 1 - y) * SPAN + KW - x;
                assign behind[y*KW+x] = TICKS[WORD-1:0];
                assign in_image[y*KW+x] = rows[x*KH+y] && columns[x];
            end
        end
    endgenerate
    wire [WORD-1:0] place_read = next - behind[tap];
    wire real_tap = in_image[tap];

    generate
        if (BLOCK != 0) begin : g_block
            (* ram_style = "block", no_rw_check *) reg [BITS-1:0] pixels[0:WORDS-1];
            reg [BITS-1:0] pixel;
            reg real_pixel;
            reg [PART-1:0] of_pixel;
            always @(posedge clk) begin
                pixel <= pixels[place_read];
                if (shift) pixels[next] <= newest;
                real_pixel <= real_tap;
                of_pixel <= part;
            end
            wire [SIZE-1:0] choices[0:PARTS-1];
            for (p = 0; p < PARTS; p = p + 1) begin : g_part
                assign choices[p] = pixel[p*SIZE+:SIZE];
            end
            assign out_data = real_pixel ? choices[of_pixel] : '0;
        end else begin : g_luts
            reg [BITS-1:0] pixels[0:WORDS-1];
            wire [BITS-1:0] pixel = pixels[place_read];
            wire [SIZE-1:0] choices[0:PARTS-1];
            for (p = 0; p < PARTS; p = p + 1) begin : g_part
                assign choices[p] = pixel[p*SIZE+:SIZE];
            end
            reg [SIZE-1:0] chosen;
            always @(posedge clk) begin
                if (shift) pixels[next] <= newest;
                chosen <= real_tap ? choices[part] : '0;
            end
            assign out_data = chosen;
        end
    endgenerate
endmodule

`default_nettype wire
