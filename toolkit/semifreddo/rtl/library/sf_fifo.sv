// First-in first-out buffer of DEPTH words in distributed memory, first word falls through.
//
// A full FIFO drops what is pushed: whoever pushes must know that there is room, from `in_ready`
// or from a credit counter (sf_issue).
`default_nettype none

module sf_fifo #(
    parameter integer BITS  = 8,
    parameter integer DEPTH = 2
) (
    input  wire            clk,
    input  wire            rst,
    input  wire            in_valid,
    output wire            in_ready,
    input  wire [BITS-1:0] in_data,
    output wire            out_valid,
    input  wire            out_ready,
    output wire [BITS-1:0] out_data
);
    localparam integer PTR = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam integer COUNT = $clog2(DEPTH + 1);
    localparam [31:0] LAST = DEPTH - 1;
    localparam [31:0] FULL = DEPTH;

    reg [BITS-1:0] words[0:DEPTH-1];
    reg [PTR-1:0] head;
    reg [PTR-1:0] tail;
    reg [COUNT-1:0] count;

    assign in_ready  = count != FULL[COUNT-1:0];
    assign out_valid = count != 0;
    assign out_data  = words[head];

    wire push = in_valid && in_ready;
    wire pop = out_valid && out_ready;

    always @(posedge clk) begin
        if (push) words[tail] <= in_data;
    end

    always @(posedge clk) begin
        if (rst) begin
            head  <= '0;
            tail  <= '0;
            count <= '0;
        end else begin
            if (push) tail <= tail == LAST[PTR-1:0] ? '0 : tail + 1'b1;
            if (pop) head <= head == LAST[PTR-1:0] ? '0 : head + 1'b1;
            if (push && !pop) count <= count + 1'b1;
            if (pop && !push) count <= count - 1'b1;
        end
    end
endmodule

`default_nettype wire
