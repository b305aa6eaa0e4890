// The codes of a value that is a sum of TERMS signed powers of two, as `sf_shift` reads them; of any other
// value they mean something else. The value is two's complement and at most 1.5 times the largest power.
`default_nettype none

module sf_terms #(
    parameter integer BITS   = 8,
    parameter integer TERMS  = 1,
    parameter integer POWERS = 7,
    parameter integer CODE   = 4
) (
    input  wire [      BITS-1:0] value,
    output wire [TERMS*CODE-1:0] codes
);
    localparam [CODE-2:0] ONES = '1;

    wire negative = value[BITS-1];
    reg [CODE-2:0] low;  // of the lowest bit, which a number and its negative have in common
    integer i;
    always @* begin
        low = '0;
        for (i = POWERS - 1; i >= 0; i = i - 1) if (value[i]) low = ONES - i[CODE-2:0];
    end

    generate
        if (TERMS == 1) begin : g_one
            assign codes = {negative, low};
        end else begin : g_two
            // Three bits in a row are a power less a smaller one; all others are two powers, or one.
            wire [BITS-1:0] size = negative ? -value : value;
            wire less = |(size & size >> 1 & size >> 2);
            reg [CODE-2:0] high;
            integer j;
            always @* begin
                high = '0;
                for (j = 0; j < POWERS; j = j + 1) if (size[j]) high = ONES - j[CODE-2:0];
            end
            wire single = high == low;
            assign codes = {
                negative, less ? high - 1'b1 : high, !single && negative != less, single ? '0 : low
            };
        end
    endgenerate
endmodule

`default_nettype wire
