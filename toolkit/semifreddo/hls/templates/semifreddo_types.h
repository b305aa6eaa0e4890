// semifreddo: exact integers, and the way between them and the fixed-point values of the streams.
#ifndef SEMIFREDDO_TYPES_H_
#define SEMIFREDDO_TYPES_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include "nnet_types.h"

// Synthesis uses integers of exactly the needed width. C simulation uses the smallest native type
// that holds them, which compiles much faster and computes the same as long as no value leaves
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

// What a stream's value type says.
template <class T> struct format;
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct format<ap_fixed<W, I, Q, O, N> > {
    static const int width = W;
    static const int frac = W - I;
    static const bool is_signed = true;
    static const ap_q_mode rounding = Q;
    static const ap_o_mode overflow = O;
    static const int signed_width = W;
};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct format<ap_ufixed<W, I, Q, O, N> > {
    static const int width = W;
    static const int frac = W - I;
    static const bool is_signed = false;
    static const ap_q_mode rounding = Q;
    static const ap_o_mode overflow = O;
    static const int signed_width = W + 1;
};

// Divides by 2^BITS (BITS at least 1); W bits hold the value and 2^BITS with a bit to spare.
template <int W, int BITS, ap_q_mode Q> s<W> divide(const s<W> &value) {
    #pragma HLS INLINE
    const s<W> half = s<W>(1) << (BITS - 1);
    const bool negative = value < 0;
    if (Q == AP_TRN) {
        return value >> BITS;
    }
    if (Q == AP_TRN_ZERO) {
        return s<W>(value + (negative ? s<W>(2 * half - 1) : s<W>(0))) >> BITS;
    }
    if (Q == AP_RND) {
        return s<W>(value + half) >> BITS;
    }
    if (Q == AP_RND_MIN_INF) {
        return s<W>(value + half - 1) >> BITS;
    }
    if (Q == AP_RND_CONV) {
        const bool odd = (s<W>(value >> BITS) & 1) != 0;
        return s<W>(value + half - (odd ? 0 : 1)) >> BITS;
    }
    if (Q == AP_RND_ZERO) {
        return s<W>(value + half - (negative ? 0 : 1)) >> BITS;
    }
    return s<W>(value + half - (negative ? 1 : 0)) >> BITS; // AP_RND_INF
}

// Brings an exact signed result of W bits with FRAC fraction bits into a stream's format: the only
// place where a layer rounds and saturates. It is spelled out in integers because ap_fixed's own
// assignment reads bits beyond the value when more fraction bits are dropped than it has.
template <class out_T, int W, int FRAC> out_T bring(const s<W> &exact) {
    #pragma HLS INLINE
    typedef format<out_T> out;
    const int down = FRAC > out::frac ? FRAC - out::frac : 0;
    const int up = FRAC < out::frac ? out::frac - FRAC : 0;
    // Room for the value, for what rounding adds, and for the limits.
    const int shifted = (W > down ? W : down) + up + 2;
    const int wide = shifted > out::width + 2 ? shifted : out::width + 2;
    s<wide> value = s<wide>(exact) << up;
    if (down > 0) {
        value = divide<wide, (down > 0 ? down : 1), out::rounding>(value);
    }
    if (out::overflow != AP_WRAP) {
        const s<wide> high = (s<wide>(1) << (out::width - (out::is_signed ? 1 : 0))) - 1;
        const s<wide> low = !out::is_signed ? s<wide>(0)
                            : out::overflow == AP_SAT_SYM ? s<wide>(-high)
                                                          : s<wide>(-high - 1);
        value = value > high ? high : (value < low ? low : value);
    }
    out_T result;
    result.range(out::width - 1, 0) = ap_int<wide>(value).range(out::width - 1, 0);
    return result;
}

// A stream's value in another stream's format.
template <class out_T, class in_T> out_T convert(const in_T &value) {
    #pragma HLS INLINE
    return bring<out_T, format<in_T>::signed_width, format<in_T>::frac>(raw(value));
}

// A stream's value as an integer of W bits with FRAC fraction bits, which hold it exactly.
template <int W, int FRAC, class in_T> s<W> aligned(const in_T &value) {
    #pragma HLS INLINE
    return s<W>(raw(value)) << (FRAC - format<in_T>::frac);
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
