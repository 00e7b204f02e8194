#include <xtape/autograd/array.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <tbb/task_arena.h>

#include <xtape/autograd/observer.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/threads.hpp>

#include "support/large.hpp"

/// Element-wise results of large arrays are computed when they are read first, and nobody can tell.
using namespace xtape;
using namespace large;

namespace {

constexpr Index piece = 20000;  // too few to be deferred, and a multiple of every vector

std::vector<double> elements(const Array& array) {
    std::vector<double> result(static_cast<std::size_t>(array.size()));
    for (Index i = 0; i < array.size(); ++i) result[static_cast<std::size_t>(i)] = array.at(i);
    return result;
}

/// Elements [first, last).
Array part(const Array& array, Index first, Index last) {
    Array result = Array::uninitialized({last - first}, array.dtype());
    dispatch(array.dtype(), [&](auto tag) {
        using T = decltype(tag);
        std::copy(array.data<T>() + first, array.data<T>() + last, result.mutable_data<T>());
    });
    return result;
}

/// A function of two variables, element by element, with its gradients in both.
using Outcome = std::vector<std::vector<double>>;
template <class F>
Outcome outcome(const F& f, const Array& x, const Array& t) {
    const Parameter px(x), pt(t);
    const Variable y = f(Variable(px), Variable(pt));
    const auto [dx, dt] = grad(sum(y), px, pt);
    return {elements(y.array()), elements(dx.array()), elements(dt.array())};
}

/// The same, of a few elements after the other: operations on these are done as they are called.
template <class F>
Outcome outcome_in_pieces(const F& f, const Array& x, const Array& t) {
    Outcome all(3);
    for (Index first = 0; first < many; first += piece) {
        const Index last = std::min(many, first + piece);
        const Outcome some = outcome(f, part(x, first, last), part(t, first, last));
        for (std::size_t k = 0; k < all.size(); ++k) all[k].insert(all[k].end(), some[k].begin(), some[k].end());
    }
    return all;
}

template <class F>
void check_bits(const F& f) {
    for (const DType dtype : {float32, float64}) {
        const Array x = numbers(1, dtype), t = numbers(2, dtype);
        const Outcome expected = outcome_in_pieces(f, x, t);
        for (const int count : {1, 2, 4}) {
            set_threads(count);
            const Outcome found = tbb::task_arena(count).execute([&] { return outcome(f, x, t); });
            set_threads(0);
            for (std::size_t k = 0; k < expected.size(); ++k)
                BOOST_TEST((found[k] == expected[k]),
                           "output " << k << " in " << name_of(dtype) << " with " << count << " threads");
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(deferred)

BOOST_AUTO_TEST_CASE(a_chain_has_the_bits_of_its_operations_one_by_one) {
    check_bits([](const Variable& x, const Variable& t) {  // a focal loss in plain operations
        const Variable p = sigmoid(x);
        const Variable q = t * p + (1 - t) * (1 - p);
        return -square(1 - q) * log(q);
    });
    check_bits([](const Variable& x, const Variable& t) {  // three operands, numbers in between, a comparison
        return where(x > t, pow(x, t) / (1.5 + sqrt(t)), tanh(x) * exp(-t) - abs(x - 0.5));
    });
    check_bits([](const Variable& x, const Variable& t) {  // one operand that is a lone element
        return (x * Variable(0.3, x.dtype()) - relu(t - 0.5)) / Variable(1.7, x.dtype());
    });
}

BOOST_AUTO_TEST_CASE(many_operations_that_use_one_another) {
    check_bits([](const Variable& x, const Variable& t) {
        Variable y = x, z = t;
        for (int i = 0; i < 30; ++i) {  // more than wait for one another, each used twice or thrice
            const Variable next = sin(y) * z + 0.25;
            z = cos(y - z) + 0.125 * next;
            y = next;
        }
        return y * z;
    });
    check_bits([](const Variable& x, const Variable& t) {  // twice as many uses at each turn
        Variable y = x * t;
        for (int i = 0; i < 40; ++i) y = 0.5 * y + 0.5 * y;
        return y;
    });
}

BOOST_AUTO_TEST_CASE(only_what_is_held_is_kept) {
    const Variable x(numbers(1));
    const std::size_t before = live();
    Variable y = sin(x * 2.0) + 1.0;
    BOOST_TEST(arrays_since(before) == 0U);
    const Variable z = y * y;
    BOOST_TEST(z.array().at(7) > 0);
    BOOST_TEST(arrays_since(before) == 2U);  // y too, which was computed on the way
    const double seventh = y.array().at(7);
    BOOST_TEST(seventh == std::sin(x.array().at(7) * 2) + 1, boost::test_tools::tolerance(1e-6));
    y = Variable();
    BOOST_TEST(arrays_since(before) == 1U);
}

BOOST_AUTO_TEST_CASE(a_buffer_that_nobody_else_holds_is_used_again) {
    Variable x(numbers(1));
    const std::vector<double> first = elements(x.array());
    xtape::storage::reset_peak();
    const std::size_t peak = xtape::storage::stats().peak_bytes;
    x = std::move(x) + 1.0;
    x = std::move(x) * 2.0;
    BOOST_TEST(x.array().at(many - 1) == static_cast<double>((static_cast<float>(first.back()) + 1.F) * 2.F));
    BOOST_TEST(xtape::storage::stats().peak_bytes - peak < many * 2);
}

BOOST_AUTO_TEST_CASE(what_is_written_later_changes_no_result) {
    Array given = numbers(1);
    const Array copy = given.copy();
    const Variable doubled = Variable(given) * 2.0;
    std::fill_n(given.mutable_data<float>(), many, 5.F);
    BOOST_TEST(doubled.array().at(3) == copy.at(3) * 2);

    Parameter w(numbers(2));
    const Array before = w.array().copy();
    const Variable scaled = w * 3.0, through = sqrt(square(Variable(w).detach() + 1.0));
    w -= 0.5 * Variable(copy);
    BOOST_TEST(scaled.array().at(9) == static_cast<double>(static_cast<float>(before.at(9)) * 3.F));
    BOOST_TEST(through.array().at(9) == before.at(9) + 1, boost::test_tools::tolerance(1e-6));
    BOOST_TEST(w.array().at(9) == before.at(9) - 0.5 * copy.at(9), boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(what_lasts_holds_nothing_else) {
    Parameter w(numbers(1));
    const std::size_t before = live();
    for (int pass = 0; pass < 3; ++pass) {
        Variable y = w;
        for (int i = 0; i < 10; ++i) y = tanh(y);
        sum(y).backward();
        BOOST_TEST(arrays_since(before) == 2U);  // y and the sum of the gradients
    }
    w -= 0.1 * Variable(w.grad());
    w.assign((Variable(w) * 0.5).array());
    BOOST_TEST(arrays_since(before) == 1U);
    w.zero_grad();
    const Parameter scaled((Variable(w) * 2.0).array());
    BOOST_TEST(arrays_since(before) == 1U);
    Variable seen = w;
    for (int i = 0; i < 10; ++i) seen = tanh(seen);
    const Variable dw = grad(sum(seen), w);
    seen = Variable();
    BOOST_TEST(arrays_since(before) == 2U);
}

BOOST_AUTO_TEST_CASE(a_sum_holds_few_of_what_it_adds_up) {
    Variable total(numbers(1));
    xtape::storage::reset_peak();
    const std::size_t before = live();
    for (std::uint64_t i = 0; i < 40; ++i) total = total + Variable(numbers(i));
    BOOST_TEST((xtape::storage::stats().peak_bytes - before) / (many * 4) <= 7U);
    BOOST_TEST(std::isfinite(total.array().at(0)));
}

BOOST_AUTO_TEST_CASE(an_update_in_place_copies_nothing_for_those_that_wait) {
    Parameter w(numbers(1));
    Variable average(numbers(2));
    const std::size_t before = live();
    for (int step = 0; step < 50; ++step) {  // an average that nobody reads
        average = 0.9 * average + 0.1 * Variable(w).detach();
        w -= Variable(0.01);
    }
    BOOST_TEST(arrays_since(before) <= 2U);
    BOOST_TEST(average.array().at(0) > -1);
}

BOOST_AUTO_TEST_CASE(reshaped_copied_and_cast) {
    const Variable x(numbers(1));
    const auto made = [&] { return (x * 2.0).array(); };
    const double last = 2 * x.array().at(many - 1);
    BOOST_TEST(made().reshaped({1, many}).at(many - 1) == last);
    BOOST_TEST(made().copy().at(many - 1) == last);
    BOOST_TEST(made().astype(float64).at(many - 1) == last);
    Array written = made();
    written.mutable_data<float>()[0] = 7;
    BOOST_TEST(written.at(0) == 7);
    BOOST_TEST(written.at(many - 1) == last);
    Array own = made();
    const Array other = own;
    own.make_unique();
    own.mutable_data<float>()[many - 1] = 7;
    BOOST_TEST(other.at(many - 1) == last);
}

BOOST_AUTO_TEST_CASE(only_so_many_wait_in_all) {
    const Variable x(numbers(1));
    const std::size_t before = live();
    std::vector<Variable> unread;
    for (int i = 0; i < 300; ++i) unread.push_back(x * static_cast<double>(i));
    const std::size_t computed = arrays_since(before);  // the oldest; the pool rounds sizes up
    BOOST_TEST(computed >= 300U - 128U);
    BOOST_TEST(computed < 195U);
    for (std::size_t i = 0; i < unread.size(); ++i)
        BOOST_REQUIRE(unread[i].array().at(5) ==
                      static_cast<double>(static_cast<float>(x.array().at(5)) * static_cast<float>(i)));
}

BOOST_AUTO_TEST_CASE(nothing_waits_while_somebody_looks_on) {
    const Variable x(numbers(1));
    const KeepOutputs keeping;
    const std::size_t before = live();
    const Variable y = x * 2.0;
    BOOST_TEST(arrays_since(before) == 1U);
}

BOOST_AUTO_TEST_CASE(a_result_that_is_never_read_costs_nothing) {
    const std::size_t before = live();
    {
        Variable x(numbers(1));
        for (int i = 0; i < 1000; ++i) const Variable unread = log(x + static_cast<double>(i));
        Variable chain = x;
        for (int i = 0; i < 1000; ++i) chain = chain * 0.999;  // no deeper than those that wait for one another
    }
    BOOST_TEST(live() == before);
}

BOOST_AUTO_TEST_SUITE_END()
