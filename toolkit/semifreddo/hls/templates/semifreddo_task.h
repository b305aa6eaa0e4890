// semifreddo: loadable values. One row holds one value per loadable output channel (see
// ADDRESS_MAP.md) and is read in one cycle: it lies in as few wide words as the tools allow.
#ifndef SEMIFREDDO_TASK_H_
#define SEMIFREDDO_TASK_H_

#include "hls_stream.h"
#include "semifreddo_types.h"

namespace semifreddo {

typedef ap_uint<32> word;

// Bits of the widest integer: the tools' default of AP_INT_MAX_W.
const int widest_integer = 1024;

template <unsigned CHANNELS, int BITS, bool SIGNED> struct row {
    static const unsigned n_words = (CHANNELS * BITS + 31) / 32;
    typedef integer<BITS, SIGNED> value;

#ifdef SEMIFREDDO_EXACT
    static const unsigned n_parts = (CHANNELS * BITS + widest_integer - 1) / widest_integer;
    static const unsigned part_words = (n_words + n_parts - 1) / n_parts;
    static const int part_bits = n_parts == 1 ? CHANNELS * BITS : 32 * part_words;
    static_assert(part_bits <= widest_integer, "a part of a row is wider than an integer may be");
    typedef ap_uint<part_bits> part;

    static void store(const word words[n_words], part parts[n_parts]) {
        #pragma HLS INLINE
        for (unsigned p = 0; p < n_parts; p++) {
            #pragma HLS UNROLL
            ap_uint<part_words * 32> joined = 0;
            for (unsigned i = 0; i < part_words; i++) {
                #pragma HLS UNROLL
                if (p * part_words + i < n_words) {
                    joined.range(32 * i + 31, 32 * i) = words[p * part_words + i];
                }
            }
            parts[p] = joined;
        }
    }

    static typename value::type get(const part parts[n_parts], unsigned channel) {
        #pragma HLS INLINE
        typename value::bits found;
        if (n_parts == 1) {
            found.range(BITS - 1, 0) = parts[0].range(BITS * channel + BITS - 1, BITS * channel);
        } else {
            for (unsigned bit = 0; bit < BITS; bit++) { // a value may lie across two parts
                #pragma HLS UNROLL
                const unsigned place = BITS * channel + bit;
                found[bit] = bool(parts[place / part_bits][place % part_bits]);
            }
        }
        return found;
    }
#else // the same in C simulation, unpacked once
    static const unsigned n_parts = CHANNELS;
    typedef typename value::type part;

    static void store(const word words[n_words], part parts[n_parts]) {
        for (unsigned channel = 0; channel < CHANNELS; channel++) {
            typename value::bits found = 0;
            for (int bit = 0; bit < BITS; bit++) {
                const unsigned place = channel * BITS + bit;
                found[bit] = bool(words[place / 32][place % 32]);
            }
            parts[channel] = found;
        }
    }

    static typename value::type get(const part parts[n_parts], unsigned channel) { return parts[channel]; }
#endif
};

// Takes GROUPS * LANES rows out of a layer's task FIFO.
template <class row_T, unsigned GROUPS, unsigned LANES>
void take_rows(hls::stream<word> &task, typename row_T::part rows[GROUPS][LANES][row_T::n_parts]) {
    #pragma HLS INLINE
    word words[row_T::n_words];
    #pragma HLS ARRAY_PARTITION variable=words complete
    typename row_T::part parts[row_T::n_parts];
    #pragma HLS ARRAY_PARTITION variable=parts complete
    unsigned place = 0;
    unsigned lane = 0;
    unsigned group = 0;
TakeRows:
    for (unsigned i = 0; i < GROUPS * LANES * row_T::n_words; i++) {
        #pragma HLS PIPELINE II=1
        words[place] = task.read();
        if (place == row_T::n_words - 1) {
            row_T::store(words, parts);
        Parts:
            for (unsigned p = 0; p < row_T::n_parts; p++) {
                #pragma HLS UNROLL
                rows[group][lane][p] = parts[p];
            }
            place = 0;
            if (lane == LANES - 1) {
                lane = 0;
                group++;
            } else {
                lane++;
            }
        } else {
            place++;
        }
    }
}

} // namespace semifreddo
#endif
