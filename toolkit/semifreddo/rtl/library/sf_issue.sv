// Starts one operand every CYCLES cycles in a pipeline that never stops.
//
// Instead of a clock enable that stalls the whole pipeline (and whose fan-out becomes the critical
// path), an operand only enters if the FIFO behind the pipeline is sure to have room for its
// result: `credits` counts the free places that no operand on its way will take.
//
// The operand must stay on its stream for CYCLES cycles (phase 0 .. CYCLES-1); it is taken in the
// last one. That is known a cycle before, so where CYCLES > 1 `in_ready` comes from a register, and
// no path leads through the layer to the stream before it.
`default_nettype none

module sf_issue #(
    parameter integer CYCLES = 1,
    parameter integer DEPTH  = 4,
    parameter integer PHASE  = CYCLES > 1 ? $clog2(CYCLES) : 1
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             in_valid,
    output wire             in_ready,
    input  wire             yields,    // the operand will give a result
    input  wire             pop,       // a result left the FIFO
    output wire             active,    // the pipeline works on the operand in this cycle
    output wire             first,     // phase is 0, from a register
    output wire [PHASE-1:0] phase
);
    localparam integer CREDIT = $clog2(DEPTH + 1);
    localparam [31:0] FULL = DEPTH;

    reg [CREDIT-1:0] credits;
    reg any_credit;  // credits != 0
    reg [PHASE-1:0] step;

    wire begins = active && first && yields;

    assign phase = step;
    assign active = in_valid && (!first || any_credit);

    generate
        if (CYCLES > 1) begin : g_several
            localparam [31:0] BEFORE = CYCLES - 2;
            reg last;  // step is CYCLES - 1
            reg starts;
            always @(posedge clk) begin
                last <= !rst && active && step == BEFORE[PHASE-1:0];
                if (rst) starts <= 1'b1;
                else if (active) starts <= last;
            end
            assign first = starts;
            assign in_ready = last;
        end else begin : g_one
            assign first = 1'b1;
            assign in_ready = active;
        end
    endgenerate

    always @(posedge clk) begin
        if (rst) begin
            credits <= FULL[CREDIT-1:0];
            any_credit <= 1'b1;
            step <= '0;
        end else begin
            if (active) step <= in_ready ? '0 : step + 1'b1;
            if (begins && !pop) begin
                credits <= credits - 1'b1;
                any_credit <= credits != 1;
            end
            if (pop && !begins) begin
                credits <= credits + 1'b1;
                any_credit <= 1'b1;
            end
        end
    end
endmodule

`default_nettype wire
