// Carries a device's buses over a serial line: packets and register accesses in, answers out.
//
// To the device, all numbers little endian:
//   'P', number of words (4 bytes), the words     a packet for the AXI4-Stream; its last word gets
//                                                 TLAST, which a serial line does not have
//   'W', address (1 byte), value (4 bytes)        register write, answered by 'w'
//   'R', address (1 byte)                         register read, answered by 'r'
//   'S'                                           answered by 's': status of the line, then cleared
// From the device, always five bytes:
//   'd' or, for the last word of a packet, 'l', and a result word;
//   'w' and 0; 'r' and the register; 's' and the status: bit 0 bytes were lost because the device
//   did not take them in time, 1 a byte without stop bit, 2 an unknown message.
// A break (or any byte without stop bit) ends the message it is in; a packet is then ended with a
// word of zeros, which the device flags. So a host can always start anew.
`default_nettype none

module sf_serial #(
    parameter integer DIVISOR = 100,
    parameter integer DEPTH   = 64    // bytes that wait while the device is busy
) (
    input  wire        clk,
    input  wire        rst,
    input  wire        rx,
    output wire        tx,
    output wire [ 2:0] status,         // see 's'
    output wire        m_axis_tvalid,  // packets to the device
    input  wire        m_axis_tready,
    output wire [31:0] m_axis_tdata,
    output wire        m_axis_tlast,
    input  wire        s_axis_tvalid,  // results from the device
    output wire        s_axis_tready,
    input  wire [31:0] s_axis_tdata,
    input  wire        s_axis_tlast,
    output reg         awvalid,
    input  wire        awready,
    output wire [ 7:0] awaddr,
    output reg         wvalid,
    input  wire        wready,
    output wire [31:0] wdata,
    input  wire        bvalid,
    output wire        bready,
    output reg         arvalid,
    input  wire        arready,
    output wire [ 7:0] araddr,
    input  wire        rvalid,
    output wire        rready,
    input  wire [31:0] rdata
);
    localparam [3:0] KIND = 0, LENGTH = 1, WORD = 2, SEND = 3, ADDRESS = 4, VALUE = 5, ACCESS = 6;
    localparam [3:0] ANSWER = 7, ABORT = 8;

    // Bytes in. The ninth bit marks a break in its place among the bytes.
    wire got;
    wire bad;
    wire [7:0] got_data;
    sf_uart_rx #(
        .DIVISOR(DIVISOR)
    ) receiver (
        .clk  (clk),
        .rst  (rst),
        .line (rx),
        .valid(got),
        .bad  (bad),
        .data (got_data)
    );
    wire room;
    wire next_there;
    wire next_broken;
    wire [7:0] next_octet;
    reg there;  // a byte from the FIFO, held until it is taken
    reg broken;
    reg [7:0] octet;
    wire take;
    sf_fifo #(
        .BITS (9),
        .DEPTH(DEPTH)
    ) waiting (
        .clk      (clk),
        .rst      (rst),
        .in_valid (got || bad),
        .in_ready (room),
        .in_data  ({bad, got_data}),
        .out_valid(next_there),
        .out_ready(!there),
        .out_data ({next_broken, next_octet})
    );
    always @(posedge clk) begin
        if (rst) there <= 1'b0;
        else there <= there ? !take : next_there;
        if (!there) {broken, octet} <= {next_broken, next_octet};
    end

    reg [3:0] state;
    reg writes;
    reg [1:0] position;  // byte of a number
    reg [31:0] number;
    reg [31:0] left;  // words of the packet still to come
    reg [7:0] address;
    reg [7:0] tag;  // of the answer
    reg [2:0] flags;
    wire number_ends = position == 2'd3;
    wire [31:0] whole = {octet, number[31:8]};

    assign status = flags;
    assign take = state == KIND || state == LENGTH || state == WORD || state == ADDRESS
                  || state == VALUE;
    assign m_axis_tvalid = state == SEND || state == ABORT;
    assign m_axis_tdata = number;
    assign m_axis_tlast = state == ABORT || left == 32'd1;
    assign awaddr = address;
    assign araddr = address;
    assign wdata = number;
    assign bready = state == ACCESS;
    assign rready = state == ACCESS;

    // Messages out: a tag and a word.
    reg [39:0] message;
    reg [2:0] octets;  // of the message still to be sent
    wire sent;
    wire free = octets == 0;
    wire answers = state == ANSWER;
    assign s_axis_tready = free && !answers;
    sf_uart_tx #(
        .DIVISOR(DIVISOR)
    ) sender (
        .clk  (clk),
        .rst  (rst),
        .valid(!free),
        .ready(sent),
        .data (message[7:0]),
        .line (tx)
    );

    always @(posedge clk) begin
        if (free) begin
            if (answers) message <= {number, tag};
            else message <= {s_axis_tdata, s_axis_tlast ? "l" : "d"};
            if (answers || s_axis_tvalid) octets <= 3'd5;
        end else if (sent) begin
            message <= message >> 8;
            octets  <= octets - 1'b1;
        end
        if (rst) octets <= '0;
    end

    always @(posedge clk) begin
        if (got && !room) flags[0] <= 1'b1;
        if (bad) flags[1] <= 1'b1;
        case (state)
            KIND: begin
                position <= '0;
                if (there && !broken) begin
                    case (octet)
                        "P": state <= LENGTH;
                        "W", "R": begin
                            state <= ADDRESS;
                            writes <= octet == "W";
                            tag <= octet == "W" ? "w" : "r";
                        end
                        "S": begin
                            state <= ANSWER;
                            tag <= "s";
                            number <= {29'd0, flags};
                            flags <= '0;
                        end
                        default: flags[2] <= 1'b1;
                    endcase
                end
            end
            LENGTH, WORD, VALUE:
            if (there) begin
                number   <= broken ? '0 : whole;
                position <= position + 1'b1;
                if (broken) state <= state == WORD ? ABORT : KIND;
                else if (number_ends) begin
                    if (state == LENGTH) left <= whole;
                    state <= state == WORD ? SEND : state == VALUE ? ACCESS
                             : whole == 0 ? KIND : WORD;
                    awvalid <= state == VALUE;
                    wvalid <= state == VALUE;
                end
            end
            SEND:
            if (m_axis_tready) begin
                left  <= left - 1'b1;
                state <= left == 32'd1 ? KIND : WORD;
            end
            ADDRESS:
            if (there) begin
                address <= octet;
                state   <= broken ? KIND : writes ? VALUE : ACCESS;
                arvalid <= !broken && !writes;
            end
            ACCESS: begin
                if (awready) awvalid <= 1'b0;
                if (wready) wvalid <= 1'b0;
                if (arready) arvalid <= 1'b0;
                if (writes ? bvalid : rvalid) begin
                    number <= writes ? '0 : rdata;
                    state  <= ANSWER;
                end
            end
            ANSWER: if (free) state <= KIND;
            default: if (m_axis_tready) state <= KIND;  // ABORT
        endcase
        if (rst) begin
            state   <= KIND;
            flags   <= '0;
            awvalid <= 1'b0;
            wvalid  <= 1'b0;
            arvalid <= 1'b0;
        end
    end
endmodule

`default_nettype wire
