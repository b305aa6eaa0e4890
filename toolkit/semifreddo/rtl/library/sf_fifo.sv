// First-in first-out buffer of DEPTH words, first word falls through.
//
// With BLOCK = 1 the words lie in block memories: these are read a cycle ahead, at the place where the
// head will be, and a word that is written there in the same cycle goes past the memory.
//
// Registers hold whether the FIFO is empty or full, because both signals travel far.
//
// A full FIFO drops what is pushed: `in_ready` tells whether there is room. With CREDITED = 1 the
// credit counter of sf_issue keeps the FIFO from overflowing, and `in_ready` means nothing.
`default_nettype none

module sf_fifo #(
    parameter integer BITS  = 8,
    parameter integer DEPTH = 2,
    parameter integer CREDITED = 0,
    parameter integer BLOCK = 0
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

    reg [PTR-1:0] head;
    reg [PTR-1:0] tail;
    reg [COUNT-1:0] count;
    reg any;  // count != 0
    reg room;  // count != DEPTH

    assign in_ready  = CREDITED != 0 || room;
    assign out_valid = any;

    wire push = in_valid && in_ready;
    wire pop = out_valid && out_ready;

    wire [PTR-1:0] head_next = !pop ? head : head == LAST[PTR-1:0] ? '0 : head + 1'b1;

    generate
        if (BLOCK != 0) begin : g_block
            (* ram_style = "block", no_rw_check *) reg [BITS-1:0] words[0:DEPTH-1];
            reg [BITS-1:0] read;
            reg [BITS-1:0] passing;
            reg passes;
            always @(posedge clk) begin
                if (push) words[tail] <= in_data;
                read <= words[head_next];
                passing <= in_data;
                passes <= push && tail == head_next;
            end
            assign out_data = passes ? passing : read;
        end else if (DEPTH > 64) begin : g_luts
            (* ram_style = "distributed" *) reg [BITS-1:0] words[0:DEPTH-1];
            always @(posedge clk) if (push) words[tail] <= in_data;
            assign out_data = words[head];
        end else begin : g_few
            reg [BITS-1:0] words[0:DEPTH-1];
            always @(posedge clk) if (push) words[tail] <= in_data;
            assign out_data = words[head];
        end
    endgenerate

    always @(posedge clk) begin
        if (rst) begin
            head  <= '0;
            tail  <= '0;
            count <= '0;
            any   <= 1'b0;
            room  <= 1'b1;
        end else begin
            if (push) tail <= tail == LAST[PTR-1:0] ? '0 : tail + 1'b1;
            head <= head_next;
            if (push && !pop) begin
                count <= count + 1'b1;
                any   <= 1'b1;
                room  <= count != LAST[COUNT-1:0];
            end
            if (pop && !push) begin
                count <= count - 1'b1;
                any   <= count != 1;
                room  <= 1'b1;
            end
        end
    end
endmodule

`default_nettype wire
