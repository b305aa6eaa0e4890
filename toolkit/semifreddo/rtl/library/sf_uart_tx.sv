// Sends bytes over a serial line: 8 data bits, no parity, one stop bit, DIVISOR cycles per bit.
`default_nettype none

module sf_uart_tx #(
    parameter integer DIVISOR = 100
) (
    input  wire       clk,
    input  wire       rst,
    input  wire       valid,
    output wire       ready,
    input  wire [7:0] data,
    output wire       line
);
    localparam integer COUNT = $clog2(DIVISOR);
    localparam [31:0] WHOLE = DIVISOR - 1;

    reg [9:0] bits;  // what is still to be sent; ones behind it keep the line high
    reg [3:0] left;
    reg [COUNT-1:0] count;

    assign line  = bits[0];
    assign ready = left == 0;

    always @(posedge clk) begin
        if (rst) begin
            bits <= '1;
            left <= '0;
        end else if (ready) begin
            count <= WHOLE[COUNT-1:0];
            if (valid) begin
                bits <= {1'b1, data, 1'b0};
                left <= 4'd10;
            end
        end else if (count != 0) count <= count - 1'b1;
        else begin
            count <= WHOLE[COUNT-1:0];
            bits  <= {1'b1, bits[9:1]};
            left  <= left - 1'b1;
        end
    end
endmodule

`default_nettype wire
