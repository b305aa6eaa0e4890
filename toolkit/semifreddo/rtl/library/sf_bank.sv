// Loadable weights, twice: one bank is read while the other is written.
//
// ROWS rows of ROW_BITS bits come in as 32-bit words in the order of the address map (a row starts
// at a word, lowest bits first). `read_line` gives PER_LINE rows at once, the first in the lowest
// bits; rows behind the last one read as anything and must be multiplied by zero.
//
// A layer that runs several times per image has a region of the address map for each of its passes;
// `read_select` is the bank (lowest bit) and, above it, the pass.
`default_nettype none

module sf_bank #(
    parameter integer                  ROWS     = 9,
    parameter integer                  ROW_BITS = 8,
    parameter integer                  PER_LINE = 1,
    parameter integer                  REGIONS  = 1,
    parameter         [REGIONS*32-1:0] OFFSETS  = 0,                                  // first word of each in the address map
    parameter integer                  LINES    = (ROWS + PER_LINE - 1) / PER_LINE,
    parameter integer                  LINE     = LINES > 1 ? $clog2(LINES) : 1,
    parameter integer                  SELECT   = 1 + (REGIONS > 1 ? $clog2(REGIONS) : 0)
) (
    input  wire                         clk,
    input  wire                         load_start,
    input  wire                         load_valid,
    input  wire                         load_bank,
    input  wire [                 31:0] load_address,
    input  wire [                 31:0] load_data,
    input  wire [           SELECT-1:0] read_select,
    input  wire [             LINE-1:0] read_line,
    output wire [PER_LINE*ROW_BITS-1:0] read_data
);
    localparam integer ROW_WORDS = (ROW_BITS + 31) / 32;
    localparam integer SLICES = PER_LINE * ROW_WORDS;
    localparam integer SLICE = SLICES > 1 ? $clog2(SLICES) : 1;
    localparam [31:0] WORDS = ROWS * ROW_WORDS;
    localparam [31:0] LAST_SLICE = SLICES - 1;

    // Words of a region arrive in order: which slice of which line is counted, not divided.
    reg [SLICE-1:0] slice;
    reg [LINE-1:0] line;
    wire [REGIONS-1:0] hits;
    wire [REGIONS-1:0] ends;
    wire [SELECT-1:0] write_select;
    wire hit = |hits;

    genvar r, s;
    generate
        for (r = 0; r < REGIONS; r = r + 1) begin : g_region
            localparam [31:0] FIRST = OFFSETS[r*32+:32];
            assign hits[r] = load_valid && load_address >= FIRST && load_address < FIRST + WORDS;
            assign ends[r] = load_address == FIRST + WORDS - 1;
        end
        if (REGIONS > 1) begin : g_passes
            reg [SELECT-2:0] region;
            integer i;
            always @* begin
                region = '0;
                for (i = 0; i < REGIONS; i = i + 1) if (hits[i]) region = region | i[SELECT-2:0];
            end
            assign write_select = {region, load_bank};
        end else begin : g_one
            assign write_select = load_bank;
        end
    endgenerate

    always @(posedge clk) begin
        if (load_start) begin
            slice <= '0;
            line  <= '0;
        end else if (hit) begin
            slice <= |ends || slice == LAST_SLICE[SLICE-1:0] ? '0 : slice + 1'b1;
            if (|ends) line <= '0;
            else if (slice == LAST_SLICE[SLICE-1:0]) line <= line + 1'b1;
        end
    end

    generate
        for (s = 0; s < SLICES; s = s + 1) begin : g_slice
            localparam integer START = (s % ROW_WORDS) * 32;
            localparam integer BITS = ROW_BITS - START < 32 ? ROW_BITS - START : 32;
            reg [BITS-1:0] words[0:2**(LINE+SELECT)-1];
            always @(posedge clk) begin
                if (hit && slice == s) words[{write_select, line}] <= load_data[BITS-1:0];
            end
            assign read_data[(s/ROW_WORDS)*ROW_BITS+START+:BITS] = words[{read_select, read_line}];
        end
    endgenerate
endmodule

`default_nettype wire
