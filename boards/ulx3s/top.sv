// $design on the $title: $clock_mhz MHz, serial port, lights.
`default_nettype none

module $top (
    input wire clk_25mhz,
    input wire btn_reset,
    input wire ftdi_txd,
    output wire ftdi_rxd,
    output wire [7:0] led,
    output wire wifi_gpio0
);
    wire clk, locked;
    (* FREQUENCY_PIN_CLKI="$oscillator_mhz", FREQUENCY_PIN_CLKOP="$clock_mhz" *)
    EHXPLLL #($pll) pll (
        .CLKI(clk_25mhz),
        .CLKOP(clk),
        .CLKFB(clk),
        .LOCK(locked),
        .RST(1'b0),
        .STDBY(1'b0),
        .PHASESEL0(1'b0),
        .PHASESEL1(1'b0),
        .PLLWAKESYNC(1'b0),
        .ENCLKOP(1'b0),
        .PHASEDIR(1'b1),
        .PHASESTEP(1'b1),
        .PHASELOADREG(1'b1)
    );

    // The device starts when the PLL is locked and the button is not held.
    reg [7:0] started = '0;
    reg rst = 1'b1;
    wire held;
    reg [1:0] button = 2'b11;
    assign held = button[1];
    always @(posedge clk) begin
        button <= {button[0], btn_reset || !locked};
        started <= held ? 8'd0 : {started[6:0], 1'b1};
        rst <= !started[7];
    end

    wire [2:0] status;
    ${design}_serial serial (
        .clk(clk),
        .rst(rst),
        .rx(ftdi_txd),
        .tx(ftdi_rxd),
        .status(status)
    );

    // Lights: alive, not in reset, bytes in, bytes out, three errors of the line.
    reg [25:0] beat = '0;
    reg [1:0] lines = 2'b11;
    reg [21:0] seen_in = '0, seen_out = '0;
    always @(posedge clk) begin
        beat <= beat + 1'b1;
        lines <= {ftdi_txd, ftdi_rxd};
        seen_in <= !lines[1] ? '1 : seen_in != 0 ? seen_in - 1'b1 : seen_in;
        seen_out <= !lines[0] ? '1 : seen_out != 0 ? seen_out - 1'b1 : seen_out;
    end
    assign led = {1'b0, status, seen_out != 0, seen_in != 0, !rst, beat[25]};
    assign wifi_gpio0 = 1'b1;
endmodule

`default_nettype wire
