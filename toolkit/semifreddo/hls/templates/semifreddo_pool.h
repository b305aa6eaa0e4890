// semifreddo: exact pooling. The mean of 2^k values is their sum with k more fraction bits.
#ifndef SEMIFREDDO_POOL_H_
#define SEMIFREDDO_POOL_H_

#include "nnet_common.h"
#include "nnet_conv_stream.h"
#include "nnet_types.h"
#include "semifreddo_types.h"

namespace semifreddo {

template <typename CONFIG_T>
s<CONFIG_T::exact_width> pool_step(const s<CONFIG_T::exact_width> &so_far, const s<CONFIG_T::exact_width> &next) {
    #pragma HLS INLINE
    if (CONFIG_T::maximum) {
        return so_far > next ? so_far : next;
    }
    return so_far + next;
}

// Windows that overlap or are padded: hls4ml's line buffer.
template <class data_T, class res_T, typename CONFIG_T>
void pool2d_windows(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef nnet::array<typename CONFIG_T::data_t, CONFIG_T::n_chan> raw_pixel_t;
    static ap_shift_reg<typename CONFIG_T::data_t, CONFIG_T::in_width> line_buffer[MAX(CONFIG_T::filt_height - 1, 1)]
                                                                                  [CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=line_buffer complete dim=2
    static typename CONFIG_T::data_t window[CONFIG_T::filt_height * CONFIG_T::filt_width * CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=window complete

    unsigned wait_y = CONFIG_T::filt_height - 1;
Height:
    for (unsigned y = 0; y < CONFIG_T::in_height; y++) {
        unsigned wait_x = CONFIG_T::filt_width - 1;
    Width:
        for (unsigned x = 0; x < CONFIG_T::in_width; x++) {
            #pragma HLS PIPELINE II=1
            raw_pixel_t pixel;
            read_padded<data_T, CONFIG_T>(data, y, x, pixel);
            nnet::shift_line_buffer<raw_pixel_t, CONFIG_T>(pixel, line_buffer, window);
            if (wait_y == 0 && wait_x == 0) {
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
            wait_x = wait_x == 0 ? CONFIG_T::stride_width - 1 : wait_x - 1;
        }
        wait_y = wait_y == 0 ? CONFIG_T::stride_height - 1 : wait_y - 1;
    }
}

// Windows side by side: one running result per output column and channel, no line buffer.
template <class data_T, class res_T, typename CONFIG_T>
void pool2d_tiles(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    s<CONFIG_T::exact_width> running[CONFIG_T::out_width][CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=running complete dim=2
    unsigned in_tile_y = 0;
Height:
    for (unsigned y = 0; y < CONFIG_T::in_height; y++) {
        unsigned in_tile_x = 0;
        unsigned column = 0;
    Width:
        for (unsigned x = 0; x < CONFIG_T::in_width; x++) {
            #pragma HLS PIPELINE II=1
            const data_T word_in = data.read();
            const bool inside = y < CONFIG_T::out_height * CONFIG_T::filt_height &&
                                x < CONFIG_T::out_width * CONFIG_T::filt_width;
            const bool first = in_tile_y == 0 && in_tile_x == 0;
            const bool last = in_tile_y == CONFIG_T::filt_height - 1 && in_tile_x == CONFIG_T::filt_width - 1;
            if (inside) {
                s<CONFIG_T::exact_width> exact[CONFIG_T::n_chan];
                #pragma HLS ARRAY_PARTITION variable=exact complete
            Channels:
                for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                    #pragma HLS UNROLL
                    const s<CONFIG_T::exact_width> next = raw(word_in[c]);
                    exact[c] = first ? next : pool_step<CONFIG_T>(running[column][c], next);
                    running[column][c] = exact[c];
                }
                if (last) {
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
            if (in_tile_x == CONFIG_T::filt_width - 1) {
                in_tile_x = 0;
                column++;
            } else {
                in_tile_x++;
            }
        }
        in_tile_y = in_tile_y == CONFIG_T::filt_height - 1 ? 0 : in_tile_y + 1;
    }
}

} // namespace semifreddo
#endif
