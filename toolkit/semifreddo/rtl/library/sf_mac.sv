// Sums of products with loadable weights: PER_CYCLE rows of the weight matrix each cycle, for LANES
// channels at a time.
//
// Output channel k is the sum over all rows of operand(row, k) * weight(row, k). In a dense layer
// all channels share the operand of a row (SHARED = 1); in a depthwise one each has its own. The
// channels are computed in groups of LANES, one group after the other: phase = group * LINES + line.
// The operands must stay while `active` counts through the phases. With GIVEN they are those of one line,
// of `line` a cycle before.
//
// The weights of PER_UNIT groups, a power of two or all, are read at once: unit 0 has those of the
// first groups. Channels behind the last one may have any weights: their sums are not read.
//
// A sum starts with `initials` in the cycle of `starts`. `following` names the group of that sum one
// cycle ahead, `coming` two cycles ahead. `done` marks the cycle in which the sums of a group are right,
// LATENCY cycles after its last phase: 2, one for each of READS, the multiplier's, and one for every two
// levels of the adder tree. With DEPTH, products are made and summed up in chains of so many DSP slices,
// FIELDS channels in a slice (`sf_packed`); with SIGNS, weights are one bit, the sign of -1 or 1, and all
// rows of a cycle are summed up in `sf_signs`. With SHIFTS, weights are sums of so many powers of two, kept
// as codes if CODED, and products of DEPTH rows are summed up in `sf_shift`. PRODUCT is then the width of
// such a sum. READS is one with several groups, and one more where the weights may be in block memories,
// which answer late in a cycle. Sizes that follow from others are given, not computed: `Mac` in
// rtl/components/multiply.py has the rules.
`default_nettype none

module sf_mac #(
    parameter integer ROWS = 9,
    parameter integer PER_CYCLE = 1,
    parameter integer CHANNELS = 4,
    parameter integer LANES = 4,
    parameter integer SHARED = 1,
    parameter integer X_BITS = 8,
    parameter integer X_SIGNED = 0,
    parameter integer W_BITS = 4,
    parameter integer W_SIGNED = 1,
    parameter integer SUM_BITS = 16,
    parameter integer DSP = 0,
    parameter integer PHASE = 4,  // width of `phase`
    parameter integer LINES = 9,
    parameter integer GROUPS = 1,
    parameter integer STEPS = 9,  // GROUPS * LINES
    parameter integer CHOICES = 9,  // operands that each row is multiplied with, one after the other
    parameter integer PER_UNIT = 1,
    parameter integer UNITS = 1,
    parameter integer READ = 16,  // bits of a row that are read
    parameter integer READS = 0,  // registers behind the memory
    parameter integer SPLIT = 0,  // operands are chosen in two steps
    parameter integer GIVEN = 0,  // operands are those of one line, which are there as late as chosen in two steps
    parameter integer PRODUCT = 12,
    parameter integer DIGITS = 2,  // of a weight, two bits each
    parameter integer LATENCY = 3,  // from a group's last phase to `done`
    parameter integer DEPTH = 0,
    parameter integer FIELDS = 1,
    parameter integer STRIDE = 1,  // of fields
    parameter integer SIGNS = 0,
    parameter integer SHIFTS = 0,
    parameter integer CODED = 0,
    parameter integer POWERS = 7,
    parameter integer CODE = 4,
    parameter integer OPERANDS = (GIVEN != 0 ? PER_CYCLE : ROWS * (SHARED != 0 ? 1 : CHANNELS)) * X_BITS,
    parameter integer LINE = LINES > 1 ? $clog2(LINES) : 1,
    parameter integer GROUP = GROUPS > 1 ? $clog2(GROUPS) : 1,
    parameter integer UNIT = UNITS > 1 ? $clog2(UNITS) : 1
) (
    input  wire                                                clk,
    input  wire                                                rst,
    input  wire                                                active,
    input  wire [                                   PHASE-1:0] phase,
    input  wire [OPERANDS-1:0] operands,
    output wire [                                    LINE-1:0] line,
    output wire [                                    UNIT-1:0] unit,
    input  wire [                          PER_CYCLE*READ-1:0] weights,   // of `line` and `unit`, a cycle before
    output wire                                                starts,
    output wire [                                   GROUP-1:0] group,     // that is summed up
    output wire [                                   GROUP-1:0] following,
    output wire [                                   GROUP-1:0] coming,
    input  wire [                          LANES*SUM_BITS-1:0] initials,
    output wire                                                done,
    output wire [                          LANES*SUM_BITS-1:0] sums
);
    localparam integer STEP = STEPS > 1 ? $clog2(STEPS) : 1;
    localparam integer LANE = (SHARED != 0 ? 1 : LANES) * X_BITS;
    localparam integer CHAINS = DEPTH > 0 ? (PER_CYCLE + DEPTH - 1) / DEPTH : 0;
    localparam integer TERMS = SIGNS != 0 ? 1 : DEPTH > 0 ? CHAINS : PER_CYCLE;
    localparam integer TREE = TERMS > 1 ? $clog2(TERMS) : 0;
    localparam integer PARTS = (CHOICES + 15) / 16;
    localparam integer LATE = SPLIT != 0 || GIVEN != 0 ? 1 : 0;  // cycles from working to operands
    localparam integer INDEX = SHARED != 0 ? LINE : STEP;
    localparam integer MARKS = LATENCY - 1;
    localparam integer CODES = SHIFTS * CODE;  // of a weight
    localparam integer PLACE = PER_UNIT > 1 ? $clog2(PER_UNIT) : 1;  // of a group in its unit
    localparam [31:0] LAST = STEPS - 1;
    localparam [31:0] LAST_LINE = LINES - 1;
    localparam [31:0] LAST_GROUP = GROUPS - 1;

    wire working = active && phase <= LAST[PHASE-1:0];
    wire [STEP-1:0] step = phase[STEP-1:0];
    wire [GROUP-1:0] group_now;
    wire line_ends = line == LAST_LINE[LINE-1:0];

    generate
        if (GROUPS == 1) begin : g_line
            assign line = phase[LINE-1:0];
            assign group_now = '0;
            assign unit = '0;
        end else begin : g_lines
            reg [LINE-1:0] lines;
            reg [GROUP-1:0] groups;
            always @(posedge clk) begin
                if (rst) begin
                    lines  <= '0;
                    groups <= '0;
                end else if (working) begin
                    lines <= line_ends ? '0 : lines + 1'b1;
                    if (line_ends) groups <= groups == LAST_GROUP[GROUP-1:0] ? '0 : groups + 1'b1;
                end
            end
            assign line = lines;
            assign group_now = groups;
            if (UNITS > 1) begin : g_unit
                assign unit = groups[GROUP-1:GROUP-UNIT];
            end else begin : g_row
                assign unit = '0;
            end
        end
    endgenerate

    // Marks that travel along: this cycle's products start, or complete, a sum.
    reg [MARKS-1:0] valids;
    reg [MARKS-1:0] firsts;
    reg [MARKS-1:0] lasts;
    always @(posedge clk) begin
        valids <= rst ? '0 : {valids[MARKS-2:0], working};
        firsts <= {firsts[MARKS-2:0], line == 0};
        lasts  <= rst ? '0 : {lasts[MARKS-2:0], working && line_ends};
    end

    genvar r, g, s, k;
    generate
        for (r = 0; r < PER_CYCLE; r = r + 1) begin : g_row
            wire [READ-1:0] read_weights;
            wire [LANES*W_BITS-1:0] group_weights[0:PER_UNIT-1];
            for (g = 0; g < PER_UNIT; g = g + 1) begin : g_group
                for (k = 0; k < LANES; k = k + 1) begin : g_lane
                    if ((g * LANES + k) * W_BITS < READ) begin : g_real
                        assign group_weights[g][k*W_BITS+:W_BITS] =
                            read_weights[(g*LANES+k)*W_BITS+:W_BITS];
                    end else begin : g_behind
                        assign group_weights[g][k*W_BITS+:W_BITS] = '0;
                    end
                end
            end
            wire [LANE-1:0] fresh;  // comes with the weights, a cycle later if there are two steps
            if (GIVEN != 0) begin : g_given
                reg late;  // working
                always @(posedge clk) late <= working;
                assign fresh = late ? operands[r*LANE+:LANE] : '0;
            end else begin : g_chosen
                // Rows r, r + PER_CYCLE, ... one per line; behind the last row comes zero.
                wire [LANE-1:0] choices[0:CHOICES-1];
                for (s = 0; s < CHOICES; s = s + 1) begin : g_choice
                    localparam integer ROW = (s % LINES) * PER_CYCLE + r;
                    if (SHARED != 0 && ROW < ROWS) begin : g_shared
                        assign choices[s] = operands[ROW*X_BITS+:X_BITS];
                    end else if (SHARED != 0) begin : g_behind
                        assign choices[s] = '0;
                    end else begin : g_own
                        for (k = 0; k < LANES; k = k + 1) begin : g_lane
                            localparam integer CHANNEL = (s / LINES) * LANES + k;
                            if (ROW < ROWS && CHANNEL < CHANNELS) begin : g_real
                                assign choices[s][k*X_BITS+:X_BITS] =
                                    operands[(ROW*CHANNELS+CHANNEL)*X_BITS+:X_BITS];
                            end else begin : g_behind
                                assign choices[s][k*X_BITS+:X_BITS] = '0;
                            end
                        end
                    end
                end
                wire [INDEX-1:0] index;
                if (SHARED != 0) begin : g_by_line
                    assign index = line;
                end else begin : g_by_step
                    assign index = step;
                end
                // Many choices are made in two steps, while the weights are read.
                if (SPLIT != 0) begin : g_split
                    reg [PARTS*LANE-1:0] parts;
                    reg [INDEX-1:4] of_part;
                    reg late;  // working
                    for (s = 0; s < PARTS; s = s + 1) begin : g_part
                        wire [16*LANE-1:0] these;
                        for (k = 0; k < 16; k = k + 1) begin : g_choice
                            if (s * 16 + k < CHOICES) begin : g_real
                                assign these[k*LANE+:LANE] = choices[s*16+k];
                            end else begin : g_free
                                assign these[k*LANE+:LANE] = 'x;  // never asked for
                            end
                        end
                        always @(posedge clk) parts[s*LANE+:LANE] <= these[index[3:0]*LANE+:LANE];
                    end
                    always @(posedge clk) begin
                        of_part <= index[INDEX-1:4];
                        late <= working;
                    end
                    assign fresh = late ? parts[of_part*LANE+:LANE] : '0;
                end else begin : g_at_once
                    assign fresh = working ? choices[index] : '0;
                end
            end
            reg [LANE-1:0] operand;
            wire [LANES*W_BITS-1:0] weight;
            if (READS > 0) begin : g_steps
                // First what is read, in the register beside its memory, then the group's share.
                reg [READS*PLACE-1:0] place_reads;
                wire [PLACE-1:0] place = PER_UNIT > 1 ? group_now[PLACE-1:0] : '0;
                wire [(READS+1)*PLACE-1:0] next_places = {place_reads, place};
                if (READS > 1) begin : g_held
                    reg [READ-1:0] held;
                    always @(posedge clk) held <= weights[r*READ+:READ];
                    assign read_weights = held;
                end else begin : g_read
                    assign read_weights = weights[r*READ+:READ];
                end
                reg [LANES*W_BITS-1:0] share;
                assign weight = share;
                if (READS > LATE) begin : g_wait
                    reg [(READS-LATE)*LANE-1:0] waiting;
                    wire [(READS-LATE+1)*LANE-1:0] next_waiting = {waiting, fresh};
                    always @(posedge clk) begin
                        waiting <= next_waiting[(READS-LATE)*LANE-1:0];
                        operand <= waiting[(READS-LATE-1)*LANE+:LANE];
                    end
                end else begin : g_no_wait
                    always @(posedge clk) operand <= fresh;
                end
                always @(posedge clk) begin
                    place_reads <= next_places[READS*PLACE-1:0];
                    share <= group_weights[place_reads[(READS-1)*PLACE+:PLACE]];
                end
            end else begin : g_one_step
                assign read_weights = weights[r*READ+:READ];
                assign weight = group_weights[0];
                always @(posedge clk) operand <= fresh;
            end
            if (SHIFTS > 0) begin : g_codes
                wire [LANES*CODES-1:0] codes;
                if (CODED != 0) begin : g_kept
                    assign codes = weight;
                end else begin : g_made
                    for (k = 0; k < LANES; k = k + 1) begin : g_lane
                        sf_terms #(
                            .BITS  (W_BITS),
                            .TERMS (SHIFTS),
                            .POWERS(POWERS),
                            .CODE  (CODE)
                        ) terms (
                            .value(weight[k*W_BITS+:W_BITS]),
                            .codes(codes[k*CODES+:CODES])
                        );
                    end
                end
            end
            if (DEPTH == 0 && SIGNS == 0) begin : g_products
                wire [LANES*PRODUCT-1:0] products;
                for (k = 0; k < LANES; k = k + 1) begin : g_product
                    sf_multiply #(
                        .X_BITS  (X_BITS),
                        .X_SIGNED(X_SIGNED),
                        .W_BITS  (W_BITS),
                        .W_SIGNED(W_SIGNED),
                        .DSP     (DSP),
                        .ROWS    (DIGITS),
                        .PRODUCT (PRODUCT)
                    ) multiply (
                        .clk    (clk),
                        .x      (operand[(SHARED != 0 ? 0 : k)*X_BITS+:X_BITS]),
                        .w      (weight[k*W_BITS+:W_BITS]),
                        .product(products[k*PRODUCT+:PRODUCT])
                    );
                end
            end
        end
        for (s = 0; s < CHAINS; s = s + 1) begin : g_chain
            localparam integer OWN = PER_CYCLE - s * DEPTH < DEPTH ? PER_CYCLE - s * DEPTH : DEPTH;
            wire [LANES*PRODUCT-1:0] products;
            if (SHIFTS > 0) begin : g_shifts
                for (k = 0; k < LANES; k = k + 1) begin : g_lane
                    wire [OWN*X_BITS-1:0] x;
                    wire [OWN*CODES-1:0] w;
                    for (r = 0; r < OWN; r = r + 1) begin : g_operand
                        assign x[r*X_BITS+:X_BITS] =
                            g_row[s*DEPTH+r].operand[(SHARED != 0 ? 0 : k)*X_BITS+:X_BITS];
                        assign w[r*CODES+:CODES] = g_row[s*DEPTH+r].g_codes.codes[k*CODES+:CODES];
                    end
                    sf_shift #(
                        .X_BITS  (X_BITS),
                        .X_SIGNED(X_SIGNED),
                        .ROWS    (OWN),
                        .DEPTH   (DEPTH),
                        .TERMS   (SHIFTS),
                        .POWERS  (POWERS),
                        .CODE    (CODE),
                        .SUM     (PRODUCT)
                    ) chain (
                        .clk(clk),
                        .x  (x),
                        .w  (w),
                        .sum(products[k*PRODUCT+:PRODUCT])
                    );
                end
            end else begin : g_slices
                wire [OWN*X_BITS-1:0] x;
                wire [OWN*LANES*W_BITS-1:0] w;
                for (r = 0; r < OWN; r = r + 1) begin : g_operand
                    assign x[r*X_BITS+:X_BITS] = g_row[s*DEPTH+r].operand;
                    assign w[r*LANES*W_BITS+:LANES*W_BITS] = g_row[s*DEPTH+r].weight;
                end
                sf_packed #(
                    .X_BITS  (X_BITS),
                    .X_SIGNED(X_SIGNED),
                    .W_BITS  (W_BITS),
                    .W_SIGNED(W_SIGNED),
                    .LANES   (LANES),
                    .FIELDS  (FIELDS),
                    .STRIDE  (STRIDE),
                    .ROWS    (OWN),
                    .DEPTH   (DEPTH),
                    .SUM     (PRODUCT)
                ) chain (
                    .clk (clk),
                    .x   (x),
                    .w   (w),
                    .sums(products)
                );
            end
        end
        if (SIGNS != 0) begin : g_signs
            wire [PER_CYCLE*X_BITS-1:0] x;
            wire [PER_CYCLE*LANES-1:0] w;
            wire [LANES*PRODUCT-1:0] products;
            for (r = 0; r < PER_CYCLE; r = r + 1) begin : g_operand
                assign x[r*X_BITS+:X_BITS] = g_row[r].operand;
                assign w[r*LANES+:LANES] = g_row[r].weight;
            end
            sf_signs #(
                .X_BITS  (X_BITS),
                .X_SIGNED(X_SIGNED),
                .LANES   (LANES),
                .ROWS    (PER_CYCLE),
                .SUM     (PRODUCT)
            ) turned (
                .clk     (clk),
                .x       (x),
                .negative(w),
                .sums    (products)
            );
        end
        for (k = 0; k < LANES; k = k + 1) begin : g_channel
            // Declared before `part`: Yosys makes the later one of two operands, when all is flat, an
            // input of the carry chain, and what is selected would need a LUT of its own for that.
            reg [SUM_BITS-1:0] total;
            wire [SUM_BITS-1:0] base = firsts[MARKS-1] ? initials[k*SUM_BITS+:SUM_BITS] : total;
            wire [TERMS*PRODUCT-1:0] terms;
            for (r = 0; r < TERMS; r = r + 1) begin : g_term
                if (SIGNS != 0) begin : g_all
                    assign terms = g_signs.products[k*PRODUCT+:PRODUCT];
                end else if (DEPTH > 0) begin : g_sum
                    assign terms[r*PRODUCT+:PRODUCT] = g_chain[r].products[k*PRODUCT+:PRODUCT];
                end else begin : g_product
                    assign terms[r*PRODUCT+:PRODUCT] = g_row[r].g_products.products[k*PRODUCT+:PRODUCT];
                end
            end
            wire signed [PRODUCT+TREE-1:0] part;
            sf_sum #(
                .TERMS(TERMS),
                .BITS (PRODUCT)
            ) sum (
                .clk   (clk),
                .terms (terms),
                .result(part)
            );
            localparam integer WIDE = PRODUCT + TREE > SUM_BITS ? PRODUCT + TREE : SUM_BITS;
            wire signed [WIDE-1:0] part_wide = {{(WIDE - PRODUCT - TREE) {part[PRODUCT+TREE-1]}}, part};
            always @(posedge clk) if (valids[MARKS-1]) total <= part_wide[SUM_BITS-1:0] + base;
            assign sums[k*SUM_BITS+:SUM_BITS] = total;
        end
    endgenerate

    // The group whose products arrive at the accumulators; counted a cycle ahead.
    reg [GROUP-1:0] ahead;
    reg [GROUP-1:0] summed;
    reg complete;
    always @(posedge clk) begin
        complete <= !rst && lasts[MARKS-1];
        ahead    <= rst ? '0 : coming;
        summed   <= rst ? '0 : ahead;
    end
    assign coming = !lasts[MARKS-2] ? ahead : ahead == LAST_GROUP[GROUP-1:0] ? '0 : ahead + 1'b1;
    assign following = ahead;
    assign starts = valids[MARKS-1] && firsts[MARKS-1];
    assign group  = summed;
    assign done   = complete;
endmodule

`default_nettype wire
