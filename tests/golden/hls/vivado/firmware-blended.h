#ifndef BLENDED_H_
#define BLENDED_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"

#include "defines.h"
#include "nnet_utils/semifreddo_axis.h"

// One call is so many images as frames says; TLAST ends the result of the last one.
// load_task = 1: every layer takes its new values out of task_memory (see ADDRESS_MAP.md) before
// the first image of this call; task_memory may be written while load_task is 0.
void blended(
    hls::stream<semifreddo::axis_word> &image,
    hls::stream<semifreddo::axis_word> &result,
    unsigned frames,
    bool load_task,
    const unsigned task_memory[16]
);

#endif
