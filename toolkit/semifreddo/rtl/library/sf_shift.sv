// Sum of ROWS products with weights that are sums of TERMS signed powers of two: shifts, no multiplier. The
// operands are registers of the caller.
//
// A term is CODE bits: the exponent, counted down from all ones, of POWERS exponents from 0 on, and no bit
// set where the term is zero; above it the sign, not set either where the term is zero (`sf_terms` makes
// codes). A value is shifted in two steps. First by the lower bits of the exponent, up to three places,
// into a register: a bit is one function of six signals. Then by its highest bit, with the sign: that is a
// function of five signals, and the sixth is the sum of the terms before, so a bit of it is one LUT in
// front of the carry chain that adds the term. A negative term is its complement and a carry into the chain.
//
// Two terms are added in a cycle: LATENCY is 1 + ceil(DEPTH * TERMS / 2). DEPTH is the most rows of those
// that are summed up beside each other; a sum of fewer waits.
`default_nettype none

module sf_shift #(
    parameter integer X_BITS   = 8,
    parameter integer X_SIGNED = 0,
    parameter integer ROWS     = 1,
    parameter integer DEPTH    = ROWS,
    parameter integer TERMS    = 1,  // of a weight
    parameter integer POWERS   = 7,
    parameter integer CODE     = $clog2(POWERS + 1) + 1,
    parameter integer SUM      = X_BITS + POWERS + (DEPTH * TERMS > 1 ? $clog2(DEPTH * TERMS) : 0)
) (
    input  wire                       clk,
    input  wire [    ROWS*X_BITS-1:0] x,
    input  wire [ROWS*TERMS*CODE-1:0] w,
    output wire [            SUM-1:0] sum
);
    localparam integer ALL = ROWS * TERMS;
    localparam integer LATE = (DEPTH * TERMS + 1) / 2 - (ALL + 1) / 2;
    localparam integer HIGH = POWERS > 2 ? $clog2(POWERS) - 1 : 0;  // bit of the exponent that comes second
    localparam integer FINE = X_BITS + (1 << HIGH) - 1;
    localparam integer HELD = FINE + 3;
    localparam integer TERM = X_BITS + POWERS;

    genvar i, d;
    generate
        for (i = 0; i < ALL; i = i + 1) begin : g_term
            wire [X_BITS-1:0] value = x[(i/TERMS)*X_BITS+:X_BITS];
            wire [CODE-1:0] code = w[i*CODE+:CODE];
            // Where the exponents are two to some power, all that are not zero have the highest bit set.
            wire some = (POWERS & (POWERS - 1)) == 0 ? code[CODE-2] : |code[CODE-2:0];
            wire near = POWERS == 1 || code[HIGH];
            wire [FINE-1:0] wide = {{(FINE - X_BITS) {X_SIGNED != 0 && value[X_BITS-1]}}, value};
            wire [FINE-1:0] shifted;
            if (HIGH > 0) begin : g_low
                assign shifted = wide << ~code[HIGH-1:0];
            end else begin : g_same
                assign shifted = wide;
            end
            for (d = 0; d <= i / 2; d = d + 1) begin : g_wait
                reg [HELD-1:0] held;
                if (d == 0) begin : g_first
                    always @(posedge clk) held <= {code[CODE-1], near, some, shifted};
                end else begin : g_next
                    always @(posedge clk) held <= g_wait[d-1].held;
                end
            end
            wire [FINE-1:0] fine;
            wire negative, first, counts;
            assign {negative, first, counts, fine} = g_wait[i/2].held;

            localparam integer BITS = TERM + (i > 0 ? $clog2(i + 1) : 0);
            wire [TERM-1:0] low = {{(TERM - FINE) {X_SIGNED != 0 && fine[FINE-1]}}, fine};
            wire [TERM-1:0] times = !counts ? '0 : first ? low : low << (1 << HIGH);
            wire signed [TERM-1:0] turned = times ^ {TERM{negative}};
            wire signed [BITS-1:0] added = turned;
            wire signed [BITS-1:0] carried;
            if (i == 0) begin : g_start
                assign carried = '0;
            end else begin : g_add
                assign carried = g_term[i-1].out;
            end
            // The difference keeps `carried` the operand beside the chain, where only a plain signal
            // costs nothing.
            wire [BITS:0] total = {carried, negative} - {~added, ~negative};
            wire signed [BITS-1:0] out;
            if (i % 2 == 1 || i == ALL - 1) begin : g_register
                reg [BITS-1:0] result;
                always @(posedge clk) result <= total[BITS:1];
                assign out = result;
            end else begin : g_wire
                assign out = total[BITS:1];
            end
        end
        for (d = 0; d <= LATE; d = d + 1) begin : g_late
            wire signed [SUM-1:0] result;
            if (d == 0) begin : g_now
                assign result = g_term[ALL-1].out;
            end else begin : g_next
                reg [SUM-1:0] held;
                always @(posedge clk) held <= g_late[d-1].result;
                assign result = held;
            end
        end
    endgenerate
    assign sum = g_late[LATE].result;
endmodule

`default_nettype wire
