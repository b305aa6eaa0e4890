// Simulation only: what passes on a stream, and how often it waited.
//
// +probe=FILE writes "w WORD_IN_HEX NAME" for every word; +states=FILE writes, when the simulation
// ends, "h WORDS STALLED STARVED VALID READY NAME": cycles in which a word waited for its reader,
// cycles in which the reader waited for a word, and the handshake at the end.
`default_nettype none

module sf_probe #(
    parameter NAME = "layer",
    parameter integer BITS = 8,
    parameter integer WORDS = 1,   // per pass of a folded block,
    parameter integer PASSES = 1,  // of which only
    parameter integer PASS = 0     // is recorded
) (
    input wire            clk,
    input wire            rst,
    input wire            valid,
    input wire            ready,
    input wire [BITS-1:0] data
);
    integer file;
    string name;
    longint words;
    longint stalled;
    longint starved;
    integer word;  // of the pass
    integer pass;
    wire here = pass == PASS;

    initial begin
        file = 0;
        words = 0;
        stalled = 0;
        starved = 0;
        if ($value$plusargs("probe=%s", name)) file = $fopen(name, "a");
    end

    always @(posedge clk) begin
        if (rst) begin
            word <= 0;
            pass <= 0;
        end else if (valid && ready) begin
            word <= word == WORDS - 1 ? 0 : word + 1;
            if (word == WORDS - 1) pass <= pass == PASSES - 1 ? 0 : pass + 1;
        end
        if (!rst && here) begin
            if (valid && ready) words <= words + 1;
            if (valid && !ready) stalled <= stalled + 1;
            if (!valid && ready) starved <= starved + 1;
            if (valid && ready && file != 0) begin
                $fwrite(file, "w %h %s\n", data, NAME);
                $fflush(file);  // all probes write to one file, line by line
            end
        end
    end

    final begin
        if (file != 0) $fclose(file);
        if ($value$plusargs("states=%s", name)) begin
            file = $fopen(name, "a");
            $fwrite(file, "h %0d %0d %0d %0d %0d %s\n", words, stalled, starved, valid && here,
                    ready, NAME);
            $fclose(file);
        end
    end
endmodule

`default_nettype wire
