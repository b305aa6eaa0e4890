#ifndef DEFINES_H_
#define DEFINES_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "nnet_utils/nnet_types.h"
#include <array>
#include <cstddef>
#include <cstdio>
#include <tuple>
#include <tuple>


// hls-fpga-machine-learning insert numbers

// hls-fpga-machine-learning insert layer-precision
typedef nnet::array<ap_ufixed<8,0>, 1*1> input_t;
typedef nnet::array<ap_ufixed<8,4,AP_RND_CONV,AP_SAT,0>, 4*1> core_t;
typedef nnet::array<ap_ufixed<8,4,AP_RND_CONV,AP_SAT,0>, 4*1> adapter_t;
typedef nnet::array<ap_ufixed<8,4,AP_RND_CONV,AP_SAT,0>, 4*1> mix_t;
typedef nnet::array<ap_ufixed<8,4,AP_RND_CONV,AP_SAT,0>, 4*1> pool_t;
typedef nnet::array<ap_fixed<20,13>, 3*1> result_t;

// hls-fpga-machine-learning insert emulator-defines


#endif
