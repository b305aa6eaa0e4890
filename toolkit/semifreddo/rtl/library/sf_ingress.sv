// Takes packets from an AXI4-Stream: images for the network, tasks for its weight banks.
//
// A packet is a header word {16'h5346, 8'h00, kind} and what follows until TLAST:
//   kind 1, images: their number, then their bytes, pixel by pixel, without gaps; what is missing of
//     the last word is filled up. A packet that ends inside an image is completed to a whole image
//     with zero pixels, so that later images stay in step; that, missing images and words behind
//     the last image are flagged.
//   kind 2, a task: the device digest, TASK_WORDS words in the order of the address map, and two
//     checksums: A is the sum of the words, B the sum of all values A takes (both modulo 2**32).
//     The words go into the idle bank. Only a complete task whose digest and checksums are right
//     flips the banks; anything else leaves the old task in force and raises a flag. A word is
//     checked in the cycle after it came in.
//
// A task waits, and with it all behind its header, until no image on its way uses the bank that it
// overwrites.
`default_nettype none

module sf_ingress #(
    parameter integer        PIXEL_BYTES  = 1,
    parameter integer        IMAGE_PIXELS = 16,
    parameter integer        TASK_WORDS   = 0,
    parameter         [31:0] DIGEST       = 0
) (
    input  wire                     clk,
    input  wire                     rst,
    input  wire                     in_valid,
    output wire                     in_ready,
    input  wire [             31:0] in_data,
    input  wire                     in_last,
    input  wire                     lite_request,  // a task wants to come over the registers
    output wire                     lite_granted,
    input  wire                     lite_valid,
    input  wire [             31:0] lite_data,
    output wire                     pixel_valid,
    input  wire                     pixel_ready,
    output wire [PIXEL_BYTES*8-1:0] pixel_data,
    output reg                      load_start,
    output reg                      load_valid,
    output reg                      load_bank,
    output reg  [             31:0] load_address,
    output reg  [             31:0] load_data,
    output reg  [             15:0] flip_image,
    output reg                      flip_bank,
    output reg  [             31:0] images,        // that have gone in
    input  wire [             31:0] images_out,
    output reg  [             31:0] tasks,         // that have been accepted
    output reg  [              7:0] errors         // one pulse per kind of error
);
    localparam [2:0] HEADER = 0, NUMBER = 1, IMAGE = 2, PAD = 3, TASK = 4, DROP = 5, CHECK = 6;
    localparam [2:0] WAIT = 7;
    localparam integer ROOM = PIXEL_BYTES + 8;
    localparam integer FILL = $clog2(ROOM + 1);
    localparam integer COUNT = $clog2(IMAGE_PIXELS + 1);

    reg [2:0] state;

    // Images: bytes are gathered to pixels.
    reg [ROOM*8-1:0] bytes;
    reg [FILL-1:0] fill;
    reg ending;  // the packet's last word is in
    reg [COUNT-1:0] pixel;
    reg [31:0] number;  // images still to come
    reg more;  // number != 0
    reg whole;  // fill >= PIXEL_BYTES
    reg roomy;  // fill <= PIXEL_BYTES + 4: one more word fits
    reg offers;  // in IMAGE, whole and more; or in PAD
    wire pop = offers && pixel_ready;
    wire image_end = pop && pixel == IMAGE_PIXELS - 1;
    wire gather = state == IMAGE && in_valid && in_ready;
    wire [FILL-1:0] gathered = gather ? fill + 4 : fill;
    wire [ROOM*8-1:0] word_bytes = {{(ROOM * 8 - 32) {1'b0}}, in_data};
    wire [ROOM*8-1:0] all_bytes = gather ? bytes | (word_bytes << (fill * 8)) : bytes;
    // What registers will tell, by comparisons with this cycle's `fill`.
    wire whole_next = pop ? (gather ? fill + 4 >= 2 * PIXEL_BYTES : fill >= 2 * PIXEL_BYTES)
                    : gather ? fill + 4 >= PIXEL_BYTES : whole;
    wire roomy_next = pop ? (gather ? fill <= 2 * PIXEL_BYTES : fill <= 2 * PIXEL_BYTES + 4)
                    : gather ? fill <= PIXEL_BYTES : roomy;
    wire more_next = image_end ? number != 1 : more;

    assign pixel_valid = offers;
    assign pixel_data  = state == PAD ? '0 : bytes[PIXEL_BYTES*8-1:0];

    // Tasks: digest, words, two checksums.
    reg from_lite;
    reg lite_served;  // this request has had its task
    reg [31:0] index;
    reg [31:0] sum_a;
    reg [31:0] sum_b;
    reg good;
    reg settled;  // the first image after the last flip has left
    reg drained;  // no image is on its way; told late, never too early
    wire writable = settled || drained;
    wire word_valid = state == TASK && (from_lite ? lite_valid : in_valid);
    wire [31:0] word = from_lite ? lite_data : in_data;
    wire is_digest = index == 0;
    wire is_weight = index != 0 && index <= TASK_WORDS;
    wire is_sum_a = index == TASK_WORDS + 1;
    wire is_last = index == TASK_WORDS + 2;
    wire closed = from_lite || in_last;

    // The word that came in the cycle before.
    reg checks;
    reg [31:0] checked;
    reg [31:0] place;
    reg checks_digest;
    reg checks_weight;
    reg checks_sum_a;
    reg checks_last;
    reg checks_closed;
    reg commit;
    wire fits = checks_digest ? checked == DIGEST : checks_sum_a ? checked == sum_a
              : checks_last ? checked == sum_b : 1'b1;

    wire header = state == HEADER && in_valid && in_ready;
    wire is_header = in_data[31:8] == 24'h534600;
    wire starts_task = is_header && in_data[7:0] == 2 && TASK_WORDS != 0;
    wire starts_image = is_header && in_data[7:0] == 1;
    wire lite_starts = state == HEADER && lite_request && !lite_served && TASK_WORDS != 0;

    assign in_ready = state == HEADER ? !lite_starts
                    : state == IMAGE ? !ending && more && roomy
                    : state == TASK ? !from_lite
                    : state == NUMBER || state == DROP;
    assign lite_granted = state == TASK && from_lite;

    wire early = word_valid && !from_lite && in_last && !is_last;

    always @(posedge clk) begin
        errors <= '0;
        load_start <= 1'b0;
        load_valid <= 1'b0;
        load_bank <= !flip_bank;
        load_address <= place;
        load_data <= checked;
        checks <= word_valid;
        checked <= word;
        place <= index - 1;
        checks_digest <= is_digest;
        checks_weight <= is_weight;
        checks_sum_a <= is_sum_a;
        checks_last <= is_last;
        checks_closed <= closed;
        commit <= checks && checks_last && checks_closed && good && fits;
        offers <= 1'b0;
        case (state)
            HEADER: begin
                index <= '0;
                sum_a <= '0;
                sum_b <= '0;
                good <= 1'b1;
                fill <= '0;
                whole <= 1'b0;
                roomy <= 1'b1;
                bytes <= '0;
                ending <= 1'b0;
                if (lite_starts) begin
                    from_lite <= 1'b1;
                    if (writable) begin
                        state <= TASK;
                        load_start <= 1'b1;
                    end
                end else if (header) begin
                    from_lite <= 1'b0;
                    if (starts_image && !in_last) begin
                        state <= NUMBER;
                        errors[6] <= TASK_WORDS != 0 && tasks == 0;
                    end else if (starts_task && !in_last) begin
                        state <= WAIT;
                    end else if (!starts_image) begin
                        errors[0] <= 1'b1;
                        if (!in_last) state <= DROP;
                    end
                end
            end
            NUMBER: if (in_valid) begin
                number <= in_data;
                more <= in_data != 0;
                errors[1] <= in_last && in_data != 0;
                state <= in_last ? HEADER : IMAGE;
            end
            IMAGE: begin
                bytes <= pop ? all_bytes >> (PIXEL_BYTES * 8) : all_bytes;
                fill <= pop ? gathered - PIXEL_BYTES[FILL-1:0] : gathered;
                whole <= whole_next;
                roomy <= roomy_next;
                offers <= whole_next && more_next;
                if (gather && in_last) ending <= 1'b1;
                if (!more) begin
                    errors[1] <= !ending || fill > 3;
                    state <= ending ? HEADER : DROP;
                end else if (ending && !whole) begin
                    errors[1] <= 1'b1;
                    state <= pixel != 0 ? PAD : HEADER;
                    offers <= pixel != 0;
                end
            end
            PAD: begin
                offers <= !image_end;
                if (image_end) state <= HEADER;
            end
            WAIT: if (writable) begin
                state <= TASK;
                load_start <= 1'b1;
            end
            TASK: begin
                if (word_valid) begin
                    index <= index + 1;
                    errors[2] <= early;
                    errors[3] <= is_last && !closed;
                    if (early || (is_last && closed)) state <= CHECK;
                    else if (is_last) state <= DROP;
                    if (is_last && from_lite) lite_served <= 1'b1;
                end
                if (from_lite && !lite_request) begin
                    errors[2] <= 1'b1;
                    state <= CHECK;
                end
            end
            CHECK: if (!checks && !commit) state <= HEADER;
            default: if (in_valid && in_last) state <= HEADER;
        endcase

        if (checks) begin
            good <= good && fits;
            load_valid <= checks_weight;
            if (checks_weight) begin
                sum_a <= sum_a + checked;
                sum_b <= sum_b + sum_a + checked;
            end
            errors[4] <= (checks_sum_a || checks_last) && !fits;
            errors[5] <= checks_digest && !fits;
        end
        if (!lite_request) lite_served <= 1'b0;
        if (pop) pixel <= image_end ? '0 : pixel + 1'b1;
        drained <= images_out == images && !image_end;
        if (image_end) begin
            images <= images + 1;
            number <= number - 1;
            more <= more_next;
        end
        if (images_out[15:0] == flip_image + 16'd1) settled <= 1'b1;
        if (commit) begin
            flip_bank <= !flip_bank;
            flip_image <= images[15:0];
            settled <= 1'b0;
            tasks <= tasks + 1;
        end
        if (rst) begin
            state <= HEADER;
            pixel <= '0;
            images <= '0;
            tasks <= '0;
            settled <= 1'b1;
            flip_bank <= 1'b0;
            flip_image <= '0;
            errors <= '0;
            load_valid <= 1'b0;
            load_start <= 1'b0;
            checks <= 1'b0;
            commit <= 1'b0;
            offers <= 1'b0;
            drained <= 1'b0;
        end
    end
endmodule

`default_nettype wire
