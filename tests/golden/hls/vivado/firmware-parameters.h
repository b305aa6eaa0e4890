#ifndef PARAMETERS_H_
#define PARAMETERS_H_

#include "ap_fixed.h"
#include "ap_int.h"

#include "nnet_utils/nnet_code_gen.h"
#include "nnet_utils/nnet_helpers.h"
// hls-fpga-machine-learning insert includes
#include "nnet_utils/semifreddo_axis.h"
#include "nnet_utils/semifreddo_pixelwise.h"
#include "nnet_utils/semifreddo_pool.h"
#include "nnet_utils/semifreddo_task.h"
#include "nnet_utils/semifreddo_trace.h"
#include "nnet_utils/semifreddo_types.h"
#include "nnet_utils/semifreddo_weighted.h"
#include "nnet_utils/semifreddo_window.h"

// hls-fpga-machine-learning insert weights


// hls-fpga-machine-learning insert layer-config
// core
struct core_config {
    typedef nnet::core_logic logic;
    typedef semifreddo::u<8> data_t;
    typedef semifreddo::row<1, 1, false> weight_row_t;
    typedef semifreddo::row<1, 1, false> bias_row_t;
    typedef semifreddo::s<1> loaded_t;
    typedef semifreddo::s<15> frozen_t;
    static const unsigned n_chan = 1;
    static const unsigned n_filt = 4;
    static const unsigned n_window = 9;
    static const unsigned n_rows = 9;
    static const unsigned n_loaded = 0;
    static const unsigned n_loaded_or_1 = 1;
    static const unsigned n_loaded_bias = 0;
    static const unsigned n_constant = 0;
    static const unsigned n_frozen_or_1 = 4;
    static const unsigned rows_per_cycle = 1;
    static const unsigned n_taps = 1;
    static const unsigned n_steps = 1;
    static const unsigned in_height = 6;
    static const unsigned in_width = 6;
    static const unsigned filt_height = 3;
    static const unsigned filt_width = 3;
    static const unsigned stride_height = 1;
    static const unsigned stride_width = 1;
    static const unsigned pad_top = 1;
    static const unsigned pad_left = 1;
    static const unsigned pad_bottom = 1;
    static const unsigned pad_right = 1;
    static const unsigned n_cycles = 36;
    static const bool depthwise = false;
    static const int exact_width = 15;
    static const int exact_frac = 11;
};

// adapter
struct adapter_config {
    typedef nnet::adapter_logic logic;
    typedef semifreddo::u<8> data_t;
    typedef semifreddo::row<3, 4, true> weight_row_t;
    typedef semifreddo::row<3, 12, true> bias_row_t;
    typedef semifreddo::s<16> loaded_t;
    typedef semifreddo::s<14> frozen_t;
    static const unsigned n_chan = 1;
    static const unsigned n_filt = 4;
    static const unsigned n_window = 9;
    static const unsigned n_rows = 9;
    static const unsigned n_loaded = 3;
    static const unsigned n_loaded_or_1 = 3;
    static const unsigned n_loaded_bias = 3;
    static const unsigned n_constant = 0;
    static const unsigned n_frozen_or_1 = 1;
    static const unsigned rows_per_cycle = 1;
    static const unsigned n_taps = 1;
    static const unsigned n_steps = 9;
    static const unsigned in_height = 6;
    static const unsigned in_width = 6;
    static const unsigned filt_height = 3;
    static const unsigned filt_width = 3;
    static const unsigned stride_height = 1;
    static const unsigned stride_width = 1;
    static const unsigned pad_top = 1;
    static const unsigned pad_left = 1;
    static const unsigned pad_bottom = 1;
    static const unsigned pad_right = 1;
    static const unsigned n_cycles = 164;
    static const bool depthwise = false;
    static const int exact_width = 16;
    static const int exact_frac = 11;
};

// mix
struct mix_config {
    typedef nnet::mix_logic logic;
    typedef semifreddo::row<4, 4, false> alpha_row_t;
    static const unsigned n_pixels = 16;
    static const int exact_width = 12;
    static const int exact_frac = 7;
};

// pool
struct pool_config {
    typedef semifreddo::u<8> data_t;
    static const unsigned n_chan = 4;
    static const unsigned out_height = 1;
    static const unsigned out_width = 1;
    static const unsigned in_height = 4;
    static const unsigned in_width = 4;
    static const unsigned filt_height = 4;
    static const unsigned filt_width = 4;
    static const unsigned stride_height = 4;
    static const unsigned stride_width = 4;
    static const unsigned pad_top = 0;
    static const unsigned pad_left = 0;
    static const unsigned pad_bottom = 0;
    static const unsigned pad_right = 0;
    static const bool maximum = false;
    static const int exact_width = 13;
    static const int exact_frac = 8;
};

// logits
struct logits_config {
    typedef nnet::logits_logic logic;
    typedef semifreddo::u<8> data_t;
    typedef semifreddo::row<3, 4, true> weight_row_t;
    typedef semifreddo::row<1, 1, false> bias_row_t;
    typedef semifreddo::s<14> loaded_t;
    typedef semifreddo::s<1> frozen_t;
    static const unsigned n_chan = 4;
    static const unsigned n_filt = 3;
    static const unsigned n_window = 4;
    static const unsigned n_rows = 4;
    static const unsigned n_loaded = 3;
    static const unsigned n_loaded_or_1 = 3;
    static const unsigned n_loaded_bias = 0;
    static const unsigned n_constant = 0;
    static const unsigned n_frozen_or_1 = 1;
    static const unsigned rows_per_cycle = 1;
    static const unsigned n_taps = 1;
    static const unsigned n_steps = 4;
    static const unsigned n_banks = 4;
    static const bool depthwise = false;
    static const int exact_width = 14;
    static const int exact_frac = 7;
};



#endif
