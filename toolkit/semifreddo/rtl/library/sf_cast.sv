// Brings a number into another fixed-point format: rounding, then overflow. Combinational.
//
// `value` is signed; OFFSET (in units of value's last bit) is a constant added before rounding, so
// that a frozen bias costs no adder of its own. NEGATE takes the negative of `value`, at no cost.
// ADDED says that the constant of the rounding is in `value` already. SUM_BITS and SUM_SIGNED are
// the exact size of everything added up: the adder is no wider. The names of the modes are those
// of semifreddo.core.fixed.
`default_nettype none

module sf_cast #(
    parameter integer IN_BITS = 16,
    parameter integer DROP = 4,  // fraction bits to discard; negative appends zeros
    parameter integer OUT_BITS = 8,
    parameter integer OUT_SIGNED = 0,
    parameter ROUNDING = "HALF_EVEN",
    parameter OVERFLOW = "SATURATE",
    parameter integer OFFSET_BITS = 1,
    parameter signed [OFFSET_BITS-1:0] OFFSET = 0,
    parameter integer NEGATE = 0,
    parameter integer ADDED = 0,
    parameter integer WIDER = IN_BITS > OFFSET_BITS ? IN_BITS : OFFSET_BITS,
    parameter integer SUM_BITS = (WIDER > DROP ? WIDER : DROP) + 2,  // always two's complement
    parameter integer SUM_SIGNED = 1
) (
    input  wire [ IN_BITS-1:0] value,
    output wire [OUT_BITS-1:0] result
);
    localparam integer UP = DROP < 0 ? -DROP : 0;
    localparam integer DOWN = DROP > 0 ? DROP : 0;

    // The adder: right modulo 2**SUM_BITS, and its result fits.
    localparam integer ALL_A = IN_BITS > SUM_BITS ? IN_BITS : SUM_BITS;
    localparam integer ALL_B = ALL_A > OFFSET_BITS ? ALL_A : OFFSET_BITS;
    localparam integer ALL = (ALL_B > DOWN ? ALL_B : DOWN) + 2;
    localparam [ALL-1:0] ONE = 1;
    localparam [ALL-1:0] HALF = DOWN > 0 ? ONE << (DOWN > 0 ? DOWN - 1 : 0) : {ALL{1'b0}};
    localparam [ALL-1:0] PLAIN =
        ADDED != 0 ? {ALL{1'b0}} :
        ROUNDING == "HALF_UP" || ROUNDING == "HALF_EVEN" ? HALF :
        ROUNDING == "HALF_DOWN" && DOWN > 0 ? HALF - ONE : {ALL{1'b0}};
    localparam [ALL-1:0] MINUS = NEGATE != 0 ? ONE : {ALL{1'b0}};
    localparam [ALL-1:0] CONSTANT =
        {{(ALL - OFFSET_BITS) {OFFSET[OFFSET_BITS-1]}}, OFFSET} + PLAIN + MINUS;
    localparam integer BY_SIGN = DOWN > 0 && (ROUNDING == "TOWARD_ZERO"
        || ROUNDING == "HALF_TOWARD_ZERO" || ROUNDING == "HALF_AWAY") ? 1 : 0;

    wire [ALL-1:0] given = {{(ALL - IN_BITS) {value[IN_BITS-1]}}, value};
    wire [SUM_BITS-1:0] exact = NEGATE != 0 ? ~given[SUM_BITS-1:0] : given[SUM_BITS-1:0];
    wire [SUM_BITS-1:0] moved = CONSTANT[SUM_BITS-1:0] + exact;
    wire [SUM_BITS-1:0] sum;

    generate
        if (BY_SIGN != 0) begin : g_by_sign
            wire negative = SUM_SIGNED != 0 && moved[SUM_BITS-1];
            wire [ALL-1:0] extra =
                ROUNDING == "TOWARD_ZERO" ? (negative ? (HALF << 1) - ONE : {ALL{1'b0}}) :
                ROUNDING == "HALF_TOWARD_ZERO" ? (negative ? HALF : HALF - ONE) :
                (negative ? HALF - ONE : HALF);
            assign sum = moved + extra[SUM_BITS-1:0];
        end else begin : g_constant
            assign sum = moved;
        end
    endgenerate

    // Wider only in wires from here on.
    localparam integer WIDE_A = SUM_BITS > OUT_BITS ? SUM_BITS : OUT_BITS;
    localparam integer WIDE = (WIDE_A > DOWN ? WIDE_A : DOWN) + 2 + UP;
    wire sign = SUM_SIGNED != 0 && sum[SUM_BITS-1];
    wire signed [WIDE-1:0] wide = {{(WIDE - SUM_BITS + 1) {sign}}, sum[SUM_BITS-2:0]};
    wire signed [WIDE-1:0] rounded;

    generate
        if (DROP <= 0) begin : g_grow
            assign rounded = wide <<< UP;
        end else if (ROUNDING == "HALF_EVEN") begin : g_even
            // A tie was rounded up: the even neighbour is found by clearing the last bit.
            wire [WIDE-1:0] shifted = wide >>> DOWN;
            wire tie = wide[DOWN-1:0] == 0;
            assign rounded = {shifted[WIDE-1:1], shifted[0] && !tie};
        end else begin : g_floor
            assign rounded = wide >>> DOWN;
        end
    endgenerate

    generate
        if (OVERFLOW == "WRAP") begin : g_wrap
            assign result = rounded[OUT_BITS-1:0];
        end else if (OUT_SIGNED != 0) begin : g_signed
            wire negative = rounded[WIDE-1];
            wire in_range = rounded[WIDE-1:OUT_BITS-1] == {(WIDE - OUT_BITS + 1) {negative}};
            wire [OUT_BITS-1:0] clipped;
            if (OUT_BITS > 1) begin : g_limit
                assign clipped = in_range ? rounded[OUT_BITS-1:0]
                                        : {negative, {(OUT_BITS - 1) {!negative}}};
            end else begin : g_bit
                assign clipped = in_range ? rounded[OUT_BITS-1:0] : negative;
            end
            if (OVERFLOW == "SATURATE_SYMMETRIC") begin : g_symmetric
                // The lowest code has only its sign bit set; its last bit is set instead.
                localparam [OUT_BITS-1:0] LOWEST = {1'b1, {(OUT_BITS - 1) {1'b0}}};
                assign result = clipped == LOWEST ? LOWEST | 1'b1 : clipped;
            end else begin : g_full
                assign result = clipped;
            end
        end else begin : g_unsigned
            wire negative = rounded[WIDE-1];
            wire above = |rounded[WIDE-2:OUT_BITS];
            assign result = negative ? 0 : rounded[OUT_BITS-1:0] | {OUT_BITS{above}};
        end
    endgenerate
endmodule

`default_nettype wire
