#include <xtape/autograd/ops.hpp>

#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/tape.hpp>

#include "support/large.hpp"

/// Cheap element-wise results of large arrays are computed again where they are needed again, rather than kept.
using namespace xtape;
using namespace large;

namespace {

constexpr Index seventh = 7;

void require_near(const Variable& found, double expected) {
    BOOST_TEST(found.array().at(seventh) == expected, boost::test_tools::tolerance(1e-6));
}

void read(const Variable& x) { x.array().evaluate(); }

}  // namespace

BOOST_AUTO_TEST_SUITE(deferred_again)

BOOST_AUTO_TEST_CASE(a_cheap_result_is_not_kept_for_others) {
    const Variable x(numbers(1)), t(numbers(2));
    const double u = x.array().at(seventh), v = t.array().at(seventh), value = u * v + 1 - v;
    const std::size_t before = live();
    const Variable q = x * t + (1.0 - t);  // held, and made of arrays that are held anyway
    const Variable first = exp(q);
    require_near(first, std::exp(value));
    BOOST_TEST(arrays_since(before) == 1U);
    const Variable second = sin(q);
    require_near(second, std::sin(value));
    BOOST_TEST(arrays_since(before) == 2U);
    const Variable third = cos(q);
    require_near(third, std::cos(value));
    BOOST_TEST(arrays_since(before) == 4U);  // needed so often, it is kept
    require_near(q, value);
    BOOST_TEST(arrays_since(before) == 4U);
}

BOOST_AUTO_TEST_CASE(one_that_is_asked_for_is_kept) {
    const Variable x(numbers(1));
    const std::size_t before = live();
    const Variable y = x * 2.0;
    const Variable z = exp(y);
    read(z);
    read(y);
    BOOST_TEST(arrays_since(before) == 2U);
    require_near(y, 2 * x.array().at(seventh));
    const Variable a = x + 1.0, b = a * 2.0;
    read(b);
    BOOST_TEST(arrays_since(before) == 3U);  // at once: a is not needed for a third time
}

BOOST_AUTO_TEST_CASE(what_it_is_made_of_is_not_overwritten) {
    const Array values = numbers(1);
    const double u = values.at(seventh);
    const Variable y = Variable(values.copy()) * 2.0;  // alone holds the copy
    const std::size_t before = live();
    const Variable z = exp(y), w = sin(y + 1.0);
    require_near(z, std::exp(2 * u));
    require_near(w, std::sin(2 * u + 1));
    require_near(y, 2 * u);  // in the copy's place
    BOOST_TEST(arrays_since(before) == 2U);
}

BOOST_AUTO_TEST_CASE(what_it_is_made_of_and_nobody_holds_lasts_with_it) {
    const Array values = numbers(1);
    const double u = values.at(seventh);
    Variable y = (Variable(values.copy()) + 1.0) * 3.0;
    read(exp(y));
    require_near(sin(y), std::sin((u + 1) * 3));
    const std::size_t before = live();
    require_near(y, (u + 1) * 3);
    BOOST_TEST(arrays_since(before) == 0U);  // in the copy's place
    y = Variable();
    BOOST_TEST(arrays_since(before - many * 4) == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_made_of_many_arrays_is_kept) {
    const auto kept = [](Index count) {
        std::vector<Variable> parts;
        for (Index i = 0; i < count; ++i) parts.emplace_back(numbers(static_cast<std::uint64_t>(i)));
        const std::size_t before = live();
        Variable y = parts[0] * 2.0;
        double expected = parts[0].array().at(seventh) * 2;
        for (const Variable& part : parts) {
            y = y + part;
            expected += part.array().at(seventh);
        }
        read(exp(y));
        const std::size_t found = arrays_since(before);
        require_near(y, expected);
        return found;
    };
    BOOST_TEST(kept(1) == 0U);
    BOOST_TEST(kept(3) == 0U);
    BOOST_TEST(kept(4) == 1U);
    BOOST_TEST(kept(5) == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_made_of_one_that_is_kept) {
    const Variable a(numbers(1)), b(numbers(2)), c(numbers(3)), d(numbers(4));
    const std::size_t before = live();
    const Variable y = a * b - c * d;
    const Variable below = 1.0 - y;
    read(exp(below));
    BOOST_TEST(arrays_since(before) == 1U);  // y
    const auto at = [](const Variable& x) { return x.array().at(seventh); };
    require_near(below, 1 - (at(a) * at(b) - at(c) * at(d)));
    BOOST_TEST(arrays_since(before) == 2U);
}

BOOST_AUTO_TEST_CASE(no_costly_result_is_computed_twice) {
    const Variable x(numbers(1));
    const std::size_t before = live();
    const Variable y = tanh(x) + 1.0;
    const Variable z = exp(y);
    read(z);
    BOOST_TEST(arrays_since(before) == 2U);  // y, not tanh(x), which nobody else holds
    const Variable s = tanh(x);
    const Variable twice = 2.0 * s;
    read(exp(twice));
    BOOST_TEST(arrays_since(before) == 3U);  // s, not twice
    read(twice);
    BOOST_TEST(arrays_since(before) == 4U);
}

BOOST_AUTO_TEST_CASE(only_short_chains_are_computed_again) {
    const Variable x(numbers(1));
    const auto kept = [&](int length) {
        const std::size_t before = live();
        Variable y = x;
        for (int i = 0; i < length; ++i) y = y * 1.01;
        const Variable z = exp(y);
        require_near(z, std::exp(x.array().at(seventh) * std::pow(1.01, length)));
        return arrays_since(before) - 1;
    };
    BOOST_TEST(kept(8) == 0U);
    BOOST_TEST(kept(9) == 1U);
    BOOST_TEST(kept(20) == 1U);
}

BOOST_AUTO_TEST_CASE(an_update_in_place_does_not_reach_it) {
    Parameter w(numbers(1));
    const double before = w.array().at(seventh);
    const Variable y = w * 2.0;
    read(exp(y));
    w -= Variable(0.25);
    BOOST_TEST(w.array().at(seventh) == before - 0.25, boost::test_tools::tolerance(1e-6));
    require_near(y, 2 * before);
}

BOOST_AUTO_TEST_CASE(a_loss_keeps_what_its_gradient_needs_and_costs_much) {
    const Parameter z(numbers(1));
    const Variable t(numbers(2));
    const std::size_t before = live();
    const Variable p = sigmoid(z);
    const Variable q = t * p + (1.0 - t) * (1.0 - p);
    Variable loss = mean(-square(1.0 - q) * log(q));
    read(loss);
    BOOST_TEST(arrays_since(before) == 3U);  // p, 1 - p and log(q)
    loss.backward();
    const double u = z.array().at(seventh), s = 1 / (1 + std::exp(-u)), v = t.array().at(seventh);
    const double r = v * s + (1 - v) * (1 - s);
    const double slope = (2 * (1 - r) * std::log(r) - (1 - r) * (1 - r) / r) * (2 * v - 1) * s * (1 - s) / many;
    BOOST_TEST(z.grad().at(seventh) == slope, boost::test_tools::tolerance(1e-4));
}

BOOST_AUTO_TEST_CASE(many_uses_of_one_another_are_walked_through_once) {
    Parameter w(numbers(1));
    const double before = w.array().at(seventh);
    Variable y = w;
    for (int i = 0; i < 31; ++i) y = y + y;  // 2^31 steps without memory of those that were walked through
    w -= Variable(1.0);
    BOOST_TEST(y.array().at(seventh) == std::ldexp(before, 31));
}

BOOST_AUTO_TEST_SUITE_END()
