// The AXI4-Lite registers of a device; the map is in docs/rtl.md.
`default_nettype none

module sf_registers #(
    parameter [31:0] DIGEST     = 0,
    parameter [31:0] TASK_WORDS = 0,
    parameter [31:0] FORMAT     = 0   // see semifreddo.ir.bus.BusFormat
) (
    input  wire        clk,
    input  wire        rst,
    input  wire        awvalid,
    output wire        awready,
    input  wire [ 7:0] awaddr,
    input  wire        wvalid,
    output wire        wready,
    input  wire [31:0] wdata,
    output reg         bvalid,
    input  wire        bready,
    input  wire        arvalid,
    output wire        arready,
    input  wire [ 7:0] araddr,
    output reg         rvalid,
    input  wire        rready,
    output reg  [31:0] rdata,
    output reg  [15:0] batch,
    output reg         lite_request,
    input  wire        lite_granted,
    output wire        lite_valid,
    output wire [31:0] lite_data,
    input  wire        bank,
    input  wire [31:0] images_in,
    input  wire [31:0] images_out,
    input  wire [31:0] tasks,
    input  wire [ 7:0] error_pulses
);
    localparam [31:0] IDENTITY = 32'h53465231;  // "SFR1"
    localparam [5:0] ID = 0, DEVICE = 1, STATUS = 2, ERRORS = 3, IMAGES_IN = 4, IMAGES_OUT = 5;
    localparam [5:0] CYCLES = 6, CYCLES_HIGH = 7, WORDS = 8, CONTROL = 9, DATA = 10, BATCH = 11;
    localparam [5:0] TASKS = 12, SHAPE = 13;

    reg [7:0] errors;
    reg [63:0] cycles;
    reg [31:0] cycles_high;  // kept when the low half is read

    wire write = awvalid && wvalid && !bvalid;
    wire read = arvalid && !rvalid;
    wire [5:0] write_to = awaddr[7:2];
    wire [5:0] read_from = araddr[7:2];
    wire misused = write && write_to == DATA && !lite_granted;

    assign awready = write;
    assign wready = write;
    assign arready = read;
    assign lite_valid = write && write_to == DATA && lite_granted;
    assign lite_data = wdata;

    always @(posedge clk) begin
        cycles <= cycles + 1;
        errors <= (write && write_to == ERRORS ? errors & ~wdata[7:0] : errors)
                  | error_pulses | {misused, 7'd0};
        if (write) begin
            bvalid <= 1'b1;
            if (write_to == CONTROL) lite_request <= wdata[0];
            if (write_to == BATCH) batch <= wdata[15:0];
        end else if (bready) bvalid <= 1'b0;
        if (read) begin
            rvalid <= 1'b1;
            case (read_from)
                ID: rdata <= IDENTITY;
                DEVICE: rdata <= DIGEST;
                STATUS: rdata <= {28'd0, bank, images_in != images_out, lite_granted, tasks != 0};
                ERRORS: rdata <= {24'd0, errors};
                IMAGES_IN: rdata <= images_in;
                IMAGES_OUT: rdata <= images_out;
                CYCLES: rdata <= cycles[31:0];
                CYCLES_HIGH: rdata <= cycles_high;
                WORDS: rdata <= TASK_WORDS;
                CONTROL: rdata <= {31'd0, lite_request};
                BATCH: rdata <= {16'd0, batch};
                TASKS: rdata <= tasks;
                SHAPE: rdata <= FORMAT;
                default: rdata <= '0;
            endcase
            if (read_from == CYCLES) cycles_high <= cycles[63:32];
        end else if (rready) rvalid <= 1'b0;
        if (rst) begin
            bvalid <= 1'b0;
            rvalid <= 1'b0;
            errors <= '0;
            cycles <= '0;
            lite_request <= 1'b0;
            batch <= 16'd1;
        end
    end
endmodule

`default_nettype wire
