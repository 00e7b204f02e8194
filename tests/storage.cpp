#include <xtape/autograd/storage.hpp>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// Pooled memory, and which operations need none.
using namespace xtape;

namespace {

std::size_t requests() { return xtape::storage::stats().fresh_blocks + xtape::storage::stats().reused_blocks; }

/// Large enough that it alone dominates the counters, and too small to be deferred.
constexpr Index many = 50000;
Variable array() { return Variable(Array::filled({many}, float32, 0.5)); }

/// How many arrays of that size live at once while f runs.
template <class F>
std::size_t arrays_at_peak(F f) {
    storage::reset_peak();
    const std::size_t before = storage::stats().peak_bytes;
    const auto result = f();
    return (storage::stats().peak_bytes - before + many * 2) / (many * 4);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(storage)

BOOST_AUTO_TEST_CASE(blocks_are_aligned_and_come_back) {
    for (const std::size_t bytes : {0U, 1U, 63U, 64U, 65U, 1000U, 2048U, 2049U, 100000U, 5000000U}) {
        void* first = xtape::storage::allocate(bytes);
        BOOST_TEST(reinterpret_cast<std::uintptr_t>(first) % 64 == 0U);
        xtape::storage::deallocate(first, bytes);
        const std::size_t fresh = xtape::storage::stats().fresh_blocks;
        void* second = xtape::storage::allocate(bytes);
        BOOST_TEST(second == first);
        BOOST_TEST(xtape::storage::stats().fresh_blocks == fresh);
        xtape::storage::deallocate(second, bytes);
    }
}

BOOST_AUTO_TEST_CASE(live_and_peak_are_counted) {
    const auto before = xtape::storage::stats();
    xtape::storage::reset_peak();
    const std::size_t peak = xtape::storage::stats().peak_bytes;
    {
        const Variable a = array(), b = array();
        BOOST_TEST(xtape::storage::stats().live_bytes >= before.live_bytes + 2 * many * 4);
    }
    BOOST_TEST(xtape::storage::stats().live_bytes == before.live_bytes);
    BOOST_TEST(xtape::storage::stats().peak_bytes >= peak + 2 * many * 4);
    xtape::storage::reset_peak();
    BOOST_TEST(xtape::storage::stats().peak_bytes < peak + many * 4);
}

BOOST_AUTO_TEST_CASE(a_peak_of_small_blocks_alone_is_counted) {
    for (const std::size_t bytes : {64U, 1024U, 4096U, 32768U, 65536U}) {
        xtape::storage::reset_peak();
        const std::size_t before = xtape::storage::stats().live_bytes;
        std::vector<void*> blocks;
        for (int i = 0; i < 10; ++i) blocks.push_back(xtape::storage::allocate(bytes));
        for (void* block : blocks) xtape::storage::deallocate(block, bytes);
        {  // a large block after the small ones were given back does not add to them
            constexpr std::size_t large = 524288;
            void* block = xtape::storage::allocate(large);
            BOOST_TEST(xtape::storage::stats().peak_bytes == before + std::max(10 * bytes, large));
            xtape::storage::deallocate(block, large);
        }
        BOOST_TEST(xtape::storage::stats().live_bytes == before);
    }
}

BOOST_AUTO_TEST_CASE(trimming_returns_what_is_cached) {
    { const Variable a = array(); }
    BOOST_TEST(xtape::storage::stats().cached_bytes >= many * 4U);
    const std::size_t before = xtape::storage::stats().cached_bytes;
    xtape::storage::trim();
    BOOST_TEST(xtape::storage::stats().cached_bytes + many * 4 <= before);
}

BOOST_AUTO_TEST_CASE(blocks_may_be_given_back_by_another_thread) {
    const std::size_t before = xtape::storage::stats().live_bytes;
    for (int round = 0; round < 20; ++round) {
        std::vector<Variable> made;
        std::thread maker([&] {
            for (int i = 0; i < 300; ++i) made.push_back(Variable(Array::filled({i}, float64, i)));
        });
        maker.join();
        for (int i = 0; i < 300; ++i)
            if (i > 0) BOOST_REQUIRE(made[static_cast<std::size_t>(i)].array().at(i - 1) == i);
    }
    BOOST_TEST(xtape::storage::stats().live_bytes == before);
}

BOOST_AUTO_TEST_CASE(an_operation_works_in_the_buffer_of_a_temporary) {
    const NoGrad scope;
    BOOST_TEST(arrays_at_peak([] { return relu(array()); }) == 1U);
    BOOST_TEST(arrays_at_peak([] { return tanh(sin(array())); }) == 1U);
    BOOST_TEST(arrays_at_peak([] { return exp(sin(array())); }) == 2U);  // is remembered with its argument, for log
    BOOST_TEST(arrays_at_peak([] { return sigmoid(array()); }) == 2U);
    BOOST_TEST(arrays_at_peak([] { return 2 * sigmoid(array()); }) == 2U);
    BOOST_TEST(arrays_at_peak([] { return 2 * array() + 1; }) == 1U);
    const Variable kept = array();
    BOOST_TEST(arrays_at_peak([&] { return (kept + 1) * kept; }) == 1U);
    BOOST_TEST(arrays_at_peak([&] { return kept * (kept + 1); }) == 1U);
    BOOST_TEST(kept.array().at(many - 1) == 0.5);
}

BOOST_AUTO_TEST_CASE(it_does_so_while_recording_when_no_rule_needs_the_values) {
    const Parameter p(array());
    BOOST_TEST(arrays_at_peak([&] { return relu(p + 1); }) == 1U);
    BOOST_TEST(arrays_at_peak([&] { return -(2 * (p + 1)); }) == 1U);
    const Variable y = relu(p - 1);
    BOOST_TEST(y.array().at(0) == 0);
    BOOST_TEST(p.array().at(0) == 0.5);
    const Variable z = tanh(sin(p));  // sin's argument and tanh's result are needed, sin's result is not
    BOOST_TEST(z.array().data<float>() != p.array().data<float>());
}

BOOST_AUTO_TEST_CASE(values_that_somebody_holds_are_never_overwritten) {
    const Parameter p(array());
    Variable a = p * 2;
    const Variable view = reshape(a, {many / 2, 2});
    const Variable b = exp(std::move(a));
    BOOST_TEST(view.array().at(0) == 1);
    const Variable c = p * 3, d = c;
    const Variable e = relu(c), f = sin(d);
    BOOST_TEST(c.array().at(0) == 1.5);
}

BOOST_AUTO_TEST_CASE(constants_keep_nothing) {
    const Variable a = array();
    const std::size_t before = xtape::storage::stats().live_bytes;
    const Variable y = sum(exp(sin(a) * a) + tanh(a));
    BOOST_TEST(xtape::storage::stats().live_bytes < before + 2000);
}

BOOST_AUTO_TEST_CASE(an_operation_whose_rule_needs_nothing_keeps_nothing) {
    const Parameter p(array());
    const std::size_t before = xtape::storage::stats().live_bytes;
    const Variable y = sum(-(p + 1) * 3);
    BOOST_TEST(xtape::storage::stats().live_bytes < before + 4000);
}

BOOST_AUTO_TEST_CASE(a_thousand_training_steps_need_no_more_memory_than_two) {
    Parameter w = Array::filled({64, 8}, float32, 0.01), b = Array::filled({8}, float32, 0);
    const Variable x(Array::filled({32, 64}, float32, 0.3)), y(Array::filled({32, 8}, float32, 0.7));
    const auto step = [&] {
        const Variable loss = mean(square(sigmoid(matmul(x, w) + b) - y));
        const auto [dw, db] = grad(loss, w, b);
        w -= 0.1 * dw;
        b -= 0.1 * db;
        mean(square(tanh(matmul(x, w) + b) - y)).backward();
        w.zero_grad();
        b.zero_grad();
    };
    for (int i = 0; i < 2; ++i) step();
    const auto before = xtape::storage::stats();
    const std::size_t asked = requests();
    for (int i = 0; i < 1000; ++i) step();
    const auto after = xtape::storage::stats();
    BOOST_TEST(after.live_bytes == before.live_bytes);
    BOOST_TEST(after.fresh_blocks <= before.fresh_blocks + 16);
    BOOST_TEST(requests() > asked + 1000);
}

BOOST_AUTO_TEST_SUITE_END()
