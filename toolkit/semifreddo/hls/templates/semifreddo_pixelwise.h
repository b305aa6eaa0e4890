// semifreddo: layers that turn pixels into pixels without a window: blend, add, cast, wiring, forks.
#ifndef SEMIFREDDO_PIXELWISE_H_
#define SEMIFREDDO_PIXELWISE_H_

#include "nnet_common.h"
#include "nnet_types.h"
#include "semifreddo_task.h"

namespace semifreddo {

// One channel of a blend in eighths: k of left, 8 - k of right, with one multiplier.
template <class exact_T, class left_T, class right_T, class alpha_T>
exact_T blend_channel(const left_T &left, const right_T &right, const alpha_T &k) {
    #pragma HLS INLINE
    const exact_T difference = exact_T(left) - exact_T(right);
    return product<exact_T>(difference, k) + (exact_T(right) << 3);
}

// CONFIG_T::logic::combine(left, right, alpha, exact) is generated: it aligns fraction bits and
// says which blend factors are constants.
template <class left_T, class right_T, class res_T, typename CONFIG_T>
void blend_frame(hls::stream<left_T> &left, hls::stream<right_T> &right, hls::stream<res_T> &res,
                 const typename CONFIG_T::alpha_row_t::part alpha[CONFIG_T::alpha_row_t::n_parts]) {
    #pragma HLS INLINE
Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const left_T left_word = left.read();
        const right_T right_word = right.read();
        s<CONFIG_T::exact_width> exact[res_T::size];
        #pragma HLS ARRAY_PARTITION variable=exact complete
        CONFIG_T::logic::combine(left_word, right_word, alpha, exact);
        res_T pixel;
        PRAGMA_DATA_PACK(pixel)
    Bring:
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            pixel[c] = bring<typename res_T::value_type, CONFIG_T::exact_width, CONFIG_T::exact_frac>(exact[c]);
        }
        res.write(pixel);
    }
}

template <class left_T, class right_T, class res_T, typename CONFIG_T>
void blend(hls::stream<left_T> &left, hls::stream<right_T> &right, hls::stream<res_T> &res,
           hls::stream<word> &task, unsigned frames) {
    static typename CONFIG_T::alpha_row_t::part alpha[1][1][CONFIG_T::alpha_row_t::n_parts];
    #pragma HLS ARRAY_PARTITION variable=alpha complete dim=0
    if (task.read() != 0) {
        take_rows<typename CONFIG_T::alpha_row_t, 1, 1>(task, alpha);
    }
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        blend_frame<left_T, right_T, res_T, CONFIG_T>(left, right, res, alpha[0][0]);
    }
}

template <class left_T, class right_T, class res_T, typename CONFIG_T>
void blend(hls::stream<left_T> &left, hls::stream<right_T> &right, hls::stream<res_T> &res, unsigned frames) {
    static const typename CONFIG_T::alpha_row_t::part alpha[CONFIG_T::alpha_row_t::n_parts] = {};
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        blend_frame<left_T, right_T, res_T, CONFIG_T>(left, right, res, alpha);
    }
}

template <class left_T, class right_T, class res_T, typename CONFIG_T>
void add_frame(hls::stream<left_T> &left, hls::stream<right_T> &right, hls::stream<res_T> &res) {
    #pragma HLS INLINE
Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const left_T left_word = left.read();
        const right_T right_word = right.read();
        res_T pixel;
        PRAGMA_DATA_PACK(pixel)
    Channels:
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            const s<CONFIG_T::exact_width> sum =
                aligned<CONFIG_T::exact_width, CONFIG_T::exact_frac>(left_word[c]) +
                aligned<CONFIG_T::exact_width, CONFIG_T::exact_frac>(right_word[c]);
            pixel[c] = bring<typename res_T::value_type, CONFIG_T::exact_width, CONFIG_T::exact_frac>(sum);
        }
        res.write(pixel);
    }
}

template <class left_T, class right_T, class res_T, typename CONFIG_T>
void add(hls::stream<left_T> &left, hls::stream<right_T> &right, hls::stream<res_T> &res, unsigned frames) {
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        add_frame<left_T, right_T, res_T, CONFIG_T>(left, right, res);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void cast_frame(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    #pragma HLS INLINE
Pixels:
    for (unsigned i = 0; i < CONFIG_T::n_pixels; i++) {
        #pragma HLS PIPELINE II=1
        const data_T word_in = data.read();
        res_T pixel;
        PRAGMA_DATA_PACK(pixel)
    Channels:
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            pixel[c] = convert<typename res_T::value_type>(word_in[c]);
        }
        res.write(pixel);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void cast(hls::stream<data_T> &data, hls::stream<res_T> &res, unsigned frames) {
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        cast_frame<data_T, res_T, CONFIG_T>(data, res);
    }
}

} // namespace semifreddo
#endif
