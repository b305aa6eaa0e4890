// Sums of products with weights that are -1 or 1: ROWS values, each with a sign for every lane.
//
// A sum of values with signs has the parity of the plain sum, whatever the signs: the lowest bit of
// every partial sum is the same in all lanes and made once. So a lane adds up halves: a partial sum
// is 2 * half + odd, and of two of them 2 * (half + half + (odd && odd)) + (odd ^ odd): the carry
// goes into the carry chain. LEAF values are one partial sum to begin with: three bits (each half a
// function of six signals), or one value (a bit of its half a function of three: where a lower bit
// is set, the negative has the opposite bit; which lower bits are set is the same in all lanes).
//
// A register behind the leaves, behind every second level of the tree and behind the last:
// LATENCY is 1 + ceil(LEVELS / 2).
`default_nettype none

module sf_signs #(
    parameter integer X_BITS   = 1,
    parameter integer X_SIGNED = 0,
    parameter integer LANES    = 2,
    parameter integer ROWS     = 9,
    parameter integer LEAF     = X_BITS == 1 && X_SIGNED == 0 ? 3 : 1,
    parameter integer HALF     = LEAF == 3 ? 2 : X_BITS,  // bits of a leaf's half
    parameter integer LEAVES   = (ROWS + LEAF - 1) / LEAF,
    parameter integer LEVELS   = LEAVES > 1 ? $clog2(LEAVES) : 0,
    parameter integer SUM      = HALF + LEVELS + 1
) (
    input  wire                   clk,
    input  wire [ROWS*X_BITS-1:0] x,
    input  wire [ ROWS*LANES-1:0] negative,  // lanes of a row side by side
    output wire [  LANES*SUM-1:0] sums
);
    localparam integer WIDE = HALF + LEVELS;

    // Values behind the last row are zero.
    wire [LEAVES*LEAF*X_BITS-1:0] values;
    wire [LEAVES*LEAF*LANES-1:0] turns;
    genvar k, i, level;
    generate
        for (i = 0; i < LEAVES * LEAF; i = i + 1) begin : g_value
            if (i < ROWS) begin : g_real
                assign values[i*X_BITS+:X_BITS] = x[i*X_BITS+:X_BITS];
                assign turns[i*LANES+:LANES] = negative[i*LANES+:LANES];
            end else begin : g_behind
                assign values[i*X_BITS+:X_BITS] = '0;
                assign turns[i*LANES+:LANES] = '0;
            end
        end

        // The lowest bits, once for all lanes.
        for (level = 0; level <= LEVELS; level = level + 1) begin : g_odd
            localparam integer COUNT = (LEAVES + (1 << level) - 1) >> level;
            wire [COUNT-1:0] odd;
            wire [COUNT-1:0] odds;  // as early as the adders of this level want them
            wire [COUNT-1:0] carries;
            for (i = 0; i < COUNT; i = i + 1) begin : g_node
                if (level == 0 && LEAF == 3) begin : g_three
                    assign odds[i] = ^values[i*3+:3];
                    assign carries[i] = 1'b0;
                end else if (level == 0) begin : g_value
                    assign odds[i] = values[i*X_BITS];
                    assign carries[i] = 1'b0;
                end else if (2 * i + 1 < ((LEAVES + (1 << (level - 1)) - 1) >> (level - 1))) begin : g_two
                    assign odds[i] = g_odd[level-1].odd[2*i] ^ g_odd[level-1].odd[2*i+1];
                    assign carries[i] = g_odd[level-1].odd[2*i] && g_odd[level-1].odd[2*i+1];
                end else begin : g_one
                    assign odds[i] = g_odd[level-1].odd[2*i];
                    assign carries[i] = 1'b0;
                end
            end
            if (level % 2 == 0 || level == LEVELS) begin : g_register
                reg [COUNT-1:0] held;
                always @(posedge clk) held <= odds;
                assign odd = held;
            end else begin : g_wire
                assign odd = odds;
            end
        end

        for (k = 0; k < LANES; k = k + 1) begin : g_lane
            for (level = 0; level <= LEVELS; level = level + 1) begin : g_level
                localparam integer COUNT = (LEAVES + (1 << level) - 1) >> level;
                localparam integer BITS = HALF + level;
                wire [COUNT*BITS-1:0] halves;
                wire [COUNT*BITS-1:0] results;
                for (i = 0; i < COUNT; i = i + 1) begin : g_node
                    wire [BITS-1:0] half;
                    if (level == 0 && LEAF == 3) begin : g_three
                        // Positive bits less half of all bits, rounded up.
                        wire [2:0] bits = values[i*3+:3];
                        wire [2:0] plus = bits & ~{turns[(3*i+2)*LANES+k], turns[(3*i+1)*LANES+k],
                                                   turns[3*i*LANES+k]};
                        wire [1:0] count = {(plus[0] & plus[1]) | (plus[2] & (plus[0] | plus[1])),
                                            ^plus};
                        wire [1:0] less = {&bits, |bits & ~&bits};
                        assign half = {count[1] ^ less[1] ^ (~count[0] & less[0]), count[0] ^ less[0]};
                    end else if (level == 0) begin : g_value
                        wire sign = turns[i*LANES+k];
                        wire [X_BITS:0] own = {X_SIGNED != 0 && values[(i+1)*X_BITS-1],
                                               values[i*X_BITS+:X_BITS]};
                        genvar b;
                        for (b = 1; b <= X_BITS; b = b + 1) begin : g_bit
                            assign half[b-1] = own[b] ^ (sign & |own[b-1:0]);
                        end
                    end else if (2 * i + 1 < ((LEAVES + (1 << (level - 1)) - 1) >> (level - 1))) begin : g_two
                        wire signed [BITS-2:0] one = g_level[level-1].halves[2*i*(BITS-1)+:BITS-1];
                        wire signed [BITS-2:0] other = g_level[level-1].halves[(2*i+1)*(BITS-1)+:BITS-1];
                        wire carry = g_odd[level].carries[i];
                        wire signed [BITS:0] sum = $signed({one, carry}) + $signed({other, carry});
                        assign half = sum[BITS:1];
                    end else begin : g_one
                        wire signed [BITS-2:0] only = g_level[level-1].halves[2*i*(BITS-1)+:BITS-1];
                        assign half = {only[BITS-2], only};
                    end
                    assign results[i*BITS+:BITS] = half;
                end
                if (level % 2 == 0 || level == LEVELS) begin : g_register
                    reg [COUNT*BITS-1:0] held;
                    always @(posedge clk) held <= results;
                    assign halves = held;
                end else begin : g_wire
                    assign halves = results;
                end
            end
            assign sums[k*SUM+:SUM] = {g_level[LEVELS].halves, g_odd[LEVELS].odd};
        end
    endgenerate
endmodule

`default_nettype wire
