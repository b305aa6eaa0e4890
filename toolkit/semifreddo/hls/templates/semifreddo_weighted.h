// semifreddo: partly frozen convolution and fully connected layers.
//
// CONFIG_T::logic is generated for each layer (nnet_code_gen.h):
//   frozen(window, sums)                  the frozen output channels as adders
//   constant(row, channel)                or as a table, if CONFIG_T::n_constant is not 0
//   channel(i)                            output channel of the i-th multiplied channel (depthwise)
//   combine(loaded, frozen, bias, exact)  wiring: aligns fraction bits, adds biases
#ifndef SEMIFREDDO_WEIGHTED_H_
#define SEMIFREDDO_WEIGHTED_H_

#include "nnet_common.h"
#include "nnet_conv_stream.h"
#include "nnet_types.h"
#include "semifreddo_task.h"

namespace semifreddo {

// Multiplies CONFIG_T::rows_per_cycle rows per cycle: loadable channels with rows read from memory,
// frozen channels that are a table with constants. Accumulators are registers.
template <typename CONFIG_T>
void multiply_rows(const typename CONFIG_T::data_t window[CONFIG_T::n_window],
                   const typename CONFIG_T::weight_row_t rows[CONFIG_T::n_rows],
                   typename CONFIG_T::loaded_t loaded[CONFIG_T::n_loaded_or_1],
                   typename CONFIG_T::frozen_t frozen[CONFIG_T::n_frozen_or_1]) {
    #pragma HLS INLINE
Clear:
    for (unsigned c = 0; c < CONFIG_T::n_loaded; c++) {
        #pragma HLS UNROLL
        loaded[c] = 0;
    }
ClearConstant:
    for (unsigned c = 0; c < CONFIG_T::n_constant; c++) {
        #pragma HLS UNROLL
        frozen[c] = 0;
    }
Rows:
    for (unsigned step = 0; step < CONFIG_T::n_rows / CONFIG_T::rows_per_cycle; step++) {
        #pragma HLS PIPELINE II=1
    Lanes:
        for (unsigned lane = 0; lane < CONFIG_T::rows_per_cycle; lane++) {
            #pragma HLS UNROLL
            const unsigned r = step * CONFIG_T::rows_per_cycle + lane; // bank: lane
        Loaded:
            for (unsigned c = 0; c < CONFIG_T::n_loaded; c++) {
                #pragma HLS UNROLL
                const unsigned place =
                    CONFIG_T::depthwise ? r * CONFIG_T::n_chan + CONFIG_T::logic::loaded_channel(c) : r;
                loaded[c] += product<typename CONFIG_T::loaded_t>(window[place], rows[r].get(c));
            }
        Constant:
            for (unsigned c = 0; c < CONFIG_T::n_constant; c++) {
                #pragma HLS UNROLL
                const unsigned place =
                    CONFIG_T::depthwise ? r * CONFIG_T::n_chan + CONFIG_T::logic::frozen_channel(c) : r;
                frozen[c] += product<typename CONFIG_T::frozen_t>(window[place], CONFIG_T::logic::constant(r, c));
            }
        }
    }
}

// One output pixel.
template <class res_T, typename CONFIG_T>
res_T weighted_pixel(const typename CONFIG_T::data_t window[CONFIG_T::n_window],
                     const typename CONFIG_T::weight_row_t rows[CONFIG_T::n_rows],
                     const typename CONFIG_T::bias_row_t &bias) {
    #pragma HLS INLINE
    typename CONFIG_T::loaded_t loaded[CONFIG_T::n_loaded_or_1];
    #pragma HLS ARRAY_PARTITION variable=loaded complete
    typename CONFIG_T::frozen_t frozen[CONFIG_T::n_frozen_or_1];
    #pragma HLS ARRAY_PARTITION variable=frozen complete
    s<CONFIG_T::exact_width> exact[CONFIG_T::n_filt];
    #pragma HLS ARRAY_PARTITION variable=exact complete

    CONFIG_T::logic::frozen(window, frozen);
    if (CONFIG_T::n_loaded + CONFIG_T::n_constant > 0) {
        multiply_rows<CONFIG_T>(window, rows, loaded, frozen);
    }
    CONFIG_T::logic::combine(loaded, frozen, bias, exact);

    res_T pixel;
    PRAGMA_DATA_PACK(pixel)
Bring:
    for (unsigned c = 0; c < CONFIG_T::n_filt; c++) {
        #pragma HLS UNROLL
        pixel[c] = bring<typename res_T::value_type, CONFIG_T::exact_width, CONFIG_T::exact_frac>(exact[c]);
    }
    return pixel;
}

// One image through a convolution. in_width and in_height count the zero padding, as hls4ml's line
// buffer (shift_line_buffer) expects.
template <class data_T, class res_T, typename CONFIG_T>
void conv2d_frame(hls::stream<data_T> &data, hls::stream<res_T> &res,
                  const typename CONFIG_T::weight_row_t rows[CONFIG_T::n_rows],
                  const typename CONFIG_T::bias_row_t &bias) {
    #pragma HLS INLINE
    typedef nnet::array<typename CONFIG_T::data_t, CONFIG_T::n_chan> raw_pixel_t;
    static ap_shift_reg<typename CONFIG_T::data_t, CONFIG_T::in_width> line_buffer[MAX(CONFIG_T::filt_height - 1, 1)]
                                                                                  [CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=line_buffer complete dim=2
    static typename CONFIG_T::data_t window[CONFIG_T::filt_height * CONFIG_T::filt_width * CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=window complete

    unsigned wait_y = CONFIG_T::filt_height - 1; // rows until the next output row
Height:
    for (unsigned y = 0; y < CONFIG_T::in_height; y++) {
        unsigned wait_x = CONFIG_T::filt_width - 1; // columns until the next output pixel
    Width:
        for (unsigned x = 0; x < CONFIG_T::in_width; x++) {
            if (CONFIG_T::n_steps == 1) {
                #pragma HLS PIPELINE II=1
            }
            raw_pixel_t pixel;
            read_padded<data_T, CONFIG_T>(data, y, x, pixel);
            nnet::shift_line_buffer<raw_pixel_t, CONFIG_T>(pixel, line_buffer, window);
            if (wait_y == 0 && wait_x == 0) {
                res.write(weighted_pixel<res_T, CONFIG_T>(window, rows, bias));
            }
            wait_x = wait_x == 0 ? CONFIG_T::stride_width - 1 : wait_x - 1;
        }
        wait_y = wait_y == 0 ? CONFIG_T::stride_height - 1 : wait_y - 1;
    }
}

// One image through a fully connected layer over (height, width, channel).
template <class data_T, class res_T, typename CONFIG_T>
void dense_frame(hls::stream<data_T> &data, hls::stream<res_T> &res,
                 const typename CONFIG_T::weight_row_t rows[CONFIG_T::n_rows],
                 const typename CONFIG_T::bias_row_t &bias) {
    #pragma HLS INLINE
    const unsigned banks = CONFIG_T::n_banks;
    (void)banks; // named in a pragma only
    typename CONFIG_T::data_t window[CONFIG_T::n_window];
    #pragma HLS ARRAY_PARTITION variable=window cyclic factor=banks
Collect:
    for (unsigned i = 0; i < CONFIG_T::n_window / data_T::size; i++) {
        #pragma HLS PIPELINE
        const data_T word_in = data.read();
    Raw:
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            window[i * data_T::size + c] = raw(word_in[c]);
        }
    }
    res.write(weighted_pixel<res_T, CONFIG_T>(window, rows, bias));
}

// Before a frame, a layer takes new loadable values if the frame's header word says that there are
// any: the swap falls between two frames.
template <typename CONFIG_T>
void take_task(hls::stream<word> &task, typename CONFIG_T::weight_row_t rows[CONFIG_T::n_rows],
               typename CONFIG_T::bias_row_t bias[1]) {
    #pragma HLS INLINE
    if (task.read() != 0) {
        if (CONFIG_T::n_loaded > 0) {
            take_rows<typename CONFIG_T::weight_row_t, CONFIG_T::n_rows>(task, rows);
        }
        if (CONFIG_T::n_loaded_bias > 0) {
            take_rows<typename CONFIG_T::bias_row_t, 1>(task, bias);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void conv2d(hls::stream<data_T> &data, hls::stream<res_T> &res, hls::stream<word> &task) {
    const unsigned lanes = CONFIG_T::rows_per_cycle;
    (void)lanes; // named in pragmas only
    static typename CONFIG_T::weight_row_t rows[CONFIG_T::n_rows];
    #pragma HLS ARRAY_PARTITION variable=rows cyclic factor=lanes
    static typename CONFIG_T::bias_row_t bias[1];
    #pragma HLS ARRAY_PARTITION variable=bias complete
    take_task<CONFIG_T>(task, rows, bias);
    conv2d_frame<data_T, res_T, CONFIG_T>(data, res, rows, bias[0]);
}

template <class data_T, class res_T, typename CONFIG_T>
void conv2d(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    static const typename CONFIG_T::weight_row_t rows[CONFIG_T::n_rows] = {};
    static const typename CONFIG_T::bias_row_t bias = {};
    conv2d_frame<data_T, res_T, CONFIG_T>(data, res, rows, bias);
}

template <class data_T, class res_T, typename CONFIG_T>
void dense(hls::stream<data_T> &data, hls::stream<res_T> &res, hls::stream<word> &task) {
    const unsigned lanes = CONFIG_T::rows_per_cycle;
    (void)lanes; // named in pragmas only
    static typename CONFIG_T::weight_row_t rows[CONFIG_T::n_rows];
    #pragma HLS ARRAY_PARTITION variable=rows cyclic factor=lanes
    static typename CONFIG_T::bias_row_t bias[1];
    #pragma HLS ARRAY_PARTITION variable=bias complete
    take_task<CONFIG_T>(task, rows, bias);
    dense_frame<data_T, res_T, CONFIG_T>(data, res, rows, bias[0]);
}

template <class data_T, class res_T, typename CONFIG_T>
void dense(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    static const typename CONFIG_T::weight_row_t rows[CONFIG_T::n_rows] = {};
    static const typename CONFIG_T::bias_row_t bias = {};
    dense_frame<data_T, res_T, CONFIG_T>(data, res, rows, bias);
}

} // namespace semifreddo
#endif
