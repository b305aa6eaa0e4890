// Sums of products with loadable weights: PER_CYCLE rows of the weight matrix each cycle.
//
// Output channel k is the sum over all rows of operand(row, k) * weight(row, k). In a dense layer
// all channels share the operand of a row (SHARED = 1); in a depthwise one each has its own. The
// operands must stay while `active` counts through the phases. `done` marks, LATENCY cycles after
// the last phase, the cycle in which `sums` is right.
`default_nettype none

module sf_mac #(
    parameter integer ROWS = 9,
    parameter integer PER_CYCLE = 1,
    parameter integer CHANNELS = 4,
    parameter integer SHARED = 1,
    parameter integer X_BITS = 8,
    parameter integer X_SIGNED = 0,
    parameter integer W_BITS = 4,
    parameter integer W_SIGNED = 1,
    parameter integer SUM_BITS = 16,
    parameter integer PHASE = 1,  // width of `phase`
    parameter integer LINES = (ROWS + PER_CYCLE - 1) / PER_CYCLE
) (
    input  wire                                                clk,
    input  wire                                                rst,
    input  wire                                                active,
    input  wire [                                   PHASE-1:0] phase,
    input  wire [ROWS*(SHARED != 0 ? 1 : CHANNELS)*X_BITS-1:0] operands,
    input  wire [               PER_CYCLE*CHANNELS*W_BITS-1:0] weights,   // of this phase's line
    output wire                                                done,
    output wire [                       CHANNELS*SUM_BITS-1:0] sums
);
    localparam integer LANE = (SHARED != 0 ? 1 : CHANNELS) * X_BITS;
    localparam integer PRODUCT = X_BITS + W_BITS + 1;
    localparam integer TREE = PER_CYCLE > 1 ? $clog2(PER_CYCLE) : 0;
    localparam integer STAGES = (TREE + 1) / 2;  // registered adder stages of two levels
    localparam integer MARKS = 2 + STAGES;
    localparam [31:0] LAST = LINES - 1;

    localparam integer LINE = LINES > 1 ? $clog2(LINES) : 1;

    wire [LINE-1:0] line_now = phase[LINE-1:0];
    wire working = active && phase <= LAST[PHASE-1:0];

    // Marks that travel along: this cycle's products start, or complete, a sum.
    reg [MARKS-1:0] valids;
    reg [MARKS-1:0] firsts;
    reg [MARKS-1:0] lasts;
    always @(posedge clk) begin
        valids <= rst ? '0 : {valids[MARKS-2:0], working};
        firsts <= {firsts[MARKS-2:0], phase == 0};
        lasts  <= rst ? '0 : {lasts[MARKS-2:0], working && phase == LAST[PHASE-1:0]};
    end

    genvar lane, k;
    generate
        for (lane = 0; lane < PER_CYCLE; lane = lane + 1) begin : g_lane
            // Rows lane, lane + PER_CYCLE, ... one per phase; behind the last row comes zero.
            wire [LANE-1:0] choices[0:LINES-1];
            genvar line;
            for (line = 0; line < LINES; line = line + 1) begin : g_choice
                if (line * PER_CYCLE + lane < ROWS) begin : g_row
                    assign choices[line] = operands[(line*PER_CYCLE+lane)*LANE+:LANE];
                end else begin : g_behind
                    assign choices[line] = '0;
                end
            end
            reg [LANE-1:0] operand;
            reg [CHANNELS*W_BITS-1:0] weight;
            always @(posedge clk) begin
                operand <= working ? choices[line_now] : '0;
                weight  <= weights[lane*CHANNELS*W_BITS+:CHANNELS*W_BITS];
            end
            for (k = 0; k < CHANNELS; k = k + 1) begin : g_product
                wire [X_BITS-1:0] x = operand[(SHARED != 0 ? 0 : k)*X_BITS+:X_BITS];
                wire [W_BITS-1:0] w = weight[k*W_BITS+:W_BITS];
                wire signed [X_BITS:0] x_wide = {X_SIGNED != 0 && x[X_BITS-1], x};
                wire signed [W_BITS:0] w_wide = {W_SIGNED != 0 && w[W_BITS-1], w};
                reg signed [PRODUCT-1:0] product;
                always @(posedge clk) product <= x_wide * w_wide;
            end
        end
        for (k = 0; k < CHANNELS; k = k + 1) begin : g_channel
            wire [PER_CYCLE*PRODUCT-1:0] terms;
            for (lane = 0; lane < PER_CYCLE; lane = lane + 1) begin : g_term
                assign terms[lane*PRODUCT+:PRODUCT] = g_lane[lane].g_product[k].product;
            end
            wire signed [PRODUCT+TREE-1:0] part;
            sf_sum #(
                .TERMS(PER_CYCLE),
                .BITS (PRODUCT)
            ) sum (
                .clk   (clk),
                .terms (terms),
                .result(part)
            );
            localparam integer WIDE = PRODUCT + TREE > SUM_BITS ? PRODUCT + TREE : SUM_BITS;
            wire signed [WIDE-1:0] part_wide = {{(WIDE - PRODUCT - TREE) {part[PRODUCT+TREE-1]}}, part};
            reg signed [SUM_BITS-1:0] total;
            always @(posedge clk) begin
                if (valids[MARKS-1]) begin
                    total <= (firsts[MARKS-1] ? '0 : total) + part_wide[SUM_BITS-1:0];
                end
            end
            assign sums[k*SUM_BITS+:SUM_BITS] = total;
        end
    endgenerate

    reg complete;
    always @(posedge clk) complete <= !rst && lasts[MARKS-1];
    assign done = complete;
endmodule

`default_nettype wire
