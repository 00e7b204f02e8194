#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>

#include "support/large.hpp"

/// Results that wait, read and dropped and written to by several threads.
using namespace xtape;
using namespace large;

BOOST_AUTO_TEST_SUITE(deferred_threads)

BOOST_AUTO_TEST_CASE(threads_read_and_drop_the_same_results) {
    const Array x = numbers(1);
    for (int round = 0; round < 20; ++round) {
        const Variable shared = exp(Variable(x) * 2.0);
        Variable others[] = {shared + 1.0, shared * shared, sqrt(shared)};
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (Index k = 0; k < 6; ++k)
            threads.emplace_back([&, k, mine = others[k % 3], held = shared]() mutable {
                const Index i = k * 1000;
                if (k % 2 == 1) mine = mine - 1.0;
                const double y = held.array().at(i), found = mine.array().at(i);
                held = Variable();
                const double expected = (k % 3 == 0 ? y + 1 : k % 3 == 1 ? y * y : std::sqrt(y)) - (k % 2 == 1 ? 1 : 0);
                if (std::abs(found - expected) > 1e-5 * (1 + std::abs(expected))) ++wrong;
            });
        for (Variable& other : others) other = Variable();  // the last holder is some thread
        for (std::thread& thread : threads) thread.join();
        BOOST_TEST(wrong == 0);
    }
}

BOOST_AUTO_TEST_CASE(what_another_thread_computes_may_be_dropped) {
    Array given = numbers(1);
    const std::size_t before = live();
    for (int round = 0; round < 200; ++round) {
        Variable dropped = sin(sin(Variable(given)) + 1.0);
        std::atomic<bool> begun{false};
        std::thread writer([&] {
            begun = true;
            given.mutable_data<float>()[round] = 0.5;  // after computing what reads it
        });
        while (!begun) std::this_thread::yield();
        for (int wait = 0; wait < round * 20; ++wait) std::atomic_signal_fence(std::memory_order_seq_cst);
        dropped = Variable();
        for (int more = 0; more < 10; ++more) const Variable unread = Variable(numbers(2)) * 2.0;  // where it was
        writer.join();
    }
    BOOST_TEST(live() == before);
}

BOOST_AUTO_TEST_CASE(each_may_ask_whether_it_is_alone) {
    for (int round = 0; round < 50; ++round) {
        Array given = numbers(1);
        const double third = given.at(3);
        Variable mine = sin(Variable(given) * 3.0) + 0.5;
        std::thread writer([&] { given.mutable_data<float>()[3] = 0; });  // computes `mine` before
        mine = std::move(mine) * 2.0;
        BOOST_TEST(mine.array().at(3) == 2 * (std::sin(3 * third) + 0.5), boost::test_tools::tolerance(1e-5));
        writer.join();
    }
}

BOOST_AUTO_TEST_CASE(another_thread_may_let_go_of_what_is_needed_again) {
    constexpr int rounds = 400;
    constexpr Index fewer = 70001;
    Generator generator(1);
    const Array x = random::uniform({fewer}, 0.1, 0.9, generator, float32);
    const double expected = std::sin(x.at(5)) + 1;
    Variable dropped;
    std::atomic<int> begun{0}, done{0};
    std::thread other([&] {
        for (int round = 1; round <= rounds; ++round) {
            while (begun != round) {  // nothing else: the moment that matters is shorter than a wake-up
            }
            for (int wait = round * 7919 % 3000; wait > 0; --wait) std::atomic_signal_fence(std::memory_order_seq_cst);
            dropped = Variable();
            done = round;
        }
    });
    int wrong = 0;
    for (int round = 1; round <= rounds; ++round) {
        dropped = sin(Variable(x.copy()));
        const Variable again = dropped + 1.0;
        Variable last = exp(again);
        for (int i = 0; i < 27; ++i) last = cos(std::move(last));
        begun = round;
        last.array().evaluate();
        while (done != round) std::this_thread::yield();
        if (std::abs(again.array().at(5) - expected) > 1e-5) ++wrong;
    }
    other.join();
    BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_SUITE_END()
