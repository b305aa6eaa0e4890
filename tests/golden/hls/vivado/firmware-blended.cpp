#include "blended.h"
#include "parameters.h"

// One header word per layer and call says whether values follow.
static void distribute_task(
    bool load_task, const unsigned task_memory[16],
    hls::stream<ap_uint<32> > &adapter_task,
    hls::stream<ap_uint<32> > &mix_task,
    hls::stream<ap_uint<32> > &logits_task
) {
    adapter_task.write(load_task);
    if (load_task) {
        // adapter.weight
        Words0:
        for (unsigned i = 0; i < 9; i++) {
            #pragma HLS PIPELINE II=1
            adapter_task.write(task_memory[0 + i]);
        }
        // adapter.bias
        Words1:
        for (unsigned i = 0; i < 2; i++) {
            #pragma HLS PIPELINE II=1
            adapter_task.write(task_memory[9 + i]);
        }
    }
    mix_task.write(load_task);
    if (load_task) {
        // mix.alpha
        Words2:
        for (unsigned i = 0; i < 1; i++) {
            #pragma HLS PIPELINE II=1
            mix_task.write(task_memory[11 + i]);
        }
    }
    logits_task.write(load_task);
    if (load_task) {
        // head.weight
        Words4:
        for (unsigned i = 0; i < 4; i++) {
            #pragma HLS PIPELINE II=1
            logits_task.write(task_memory[12 + i]);
        }
    }
}

void blended(
    hls::stream<semifreddo::axis_word> &image,
    hls::stream<semifreddo::axis_word> &result,
    unsigned frames,
    bool load_task,
    const unsigned task_memory[16]
) {
    #pragma HLS INTERFACE axis port=image
    #pragma HLS INTERFACE axis port=result
    #pragma HLS INTERFACE s_axilite port=frames bundle=control
    #pragma HLS INTERFACE s_axilite port=load_task bundle=control
    #pragma HLS INTERFACE s_axilite port=task_memory bundle=control
    #pragma HLS INTERFACE s_axilite port=return bundle=control
    #pragma HLS DATAFLOW

    hls::stream<ap_uint<32> > adapter_task("adapter_task");
    #pragma HLS STREAM variable=adapter_task depth=2
    hls::stream<ap_uint<32> > mix_task("mix_task");
    #pragma HLS STREAM variable=mix_task depth=2
    hls::stream<ap_uint<32> > logits_task("logits_task");
    #pragma HLS STREAM variable=logits_task depth=2
    hls::stream<input_t> image_pixels("image_pixels");
    #pragma HLS STREAM variable=image_pixels depth=2
    hls::stream<input_t> image_copy0("image_copy0");
    #pragma HLS STREAM variable=image_copy0 depth=16
    hls::stream<input_t> image_copy1("image_copy1");
    #pragma HLS STREAM variable=image_copy1 depth=16
    hls::stream<core_t> core_out("core_out");
    #pragma HLS STREAM variable=core_out depth=4
    hls::stream<adapter_t> adapter_out("adapter_out");
    #pragma HLS STREAM variable=adapter_out depth=4
    hls::stream<mix_t> mix_out("mix_out");
    #pragma HLS STREAM variable=mix_out depth=4
    hls::stream<pool_t> pool_out("pool_out");
    #pragma HLS STREAM variable=pool_out depth=2
    hls::stream<result_t> result_pixels("result_pixels");
    #pragma HLS STREAM variable=result_pixels depth=2

    distribute_task(load_task, task_memory, adapter_task, mix_task, logits_task);
    semifreddo::receive<input_t, 16>(image, image_pixels, frames);
    nnet::image_fork(image_pixels, image_copy0, image_copy1, frames); // SemifreddoFork
    semifreddo::conv2d<input_t, core_t, core_config>(image_copy0, core_out, frames); // SemifreddoConv2D
    SEMIFREDDO_TRACE_STREAM(core_out, 16 * frames)
    semifreddo::conv2d<input_t, adapter_t, adapter_config>(image_copy1, adapter_out, adapter_task, frames); // SemifreddoConv2D
    SEMIFREDDO_TRACE_STREAM(adapter_out, 16 * frames)
    semifreddo::blend<core_t, adapter_t, mix_t, mix_config>(core_out, adapter_out, mix_out, mix_task, frames); // SemifreddoBlend
    SEMIFREDDO_TRACE_STREAM(mix_out, 16 * frames)
    semifreddo::pool2d_tiles<mix_t, pool_t, pool_config>(mix_out, pool_out, frames); // SemifreddoPool
    SEMIFREDDO_TRACE_STREAM(pool_out, 1 * frames)
    semifreddo::dense<pool_t, result_t, logits_config>(pool_out, result_pixels, logits_task, frames); // SemifreddoDense
    SEMIFREDDO_TRACE_STREAM(result_pixels, 1 * frames)
    semifreddo::send<result_t, 1>(result_pixels, result, frames);
}
