#include <xtape/autograd/threads.hpp>

#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <tbb/parallel_for.h>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// Several threads of the user's, and several of ours.
using namespace xtape;

namespace {

/// The gradient of a small network's loss at one weight, recorded and walked back here.
double gradient(double at) {
    const Parameter w(Array::filled({20, 20}, float64, at));
    Variable y(Array::filled({5, 20}, float64, 0.5));
    for (int i = 0; i < 4; ++i) y = tanh(matmul(y, w));
    return grad(mean(square(y)), w).array().at(7);
}

template <class F>
void in_two_threads(F f) {
    std::thread first(f), second(f);
    first.join();
    second.join();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(threads)

BOOST_AUTO_TEST_CASE(no_grad_holds_for_its_thread_only) {
    const Parameter p(Array::scalar(2, float64));
    const NoGrad scope;
    bool records_there = false;
    std::thread other([&] { records_there = recording() && (p * 2).requires_grad(); });
    other.join();
    BOOST_TEST(records_there);
    BOOST_TEST(!recording());
}

BOOST_AUTO_TEST_CASE(two_threads_record_and_differentiate_at_once) {
    const double expected = gradient(0.11);
    std::atomic<int> wrong{0};
    in_two_threads([&] {
        for (int i = 0; i < 300; ++i)
            if (gradient(0.11) != expected) ++wrong;
    });
    BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(two_threads_may_share_parameters) {
    const Parameter w(Array::filled({50}, float64, 2));
    in_two_threads([&] {
        for (int i = 0; i < 200; ++i) sum(w * w).backward();
    });
    for (Index i = 0; i < 50; ++i) BOOST_TEST(w.grad().at(i) == 2 * 200 * 4);
}

BOOST_AUTO_TEST_CASE(references_taken_by_two_threads_are_all_counted) {
    ReferenceCount count(1);
    constexpr int rounds = 8, taken = 500'000;
    for (int round = 0; round < rounds; ++round) {
        std::atomic<int> ready{0};
        in_two_threads([&] {
            for (++ready; ready < 2;) std::this_thread::yield();
            for (int i = 0; i < taken; ++i) count.add();
        });
    }
    int last = 0;
    for (int i = 0; i < rounds * 2 * taken; ++i) last += count.drop();
    BOOST_TEST(last == 0);
    BOOST_TEST(count.is_one());
}

BOOST_AUTO_TEST_CASE(a_tape_recorded_here_is_walked_and_destroyed_there) {
    const Parameter w(Array::scalar(1, float64));
    Variable y = w;
    for (int i = 0; i < 100000; ++i) y = y * 1.0;
    double g = 0;
    std::thread other([&g, &w, y = std::move(y)]() mutable {
        g = grad(y, w).item();
        y = {};
    });
    other.join();
    BOOST_TEST(g == 1);
}

BOOST_AUTO_TEST_CASE(two_threads_may_differentiate_the_same_tape) {
    const Parameter w(Array::scalar(1.5, float64));
    Variable y = w;
    for (int i = 0; i < 50; ++i) y = y * w - y;  // each step but the first two has its argument twice
    const double expected = grad(y, w).item();
    std::atomic<int> wrong{0};
    in_two_threads([&] {
        for (int i = 0; i < 300; ++i)
            if (grad(y, w).item() != expected) ++wrong;
    });
    BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(what_is_recorded_on_another_thread_comes_later_on_the_tape) {
    const Parameter w(Array::scalar(3, float64));
    Variable y = w;
    for (int i = 0; i < 1000; ++i) y = y + 1;  // this thread is far ahead of a new one
    std::thread other([&y, &w] { y = sigmoid(y) * w + log(sigmoid(w * 2)); });
    other.join();
    y = y * y;
    const Tape tape(y);
    for (std::size_t i = 0; i < tape.size(); ++i)
        for (std::size_t p = 0; p < tape.arity(i); ++p)
            if (tape.parents(i)[p] != Tape::absent) BOOST_REQUIRE(tape.parents(i)[p] < i);
    const double s = 1 / (1 + std::exp(-6.0)), value = 3 + std::log(s);  // sigmoid(1003) is 1, its slope 0
    BOOST_TEST(grad(y, w).item() == 2 * value * (1 + 2 * (1 - s)), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(a_range_is_covered_once_in_pieces_that_do_not_depend_on_threads) {
    for (const Index n : {0, 1, 99, 100, 101, 1000, 12345}) {
        std::vector<std::vector<Index>> ends_with;
        for (const int count : {1, 2}) {
            set_threads(count);
            std::vector<std::atomic<int>> touched(static_cast<std::size_t>(n));
            std::vector<Index> ends(static_cast<std::size_t>(n) + 1, -1);
            kernels::parallel_for(n, 100, [&](Index begin, Index end) {
                ends[static_cast<std::size_t>(begin)] = end;
                for (Index i = begin; i < end; ++i) ++touched[static_cast<std::size_t>(i)];
            });
            for (const auto& times : touched) BOOST_REQUIRE(times == 1);
            ends_with.push_back(ends);
        }
        set_threads(0);
        BOOST_TEST((ends_with[0] == ends_with[1]));
        for (std::size_t i = 0; i < ends_with[0].size(); ++i) BOOST_TEST((ends_with[0][i] < 0 || i % 100 == 0));
    }
}

BOOST_AUTO_TEST_CASE(the_limit_can_be_read_back) {
    set_threads(1);
    BOOST_TEST(xtape::threads() == 1);
    set_threads(2);
    BOOST_TEST(xtape::threads() == 2);
    set_threads(0);
    BOOST_TEST(xtape::threads() >= 1);
}

BOOST_AUTO_TEST_CASE(an_exception_in_a_piece_of_work_arrives) {
    auto f = [](Index begin, Index) {
        if (begin >= 500) throw ValueError("piece");
    };
    BOOST_CHECK_THROW(kernels::parallel_for(1000, 10, f), ValueError);
}

BOOST_AUTO_TEST_CASE(the_users_own_parallel_loop_may_record_and_differentiate) {
    const Index many = 200000;  // so many that every operation and the adding up of gradients go parallel themselves
    const Parameter w(Array::filled({many}, float32, 0.5));
    tbb::parallel_for(0, 16, [&](int) { sum(square(w * 2)).backward(); });
    for (Index i = 0; i < many; i += 997) BOOST_TEST(w.grad().at(i) == 16 * 8 * 0.5);
}

BOOST_AUTO_TEST_CASE(work_inside_work_is_done) {
    std::atomic<Index> total{0};
    kernels::parallel_for(100, 1, [&](Index, Index) {
        kernels::parallel_for(100, 10, [&](Index begin, Index end) { total += end - begin; });
    });
    BOOST_TEST(total == 10000);
}

BOOST_AUTO_TEST_SUITE_END()
