// Test bench of ${name} for C simulation and co-simulation: loads the task, streams the images and
// compares every raw result. Returns 0 only if all of them are equal.
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
    for (size_t n = 0; n < count; n++) {
        hls::stream<semifreddo::axis_word> image("image");
        hls::stream<semifreddo::axis_word> result("result");
        semifreddo::put_image<input_t, image_pixels>(&images[n * image_size], image);
        const bool load_task = n == 0;
        (void)load_task;
        ${call};
        std::vector<long long> found(result_size);
        if (!semifreddo::take_result<result_t, result_pixels>(result, found.data())) {
            std::cout << "ERROR: image " << n << ": wrong number of words, or TLAST in a wrong place" << std::endl;
            return 1;
        }
        for (unsigned i = 0; i < result_size; i++) {
            log << found[i] << " ";
            if (found[i] != expected[n * result_size + i]) {
                wrong++;
                std::cout << "ERROR: image " << n << " value " << i << ": " << found[i] << ", expected "
                          << expected[n * result_size + i] << std::endl;
            }
        }
        log << "\n";
    }
    std::cout << count << " images, " << wrong << " wrong values" << std::endl;
    return wrong == 0 ? 0 : 1;
}
