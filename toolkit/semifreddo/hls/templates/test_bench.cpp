// Test bench of ${name} for C simulation and co-simulation: loads the task, streams the images and
// compares every raw result. Returns 0 only if all of them are equal. The first call is one image
// with the task; two more are one image each, whose latency and interval are the shortest that a
// co-simulation reports; the last call is all other images.
#include <fstream>
#include <iostream>
#include <vector>

#include "firmware/${name}.h"

static const unsigned image_pixels = ${image_pixels};
static const unsigned image_size = image_pixels * input_t::size;
static const unsigned result_pixels = ${result_pixels};
static const unsigned result_size = result_pixels * result_t::size;
static const unsigned task_words = ${task_words};
static unsigned task_memory[${task_array}];

static std::vector<long long> read_numbers(const char *path) {
    std::ifstream file(path);
    std::vector<long long> numbers;
    for (long long number; file >> number;) {
        numbers.push_back(number);
    }
    return numbers;
}

int main() {
    const std::vector<long long> images = read_numbers("tb_data/images.dat");
    const std::vector<long long> expected = read_numbers("tb_data/expected.dat");
    const std::vector<long long> words = read_numbers("tb_data/task_words.dat");
    const size_t count = images.size() / image_size;
    if (count == 0 || images.size() != count * image_size || expected.size() != count * result_size ||
        words.size() != task_words) {
        std::cout << "ERROR: tb_data holds no vectors for this design" << std::endl;
        return 2;
    }
    for (unsigned i = 0; i < task_words; i++) {
        task_memory[i] = (unsigned)words[i];
    }
    // Beside the running simulation, not in tb_data: the tools may link that to the sources.
#ifdef RTL_SIM
    std::ofstream log("rtl_cosim_results.log");
#else
    std::ofstream log("csim_results.log");
#endif
    unsigned wrong = 0;
    for (size_t first = 0, frames = 1; first < count; first += frames) {
        frames = first < 3 ? 1 : count - first;
        hls::stream<semifreddo::axis_word> image("image");
        hls::stream<semifreddo::axis_word> result("result");
        for (size_t n = first; n < first + frames; n++) {
            semifreddo::put_image<input_t, image_pixels>(&images[n * image_size], image);
        }
        const bool load_task = first == 0;
        (void)load_task;
        ${call};
        std::vector<long long> found(frames * result_size);
        if (!semifreddo::take_results<result_t, result_pixels>(result, found.data(), frames)) {
            std::cout << "ERROR: images from " << first << " on: wrong number of words, or TLAST in a wrong place"
                      << std::endl;
            return 1;
        }
        for (size_t i = 0; i < found.size(); i++) {
            const size_t n = first + i / result_size;
            const long long right = expected[first * result_size + i];
            log << found[i] << ((i + 1) % result_size == 0 ? " \n" : " ");
            if (found[i] != right) {
                wrong++;
                std::cout << "ERROR: image " << n << " value " << i % result_size << ": " << found[i] << ", expected "
                          << right << std::endl;
            }
        }
    }
    std::cout << count << " images, " << wrong << " wrong values" << std::endl;
    return wrong == 0 ? 0 : 1;
}
