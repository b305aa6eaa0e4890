// Loadable weights, twice: one bank is read while the other is written.
//
// ROWS rows of ROW_WORDS words of 32 bits come in in the order of the address map (a row starts
// at a word, lowest bits first). What is read at once is a line of PER_LINE rows, the first in the
// lowest bits, and of these rows one unit of UNIT_WORDS words: the memory is as narrow, and as deep,
// as its reader allows, so that tools make a few block memories of it. Rows behind the last one, and
// bits behind the end of a row, read as anything.
//
// Whether a word belongs here is decided in the cycle in which it comes, and it is written in the next.
//
// REGISTERED = 1: what is read comes a cycle later, out of a register beside its memory. A tool that
// keeps modules apart makes a block memory only where it sees that register. Memories of BLOCK_BITS or
// more bits are block memories then, all others are made of LUTs (0: all of LUTs).
//
// KEPT = 16: of every two bits only the higher one is kept, the sign of a value that is -1 or 1. A word
// has so many bits then, here and for the reader.
//
// TERMS = 1 or 2: of values of VALUE bits, several in a word, only the codes are kept that `sf_terms` makes.
//
// A layer that runs several times per image has a region of the address map for each of its passes;
// `read_select` is the bank (lowest bit) and, above it, the pass.
`default_nettype none

module sf_bank #(
    parameter integer                  ROWS     = 9,
    parameter integer                  PER_LINE = 1,
    parameter integer                  UNIT_WORDS = 1,
    parameter integer                  REGIONS  = 1,
    parameter integer                  REGISTERED = 0,
    parameter integer                  BLOCK_BITS = 0,
    parameter integer                  KEPT     = 32,                                 // bits of a word that are kept
    parameter integer                  TERMS    = 0,
    parameter integer                  VALUE    = 8,
    parameter integer                  POWERS   = 7,
    parameter integer                  CODE     = 4,
    parameter         [REGIONS*32-1:0] OFFSETS  = 0,                                  // first word of each in the address map
    parameter integer                  LINES    = 9,
    parameter integer                  ROW_WORDS = 1,                                 // words of a row
    parameter integer                  UNITS    = 1,
    parameter integer                  READ     = 8,                                  // bits of a row that are read
    parameter integer                  LINE     = LINES > 1 ? $clog2(LINES) : 1,
    parameter integer                  SELECT   = 1 + (REGIONS > 1 ? $clog2(REGIONS) : 0),
    parameter integer                  UNIT     = UNITS > 1 ? $clog2(UNITS) : 1
) (
    input  wire                         clk,
    input  wire                         load_start,
    input  wire                         load_valid,
    input  wire                         load_bank,
    input  wire [                 31:0] load_address,
    input  wire [                 31:0] load_data,
    input  wire [           SELECT-1:0] read_select,
    input  wire [             LINE-1:0] read_line,
    input  wire [             UNIT-1:0] read_unit,
    output wire [    PER_LINE*READ-1:0] read_data
);
    localparam integer ROW = PER_LINE > 1 ? $clog2(PER_LINE) : 1;
    localparam integer WORD = UNIT_WORDS > 1 ? $clog2(UNIT_WORDS) : 1;
    localparam integer DEPTH = SELECT + LINE + (UNITS > 1 ? UNIT : 0);
    localparam [31:0] WORDS = ROWS * ROW_WORDS;
    localparam [31:0] LAST_ROW = PER_LINE - 1;
    localparam [31:0] LAST_WORD = UNIT_WORDS - 1;
    localparam [31:0] LAST_UNIT = UNITS - 1;
    localparam [31:0] END = ROW_WORDS - (UNITS - 1) * UNIT_WORDS - 1;  // last word of the last unit

    // Words of a region arrive in order: where they belong is counted, not divided.
    reg [WORD-1:0] word;
    reg [UNIT-1:0] unit;
    reg [ROW-1:0] row;
    reg [LINE-1:0] line;
    wire unit_ends = word == LAST_WORD[WORD-1:0];
    wire row_ends = word == END[WORD-1:0] && unit == LAST_UNIT[UNIT-1:0];
    wire line_ends = row_ends && row == LAST_ROW[ROW-1:0];
    reg starts;
    reg bank;
    wire [KEPT-1:0] kept;
    reg [KEPT-1:0] data;
    reg [REGIONS-1:0] hits;
    reg [REGIONS-1:0] ends;
    wire [SELECT-1:0] write_select;
    wire hit = |hits;
    always @(posedge clk) begin
        starts <= load_start;
        bank <= load_bank;
        data <= kept;
    end

    genvar r, s;
    generate
        if (TERMS > 0) begin : g_codes
            for (s = 0; s < 32 / VALUE; s = s + 1) begin : g_value
                sf_terms #(
                    .BITS  (VALUE),
                    .TERMS (TERMS),
                    .POWERS(POWERS),
                    .CODE  (CODE)
                ) terms (
                    .value(load_data[s*VALUE+:VALUE]),
                    .codes(kept[s*TERMS*CODE+:TERMS*CODE])
                );
            end
        end else begin : g_bits
            for (s = 0; s < KEPT; s = s + 1) begin : g_kept
                assign kept[s] = load_data[(s+1)*(32/KEPT)-1];
            end
        end
        for (r = 0; r < REGIONS; r = r + 1) begin : g_region
            localparam [31:0] FIRST = OFFSETS[r*32+:32];
            always @(posedge clk) begin
                hits[r] <= load_valid && load_address >= FIRST && load_address < FIRST + WORDS;
                ends[r] <= load_valid && load_address == FIRST + WORDS - 1;
            end
        end
        if (REGIONS > 1) begin : g_passes
            reg [SELECT-2:0] region;
            integer i;
            always @* begin
                region = '0;
                for (i = 0; i < REGIONS; i = i + 1) if (hits[i]) region = region | i[SELECT-2:0];
            end
            assign write_select = {region, bank};
        end else begin : g_one
            assign write_select = bank;
        end
    endgenerate

    always @(posedge clk) begin
        if (starts || |ends) begin
            word <= '0;
            unit <= '0;
            row  <= '0;
            line <= '0;
        end else if (hit) begin
            word <= row_ends || unit_ends ? '0 : word + 1'b1;
            if (row_ends) unit <= '0;
            else if (unit_ends) unit <= unit + 1'b1;
            if (row_ends) row <= line_ends ? '0 : row + 1'b1;
            if (line_ends) line <= line + 1'b1;
        end
    end

    wire [DEPTH-1:0] write_place;
    wire [DEPTH-1:0] read_place;
    generate
        if (UNITS > 1) begin : g_units
            assign write_place = {write_select, unit, line};
            assign read_place  = {read_select, read_unit, read_line};
        end else begin : g_rows
            assign write_place = {write_select, line};
            assign read_place  = {read_select, read_line};
        end
        for (r = 0; r < PER_LINE; r = r + 1) begin : g_row
            for (s = 0; s < UNIT_WORDS; s = s + 1) begin : g_word
                localparam integer BITS = READ - s * KEPT < KEPT ? READ - s * KEPT : KEPT;
                wire writes = hit && row == r && word == s;
                if (REGISTERED != 0 && BLOCK_BITS != 0 && BITS >= BLOCK_BITS) begin : g_block
                    (* ram_style = "block" *) reg [BITS-1:0] words[0:2**DEPTH-1];
                    reg [BITS-1:0] out;
                    always @(posedge clk) begin
                        if (writes) words[write_place] <= data[BITS-1:0];
                        out <= words[read_place];
                    end
                    assign read_data[r*READ+s*KEPT+:BITS] = out;
                end else begin : g_luts
                    (* ram_style = "distributed" *) reg [BITS-1:0] words[0:2**DEPTH-1];
                    wire [BITS-1:0] found = words[read_place];
                    always @(posedge clk) if (writes) words[write_place] <= data[BITS-1:0];
                    if (REGISTERED != 0) begin : g_register
                        reg [BITS-1:0] out;
                        always @(posedge clk) out <= found;
                        assign read_data[r*READ+s*KEPT+:BITS] = out;
                    end else begin : g_wire
                        assign read_data[r*READ+s*KEPT+:BITS] = found;
                    end
                end
            end
        end
    endgenerate
endmodule

`default_nettype wire
