// Product of two numbers of any sign. The operands are registers of the caller.
//
// DSP = 0: a row array in logic. Each row adds a digit of `w` in -2..2 (two bits, recoded after
// Booth) times `x`, so a bit of a row is one function of six signals in front of a carry chain: one
// LUT. A register behind every second row: LATENCY is ceil(ceil((W_BITS + unsigned) / 2) / 2).
//
// DSP = 1: one registered `*`, for a DSP slice. LATENCY is 1.
//
// For simulation at full speed (SF_FAST) the rows are one `*`, delayed as long.
`default_nettype none

module sf_multiply #(
    parameter integer X_BITS   = 8,
    parameter integer X_SIGNED = 0,
    parameter integer W_BITS   = 8,
    parameter integer W_SIGNED = 1,
    parameter integer DSP      = 0,
    parameter integer ROWS     = 4,   // digits of a weight: two bits each, one more if it is unsigned
    parameter integer PRODUCT  = 16   // unsigned times unsigned still gets a sign bit
) (
    input  wire                      clk,
    input  wire        [ X_BITS-1:0] x,
    input  wire        [ W_BITS-1:0] w,
    output wire signed [PRODUCT-1:0] product
);
    generate
`ifdef SF_FAST
        if (DSP == 0) begin : g_fast
            localparam integer LATENCY = (ROWS + 1) / 2;
            localparam integer WIDE = PRODUCT > 32 ? PRODUCT : 32;  // a machine word is the fastest
            wire signed [WIDE-1:0] x_wide = {{(WIDE - X_BITS) {X_SIGNED != 0 && x[X_BITS-1]}}, x};
            wire signed [WIDE-1:0] w_wide = {{(WIDE - W_BITS) {W_SIGNED != 0 && w[W_BITS-1]}}, w};
            wire signed [WIDE-1:0] exact = x_wide * w_wide;
            genvar stage;
            for (stage = 0; stage < LATENCY; stage = stage + 1) begin : g_stage
                reg signed [PRODUCT-1:0] held;
                if (stage == 0) begin : g_first
                    always @(posedge clk) held <= exact[PRODUCT-1:0];
                end else begin : g_next
                    always @(posedge clk) held <= g_stage[stage-1].held;
                end
            end
            assign product = g_stage[LATENCY-1].held;
        end else
`endif
        if (DSP != 0) begin : g_dsp
            wire signed [X_BITS:0] x_wide = {X_SIGNED != 0 && x[X_BITS-1], x};
            wire signed [W_BITS:0] w_wide = {W_SIGNED != 0 && w[W_BITS-1], w};
            (* use_dsp = "yes" *) wire signed [X_BITS+W_BITS+1:0] exact = x_wide * w_wide;
            (* use_dsp = "yes" *) reg signed [PRODUCT-1:0] held;
            always @(posedge clk) held <= exact[PRODUCT-1:0];
            assign product = held;
        end else begin : g_rows
            localparam integer SUM = X_BITS + 2;  // holds x times -2 .. 2
            localparam integer LOW = 2 * (ROWS - 1);  // bits that are complete before the last row

            genvar row;
            for (row = 0; row < ROWS; row = row + 1) begin : g_row
                wire [X_BITS-1:0] x_here;
                wire [2*ROWS:0] w_here;  // with its sign, and a zero below
                wire signed [SUM-1:0] carried;  // the sum of the rows above, shifted
                wire [LOW:0] low_here;  // bits that are complete
                if (row == 0) begin : g_first
                    wire sign = W_SIGNED != 0 && w[W_BITS-1];
                    assign x_here = x;
                    assign w_here = {{(2 * ROWS - W_BITS) {sign}}, w, 1'b0};
                    assign carried = '0;
                    assign low_here = '0;
                end else begin : g_next
                    wire signed [SUM-1:0] above = g_row[row-1].sum_out;
                    wire [LOW:0] done_wide = {{(LOW - 1) {1'b0}}, above[1:0]};
                    assign x_here = g_row[row-1].x_out;
                    assign w_here = g_row[row-1].w_out;
                    assign carried = above >>> 2;
                    assign low_here = g_row[row-1].low_out | done_wide << (2 * (row - 1));
                end

                wire [2:0] digit = w_here[2*row+:3];
                wire one = digit[1] ^ digit[0];
                wire two = digit == 3'b011 || digit == 3'b100;
                wire [SUM-1:0] x_wide = {{2{X_SIGNED != 0 && x_here[X_BITS-1]}}, x_here};
                wire [SUM-1:0] times = one ? x_wide : two ? x_wide << 1 : '0;
                // carried + times with the digit's sign. Below the lowest bit the sign makes the
                // carry into the chain. The difference keeps `carried` the operand beside the
                // chain, where only a plain signal costs nothing.
                wire [SUM-1:0] added = times ^ {SUM{digit[2]}};
                wire [SUM:0] sum = {carried, digit[2]} - {~added, ~digit[2]};

                wire [X_BITS-1:0] x_out;
                wire [2*ROWS:0] w_out;
                wire [SUM-1:0] sum_out;
                wire [LOW:0] low_out;
                if (row % 2 == 1 || row == ROWS - 1) begin : g_register
                    reg [X_BITS-1:0] x_held;
                    reg [2*ROWS:0] w_held;
                    reg [SUM-1:0] sum_held;
                    reg [LOW:0] low_held;
                    always @(posedge clk) begin
                        x_held   <= x_here;
                        w_held   <= w_here;
                        sum_held <= sum[SUM:1];
                        low_held <= low_here;
                    end
                    assign x_out   = x_held;
                    assign w_out   = w_held;
                    assign sum_out = sum_held;
                    assign low_out = low_held;
                end else begin : g_wire
                    assign x_out   = x_here;
                    assign w_out   = w_here;
                    assign sum_out = sum[SUM:1];
                    assign low_out = low_here;
                end
            end
            wire signed [SUM-1:0] high = g_row[ROWS-1].sum_out;
            wire [LOW:0] low = g_row[ROWS-1].low_out;
            localparam integer ALL = SUM + LOW > PRODUCT ? SUM + LOW : PRODUCT;
            wire signed [ALL-1:0] high_wide = {{(ALL - SUM + 1) {high[SUM-1]}}, high[SUM-2:0]};
            wire [ALL:0] low_wide = {{(ALL - LOW) {1'b0}}, low};
            wire [ALL-1:0] all = (high_wide << LOW) | low_wide[ALL-1:0];
            assign product = all[PRODUCT-1:0];
        end
    endgenerate
endmodule

`default_nettype wire
