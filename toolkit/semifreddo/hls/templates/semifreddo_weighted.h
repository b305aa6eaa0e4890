// semifreddo: partly frozen convolution and fully connected layers.
//
// CONFIG_T::logic is generated for each layer (nnet_code_gen.h):
//   frozen(window, sums)                  the frozen output channels as adders
//   constant(row, channel)                or as a table, if CONFIG_T::n_constant is not 0
//   loaded_channel(i), frozen_channel(i)  output channel of the i-th multiplied one (depthwise)
//   combine(loaded, frozen, bias, exact)  wiring: aligns fraction bits, adds biases
#ifndef SEMIFREDDO_WEIGHTED_H_
#define SEMIFREDDO_WEIGHTED_H_

#include "nnet_common.h"
#include "nnet_types.h"
#include "semifreddo_task.h"
#include "semifreddo_window.h"

namespace semifreddo {

// A weight memory: LANES rows are read at once, so each of them has a memory of its own.
template <typename CONFIG_T> struct weights {
    static const unsigned lanes = CONFIG_T::rows_per_cycle;
    static const unsigned groups = CONFIG_T::n_rows / CONFIG_T::rows_per_cycle;
    typedef typename CONFIG_T::weight_row_t row;
    typedef typename row::part part;
    static_assert(CONFIG_T::n_loaded * lanes <= most_elements, "too many multipliers at once");
    static_assert(CONFIG_T::n_constant * lanes <= most_elements, "too many multipliers at once");
};

// Adds the products of one cycle: loadable channels with rows read from memory, frozen channels
// that are a table with constants. Accumulators are registers, set by the first cycle.
template <typename CONFIG_T>
void multiply_step(unsigned step, const typename CONFIG_T::data_t inputs[CONFIG_T::rows_per_cycle][CONFIG_T::n_taps],
                   const typename weights<CONFIG_T>::part
                       rows[weights<CONFIG_T>::groups][weights<CONFIG_T>::lanes][weights<CONFIG_T>::row::n_parts],
                   typename CONFIG_T::loaded_t loaded[CONFIG_T::n_loaded_or_1],
                   typename CONFIG_T::frozen_t frozen[CONFIG_T::n_frozen_or_1]) {
    #pragma HLS INLINE
    typedef typename weights<CONFIG_T>::row row_t;
    const unsigned lanes = CONFIG_T::rows_per_cycle;
    typename row_t::part now[lanes][row_t::n_parts];
    #pragma HLS ARRAY_PARTITION variable=now complete dim=0
    if (CONFIG_T::n_loaded > 0) {
    Read:
        for (unsigned lane = 0; lane < lanes; lane++) {
            #pragma HLS UNROLL
        Parts:
            for (unsigned p = 0; p < row_t::n_parts; p++) {
                #pragma HLS UNROLL
                now[lane][p] = rows[step][lane][p];
            }
        }
    }
Loaded:
    for (unsigned c = 0; c < CONFIG_T::n_loaded; c++) {
        #pragma HLS UNROLL
        const unsigned tap = CONFIG_T::depthwise ? CONFIG_T::logic::loaded_channel(c) : 0;
        typename CONFIG_T::loaded_t sum = 0;
    LoadedLanes:
        for (unsigned lane = 0; lane < lanes; lane++) {
            #pragma HLS UNROLL
            sum += product<typename CONFIG_T::loaded_t>(inputs[lane][tap], row_t::get(now[lane], c));
        }
        const typename CONFIG_T::loaded_t before = step == 0 ? typename CONFIG_T::loaded_t(0) : loaded[c];
        loaded[c] = before + sum;
    }
Constant:
    for (unsigned c = 0; c < CONFIG_T::n_constant; c++) {
        #pragma HLS UNROLL
        const unsigned tap = CONFIG_T::depthwise ? CONFIG_T::logic::frozen_channel(c) : 0;
        typename CONFIG_T::frozen_t sum = 0;
    ConstantLanes:
        for (unsigned lane = 0; lane < lanes; lane++) {
            #pragma HLS UNROLL
            sum += product<typename CONFIG_T::frozen_t>(inputs[lane][tap],
                                                        CONFIG_T::logic::constant(step * lanes + lane, c));
        }
        const typename CONFIG_T::frozen_t before = step == 0 ? typename CONFIG_T::frozen_t(0) : frozen[c];
        frozen[c] = before + sum;
    }
}

// One output pixel, once all products are added.
template <class res_T, typename CONFIG_T>
res_T finish_pixel(const typename CONFIG_T::data_t window[CONFIG_T::n_window],
                   const typename CONFIG_T::loaded_t loaded[CONFIG_T::n_loaded_or_1],
                   typename CONFIG_T::frozen_t frozen[CONFIG_T::n_frozen_or_1],
                   const typename CONFIG_T::bias_row_t::part bias[CONFIG_T::bias_row_t::n_parts]) {
    #pragma HLS INLINE
    s<CONFIG_T::exact_width> exact[CONFIG_T::n_filt];
    #pragma HLS ARRAY_PARTITION variable=exact complete
    CONFIG_T::logic::frozen(window, frozen);
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

// One image through a convolution. A cycle takes a pixel, or adds the next products of a result
// whose pixel has come: no cycle is lost between pixels or image rows. in_width and in_height count
// the zero padding.
template <class data_T, class res_T, typename CONFIG_T>
void conv2d_frame(hls::stream<data_T> &data, hls::stream<res_T> &res,
                  const typename weights<CONFIG_T>::part
                      rows[weights<CONFIG_T>::groups][weights<CONFIG_T>::lanes][weights<CONFIG_T>::row::n_parts],
                  const typename CONFIG_T::bias_row_t::part bias[CONFIG_T::bias_row_t::n_parts]) {
    #pragma HLS INLINE
    static_assert(CONFIG_T::n_window <= most_elements, "a window has more values than registers are allowed");
    static_assert(stream_word<data_T>::bits > 0 && stream_word<res_T>::bits > 0, "");
    static typename lines<CONFIG_T>::line above[lines<CONFIG_T>::rows][CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=above complete dim=2
    static typename CONFIG_T::data_t window[CONFIG_T::n_window];
    #pragma HLS ARRAY_PARTITION variable=window complete
    typename CONFIG_T::loaded_t loaded[CONFIG_T::n_loaded_or_1];
    #pragma HLS ARRAY_PARTITION variable=loaded complete
    typename CONFIG_T::frozen_t frozen[CONFIG_T::n_frozen_or_1];
    #pragma HLS ARRAY_PARTITION variable=frozen complete

    const unsigned lanes = CONFIG_T::rows_per_cycle;
    place<CONFIG_T> at;
    unsigned step = 0;
Cycles:
    for (unsigned i = 0; i < CONFIG_T::n_cycles; i++) {
        #pragma HLS PIPELINE II=1
        typename CONFIG_T::data_t pixel[CONFIG_T::n_chan];
        #pragma HLS ARRAY_PARTITION variable=pixel complete
        typename CONFIG_T::data_t inputs[lanes][CONFIG_T::n_taps];
        #pragma HLS ARRAY_PARTITION variable=inputs complete dim=0
        if (step == 0) {
            read_padded<data_T, CONFIG_T>(data, at.y, at.x, pixel);
            shift_window<CONFIG_T>(pixel, above, window);
        }
        const bool last = !at.yields() || step == CONFIG_T::n_steps - 1;
        if (at.yields()) {
            if (CONFIG_T::n_loaded + CONFIG_T::n_constant > 0) {
            Lanes:
                for (unsigned lane = 0; lane < lanes; lane++) {
                    #pragma HLS UNROLL
                Taps:
                    for (unsigned tap = 0; tap < CONFIG_T::n_taps; tap++) {
                        #pragma HLS UNROLL
                        inputs[lane][tap] = window[(step * lanes + lane) * CONFIG_T::n_taps + tap];
                    }
                }
                multiply_step<CONFIG_T>(step, inputs, rows, loaded, frozen);
            }
            if (last) {
                res.write(finish_pixel<res_T, CONFIG_T>(window, loaded, frozen, bias));
            }
        }
        if (last) {
            at.advance();
            step = 0;
        } else {
            step++;
        }
    }
}

// One image through a fully connected layer over (height, width, channel). The image lies in
// CONFIG_T::n_banks memories, so that a pixel is written, and a cycle's rows are read, at once.
template <class data_T, class res_T, typename CONFIG_T>
void dense_frame(hls::stream<data_T> &data, hls::stream<res_T> &res,
                 const typename weights<CONFIG_T>::part
                     rows[weights<CONFIG_T>::groups][weights<CONFIG_T>::lanes][weights<CONFIG_T>::row::n_parts],
                 const typename CONFIG_T::bias_row_t::part bias[CONFIG_T::bias_row_t::n_parts]) {
    #pragma HLS INLINE
    static_assert(CONFIG_T::n_banks <= most_elements, "an image has more values than registers are allowed");
    static_assert(stream_word<data_T>::bits > 0 && stream_word<res_T>::bits > 0, "");
    const unsigned lanes = CONFIG_T::rows_per_cycle;
    const unsigned depth = CONFIG_T::n_window / CONFIG_T::n_banks;
    const unsigned pixels_per_place = CONFIG_T::n_banks / data_T::size;
    const unsigned steps_per_place = CONFIG_T::n_banks / CONFIG_T::rows_per_cycle;
    typename CONFIG_T::data_t window[depth][CONFIG_T::n_banks];
    #pragma HLS ARRAY_PARTITION variable=window complete dim=2
    typename CONFIG_T::loaded_t loaded[CONFIG_T::n_loaded_or_1];
    #pragma HLS ARRAY_PARTITION variable=loaded complete
    typename CONFIG_T::frozen_t frozen[CONFIG_T::n_frozen_or_1];
    #pragma HLS ARRAY_PARTITION variable=frozen complete
    unsigned put = 0;
    unsigned pixel = 0;
Collect:
    for (unsigned i = 0; i < CONFIG_T::n_window / data_T::size; i++) {
        #pragma HLS PIPELINE II=1
        const data_T word_in = data.read();
    Raw:
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            window[put][pixel * data_T::size + c] = raw(word_in[c]);
        }
        pixel = pixel == pixels_per_place - 1 ? 0 : pixel + 1;
        put = pixel == 0 ? put + 1 : put;
    }
    if (CONFIG_T::n_loaded + CONFIG_T::n_constant > 0) {
        unsigned take = 0;
        unsigned part = 0;
    Cycles:
        for (unsigned step = 0; step < CONFIG_T::n_steps; step++) {
            #pragma HLS PIPELINE II=1
            typename CONFIG_T::data_t inputs[lanes][CONFIG_T::n_taps];
            #pragma HLS ARRAY_PARTITION variable=inputs complete dim=0
        Lanes:
            for (unsigned lane = 0; lane < lanes; lane++) {
                #pragma HLS UNROLL
                inputs[lane][0] = window[take][part * lanes + lane];
            }
            multiply_step<CONFIG_T>(step, inputs, rows, loaded, frozen);
            part = part == steps_per_place - 1 ? 0 : part + 1;
            take = part == 0 ? take + 1 : take;
        }
    }
    res.write(finish_pixel<res_T, CONFIG_T>(window[0], loaded, frozen, bias));
}

// Before the first frame of a start, a layer takes new loadable values if the start's header word says
// that there are any: the swap falls between two frames.
template <typename CONFIG_T>
void take_task(hls::stream<word> &task,
               typename weights<CONFIG_T>::part
                   rows[weights<CONFIG_T>::groups][weights<CONFIG_T>::lanes][weights<CONFIG_T>::row::n_parts],
               typename CONFIG_T::bias_row_t::part bias[1][1][CONFIG_T::bias_row_t::n_parts]) {
    #pragma HLS INLINE
    if (task.read() != 0) {
        if (CONFIG_T::n_loaded > 0) {
            take_rows<typename CONFIG_T::weight_row_t, weights<CONFIG_T>::groups, weights<CONFIG_T>::lanes>(task, rows);
        }
        if (CONFIG_T::n_loaded_bias > 0) {
            take_rows<typename CONFIG_T::bias_row_t, 1, 1>(task, bias);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void conv2d(hls::stream<data_T> &data, hls::stream<res_T> &res, hls::stream<word> &task, unsigned frames) {
    static typename weights<CONFIG_T>::part rows[weights<CONFIG_T>::groups][weights<CONFIG_T>::lanes]
                                                [weights<CONFIG_T>::row::n_parts];
    #pragma HLS ARRAY_PARTITION variable=rows complete dim=2
    #pragma HLS ARRAY_PARTITION variable=rows complete dim=3
    static typename CONFIG_T::bias_row_t::part bias[1][1][CONFIG_T::bias_row_t::n_parts];
    #pragma HLS ARRAY_PARTITION variable=bias complete dim=0
    take_task<CONFIG_T>(task, rows, bias);
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        conv2d_frame<data_T, res_T, CONFIG_T>(data, res, rows, bias[0][0]);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void conv2d(hls::stream<data_T> &data, hls::stream<res_T> &res, unsigned frames) {
    static const typename weights<CONFIG_T>::part rows[weights<CONFIG_T>::groups][weights<CONFIG_T>::lanes]
                                                      [weights<CONFIG_T>::row::n_parts] = {};
    static const typename CONFIG_T::bias_row_t::part bias[CONFIG_T::bias_row_t::n_parts] = {};
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        conv2d_frame<data_T, res_T, CONFIG_T>(data, res, rows, bias);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void dense(hls::stream<data_T> &data, hls::stream<res_T> &res, hls::stream<word> &task, unsigned frames) {
    static typename weights<CONFIG_T>::part rows[weights<CONFIG_T>::groups][weights<CONFIG_T>::lanes]
                                                [weights<CONFIG_T>::row::n_parts];
    #pragma HLS ARRAY_PARTITION variable=rows complete dim=2
    #pragma HLS ARRAY_PARTITION variable=rows complete dim=3
    static typename CONFIG_T::bias_row_t::part bias[1][1][CONFIG_T::bias_row_t::n_parts];
    #pragma HLS ARRAY_PARTITION variable=bias complete dim=0
    take_task<CONFIG_T>(task, rows, bias);
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        dense_frame<data_T, res_T, CONFIG_T>(data, res, rows, bias[0][0]);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void dense(hls::stream<data_T> &data, hls::stream<res_T> &res, unsigned frames) {
    static const typename weights<CONFIG_T>::part rows[weights<CONFIG_T>::groups][weights<CONFIG_T>::lanes]
                                                      [weights<CONFIG_T>::row::n_parts] = {};
    static const typename CONFIG_T::bias_row_t::part bias[CONFIG_T::bias_row_t::n_parts] = {};
Frames:
    for (unsigned frame = 0; frame < frames; frame++) {
        #pragma HLS LOOP_FLATTEN off
        #pragma HLS LOOP_TRIPCOUNT min=1 max=1
        dense_frame<data_T, res_T, CONFIG_T>(data, res, rows, bias);
    }
}

} // namespace semifreddo
#endif
