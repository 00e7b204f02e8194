#include <xtape/xtape.hpp>

#include <algorithm>
#include <cstddef>

#include <boost/test/unit_test.hpp>

/// What training takes from memory, as counts.
using namespace xtape;

namespace {

std::size_t fresh() { return storage::stats().fresh_blocks; }

/// The most bytes alive during f beyond those before it.
template <class F>
std::size_t peak_of(const F& f) {
    const std::size_t before = storage::stats().live_bytes;
    storage::reset_peak();
    f();
    return storage::stats().peak_bytes - before;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(storage_training)

BOOST_AUTO_TEST_CASE(steps_of_a_convolutional_network_reuse_their_memory) {
    random::seed(0);
    nn::Sequential net{nn::Conv2d(1, 8, 5, nn::same),
                       relu,
                       nn::MaxPool2d(2),
                       nn::Conv2d(8, 16, 3, nn::same),
                       nn::BatchNorm2d(16),
                       relu,
                       nn::MaxPool2d(2),
                       nn::Conv2d(16, 16, 3, nn::same),
                       relu,
                       nn::Flatten(),
                       nn::Linear(784, 32),
                       relu,
                       nn::Dropout(0.5),
                       nn::Linear(32, 10)};
    optim::Adam adam(net.parameters(), 1e-3);
    const Variable x(random::normal({16, 1, 28, 28}, 0, 1, random::generator()));
    IntArray labels = IntArray::from_shape({16});
    for (std::size_t i = 0; i < labels.size(); ++i) labels(i) = static_cast<std::int64_t>(i % 10);
    const auto step = [&] {
        adam.zero_grad();
        nn::cross_entropy(net(x), labels).backward();
        adam.step();
    };
    for (int i = 0; i < 3; ++i) step();
    const std::size_t before = fresh(), live = storage::stats().live_bytes;
    for (int i = 0; i < 50; ++i) step();
    BOOST_TEST(fresh() <= before + 16);  // a thread that joins in later begins with a cache of its own
    BOOST_TEST(storage::stats().live_bytes == live);
}

/// exp keeps its result for its rule; a chain of them is alive at its end, and the walk back lets go of one after another.
BOOST_AUTO_TEST_CASE(backward_frees_as_it_goes) {
    constexpr Index many = 100'000;
    constexpr std::size_t array_bytes = many * sizeof(float);
    constexpr int length = 20;
    Parameter p = Array::filled({many}, float32, 0.25);
    const std::size_t before = storage::stats().live_bytes;
    Variable y = p;
    for (int i = 0; i < length; ++i) y = tanh(y);
    y = sum(y);
    const std::size_t recorded = storage::stats().live_bytes - before;
    BOOST_TEST(recorded >= length * array_bytes);
    BOOST_TEST(recorded < (length + 2) * array_bytes);  // the pool rounds sizes up
    const std::size_t walked = peak_of([&] { y.backward(); });
    BOOST_TEST(walked < 3 * array_bytes);  // the gradient that flows and the one that it becomes
    BOOST_TEST(storage::stats().live_bytes - before < 2 * array_bytes);  // the parameter's gradient
}

BOOST_AUTO_TEST_SUITE_END()
