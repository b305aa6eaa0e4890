// Sum of TERMS signed numbers: a tree with a register behind every second level of adders.
`default_nettype none

module sf_sum #(
    parameter integer TERMS  = 4,
    parameter integer BITS   = 8,
    parameter integer LEVELS = TERMS > 1 ? $clog2(TERMS) : 0
) (
    input  wire                          clk,
    input  wire        [ TERMS*BITS-1:0] terms,
    output wire signed [BITS+LEVELS-1:0] result
);
    localparam integer WIDE = BITS + LEVELS;

    genvar level, i;
    generate
        for (level = 0; level <= LEVELS; level = level + 1) begin : g_level
            localparam integer COUNT = (TERMS + (1 << level) - 1) >> level;
            wire [COUNT*WIDE-1:0] values;
            if (level == 0) begin : g_extend
                for (i = 0; i < COUNT; i = i + 1) begin : g_term
                    assign values[i*WIDE+:WIDE] = {
                        {LEVELS{terms[i*BITS+BITS-1]}}, terms[i*BITS+:BITS]
                    };
                end
            end else begin : g_add
                localparam integer BEFORE = (TERMS + (1 << (level - 1)) - 1) >> (level - 1);
                wire [COUNT*WIDE-1:0] sums;
                for (i = 0; i < COUNT; i = i + 1) begin : g_pair
                    if (2 * i + 1 < BEFORE) begin : g_two
                        assign sums[i*WIDE+:WIDE] = g_level[level-1].values[2*i*WIDE+:WIDE]
                            + g_level[level-1].values[(2*i+1)*WIDE+:WIDE];
                    end else begin : g_one
                        assign sums[i*WIDE+:WIDE] = g_level[level-1].values[2*i*WIDE+:WIDE];
                    end
                end
                if (level % 2 == 0 || level == LEVELS) begin : g_register
                    reg [COUNT*WIDE-1:0] held;
                    always @(posedge clk) held <= sums;
                    assign values = held;
                end else begin : g_wire
                    assign values = sums;
                end
            end
        end
    endgenerate
    assign result = g_level[LEVELS].values;
endmodule

`default_nettype wire
