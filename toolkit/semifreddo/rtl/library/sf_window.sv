// Forms the windows of a sliding kernel in registers; stores each pixel once.
//
// A row of pixels is read in one go through a line memory that holds the KH-1 rows above it. Each tick
// of `sf_slide` shifts one column of KH pixels into a KH x KW register window. What lies outside the
// image is masked to zero.
//
// out_data holds the window with channel 0 of its top left pixel in the lowest bits, then channels,
// columns, rows.
`default_nettype none

module sf_window #(
    parameter integer BITS   = 8,  // of a pixel, all channels
    parameter integer HEIGHT = 4,
    parameter integer WIDTH  = 4,
    parameter integer KH     = 3,
    parameter integer KW     = 3,
    parameter integer SH     = 1,
    parameter integer SW     = 1,
    parameter integer LEFT   = 1,  // zero columns before the image, at most KW-1
    // How it slides: `sf_slide`.
    parameter integer LAG    = 1,
    parameter integer LAST_U = 3,
    parameter integer SPAN   = 4,
    parameter integer TRAILS = 1,
    parameter integer SKIP     = 1,
    parameter integer LAST_ROW = 4,
    parameter integer DRAIN    = 1,
    parameter integer OVERLAP  = 1,
    parameter integer BLOCK  = 0,  // whether block memories hold the rows above
    parameter integer PATIENCE = 0
) (
    input  wire                  clk,
    input  wire                  rst,
    input  wire                  in_valid,
    output wire                  in_ready,
    input  wire [      BITS-1:0] in_data,
    output wire                  out_valid,
    input  wire                  out_ready,
    output wire [KH*KW*BITS-1:0] out_data
);
    localparam integer PLACE = WIDTH > 1 ? $clog2(WIDTH) : 1;

    wire tick, takes_pixel, shift;
    wire [PLACE-1:0] place;
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

    // The column of KH pixels that was decided, oldest row first.
    wire [KH*BITS-1:0] held;
    reg [BITS-1:0] newest;
    always @(posedge clk) if (tick) newest <= in_data;
    generate
        if (KH > 1) begin : g_lines
            reg [(KH-1)*BITS-1:0] above;  // newest row in the lowest bits
            wire [KH*BITS-1:0] whole = {above, newest};
            wire [(KH-1)*BITS-1:0] kept = whole[(KH-1)*BITS-1:0];
            // A column is written a cycle after it was read, unless it is the next to be read, so no
            // address is read while it is written.
            if (SPAN > 1) begin : g_later
                reg writes;
                reg [PLACE-1:0] written;
                always @(posedge clk) begin
                    writes <= takes_pixel;
                    if (tick) written <= place;
                end
                if (BLOCK != 0) begin : g_block
                    (* ram_style = "block", no_rw_check *) reg [(KH-1)*BITS-1:0] lines[0:WIDTH-1];
                    always @(posedge clk) begin
                        if (tick) above <= lines[place];
                        if (writes) lines[written] <= kept;
                    end
                end else begin : g_luts
                    reg [(KH-1)*BITS-1:0] lines[0:WIDTH-1];
                    always @(posedge clk) begin
                        if (tick) above <= lines[place];
                        if (writes) lines[written] <= kept;
                    end
                end
            end else begin : g_at_once
                reg [(KH-1)*BITS-1:0] lines;
                wire [KH*BITS-1:0] next = {lines, in_data};
                always @(posedge clk) begin
                    if (tick) above <= lines;
                    if (takes_pixel) lines <= next[(KH-1)*BITS-1:0];
                end
            end
            genvar y;
            for (y = 0; y < KH; y = y + 1) begin : g_row
                assign held[y*BITS+:BITS] = whole[(KH-1-y)*BITS+:BITS];
            end
        end else begin : g_direct
            assign held = newest;
        end
    endgenerate

    // The window: x = KW-1 is the newest column. Masks are resets of registers, which cost nothing;
    // therefore a column that can be outside has registers of its own beside those that move on.
    genvar x, line;
    wire [KW*KH*BITS-1:0] pixels;  // column by column
    generate
        for (x = 0; x < KW; x = x + 1) begin : g_column
            for (line = 0; line < KH; line = line + 1) begin : g_line
                wire [BITS-1:0] next;
                wire real_row = x < KW - 1 || real_rows[line];
                if (x == KW - 1) begin : g_new
                    assign next = held[line*BITS+:BITS];
                end else begin : g_old
                    assign next = pixels[((x+1)*KH+line)*BITS+:BITS];
                end
                reg [BITS-1:0] pixel;
                assign pixels[(x*KH+line)*BITS+:BITS] = pixel;
                always @(posedge clk) begin
                    if (shift && !real_row) pixel <= '0;
                    else if (shift) pixel <= next;
                end
                if (x < LEFT || x > LEFT + WIDTH - 1 - LAST_U) begin : g_edge
                    reg [BITS-1:0] masked;
                    always @(posedge clk) begin
                        if (shift && !(real_row && real_columns[x])) masked <= '0;
                        else if (shift) masked <= next;
                    end
                    assign out_data[(line*KW+x)*BITS+:BITS] = masked;
                end else begin : g_inner
                    assign out_data[(line*KW+x)*BITS+:BITS] = pixel;
                end
            end
        end
    endgenerate
endmodule

`default_nettype wire
