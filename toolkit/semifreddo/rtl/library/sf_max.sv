// Largest of TERMS numbers: a tree with a register behind every second level of comparators.
`default_nettype none

module sf_max #(
    parameter integer TERMS  = 4,
    parameter integer BITS   = 8,
    parameter integer SIGNED = 0,
    parameter integer LEVELS = TERMS > 1 ? $clog2(TERMS) : 0
) (
    input  wire                  clk,
    input  wire [TERMS*BITS-1:0] terms,
    output wire [      BITS-1:0] result
);
    genvar level, i;
    generate
        for (level = 0; level <= LEVELS; level = level + 1) begin : g_level
            localparam integer COUNT = (TERMS + (1 << level) - 1) >> level;
            wire [COUNT*BITS-1:0] values;
            if (level == 0) begin : g_terms
                assign values = terms;
            end else begin : g_compare
                localparam integer BEFORE = (TERMS + (1 << (level - 1)) - 1) >> (level - 1);
                wire [COUNT*BITS-1:0] larger;
                for (i = 0; i < COUNT; i = i + 1) begin : g_pair
                    wire [BITS-1:0] a = g_level[level-1].values[2*i*BITS+:BITS];
                    if (2 * i + 1 < BEFORE) begin : g_two
                        wire [BITS-1:0] b = g_level[level-1].values[(2*i+1)*BITS+:BITS];
                        wire less = SIGNED != 0 ? $signed(a) < $signed(b) : a < b;
                        assign larger[i*BITS+:BITS] = less ? b : a;
                    end else begin : g_one
                        assign larger[i*BITS+:BITS] = a;
                    end
                end
                if (level % 2 == 0 || level == LEVELS) begin : g_register
                    reg [COUNT*BITS-1:0] held;
                    always @(posedge clk) held <= larger;
                    assign values = held;
                end else begin : g_wire
                    assign values = larger;
                end
            end
        end
    endgenerate
    assign result = g_level[LEVELS].values;
endmodule

`default_nettype wire
