// semifreddo: sliding windows over a zero-padded image, one pixel per call.
#ifndef SEMIFREDDO_WINDOW_H_
#define SEMIFREDDO_WINDOW_H_

#include "ap_shift_reg.h"
#include "hls_stream.h"
#include "semifreddo_types.h"

namespace semifreddo {

// Values that the tools hold in registers at once, and copies they make of a loop's body.
const unsigned most_elements = 4096;

// The tool's DATA_PACK or its own packing of a stream's word.
const int widest_stream = 4096;

template <class data_T> struct stream_word {
    static const int bits = data_T::size * format<typename data_T::value_type>::width;
    static_assert(bits <= widest_stream, "a pixel has more bits than a word of a stream");
};

// Rows of the image above the newest one, a delay line per row and channel.
template <typename CONFIG_T> struct lines {
    static const unsigned rows = CONFIG_T::filt_height > 1 ? CONFIG_T::filt_height - 1 : 1;
    typedef ap_shift_reg<typename CONFIG_T::data_t, CONFIG_T::in_width> line;
};

// Raw pixel at (y, x) of an image with its zero padding: read inside, zero outside.
template <class data_T, typename CONFIG_T>
void read_padded(hls::stream<data_T> &data, unsigned y, unsigned x, typename CONFIG_T::data_t pixel[CONFIG_T::n_chan]) {
    #pragma HLS INLINE
    const bool inside = y >= CONFIG_T::pad_top && y < CONFIG_T::in_height - CONFIG_T::pad_bottom &&
                        x >= CONFIG_T::pad_left && x < CONFIG_T::in_width - CONFIG_T::pad_right;
    if (inside) {
        const data_T word_in = data.read();
    Raw:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            pixel[c] = raw(word_in[c]);
        }
    } else {
    Zero:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            pixel[c] = 0;
        }
    }
}

// Moves the window, in (height, width, channel) order, one pixel on.
template <typename CONFIG_T>
void shift_window(const typename CONFIG_T::data_t pixel[CONFIG_T::n_chan],
                  typename lines<CONFIG_T>::line above[lines<CONFIG_T>::rows][CONFIG_T::n_chan],
                  typename CONFIG_T::data_t window[CONFIG_T::filt_height * CONFIG_T::filt_width * CONFIG_T::n_chan]) {
    #pragma HLS INLINE
    const unsigned height = CONFIG_T::filt_height;
    const unsigned width = CONFIG_T::filt_width;
    const unsigned n_chan = CONFIG_T::n_chan;
Channels:
    for (unsigned c = 0; c < n_chan; c++) {
        #pragma HLS UNROLL
        typename CONFIG_T::data_t newest = pixel[c];
    Rows:
        for (unsigned below = 0; below < height; below++) {
            #pragma HLS UNROLL
            const unsigned h = height - 1 - below;
        Columns:
            for (unsigned w = 0; w + 1 < width; w++) {
                #pragma HLS UNROLL
                window[(h * width + w) * n_chan + c] = window[(h * width + w + 1) * n_chan + c];
            }
            window[(h * width + width - 1) * n_chan + c] = newest;
            if (h > 0) {
                newest = above[h > 0 ? h - 1 : 0][c].shift(newest);
            }
        }
    }
}

// Where the window stands, and whether a result belongs to this place.
template <typename CONFIG_T> struct place {
    unsigned y;
    unsigned x;
    unsigned wait_y; // rows until the next row of results
    unsigned wait_x; // columns until the next result

    place() : y(0), x(0), wait_y(CONFIG_T::filt_height - 1), wait_x(CONFIG_T::filt_width - 1) {}

    bool yields() const {
        #pragma HLS INLINE
        return wait_y == 0 && wait_x == 0;
    }

    void advance() {
        #pragma HLS INLINE
        if (x == CONFIG_T::in_width - 1) {
            x = 0;
            y++;
            wait_x = CONFIG_T::filt_width - 1;
            wait_y = wait_y == 0 ? CONFIG_T::stride_height - 1 : wait_y - 1;
        } else {
            x++;
            wait_x = wait_x == 0 ? CONFIG_T::stride_width - 1 : wait_x - 1;
        }
    }
};

} // namespace semifreddo
#endif
