// Maximum or sum over windows that do not overlap: a running value per channel and output column.
//
// LANES channels are worked on at a time, group by group: a pixel stays while `active` counts
// through the phases, one per group, and is `taken` in the last one. `done` marks, two cycles after a group of a window's last
// pixel, the cycle in which `result` is right, and `last` that the group was the last one. `yields`
// tells beforehand that the pixel that comes next is such a last one.
`default_nettype none

module sf_reduce #(
    parameter integer CHANNELS = 4,
    parameter integer LANES = 4,
    parameter integer GROUPS = 1,
    parameter integer PHASE = 1,  // width of `phase`
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
    input  wire                      clk,
    input  wire                      rst,
    input  wire                      active,
    input  wire [         PHASE-1:0] phase,
    input  wire                      taken,
    input  wire [ CHANNELS*BITS-1:0] pixel,
    output wire                      yields,
    output wire                      done,
    output wire                      last,
    output wire [LANES*OUT_BITS-1:0] result
);
    localparam integer ROWS = $clog2(HEIGHT + 1);
    localparam integer COLUMNS = $clog2(WIDTH + 1);
    localparam integer PLACE = OUT_W > 1 ? $clog2(OUT_W) : 0;
    localparam integer GROUP = GROUPS > 1 ? PHASE : 0;

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

    // Stage 1 holds the group's values, stage 2 joins them with the running ones.
    reg valid;
    reg first;
    reg ends;
    reg ends_last;
    reg finished;
    reg finished_last;
    wire [LANES*BITS-1:0] values;
    always @(posedge clk) begin
        valid <= !rst && active && in_window;
        first <= x == 0 && y == 0;
        ends <= yields;
        ends_last <= taken;
        finished <= !rst && valid && ends;
        finished_last <= ends_last;
    end
    assign done = finished;
    assign last = finished_last;

    sf_pick #(
        .BITS  (CHANNELS * BITS),
        .GROUP (LANES * BITS),
        .NUMBER(PHASE)
    ) pick (
        .clk   (clk),
        .number(phase),
        .word  (pixel),
        .picked(values)
    );

    wire [LANES*OUT_BITS-1:0] running;
    wire [LANES*OUT_BITS-1:0] joined;
    genvar k;
    generate
        for (k = 0; k < LANES; k = k + 1) begin : g_lane
            wire sign = SIGNED != 0 && values[k*BITS+BITS-1];
            wire [OUT_BITS:0] wide = {{(OUT_BITS + 1 - BITS) {sign}}, values[k*BITS+:BITS]};
            wire [OUT_BITS-1:0] value = wide[OUT_BITS-1:0];
            wire [OUT_BITS-1:0] kept = running[k*OUT_BITS+:OUT_BITS];
            if (SUM != 0) begin : g_sum
                wire [OUT_BITS-1:0] start = first ? {OUT_BITS{1'b0}} : kept;
                assign joined[k*OUT_BITS+:OUT_BITS] = value + start;
            end else begin : g_maximum
                wire less = SIGNED != 0 ? $signed(kept) < $signed(value) : kept < value;
                assign joined[k*OUT_BITS+:OUT_BITS] = first || less ? value : kept;
            end
        end
        if (PLACE + GROUP > 0) begin : g_memory
            wire [COLUMNS+PHASE-1:0] now;
            if (GROUP > 0) begin : g_group
                assign now = {place, phase};
            end else begin : g_place
                assign now = {{PHASE{1'b0}}, place};
            end
            reg [PLACE+GROUP-1:0] address;
            reg [LANES*OUT_BITS-1:0] words[0:2**(PLACE+GROUP)-1];
            reg [LANES*OUT_BITS-1:0] total;
            assign running = words[address];
            always @(posedge clk) begin
                address <= now[PLACE+GROUP-1:0];
                if (valid) words[address] <= joined;
                total <= joined;
            end
            assign result = total;
        end else begin : g_register
            reg [LANES*OUT_BITS-1:0] total;
            assign running = total;
            always @(posedge clk) if (valid) total <= joined;
            assign result = total;
        end
    endgenerate
endmodule

`default_nettype wire
