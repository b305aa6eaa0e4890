// Forms the windows of a sliding kernel; stores each pixel once.
//
// A row of pixels is read in one go through a line memory that holds the KH-1 rows above it. Each
// step ("tick") shifts one column of KH pixels into a KH x KW register window. Padding costs no
// ticks: what lies outside the image is masked to zero. The windows at the right edge (up to
// KW-1-LEFT of them trail the newest column) come out while the next row goes in.
//
// A tick is decided in one cycle and made in the next, or as soon as the window before it is taken:
// between, the column that goes in is held, with what is to be done. So what decides, and waits for
// the streams, reaches a column of registers and not all of the window.
//
// The end of an image - the rows of windows that reach below it (drain rows) and the last trailing
// windows - needs no further pixel. With PATIENCE = 0 it comes out before the next image goes in.
// Otherwise it comes out while the next image's first rows go in, which complete no window of their
// own, unless that image does not begin within PATIENCE cycles of the last window's end. (Whether an
// image drains alone would otherwise depend on its neighbour being there in one certain cycle:
// results would jitter.)
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
    // Columns: a window trails the newest column by LAG; a row takes SPAN ticks; LAST_U is the left
    // edge of the last window of a row, plus LEFT; TRAILS if windows are left when the last row is over.
    parameter integer LAG    = 1,
    parameter integer LAST_U = 3,
    parameter integer SPAN   = 4,
    parameter integer TRAILS = 1,
    // Rows: SKIP rows complete no window; LAST_ROW completes the last one; DRAIN rows of windows need
    // no new pixel; OVERLAP of them can run while the next image's first rows go in.
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
    output reg                   out_valid,
    input  wire                  out_ready,
    output wire [KH*KW*BITS-1:0] out_data
);
    localparam integer ROWS = $clog2(HEIGHT + 1);
    localparam integer COLUMNS = $clog2(SPAN + 1);

    reg [ROWS-1:0] row;  // of the image going in
    reg [COLUMNS-1:0] column;  // of the tick
    reg [$clog2(DRAIN+2)-1:0] drain;  // rows of windows the previous image still owes
    reg [$clog2(SH+1)-1:0] stride_row;  // 0 in every SH-th row from the first row of windows on
    reg loading;  // this row takes pixels (kept from the row's first tick)
    reg [$clog2(LAG+2)-1:0] lag;  // columns loaded ahead of the windows, up to LAG
    reg [COLUMNS-1:0] u;  // left edge of the window that is due, plus LEFT
    reg [$clog2(SW+1)-1:0] stride_u;  // u modulo SW
    reg due_row;  // the windows of that row are wanted

    // The decisions drive every register of the window, so what they depend on stands in registers of
    // its own, which follow the counters.
    reg row_start;  // column == 0
    reg in_width;  // column < WIDTH
    reg draining;  // drain != 0
    reg top;  // row == 0
    reg fits_beside;  // drain <= OVERLAP
    reg lagging;  // lag != 0
    reg moves_on;  // lag == LAG
    wire idle = row_start && top && !draining;
    // The next image starts into a draining one only if all drain rows left fit beside its rows.
    wire fits = PATIENCE != 0 && fits_beside;
    wire takes = !row_start ? loading : !draining || !top || (fits && in_valid);
    wire wants = takes && in_width;
    // Without a next image the last windows are shifted out; once begun, this is finished.
    wire trails = TRAILS != 0 && idle && lagging;
    wire flushing = trails && (PATIENCE == 0 || !moves_on || !in_valid);
    wire waits;  // for the next image
    wire flush = flushing && !waits;
    reg decided;  // a tick that is yet to be made
    wire free = !out_valid || out_ready;
    wire shift = decided && free;  // makes it
    wire open = !decided || free;
    wire load = open && !flushing && !waits && (in_valid || !wants);
    wire tick = load || (open && flush);

    assign in_ready = open && !flushing && !waits && wants;

    generate
        if (PATIENCE > 0) begin : g_patience
            localparam integer COUNT = $clog2(PATIENCE + 1);
            localparam [31:0] LIMIT = PATIENCE - 1;
            reg [COUNT-1:0] waited;  // since the last window was taken
            wire ends = (row_start && top && draining && fits) || (trails && moves_on);
            wire taken = !decided && free;
            assign waits = ends && !in_valid && !(taken && waited == LIMIT[COUNT-1:0]);
            always @(posedge clk) begin
                if (rst || !ends || in_valid) waited <= '0;
                else if (waits && taken) waited <= waited + 1'b1;
            end
        end else begin : g_at_once
            assign waits = 1'b0;
        end
    endgenerate

    wire row_end = load && column == SPAN - 1;
    wire image_end = row_end && takes && row == HEIGHT - 1;
    // Comparisons are with constants, without sums: those would be the slowest path.
    wire row_due = draining ? drain <= HEIGHT + DRAIN - SKIP : row >= SKIP && row <= LAST_ROW;
    wire row_hit = row_due && stride_row == 0;
    wire emit_row = u == 0 ? row_hit : due_row;
    wire moves = flush || moves_on;  // this tick completes the window at u
    wire emit = moves && emit_row && stride_u == 0 && u <= LAST_U;
    reg emits;  // the tick that was decided

    always @(posedge clk) begin
        if (rst) begin
            row <= '0;
            column <= '0;
            drain <= '0;
            stride_row <= '0;
            loading <= '0;
            lag <= '0;
            row_start <= 1'b1;
            in_width <= 1'b1;
            draining <= 1'b0;
            top <= 1'b1;
            fits_beside <= 1'b1;
            lagging <= 1'b0;
            moves_on <= LAG == 0;
            u <= '0;
            stride_u <= '0;
            due_row <= '0;
            decided <= '0;
            out_valid <= '0;
        end else begin
            if (open) decided <= tick;
            if (free) out_valid <= decided && emits;
            if (load) begin
                loading <= takes;
                column  <= row_end ? '0 : column + 1'b1;
                row_start <= row_end;
                in_width <= row_end || column < WIDTH - 1;
                if (!moves) begin
                    lag <= lag + 1'b1;
                    lagging <= 1'b1;
                    moves_on <= lag == LAG - 1;
                end
            end else if (tick) begin
                lag <= lag - 1'b1;
                lagging <= lag != 1;
                moves_on <= 1'b0;
            end
            if (tick && moves) begin
                u <= u == SPAN - 1 ? '0 : u + 1'b1;
                stride_u <= u == SPAN - 1 || stride_u == SW - 1 ? '0 : stride_u + 1'b1;
                due_row <= emit_row;
            end
            if (row_end) begin
                if (takes) begin
                    row <= image_end ? '0 : row + 1'b1;
                    top <= image_end;
                end
                if (image_end) begin
                    drain <= DRAIN[$clog2(DRAIN+2)-1:0];
                    draining <= DRAIN != 0;
                    fits_beside <= DRAIN <= OVERLAP;
                end else if (draining) begin
                    drain <= drain - 1'b1;
                    draining <= drain != 1;
                    fits_beside <= drain <= OVERLAP + 1;
                end
                if (!row_due || drain == 1 || (image_end && DRAIN == 0)) stride_row <= '0;
                else stride_row <= stride_row == SH - 1 ? '0 : stride_row + 1'b1;
            end
        end
    end

    // The column of KH pixels that was decided, oldest row first, and which of them are rows of the
    // window's image.
    wire [KH*BITS-1:0] held;
    wire [KH-1:0] row_in_image;
    reg [BITS-1:0] newest;
    always @(posedge clk) if (tick) newest <= in_data;
    generate
        if (KH > 1) begin : g_lines
            localparam integer ADDRESS = WIDTH > 1 ? $clog2(WIDTH) : 1;
            reg [(KH-1)*BITS-1:0] above;  // newest row in the lowest bits
            wire [KH*BITS-1:0] whole = {above, newest};
            wire [(KH-1)*BITS-1:0] kept = whole[(KH-1)*BITS-1:0];
            wire [ADDRESS-1:0] place = column[ADDRESS-1:0];
            // A column is written a cycle after it was read, unless it is the next to be read, so no
            // address is read while it is written.
            if (SPAN > 1) begin : g_later
                reg writes;
                reg [ADDRESS-1:0] written;
                always @(posedge clk) begin
                    writes <= load && in_width;
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
                    if (load) lines <= next[(KH-1)*BITS-1:0];
                end
            end
            genvar y;
            for (y = 0; y < KH; y = y + 1) begin : g_row
                // Row number of this pixel: (row or HEIGHT + DRAIN - drain) - (KH-1) + y.
                localparam integer MOST = HEIGHT + DRAIN + y - (KH - 1);
                localparam integer LEAST = DRAIN + y - (KH - 1);
                wire drained = MOST >= 0 && drain <= MOST && (LEAST < 0 || drain > LEAST);
                assign row_in_image[y] = draining ? drained : row >= KH - 1 - y;
                assign held[y*BITS+:BITS] = whole[(KH-1-y)*BITS+:BITS];
            end
        end else begin : g_direct
            assign row_in_image[0] = !draining;
            assign held = newest;
        end
    endgenerate

    reg [KH-1:0] real_rows;
    wire [KW-1:0] in_image;
    reg [KW-1:0] real_columns;
    always @(posedge clk) begin
        if (tick) begin
            emits <= emit;
            real_rows <= row_in_image;
            real_columns <= in_image;
        end
    end

    // The window: x = KW-1 is the newest column. Masks are resets of registers, which cost nothing;
    // therefore a column that can be outside has registers of its own beside those that move on.
    genvar x, line;
    wire [KW*KH*BITS-1:0] pixels;  // column by column
    generate
        for (x = 0; x < KW; x = x + 1) begin : g_column
            wire left_of_it = x < LEFT && u < LEFT - x;
            assign in_image[x] = !left_of_it && LEFT + WIDTH > x && u < LEFT + WIDTH - x;
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
