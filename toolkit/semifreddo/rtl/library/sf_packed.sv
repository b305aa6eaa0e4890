// Sums of products of ROWS operands with the weights of LANES channels, on a chain of DSP slices: each
// computes the products of one operand with the weights of FIELDS channels, and adds what the slice
// before it has found.
//
// A slice multiplies its operand with a word in which the weights stand STRIDE bits apart. Signed
// weights, but for the highest of a word, are raised by 2 ** (W_BITS - 1), so that they are not negative
// and the word is a mere concatenation. Where a chain begins, two numbers are added to each field below
// the highest: half of its range, and what the raise adds to its sum (2 ** (W_BITS - 1) times the sum of
// the operands), negated. So no field is ever negative, none borrows from the next, and each ends with
// its exact sum. The negation is a complement, which is one too small: where weights are signed, the sums
// of fields below the highest are too small by 2 ** (W_BITS - 1), which the caller adds.
//
// Row r is in slice DEPTH - ROWS + r of its chain, and waits so many cycles. `sums` are those of the
// operands of DEPTH + 1 cycles before. `Packing` in rtl/components/packing.py has the rules for FIELDS,
// STRIDE, DEPTH and SUM.
`default_nettype none

module sf_packed #(
    parameter integer X_BITS   = 8,
    parameter integer X_SIGNED = 0,
    parameter integer W_BITS   = 8,
    parameter integer W_SIGNED = 1,
    parameter integer LANES    = 2,
    parameter integer FIELDS   = 2,
    parameter integer STRIDE   = 17,
    parameter integer ROWS     = 2,
    parameter integer DEPTH    = 2,
    parameter integer SUM      = 17   // bits of a sum
) (
    input  wire                          clk,
    input  wire [       ROWS*X_BITS-1:0] x,
    input  wire [ROWS*LANES*W_BITS-1:0] w,
    output wire [        LANES*SUM-1:0] sums
);
    localparam integer SLICES = (LANES + FIELDS - 1) / FIELDS;
    localparam integer LATE = DEPTH - ROWS;
    localparam integer TOTAL = X_BITS + 1 + $clog2(ROWS);
    localparam integer WIDE = TOTAL + W_BITS > STRIDE ? TOTAL + W_BITS : STRIDE;

    genvar r, s, i;
    generate
        // What is added to a field: half of its range, and the raise of its weights, negated.
        wire [STRIDE-1:0] start;
        if (W_SIGNED != 0 && FIELDS > 1) begin : g_raised
            for (r = 0; r < ROWS; r = r + 1) begin : g_total
                wire sign = X_SIGNED != 0 && x[r*X_BITS+X_BITS-1];
                wire [TOTAL-1:0] own = {{(TOTAL - X_BITS) {sign}}, x[r*X_BITS+:X_BITS]};
                wire [TOTAL-1:0] all;
                if (r == 0) begin : g_first
                    assign all = own;
                end else begin : g_next
                    assign all = g_total[r-1].all + own;
                end
            end
            for (i = 0; i <= LATE; i = i + 1) begin : g_wait
                reg [TOTAL-1:0] held;
                if (i == 0) begin : g_first
                    always @(posedge clk) held <= ~g_total[ROWS-1].all;
                end else begin : g_next
                    always @(posedge clk) held <= g_wait[i-1].held;
                end
            end
            wire [TOTAL-1:0] last = g_wait[LATE].held;
            wire [WIDE-1:0] wide = {{(WIDE - TOTAL) {last[TOTAL-1]}}, last};
            wire [WIDE-1:0] raise = wide << (W_BITS - 1);
            assign start = {!raise[STRIDE-1], raise[STRIDE-2:0]};
        end else begin : g_plain
            assign start = {1'b1, {(STRIDE - 1) {1'b0}}};
        end

        for (r = 0; r < ROWS; r = r + 1) begin : g_row
            wire sign = X_SIGNED != 0 && x[r*X_BITS+X_BITS-1];
            localparam integer LAST = LATE + r;
            for (i = 0; i <= LAST; i = i + 1) begin : g_wait
                reg [X_BITS:0] late_x;
                reg [LANES*W_BITS-1:0] late_w;
                wire [X_BITS:0] x_here;
                wire [LANES*W_BITS-1:0] w_here;
                if (i == 0) begin : g_first
                    assign x_here = {sign, x[r*X_BITS+:X_BITS]};
                    for (s = 0; s < LANES; s = s + 1) begin : g_lane
                        localparam integer NEXT = (s / FIELDS + 1) * FIELDS;  // lane of the next slice
                        localparam [0:0] RAISED = W_SIGNED != 0 && s + 1 < (NEXT < LANES ? NEXT : LANES);
                        wire [W_BITS-1:0] own = w[(r*LANES+s)*W_BITS+:W_BITS];
                        wire [W_BITS:0] flipped = {1'b0, own} ^ {1'b0, RAISED, {(W_BITS - 1) {1'b0}}};
                        assign w_here[s*W_BITS+:W_BITS] = flipped[W_BITS-1:0];
                    end
                end else begin : g_next
                    always @(posedge clk) begin
                        late_x <= g_wait[i-1].x_here;
                        late_w <= g_wait[i-1].w_here;
                    end
                    assign x_here = late_x;
                    assign w_here = late_w;
                end
            end
            wire [X_BITS:0] operand = g_wait[LAST].x_here;
            wire [LANES*W_BITS-1:0] weights = g_wait[LAST].w_here;
        end

        for (s = 0; s < SLICES; s = s + 1) begin : g_slice
            localparam integer OWN = LANES - s * FIELDS < FIELDS ? LANES - s * FIELDS : FIELDS;
            localparam integer TOP = (OWN - 1) * STRIDE;  // where its highest field begins
            localparam integer WORD = TOP + W_BITS + (W_SIGNED != 0 ? 0 : 1);
            localparam integer P = TOP + SUM > WORD + X_BITS ? TOP + SUM : WORD + X_BITS;
            // As wide as a product is: of a wider register Yosys leaves the adder behind it in LUTs.
            localparam integer OPERAND = X_SIGNED != 0 ? X_BITS : X_BITS + 1;
            localparam integer M = WORD + OPERAND < P ? WORD + OPERAND : P;
            wire signed [P-1:0] first;  // in all fields
            for (i = 0; i < OWN - 1; i = i + 1) begin : g_start
                assign first[i*STRIDE+:STRIDE] = start;
            end
            assign first[P-1:TOP] = '0;
            for (r = 0; r < ROWS; r = r + 1) begin : g_step
                wire signed [WORD-1:0] word;
                for (i = 0; i < OWN; i = i + 1) begin : g_field
                    wire [W_BITS-1:0] own = g_row[r].weights[(s*FIELDS+i)*W_BITS+:W_BITS];
                    if (i < OWN - 1) begin : g_low
                        assign word[i*STRIDE+:STRIDE] = {{(STRIDE - W_BITS) {1'b0}}, own};
                    end else begin : g_highest
                        wire [W_BITS:0] highest = {1'b0, own};
                        assign word[WORD-1:TOP] = highest[WORD-TOP-1:0];
                    end
                end
                wire signed [X_BITS:0] operand = g_row[r].operand;
                (* use_dsp = "yes" *) reg signed [M-1:0] product;
                (* use_dsp = "yes" *) reg signed [P-1:0] sum;
                wire signed [P-1:0] carried;
                if (r == 0) begin : g_first
                    assign carried = first;
                end else begin : g_next
                    assign carried = g_step[r-1].sum;
                end
                always @(posedge clk) begin
                    product <= word * operand;
                    sum <= product + carried;
                end
            end
            wire signed [P-1:0] all = g_step[ROWS-1].sum;
            for (i = 0; i < OWN; i = i + 1) begin : g_sum
                wire [SUM-1:0] found;
                if (i == OWN - 1) begin : g_highest
                    assign found = all[TOP+:SUM];
                end else if (SUM < STRIDE) begin : g_low
                    assign found = all[i*STRIDE+:SUM];
                end else begin : g_whole
                    // Without the half of its range.
                    wire sign = !all[i*STRIDE+STRIDE-1];
                    assign found = {{(SUM - STRIDE + 1) {sign}}, all[i*STRIDE+:STRIDE-1]};
                end
                assign sums[(s*FIELDS+i)*SUM+:SUM] = found;
            end
        end
    endgenerate
endmodule

`default_nettype wire
