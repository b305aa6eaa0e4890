// Gives every word of a stream to READERS readers, each at its own pace within a word.
`default_nettype none

module sf_fork #(
    parameter integer READERS = 2
) (
    input  wire               clk,
    input  wire               rst,
    input  wire               in_valid,
    output wire               in_ready,
    output wire [READERS-1:0] out_valid,
    input  wire [READERS-1:0] out_ready
);
    reg [READERS-1:0] served;
    wire [READERS-1:0] now = served | out_ready;

    assign in_ready  = &now;
    assign out_valid = {READERS{in_valid}} & ~served;

    always @(posedge clk) begin
        if (rst || (in_valid && in_ready)) served <= '0;
        else if (in_valid) served <= now;
    end
endmodule

`default_nettype wire
