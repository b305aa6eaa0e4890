// Drives a verilated top module: AXI4-Stream source and sink with random stalls, AXI4-Lite master.
//
// Requests come on stdin, answers go to stdout; all integers are 32-bit little endian unless said
// otherwise. The first word of a request is its kind:
//   1 CONFIGURE  input stall, output stall (per mille of cycles), seed, watchdog cycles -> 0
//   2 EXCHANGE   packets, result words to wait for; then per packet: length, words
//                -> status, result words, words taken, ends; cycles (64 bit) of: begin, first word
//                   taken, end; then the result words, then per TLAST its cycle (64 bit)
//   3 WRITE      address, data -> status
//   4 READ       address -> status, data
//   5 IDLE       cycles -> 0
//   0 QUIT       -> 0
//   6 DUMP       length, file name (empty: stop) -> 0, or 1 if built without waveforms
// Status: 0 good, 1 nothing moved for the watchdog's number of cycles, 2 a stream broke the
// protocol (dropped valid, or changed data, before ready).

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "Vdut.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

using Word = uint32_t;

struct Random {
    uint64_t state = 88172645463325252ull;
    bool happens(Word per_mille) {
        if (!per_mille) return false;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return (state >> 11) % 1000 < per_mille;
    }
};

void read_exact(void* data, size_t bytes) {
    if (bytes && std::fread(data, 1, bytes, stdin) != bytes) throw 0;  // the other side has gone
}

Word read_word() {
    Word word;
    read_exact(&word, sizeof word);
    return word;
}

template <class T>
void answer(const std::vector<T>& values) {
    if (!values.empty()) std::fwrite(values.data(), sizeof(T), values.size(), stdout);
}

class Device {
   public:
    Device(int argc, char** argv) {
        context_.commandArgs(argc, argv);
        dut_ = std::make_unique<Vdut>(&context_);
        dut_->aresetn = 0;
        dut_->s_axi_wstrb = 15;
        for (int i = 0; i < 4; ++i) clock();
        dut_->aresetn = 1;
        for (int i = 0; i < 2; ++i) clock();
    }

    ~Device() { finish(); }

    void finish() {
        dump("");
        if (!finished_) dut_->final();
        finished_ = true;
    }

    bool serve() {
        switch (read_word()) {
            case 1:
                in_stall_ = read_word();
                out_stall_ = read_word();
                random_.state = 88172645463325252ull ^ (uint64_t(read_word()) << 20);
                watchdog_ = read_word();
                answer<Word>({0});
                break;
            case 2:
                exchange();
                break;
            case 3: {
                const Word address = read_word();
                answer<Word>({write(address, read_word())});
                break;
            }
            case 4: {
                Word data = 0;
                const Word status = read(read_word(), data);
                answer<Word>({status, data});
                break;
            }
            case 5:
                for (Word n = read_word(); n; --n) clock();
                answer<Word>({0});
                break;
            case 6: {
                std::string name(read_word(), ' ');
                read_exact(&name[0], name.size());
                answer<Word>({dump(name) ? 0u : 1u});
                break;
            }
            default:
                finish();
                answer<Word>({0});
                std::fflush(stdout);
                return false;
        }
        std::fflush(stdout);
        return true;
    }

   private:
    // The clock is low and inputs are driven; settle() makes outputs follow, clock() takes the edge.
    void settle() {
        dut_->aclk = 0;
        dut_->eval();
#if VM_TRACE
        if (wave_) wave_->dump(context_.time());
#endif
        context_.timeInc(1);
    }
    void edge() {
        dut_->aclk = 1;
        dut_->eval();
#if VM_TRACE
        if (wave_) wave_->dump(context_.time());
#endif
        context_.timeInc(1);
        ++cycle_;
    }
    void clock() {
        settle();
        edge();
    }

    void exchange() {
        const Word packets = read_word(), wanted = read_word();
        std::vector<Word> words;
        std::vector<bool> lasts;
        for (Word n = 0; n < packets; ++n) {
            const Word length = read_word();
            const size_t start = words.size();
            words.resize(start + length);
            read_exact(words.data() + start, length * sizeof(Word));
            lasts.resize(words.size(), false);
            if (length) lasts.back() = true;
        }
        std::vector<Word> results;
        std::vector<uint64_t> ends;
        const uint64_t begin = cycle_;
        uint64_t first_taken = 0;
        size_t taken = 0;
        Word idle = 0, status = 0;
        bool offered = false, waiting = false;
        Word shown = 0, shown_last = 0;
        while (taken < words.size() || results.size() < wanted) {
            // Once offered, a word stays until it is taken.
            offered = offered || (taken < words.size() && !random_.happens(in_stall_));
            dut_->s_axis_tvalid = offered;
            if (offered) {
                dut_->s_axis_tdata = words[taken];
                dut_->s_axis_tlast = lasts[taken];
            }
            dut_->m_axis_tready = results.size() < wanted && !random_.happens(out_stall_);
            settle();
            ++idle;
            if (waiting && (!dut_->m_axis_tvalid || dut_->m_axis_tdata != shown ||
                            dut_->m_axis_tlast != shown_last)) {
                status = 2;
            }
            waiting = dut_->m_axis_tvalid && !dut_->m_axis_tready;
            shown = dut_->m_axis_tdata;
            shown_last = dut_->m_axis_tlast;
            if (offered && dut_->s_axis_tready) {
                if (!taken) first_taken = cycle_;
                ++taken;
                offered = false;
                idle = 0;
            }
            if (dut_->m_axis_tvalid && dut_->m_axis_tready) {
                results.push_back(dut_->m_axis_tdata);
                if (dut_->m_axis_tlast) ends.push_back(cycle_);
                idle = 0;
            }
            edge();
            if (idle > watchdog_) status = 1;
            if (status) break;
        }
        dut_->s_axis_tvalid = 0;
        dut_->m_axis_tready = 0;
        answer<Word>({status, Word(results.size()), Word(taken), Word(ends.size())});
        answer<uint64_t>({begin, first_taken, cycle_});
        answer(results);
        answer(ends);
    }

    Word write(Word address, Word data) {
        dut_->s_axi_awvalid = dut_->s_axi_wvalid = 1;
        dut_->s_axi_awaddr = address;
        dut_->s_axi_wdata = data;
        dut_->s_axi_bready = 1;
        Word status = wait([&] { return dut_->s_axi_awready && dut_->s_axi_wready; });
        dut_->s_axi_awvalid = dut_->s_axi_wvalid = 0;
        if (!status) status = wait([&] { return bool(dut_->s_axi_bvalid); });
        dut_->s_axi_bready = 0;
        return status;
    }

    Word read(Word address, Word& data) {
        dut_->s_axi_arvalid = 1;
        dut_->s_axi_araddr = address;
        dut_->s_axi_rready = 1;
        Word status = wait([&] { return bool(dut_->s_axi_arready); });
        dut_->s_axi_arvalid = 0;
        if (!status) {
            status = wait([&] {
                data = dut_->s_axi_rdata;
                return bool(dut_->s_axi_rvalid);
            });
        }
        dut_->s_axi_rready = 0;
        return status;
    }

    // Clock until a handshake has taken place.
    template <class Condition>
    Word wait(Condition condition) {
        for (Word n = 0; n <= watchdog_; ++n) {
            settle();
            const bool met = condition();
            edge();
            if (met) return 0;
        }
        return 1;
    }

    bool dump(const std::string& name) {
#if VM_TRACE
        if (wave_) wave_->close();
        wave_.reset();
        if (!name.empty()) {
            context_.traceEverOn(true);
            wave_ = std::make_unique<VerilatedVcdC>();
            dut_->trace(wave_.get(), 99);
            wave_->open(name.c_str());
        }
        return true;
#else
        return name.empty();
#endif
    }

    VerilatedContext context_;
    std::unique_ptr<Vdut> dut_;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> wave_;
#endif
    Random random_;
    Word in_stall_ = 0, out_stall_ = 0, watchdog_ = 100000;
    uint64_t cycle_ = 0;
    bool finished_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    Device device(argc, argv);
    try {
        while (device.serve()) {
        }
    } catch (int) {
    }
    return 0;
}
