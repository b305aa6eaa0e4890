// semifreddo: exact pooling. The mean of 2^k values is their sum with k more fraction bits.
#ifndef SEMIFREDDO_POOL_H_
#define SEMIFREDDO_POOL_H_

#include "nnet_common.h"
#include "nnet_types.h"
#include "semifreddo_window.h"

namespace semifreddo {

template <typename CONFIG_T>
s<CONFIG_T::exact_width> pool_step(const s<CONFIG_T::exact_width> &so_far, const s<CONFIG_T::exact_width> &next) {
    #pragma HLS INLINE
    if (CONFIG_T::maximum) {
        return so_far > next ? so_far : next;
    }
    return so_far + next;
}

// Windows that overlap or are padded: a line buffer.
template <class data_T, class res_T, typename CONFIG_T>
void pool2d_windows_frame(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    #pragma HLS INLINE
    static_assert(CONFIG_T::filt_height * CONFIG_T::filt_width * CONFIG_T::n_chan <= most_elements,
                  "a window has more values than registers are allowed");
    static_assert(stream_word<data_T>::bits > 0 && stream_word<res_T>::bits > 0, "");
    static typename lines<CONFIG_T>::line above[lines<CONFIG_T>::rows][CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=above complete dim=2
    static typename CONFIG_T::data_t window[CONFIG_T::filt_height * CONFIG_T::filt_width * CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=window complete
    place<CONFIG_T> at;
Cycles:
    for (unsigned i = 0; i < CONFIG_T::in_height * CONFIG_T::in_width; i++) {
        #pragma HLS PIPELINE II=1
        typename CONFIG_T::data_t pixel[CONFIG_T::n_chan];
        #pragma HLS ARRAY_PARTITION variable=pixel complete
        read_padded<data_T, CONFIG_T>(data, at.y, at.x, pixel);
        shift_window<CONFIG_T>(pixel, above, window);
        if (at.yields()) {
            res_T result;
            PRAGMA_DATA_PACK(result)
        Channels:
            for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                #pragma HLS UNROLL
                s<CONFIG_T::exact_width> exact = window[c];
            Positions:
                for (unsigned k = 1; k < CONFIG_T::filt_height * CONFIG_T::filt_width; k++) {
                    #pragma HLS UNROLL
                    exact = pool_step<CONFIG_T>(exact, window[k * CONFIG_T::n_chan + c]);
                }
                result[c] = bring<typename res_T::value_type, CONFIG_T::exact_width, CONFIG_T::exact_frac>(exact);
            }
            res.write(result);
        }
        at.advance();
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void pool2d_windows(hls::stream<data_T> &data, hls::stream<res_T> &res, unsigned frames) {
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        pool2d_windows_frame<data_T, res_T, CONFIG_T>(data, res);
    }
}

// Windows side by side: one running result per output column and channel, no line buffer. The result
// of the current window is in registers; running is read where a window's row begins and written
// where it ends.
template <class data_T, class res_T, typename CONFIG_T>
void pool2d_tiles_frame(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    #pragma HLS INLINE
    static_assert(CONFIG_T::n_chan <= most_elements, "a pixel has more values than registers are allowed");
    static_assert(stream_word<data_T>::bits > 0 && stream_word<res_T>::bits > 0, "");
    s<CONFIG_T::exact_width> running[CONFIG_T::out_width][CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=running complete dim=2
    s<CONFIG_T::exact_width> exact[CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=exact complete
    unsigned y = 0;
    unsigned x = 0;
    unsigned in_tile_y = 0;
    unsigned in_tile_x = 0;
    unsigned column = 0;
Cycles:
    for (unsigned i = 0; i < CONFIG_T::in_height * CONFIG_T::in_width; i++) {
        #pragma HLS PIPELINE II=1
        const data_T word_in = data.read();
        const bool inside =
            y < CONFIG_T::out_height * CONFIG_T::filt_height && x < CONFIG_T::out_width * CONFIG_T::filt_width;
        const bool begins = in_tile_x == 0;
        const bool ends = in_tile_x == CONFIG_T::filt_width - 1;
        if (inside) {
        Channels:
            for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                #pragma HLS UNROLL
                const s<CONFIG_T::exact_width> next = raw(word_in[c]);
                const s<CONFIG_T::exact_width> before = begins ? running[column][c] : exact[c];
                exact[c] = begins && in_tile_y == 0 ? next : pool_step<CONFIG_T>(before, next);
                if (ends) {
                    running[column][c] = exact[c];
                }
            }
            if (ends && in_tile_y == CONFIG_T::filt_height - 1) {
                res_T result;
                PRAGMA_DATA_PACK(result)
            Bring:
                for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                    #pragma HLS UNROLL
                    result[c] =
                        bring<typename res_T::value_type, CONFIG_T::exact_width, CONFIG_T::exact_frac>(exact[c]);
                }
                res.write(result);
            }
        }
        if (x == CONFIG_T::in_width - 1) {
            x = 0;
            in_tile_x = 0;
            column = 0;
            y++;
            in_tile_y = in_tile_y == CONFIG_T::filt_height - 1 ? 0 : in_tile_y + 1;
        } else {
            x++;
            in_tile_x = ends ? 0 : in_tile_x + 1;
            column = ends ? column + 1 : column;
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void pool2d_tiles(hls::stream<data_T> &data, hls::stream<res_T> &res, unsigned frames) {
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        pool2d_tiles_frame<data_T, res_T, CONFIG_T>(data, res);
    }
}

} // namespace semifreddo
#endif
