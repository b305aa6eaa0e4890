// Test bench of ${name} for C simulation and co-simulation: loads the task, streams the images and
// compares every raw result. Returns 0 only if all of them are equal.
#include <fstream>
#include <iostream>
#include <vector>

#include "firmware/${name}.h"
#include "firmware/nnet_utils/semifreddo_types.h"

static const unsigned image_words = ${image_words};
static const unsigned result_words = ${result_words};
static const unsigned task_words = ${task_words};
static ap_uint<32> task_memory[${task_array}];

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
    const size_t image_size = image_words * input_t::size;
    const size_t result_size = result_words * result_t::size;
    const size_t count = images.size() / image_size;
    if (count == 0 || images.size() != count * image_size || expected.size() != count * result_size ||
        words.size() != task_words) {
        std::cout << "ERROR: tb_data holds no vectors for this design" << std::endl;
        return 2;
    }
    for (unsigned i = 0; i < task_words; i++) {
        task_memory[i] = (unsigned)words[i];
    }
#ifdef RTL_SIM
    std::ofstream log("tb_data/rtl_cosim_results.log");
#else
    std::ofstream log("tb_data/csim_results.log");
#endif
    const int width = input_t::value_type::width;
    unsigned wrong = 0;
    for (size_t n = 0; n < count; n++) {
        hls::stream<input_t> image("image");
        hls::stream<result_t> result("result");
        for (size_t i = 0; i < image_words; i++) {
            input_t word;
            for (unsigned c = 0; c < input_t::size; c++) {
                ap_int<64> bits = images[n * image_size + i * input_t::size + c];
                word[c].range(width - 1, 0) = bits.range(width - 1, 0);
            }
            image.write(word);
        }
        const ap_uint<1> load_task = n == 0;
        (void)load_task;
        ${call};
        for (size_t i = 0; i < result_words; i++) {
            const result_t word = result.read();
            for (unsigned c = 0; c < result_t::size; c++) {
                const long long found = (long long)semifreddo::raw(word[c]);
                log << found << " ";
                if (found != expected[n * result_size + i * result_t::size + c]) {
                    wrong++;
                    std::cout << "ERROR: image " << n << " word " << i << " channel " << c << ": " << found << ", expected "
                              << expected[n * result_size + i * result_t::size + c] << std::endl;
                }
            }
        }
        log << "\n";
    }
    std::cout << count << " images, " << wrong << " wrong values" << std::endl;
    return wrong == 0 ? 0 : 1;
}
