// Whether the next word of a stream belongs to pass PASS of a folded block.
`default_nettype none

module sf_pass #(
    parameter integer WORDS  = 16,  // per pass
    parameter integer PASSES = 1,   // per image
    parameter integer PASS   = 0
) (
    input  wire clk,
    input  wire rst,
    input  wire taken,
    output wire here
);
    localparam integer COUNT = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam integer NUMBER = PASSES > 1 ? $clog2(PASSES) : 1;
    localparam [31:0] LAST = WORDS - 1;
    localparam [31:0] LAST_PASS = PASSES - 1;
    localparam [31:0] WANTED = PASS;

    reg [COUNT-1:0] word;
    reg [NUMBER-1:0] pass;
    wire word_last = word == LAST[COUNT-1:0];
    wire pass_last = pass == LAST_PASS[NUMBER-1:0];

    assign here = pass == WANTED[NUMBER-1:0];

    always @(posedge clk) begin
        if (rst) begin
            word <= '0;
            pass <= '0;
        end else if (taken) begin
            word <= word_last ? '0 : word + 1'b1;
            if (word_last) pass <= pass_last ? '0 : pass + 1'b1;
        end
    end
endmodule

`default_nettype wire
