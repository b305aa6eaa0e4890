// Brings a number into another fixed-point format: rounding, then overflow. Combinational.
//
// `value` is signed; OFFSET (in units of value's last bit) is a constant added before rounding, so
// that a frozen bias costs no adder of its own. The names of the modes are those of
// semifreddo.core.fixed.
`default_nettype none

module sf_cast #(
    parameter integer IN_BITS = 16,
    parameter integer DROP = 4,  // fraction bits to discard; negative appends zeros
    parameter integer OUT_BITS = 8,
    parameter integer OUT_SIGNED = 0,
    parameter ROUNDING = "HALF_EVEN",
    parameter OVERFLOW = "SATURATE",
    parameter integer OFFSET_BITS = 1,
    parameter signed [OFFSET_BITS-1:0] OFFSET = 0
) (
    input  wire [ IN_BITS-1:0] value,
    output wire [OUT_BITS-1:0] result
);
    // Wide enough that nothing is lost before the overflow rule; tools trim what is constant.
    localparam integer WIDER = IN_BITS > OFFSET_BITS ? IN_BITS : OFFSET_BITS;
    localparam integer WIDEST = WIDER > OUT_BITS ? WIDER : OUT_BITS;
    localparam integer WIDE = (WIDEST > DROP ? WIDEST : DROP + 1) + 2 + (DROP < 0 ? -DROP : 0);

    wire signed [WIDE-1:0] exact = {{(WIDE - IN_BITS) {value[IN_BITS-1]}}, value};
    wire signed [WIDE-1:0] constant = {{(WIDE - OFFSET_BITS) {OFFSET[OFFSET_BITS-1]}}, OFFSET};
    wire signed [WIDE-1:0] rounded;

    generate
        if (DROP <= 0) begin : g_grow
            assign rounded = (exact + constant) <<< -DROP;
        end else begin : g_round
            localparam [WIDE-1:0] ONE = 1;
            localparam [WIDE-1:0] HALF = ONE << (DROP - 1);
            wire signed [WIDE-1:0] sum;
            if (ROUNDING == "FLOOR") begin : g_floor
                assign sum = exact + constant;
            end else if (ROUNDING == "HALF_UP" || ROUNDING == "HALF_EVEN") begin : g_half
                assign sum = exact + $signed(constant + $signed(HALF));
            end else if (ROUNDING == "HALF_DOWN") begin : g_half_down
                assign sum = exact + $signed(constant + $signed(HALF - ONE));
            end else begin : g_by_sign
                wire signed [WIDE-1:0] biased = exact + constant;
                wire negative = biased[WIDE-1];
                wire [WIDE-1:0] toward_zero = negative ? (HALF << 1) - ONE : {WIDE{1'b0}};
                wire [WIDE-1:0] half_zero = negative ? HALF : HALF - ONE;
                wire [WIDE-1:0] half_away = negative ? HALF - ONE : HALF;
                if (ROUNDING == "TOWARD_ZERO") begin : g_zero
                    assign sum = biased + $signed(toward_zero);
                end else if (ROUNDING == "HALF_TOWARD_ZERO") begin : g_half_zero
                    assign sum = biased + $signed(half_zero);
                end else begin : g_half_away
                    assign sum = biased + $signed(half_away);
                end
            end
            wire signed [WIDE-1:0] shifted = sum >>> DROP;
            if (ROUNDING == "HALF_EVEN") begin : g_even
                // A tie was rounded up: the even neighbour is found by clearing the last bit.
                wire tie = sum[DROP-1:0] == 0;
                assign rounded = {shifted[WIDE-1:1], shifted[0] && !tie};
            end else begin : g_as_is
                assign rounded = shifted;
            end
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
