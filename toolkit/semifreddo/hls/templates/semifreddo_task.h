// semifreddo: loadable values. One row holds one value per loadable output channel, as one wide
// word, so that a memory read gives a whole row (see ADDRESS_MAP.md).
#ifndef SEMIFREDDO_TASK_H_
#define SEMIFREDDO_TASK_H_

#include "hls_stream.h"
#include "semifreddo_types.h"

namespace semifreddo {

typedef ap_uint<32> word;

template <unsigned CHANNELS, int BITS, bool SIGNED> struct row {
    static const unsigned n_words = (CHANNELS * BITS + 31) / 32;
    typedef integer<BITS, SIGNED> value;

#ifdef SEMIFREDDO_EXACT
    ap_uint<CHANNELS * BITS> bits;

    void store(const word words[n_words]) {
        #pragma HLS INLINE
        ap_uint<n_words * 32> joined = 0;
        for (unsigned i = 0; i < n_words; i++) {
            #pragma HLS UNROLL
            joined.range(32 * i + 31, 32 * i) = words[i];
        }
        bits = joined;
    }

    typename value::type get(unsigned channel) const {
        #pragma HLS INLINE
        typename value::bits found;
        found.range(BITS - 1, 0) = bits.range(BITS * channel + BITS - 1, BITS * channel);
        return found;
    }
#else // the same in C simulation, unpacked once
    typename value::type values[CHANNELS];

    void store(const word words[n_words]) {
        for (unsigned channel = 0; channel < CHANNELS; channel++) {
            typename value::bits found = 0;
            for (int bit = 0; bit < BITS; bit++) {
                const unsigned place = channel * BITS + bit;
                found[bit] = bool(words[place / 32][place % 32]);
            }
            values[channel] = found;
        }
    }

    typename value::type get(unsigned channel) const { return values[channel]; }
#endif
};

// Takes ROWS rows out of a layer's task FIFO.
template <class row_T, unsigned ROWS> void take_rows(hls::stream<word> &task, row_T rows[ROWS]) {
    #pragma HLS INLINE
    word words[row_T::n_words];
    #pragma HLS ARRAY_PARTITION variable=words complete
    unsigned place = 0;
    unsigned index = 0;
TakeRows:
    for (unsigned i = 0; i < ROWS * row_T::n_words; i++) {
        #pragma HLS PIPELINE II=1
        words[place] = task.read();
        if (place == row_T::n_words - 1) {
            rows[index].store(words);
            index++;
            place = 0;
        } else {
            place++;
        }
    }
}

} // namespace semifreddo
#endif
