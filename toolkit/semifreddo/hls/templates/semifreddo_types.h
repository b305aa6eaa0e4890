// semifreddo: exact integers, and the way between them and the fixed-point values of the streams.
#ifndef SEMIFREDDO_TYPES_H_
#define SEMIFREDDO_TYPES_H_

#include "ap_fixed.h"
#include "ap_int.h"

// Synthesis uses integers of exactly the needed width. C simulation uses the smallest native type
// that holds them, which compiles 15 times faster and computes the same as long as no value leaves
// its stated width; build with -DSEMIFREDDO_EXACT to simulate the exact widths.
#if defined(__SYNTHESIS__) && !defined(SEMIFREDDO_EXACT)
#define SEMIFREDDO_EXACT
#endif

namespace semifreddo {

template <bool WIDE> struct native {
    typedef int type;
};
template <> struct native<true> {
    typedef long long type;
};

template <int W, bool SIGNED> struct integer {
    typedef ap_int<W> bits;
#ifdef SEMIFREDDO_EXACT
    typedef ap_int<W> type;
#else
    typedef typename native<(W > 32)>::type type;
#endif
};
template <int W> struct integer<W, false> {
    typedef ap_uint<W> bits;
#ifdef SEMIFREDDO_EXACT
    typedef ap_uint<W> type;
#else
    typedef typename native<(W > 31)>::type type;
#endif
};

// s<12>: signed, 12 bits. u<8>: unsigned, 8 bits.
template <int W> using s = typename integer<W, true>::type;
template <int W> using u = typename integer<W, false>::type;

// The raw integer of a fixed-point value.
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> s<W> raw(const ap_fixed<W, I, Q, O, N> &value) {
    #pragma HLS INLINE
    ap_int<W> bits;
    bits.range(W - 1, 0) = value.range(W - 1, 0);
    return bits;
}
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> u<W> raw(const ap_ufixed<W, I, Q, O, N> &value) {
    #pragma HLS INLINE
    ap_uint<W> bits;
    bits.range(W - 1, 0) = value.range(W - 1, 0);
    return bits;
}

// Brings an exact signed result of W bits with FRAC fraction bits into a stream's format: the only
// place where a layer rounds and saturates.
template <class out_T, int W, int FRAC> out_T bring(const s<W> &exact) {
    #pragma HLS INLINE
    ap_int<W> bits = exact;
    ap_fixed<W, W - FRAC> value;
    value.range(W - 1, 0) = bits.range(W - 1, 0);
    return out_T(value);
}

// A product that cannot overflow: exact integers grow by themselves, native ones are widened first.
template <class product_T, class left_T, class right_T> product_T product(const left_T &left, const right_T &right) {
    #pragma HLS INLINE
#ifdef SEMIFREDDO_EXACT
    return left * right;
#else
    return product_T(left) * product_T(right);
#endif
}

} // namespace semifreddo
#endif
