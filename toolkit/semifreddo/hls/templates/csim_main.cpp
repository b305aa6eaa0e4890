// C simulation of ${name}: a program that takes commands on stdin and answers on stdout, both
// binary and little-endian. A command is two 32-bit words, a code and a count n:
//   1 n  new task, followed by n 32-bit task words; used from the next image on
//   2 n  run n images, each followed as 64-bit raw integers (height, width, channel)
//   3 n  the same, and every layer's stream (only if compiled with -DSEMIFREDDO_TRACE)
//   4 0  identify: the answer is the device digest, 64 characters
// The answer starts with the 32-bit word 0x46444553 ("SEDF"). Runs answer each image's raw 64-bit
// results in order; traced runs answer each image's streams in layer order, the last one being the
// result. An end of file ends the program.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <unistd.h>
#include <vector>

#include "../firmware/${name}.h"
#include "../firmware/nnet_utils/semifreddo_trace.h"

#ifdef SEMIFREDDO_TRACE
namespace semifreddo {
bool trace_enabled = false;
std::vector<long long> trace_sink;
} // namespace semifreddo
#endif

namespace {

const char device_digest[] = "${device_digest}";
const unsigned task_words = ${task_words};
const unsigned image_pixels = ${image_pixels};
const unsigned image_values = image_pixels * input_t::size;
const unsigned result_pixels = ${result_pixels};
const unsigned result_values = result_pixels * result_t::size;
const uint32_t answer = 0x46444553;

unsigned task_memory[${task_array}];
bool task_pending = false;

FILE *answers; // the real stdout: libraries may print to stdout, which goes to stderr instead

int fail(const char *message) {
    fprintf(stderr, "csim ${name}: %s\n", message);
    return 1;
}

bool take(void *data, size_t bytes) { return fread(data, 1, bytes, stdin) == bytes; }

void give(const void *data, size_t bytes) { fwrite(data, 1, bytes, answers); }

bool run_images(const long long *values, long long *results, unsigned frames) {
    hls::stream<semifreddo::axis_word> image("image");
    hls::stream<semifreddo::axis_word> result("result");
    for (unsigned i = 0; i < frames; i++) {
        semifreddo::put_image<input_t, image_pixels>(values + size_t(i) * image_values, image);
    }
    const bool load_task = task_pending;
    (void)load_task;
    ${call};
    task_pending = false;
    return semifreddo::take_results<result_t, result_pixels>(result, results, frames) && image.empty();
}

bool load(uint32_t count) {
    std::vector<uint32_t> words(count);
    if (count != task_words || !take(words.data(), 4 * words.size())) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        task_memory[i] = words[i];
    }
    task_pending = true;
    return true;
}

int run(uint32_t count, bool traced) {
    std::vector<long long> images(size_t(count) * image_values);
    if (!take(images.data(), 8 * images.size())) {
        return fail("images ended early");
    }
    give(&answer, sizeof answer);
#ifdef SEMIFREDDO_TRACE
    semifreddo::trace_enabled = traced;
#endif
    // One call of the core for all images; one call each where streams are told apart by image.
    const unsigned frames = traced ? 1 : count;
    std::vector<long long> results(size_t(frames) * result_values);
    for (unsigned i = 0; i < count; i += frames) {
        if (!run_images(&images[size_t(i) * image_values], results.data(), frames)) {
            return fail("wrong number of stream words, or TLAST in a wrong place");
        }
        if (!traced) {
            give(results.data(), 8 * results.size());
        }
#ifdef SEMIFREDDO_TRACE
        if (traced) {
            give(semifreddo::trace_sink.data(), 8 * semifreddo::trace_sink.size());
        }
        semifreddo::trace_sink.clear();
#endif
    }
    return 0;
}

} // namespace

int main() {
    answers = fdopen(dup(1), "wb");
    if (answers == NULL || dup2(2, 1) < 0) {
        return fail("cannot redirect stdout");
    }
    uint32_t command[2];
    while (take(command, sizeof command)) {
        const uint32_t count = command[1];
        if (command[0] == 1) {
            if (!load(count)) {
                return fail("wrong number of task words");
            }
            give(&answer, sizeof answer);
        } else if (command[0] == 2 || command[0] == 3) {
#ifndef SEMIFREDDO_TRACE
            if (command[0] == 3) {
                return fail("compiled without SEMIFREDDO_TRACE");
            }
#endif
            const int status = run(count, command[0] == 3);
            if (status != 0) {
                return status;
            }
        } else if (command[0] == 4) {
            give(&answer, sizeof answer);
            give(device_digest, strlen(device_digest));
        } else {
            return fail("unknown command");
        }
        fflush(answers);
    }
    return 0;
}
