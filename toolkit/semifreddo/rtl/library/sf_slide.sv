// Decides how a kernel slides over an image: when pixels go in, and when a window is complete.
//
// Each step ("tick") adds one column of KH pixels, the newest pixel and those of the KH-1 rows above it,
// to the KW columns of a window. Padding costs no ticks: masks say what lies outside the image. The
// windows at the right edge (up to KW-1-LEFT of them trail the newest column) come out while the next row
// goes in.
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
// What stores pixels follows `tick` with the column that goes in, and `shift` with the window.
`default_nettype none

module sf_slide #(
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
    parameter integer PATIENCE = 0,
    parameter integer PLACE    = WIDTH > 1 ? $clog2(WIDTH) : 1
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             in_valid,
    output wire             in_ready,
    output reg              out_valid,
    input  wire             out_ready,
    output wire             tick,          // decides a tick: the column that goes in is held from now on
    output wire             takes_pixel,   // this tick's row and column have a pixel, or a zero instead
    output wire [PLACE-1:0] place,         // of that pixel in its row
    output wire             shift,         // makes the tick that was decided
    output reg  [   KH-1:0] real_rows,     // of that tick's column, oldest row first: pixels of the image
    output reg  [   KW-1:0] real_columns   // of its window, oldest column first
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
    assign shift = decided && free;
    wire open = !decided || free;
    wire load = open && !flushing && !waits && (in_valid || !wants);
    assign tick = load || (open && flush);

    assign takes_pixel = load && in_width;
    assign place = column[PLACE-1:0];
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

    // Which rows of the column that was decided, and which columns of its window, are in the image.
    wire [KH-1:0] row_in_image;
    wire [KW-1:0] in_image;
    genvar x, y;
    generate
        if (KH > 1) begin : g_rows
            for (y = 0; y < KH; y = y + 1) begin : g_row
                // Row number of this pixel: (row or HEIGHT + DRAIN - drain) - (KH-1) + y.
                localparam integer MOST = HEIGHT + DRAIN + y - (KH - 1);
                localparam integer LEAST = DRAIN + y - (KH - 1);
                wire drained = MOST >= 0 && drain <= MOST && (LEAST < 0 || drain > LEAST);
                assign row_in_image[y] = draining ? drained : row >= KH - 1 - y;
            end
        end else begin : g_one_row
            assign row_in_image[0] = !draining;
        end
        for (x = 0; x < KW; x = x + 1) begin : g_column
            wire left_of_it = x < LEFT && u < LEFT - x;
            assign in_image[x] = !left_of_it && LEFT + WIDTH > x && u < LEFT + WIDTH - x;
        end
    endgenerate

    always @(posedge clk) begin
        if (tick) begin
            emits <= emit;
            real_rows <= row_in_image;
            real_columns <= in_image;
        end
    end
endmodule

`default_nettype wire
