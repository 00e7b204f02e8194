#include <cstring>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <tbb/task_arena.h>

#include <xtape/autograd/random.hpp>
#include <xtape/autograd/threads.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/nn/nn.hpp>
#include <xtape/optim/optim.hpp>

/// Training gives the same bits however many threads work on it.
using namespace xtape;

namespace {

constexpr Index batch = 24, steps = 50;

/// The document's network S5.
nn::Sequential network() {
    Generator seeded(5);
    return {nn::Conv2d(1, 128, 5, nn::same, true, seeded),
            relu,
            nn::MaxPool2d(2),
            nn::Conv2d(128, 64, 3, nn::same, true, seeded),
            relu,
            nn::MaxPool2d(2),
            nn::Flatten(),
            nn::Linear(3136, 128, true, seeded),
            relu,
            nn::Dropout(0.5, seeded),
            nn::Linear(128, 47, true, seeded)};
}

/// All numbers of the network after some steps of Adam with `count` threads, more than the machine has if need be.
std::vector<Array> trained_with(int count) {
    set_threads(count);
    nn::Sequential net = network();
    optim::Adam adam(net.parameters(), 1e-3);
    Generator seeded(7);
    tbb::task_arena(count).execute([&] {
        for (Index step = 0; step < steps; ++step) {
            const Variable images(random::uniform({batch, 1, 28, 28}, 0, 1, seeded));
            const IntArray labels = (xt::arange<std::int64_t>(batch) * 7 + step) % 47;
            adam.zero_grad();
            nn::cross_entropy(net(images), labels).backward();
            adam.step();
        }
    });
    set_threads(0);
    std::vector<Array> values;
    for (const auto& [name, value] : net.state()) values.push_back(value);
    return values;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(thread_counts)

BOOST_AUTO_TEST_CASE(s5_trains_to_the_same_bits_with_1_2_and_4_threads) {
    const std::vector<Array> expected = trained_with(1);
    for (const int count : {2, 4}) {
        const std::vector<Array> values = trained_with(count);
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::size_t bytes = static_cast<std::size_t>(values[i].size()) * sizeof(float);
            BOOST_TEST(std::memcmp(values[i].data<float>(), expected[i].data<float>(), bytes) == 0,
                       "array " << i << " with " << count << " threads");
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
