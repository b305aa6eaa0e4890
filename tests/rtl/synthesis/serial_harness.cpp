// Drives the serial line of a verilated module bit by bit: bytes in on stdin, bytes out on stdout.
//
// A request is three words: number of bytes to send, number to wait for, most cycles; then the bytes,
// a 16-bit word each: below 256 a byte, 256 a break of twelve bits. The answer is the number that
// came, the status pins, and the bytes.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include "Vdut.h"
#include "verilated.h"

static const int BIT = 8;  // cycles per bit

static bool get(void* data, size_t bytes) { return std::fread(data, 1, bytes, stdin) == bytes; }

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    auto dut = std::make_unique<Vdut>();
    dut->rx = 1;
    auto cycle = [&] {
        dut->clk = 0;
        dut->eval();
        dut->clk = 1;
        dut->eval();
    };
    dut->rst = 1;
    for (int k = 0; k < 20; k++) cycle();
    dut->rst = 0;
    for (int k = 0; k < 20; k++) cycle();
    uint32_t head[3];
    while (get(head, sizeof head)) {
        std::vector<uint16_t> octets(head[0]);
        if (head[0] && !get(octets.data(), 2 * head[0])) return 1;
        std::vector<char> levels;  // one per bit
        for (uint16_t octet : octets) {
            if (octet == 256) {
                levels.insert(levels.end(), 12, 0);
            } else {
                levels.push_back(0);
                for (int k = 0; k < 8; k++) levels.push_back(octet >> k & 1);
            }
            levels.push_back(1);
        }
        std::vector<uint8_t> found;
        size_t at = 0;
        int rest = 0, phase = -1, value = 0;  // phase: cycles since the start bit of a byte out
        for (uint64_t k = 0; k < head[2]; k++) {
            if (!rest) {
                if (at == levels.size() && phase < 0 && found.size() >= head[1]) break;
                dut->rx = at < levels.size() ? levels[at++] : 1;
                rest = BIT;
            }
            rest--;
            cycle();
            if (phase < 0 && !dut->tx) phase = 0;
            if (phase >= 0) {
                if (phase % BIT == BIT / 2) {
                    int bit = phase / BIT;
                    if (bit >= 1 && bit <= 8) value = value >> 1 | (dut->tx ? 128 : 0);
                    if (bit == 9 && dut->tx) found.push_back(uint8_t(value));
                }
                phase = phase / BIT == 9 && phase % BIT == BIT / 2 ? -1 : phase + 1;
            }
        }
        uint32_t reply[2] = {uint32_t(found.size()), dut->status};
        std::fwrite(reply, sizeof reply, 1, stdout);
        std::fwrite(found.data(), 1, found.size(), stdout);
        std::fflush(stdout);
    }
    return 0;
}
