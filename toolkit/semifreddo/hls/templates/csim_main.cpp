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
#include "../firmware/nnet_utils/semifreddo_types.h"

#ifdef SEMIFREDDO_TRACE
namespace semifreddo {
std::vector<long long> trace_sink;
}
#endif

namespace {

const char device_digest[] = "${device_digest}";
const unsigned task_words = ${task_words};
const unsigned image_words = ${image_words};
const unsigned result_words = ${result_words};
const uint32_t answer = 0x46444553;

ap_uint<32> task_memory[${task_array}];
bool task_pending = false;

FILE *answers; // the real stdout: libraries may print to stdout, which goes to stderr instead

int fail(const char *message) {
    fprintf(stderr, "csim ${name}: %s\n", message);
    return 1;
}

bool take(void *data, size_t bytes) { return fread(data, 1, bytes, stdin) == bytes; }

void give(const void *data, size_t bytes) { fwrite(data, 1, bytes, answers); }

void run_image(const int64_t *values, int64_t *results) {
    const int width = input_t::value_type::width;
    hls::stream<input_t> image("image");
    hls::stream<result_t> result("result");
    for (unsigned i = 0; i < image_words; i++) {
        input_t word;
        for (unsigned c = 0; c < input_t::size; c++) {
            ap_int<64> bits = *values++;
            word[c].range(width - 1, 0) = bits.range(width - 1, 0);
        }
        image.write(word);
    }
    const ap_uint<1> load_task = task_pending;
    (void)load_task;
    ${call};
    task_pending = false;
    for (unsigned i = 0; i < result_words; i++) {
        const result_t word = result.read();
        for (unsigned c = 0; c < result_t::size; c++) {
            *results++ = (int64_t)semifreddo::raw(word[c]);
        }
    }
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

bool run(uint32_t count, bool traced) {
    std::vector<int64_t> images(size_t(count) * image_words * input_t::size);
    if (!take(images.data(), 8 * images.size())) {
        return false;
    }
    give(&answer, sizeof answer);
    std::vector<int64_t> results(result_words * result_t::size);
    for (unsigned i = 0; i < count; i++) {
        run_image(&images[size_t(i) * image_words * input_t::size], results.data());
        if (!traced) {
            give(results.data(), 8 * results.size());
        }
#ifdef SEMIFREDDO_TRACE
        if (traced) {
            std::vector<int64_t> streams(semifreddo::trace_sink.begin(), semifreddo::trace_sink.end());
            give(streams.data(), 8 * streams.size());
        }
        semifreddo::trace_sink.clear();
#endif
    }
    return true;
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
            if (!run(count, command[0] == 3)) {
                return fail("images ended early");
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
