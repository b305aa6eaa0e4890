// semifreddo: layers that turn pixels into pixels without a window: blend, add, cast, wiring, forks,
// blocks of pixels.
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

// Every pixel becomes a block of pixels, of which those in a rectangle are written. A row of the image
// is kept until the last row of its blocks is through. CONFIG_T::logic::choose(pixel, place, exact) is
// generated: it says which channels the pixel at a place of a block has.
template <class data_T, class res_T, typename CONFIG_T>
void upsample_frame(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    #pragma HLS INLINE
    static typename CONFIG_T::data_t row[CONFIG_T::in_width][CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=row complete dim=2
    typename CONFIG_T::data_t pixel[CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=pixel complete
    unsigned y = 0;
    unsigned x = 0;
    unsigned in_block_y = 0;
    unsigned in_block_x = 0;
    unsigned column = 0;
Cycles:
    for (unsigned i = 0; i < CONFIG_T::in_height * CONFIG_T::block_height * CONFIG_T::in_width * CONFIG_T::block_width;
         i++) {
        #pragma HLS PIPELINE II=1
        s<CONFIG_T::exact_width> exact[res_T::size];
        #pragma HLS ARRAY_PARTITION variable=exact complete
        if (in_block_x == 0 && in_block_y == 0) {
            const data_T word_in = data.read();
        Raw:
            for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                #pragma HLS UNROLL
                pixel[c] = raw(word_in[c]);
                row[column][c] = pixel[c];
            }
        } else if (in_block_x == 0) {
        Again:
            for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                #pragma HLS UNROLL
                pixel[c] = row[column][c];
            }
        }
        if (y >= CONFIG_T::top && y < CONFIG_T::top + CONFIG_T::out_height && x >= CONFIG_T::left &&
            x < CONFIG_T::left + CONFIG_T::out_width) {
            CONFIG_T::logic::choose(pixel, in_block_y * CONFIG_T::block_width + in_block_x, exact);
            res_T result;
            PRAGMA_DATA_PACK(result)
        Bring:
            for (unsigned c = 0; c < res_T::size; c++) {
                #pragma HLS UNROLL
                result[c] = bring<typename res_T::value_type, CONFIG_T::exact_width, CONFIG_T::exact_frac>(exact[c]);
            }
            res.write(result);
        }
        const bool block_ends = in_block_x == CONFIG_T::block_width - 1;
        if (x == CONFIG_T::in_width * CONFIG_T::block_width - 1) {
            x = 0;
            in_block_x = 0;
            column = 0;
            y++;
            in_block_y = in_block_y == CONFIG_T::block_height - 1 ? 0 : in_block_y + 1;
        } else {
            x++;
            in_block_x = block_ends ? 0 : in_block_x + 1;
            column = block_ends ? column + 1 : column;
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void upsample(hls::stream<data_T> &data, hls::stream<res_T> &res, unsigned frames) {
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        upsample_frame<data_T, res_T, CONFIG_T>(data, res);
    }
}

} // namespace semifreddo
#endif
