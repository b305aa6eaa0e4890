// Receives bytes from a serial line: 8 data bits, no parity, one stop bit, DIVISOR cycles per bit.
//
// `bad` marks a byte without stop bit: noise, another rate, or a break (the line held low). The line
// has to be high again before the next byte.
`default_nettype none

module sf_uart_rx #(
    parameter integer DIVISOR = 100
) (
    input  wire       clk,
    input  wire       rst,
    input  wire       line,   // may change at any time
    output reg        valid,
    output reg        bad,
    output reg  [7:0] data
);
    localparam integer COUNT = $clog2(DIVISOR);
    localparam [31:0] WHOLE = DIVISOR - 1;
    localparam [31:0] HALF = DIVISOR / 2 - 1;

    reg [1:0] synchronised;
    reg [COUNT-1:0] count;
    reg [3:0] position;  // 0 the start bit, 1 to 8 data, 9 the stop bit
    reg busy;
    reg stuck;
    wire level = synchronised[1];

    always @(posedge clk) begin
        synchronised <= {synchronised[0], line};
        valid <= 1'b0;
        bad <= 1'b0;
        if (rst) begin
            busy  <= 1'b0;
            stuck <= 1'b1;
        end else if (!busy) begin
            stuck <= stuck && !level;
            busy <= !stuck && !level;
            count <= HALF[COUNT-1:0];
            position <= '0;
        end else if (count != 0) count <= count - 1'b1;
        else begin
            count <= WHOLE[COUNT-1:0];
            position <= position + 1'b1;
            if (position == 0) busy <= !level;
            else if (position != 9) data <= {level, data[7:1]};
            else begin
                busy  <= 1'b0;
                stuck <= !level;
                valid <= level;
                bad   <= !level;
            end
        end
    end
endmodule

`default_nettype wire
