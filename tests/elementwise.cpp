#include <xtape/autograd/elementwise.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>

#include "support/counting.hpp"
#include "support/formulas.hpp"

/// elementwise(): what a call is, what it costs, and what it says when it is wrong.
using namespace xtape;
using xtape::testing::focal_of;
using xtape::testing::numbers;
using xtape::testing::values;
using xtape::testing::Values;

namespace {

/// The gradient of the sum of f's elements.
template <class F>
Values slope(const F& f, const Values& at) {
    const Parameter x(numbers(at));
    return values(grad(sum(f(x)), x));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(elementwise)

BOOST_AUTO_TEST_CASE(focal_loss_as_the_closed_form_has_it) {
    const auto focal = xtape::elementwise("focal", focal_of);
    for (const Index n : {1, 2, 15, 16, 17, 100, 1000, 100'003}) {
        Generator seeded(1);
        const Parameter p(Variable(random::uniform({n}, 0.05, 0.95, seeded, float64)));
        const Variable t = Variable(random::uniform({n}, 0, 1, seeded, float64)) > 0.5;
        const Variable loss = mean(focal(p, t));
        const Variable g = grad(loss, p);
        double expected = 0;
        for (Index i = 0; i < n; ++i) {
            const double pi = p.array().at(i), sign = t.array().at(i) > 0 ? 1 : -1, q = sign > 0 ? pi : 1 - pi;
            const auto count = static_cast<double>(n);
            expected -= (1 - q) * (1 - q) * std::log(q) / count;
            const double exact = sign * (2 * (1 - q) * std::log(q) - (1 - q) * (1 - q) / q) / count;
            BOOST_REQUIRE(std::abs(g.array().at(i) - exact) <= 1e-13 * std::abs(exact));
        }
        BOOST_TEST(loss.item() == expected, boost::test_tools::tolerance(1e-12));
        BOOST_TEST(sum(focal(p, t)).item() == expected * static_cast<double>(n), boost::test_tools::tolerance(1e-12));
    }
}

BOOST_AUTO_TEST_CASE(second_and_third_order_as_the_closed_form_has_them) {
    const auto f = xtape::elementwise([](auto x, auto y) { return exp(x * y); });
    const Parameter x(numbers({0.5, -1, 2})), y(numbers({1.5}));
    const Variable first = grad(sum(f(x, y)), x, create_graph);
    const Variable second = grad(sum(first), x, create_graph);
    const Variable third = grad(sum(second), x);
    const Variable mixed = grad(mean(f(x, y)), y, create_graph);
    const Variable mixed_slope = grad(sum(mixed), x);
    for (Index i = 0; i < 3; ++i) {
        const double u = x.array().at(i), v = 1.5, e = std::exp(u * v);
        BOOST_TEST(first.array().at(i) == v * e, boost::test_tools::tolerance(1e-14));
        BOOST_TEST(second.array().at(i) == v * v * e, boost::test_tools::tolerance(1e-14));
        BOOST_TEST(third.array().at(i) == v * v * v * e, boost::test_tools::tolerance(1e-14));
        BOOST_TEST(mixed_slope.array().at(i) == (1 + u * v) * e / 3, boost::test_tools::tolerance(1e-14));
    }
    BOOST_TEST(mixed.shape() == (Shape{1}));
}

BOOST_AUTO_TEST_CASE(kinks_and_ties_are_those_of_arrays) {
    const double inf = std::numeric_limits<double>::infinity();
    BOOST_TEST(slope(xtape::elementwise([](auto x) { return abs(x); }), {-2, 0, 3}) == (Values{-1, 0, 1}));
    BOOST_TEST(slope(xtape::elementwise([](auto x) { return relu(x); }), {-2, 0, 3}) == (Values{0, 0, 1}));
    BOOST_TEST(slope(xtape::elementwise([](auto x) { return sign(x); }), {-2, 0, 3}) == (Values{0, 0, 0}));
    BOOST_TEST(slope(xtape::elementwise([](auto x) { return max(x, 1); }), {0, 1, 2}) == (Values{0, 0.5, 1}));
    BOOST_TEST(slope(xtape::elementwise([](auto x) { return min(1, x); }), {0, 1, 2}) == (Values{1, 0.5, 0}));
    BOOST_TEST(slope(xtape::elementwise([](auto x) { return clip(x, 0, 1); }), {-1, 0, 1, 2}) == (Values{0, 1, 1, 0}));
    BOOST_TEST(slope(xtape::elementwise([](auto x) { return pow(x, 2); }), {-1, 0, inf}) == (Values{-2, 0, inf}));
    BOOST_TEST(slope(xtape::elementwise([](auto x) { return pow(x, 0); }), {-1, 0}) == (Values{0, 0}));
    const Parameter a(numbers({1, 2, 3})), b(numbers({2, 2, 2}));
    const auto larger = xtape::elementwise([](auto x, auto y) { return maximum(x, y); });
    const auto [da, db] = grad(sum(larger(a, b)), a, b);
    BOOST_TEST(values(da) == (Values{0, 0.5, 1}));
    BOOST_TEST(values(db) == (Values{1, 0.5, 0}));
    const Parameter base(numbers({0, 0, 2})), exponent(numbers({0, 2, 3}));
    const auto power = xtape::elementwise([](auto x, auto y) { return pow(x, y); });
    const auto [dx, dy] = grad(sum(power(base, exponent)), base, exponent);
    BOOST_TEST(values(dx) == (Values{0, 0, 12}));
    BOOST_TEST(dy.array().at(0) == 0);
    BOOST_TEST(dy.array().at(1) == 0);
    BOOST_TEST(dy.array().at(2) == 8 * std::log(2.0), boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE(not_a_number_stays_and_infinities_are_met_as_by_arrays) {
    const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    for (const DType dtype : {float32, float64}) {
        const Variable x = numbers({nan, inf, -inf, 0.0, -0.0, 1e30, -1e30}, dtype);
        const auto check = [&](const auto& f) {
            const Variable expected = f(x), got = xtape::elementwise(f)(x);
            for (Index i = 0; i < x.size(); ++i) {
                const double u = expected.array().at(i), v = got.array().at(i);
                BOOST_TEST(((std::isnan(u) && std::isnan(v)) || u == v), u << " " << v << " at " << i);
            }
        };
        check([](auto u) { return maximum(u, 1.0) + minimum(2.0, u); });
        check([](auto u) { return relu(u) - heaviside(u) * sign(u); });
        check([](auto u) { return where(u <= 1, u, 2.0); });
        check([](auto u) { return where(not_equal(u, 0.0), 1.0, 0.0); });
        check([](auto u) { return softplus(u) + sigmoid(u); });
        check([](auto u) { return log(sigmoid(u)); });
        check([](auto u) { return clip(u, -1.0, 1.0); });
        check([](auto u) { return pow(u, 0.5) + exp(u); });
        check([](auto u) { return log(abs(u)) + sqrt(u); });
    }
}

BOOST_AUTO_TEST_CASE(stable_forms_are_seen) {
    const auto loss = xtape::elementwise([](auto z) {
        auto a = sigmoid(z);
        return log(a) - log(1 - a) + log(1 + exp(z)) + log1p(exp(-z));
    });
    for (const double z : {-1000.0, 1000.0}) {
        const Parameter x(numbers({z}));
        const Variable y = sum(loss(x));
        // log a = -softplus(-z), log(1 - a) = -softplus(z): 2 softplus(z) in all
        BOOST_TEST(y.item() == (z > 0 ? 2 * z : 0));
        BOOST_TEST(grad(y, x).item() == (z > 0 ? 2 : 0));
    }
}

BOOST_AUTO_TEST_CASE(a_call_is_a_variable_wherever_one_is_wanted) {
    const auto f = xtape::elementwise([](auto x, auto y) { return x * y; });
    const Parameter x(numbers({1, 2, 3})), y(numbers({4, 5, 6}));
    const auto l = f(x, y);
    BOOST_TEST(values(l + 1) == (Values{5, 11, 19}));
    BOOST_TEST(values(2.0 * l - l) == (Values{4, 10, 18}));
    BOOST_TEST(values(exp(l)).size() == 3U);
    BOOST_TEST(mean(l).item() == 32.0 / 3, boost::test_tools::tolerance(1e-15));
    BOOST_TEST(sum(l, 0, true).shape() == (Shape{1}));
    BOOST_TEST(mean(f(x, y), {}, true).shape() == (Shape{1}));
    BOOST_TEST(l.shape() == (Shape{3}));
    BOOST_TEST(values(grad(sum(l * l), x)) == (Values{2 * 4 * 4, 2 * 10 * 5, 2 * 18 * 6}));
    const Variable matrix = f(reshape(x, {3, 1}), reshape(y, {1, 3}));
    BOOST_TEST(matrix.shape() == (Shape{3, 3}));
    BOOST_TEST(values(sum(f(reshape(x, {3, 1}), reshape(y, {1, 3})), 0)) == (Values{24, 30, 36}));
    const Variable once = l, again = l;
    BOOST_TEST(xtape::testing::same_elements(once, again));
    BOOST_TEST(f(3, 4.5).item() == 13.5);
    BOOST_TEST(f(x, 2).shape() == (Shape{3}));
    BOOST_TEST(values(f(x, 2)) == (Values{2, 4, 6}));
}

BOOST_AUTO_TEST_CASE(lambdas_that_return_a_number_or_an_argument) {
    const Parameter x(numbers({1, 2, 3})), y(numbers({4, 5, 6}));
    const auto number = xtape::elementwise([](auto) { return 2; });
    BOOST_TEST(values(number(x)) == (Values{2, 2, 2}));
    BOOST_TEST(sum(number(x)).item() == 6);
    BOOST_TEST(values(grad(sum(number(x)), x)) == (Values{0, 0, 0}));
    const auto second = xtape::elementwise([](auto, auto b) { return b; });
    const auto [dx, dy] = grad(mean(second(x, y)), x, y);
    BOOST_TEST(values(dx) == (Values{0, 0, 0}));
    BOOST_TEST(values(dy) == (Values{1.0 / 3, 1.0 / 3, 1.0 / 3}));
    const auto [du, dv] = grad(sum(square(Variable(second(x, y)))), x, y);
    BOOST_TEST(values(du) == (Values{0, 0, 0}));
    BOOST_TEST(values(dv) == (Values{8, 10, 12}));
    const auto positive = xtape::elementwise([](auto a) { return a > 1.5; });
    BOOST_TEST(values(positive(x)) == (Values{0, 1, 1}));
    const auto both = xtape::elementwise([](auto a) { return select((a > 1.5 && a < 2.5) || !(a <= 2.9), a, -1); });
    BOOST_TEST(values(both(x)) == (Values{-1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(what_is_captured_by_reference_may_change) {
    double slope_of = 2;
    const auto f = xtape::elementwise([&](auto x) { return slope_of * x; });
    const Parameter x(numbers({1, 2}));
    BOOST_TEST(values(f(x)) == (Values{2, 4}));
    slope_of = 3;
    BOOST_TEST(values(f(x)) == (Values{3, 6}));
    BOOST_TEST(values(grad(sum(f(x)), x)) == (Values{3, 3}));
    const auto inner = xtape::elementwise([](auto u) { return u * u; });
    const auto outer = xtape::elementwise([&](auto u) { return inner(u + 1) - inner(u); });
    BOOST_TEST(values(outer(x)) == (Values{3, 5}));
}

BOOST_AUTO_TEST_CASE(gradients_of_broadcast_arguments_have_their_shape) {
    const auto f = xtape::elementwise([](auto x, auto y, auto z) { return x * y * z; });
    Generator seeded(5);
    const std::vector<Variable> xs{random::uniform({4, 1, 7}, 1, 2, seeded, float64),
                                   random::uniform({3, 1}, 1, 2, seeded, float64),
                                   random::uniform({}, 1, 2, seeded, float64)};
    check_grads([&](const Variable& x, const Variable& y, const Variable& z) { return f(x, y, z); }, xs[0], xs[1],
                xs[2]);
    check_grads([&](const Variable& x, const Variable& y, const Variable& z) { return mean(f(x, y, z)); }, xs[0], xs[1],
                xs[2]);
    // long rows and short ones, more than one piece of work
    for (const auto& [rows, columns] : {std::pair<Index, Index>{7, 20'011}, {20'011, 7}, {300, 257}}) {
        const Variable x(random::uniform({rows, columns}, 1, 2, seeded, float64));
        const Variable column(random::uniform({rows, 1}, 1, 2, seeded, float64));
        const Variable row(random::uniform({columns}, 1, 2, seeded, float64));
        const Variable y = f(x, column, row), expected = x * column * row;
        for (Index i = 0; i < y.size(); ++i)
            BOOST_REQUIRE(std::abs(y.array().at(i) - expected.array().at(i)) <= 1e-15 * expected.array().at(i));
        BOOST_TEST(sum(f(x, column, row)).item() == sum(expected).item(), boost::test_tools::tolerance(1e-13));
    }
}

BOOST_AUTO_TEST_CASE(the_logarithm_is_exact_to_the_last_digits) {
    Values at{1.17549435e-38, 3e38, 0.99999994, 1.00000012, 0.70710677, 0.70710683, 1.4142135, 1.4142137};
    Generator seeded(4);
    for (int i = 0; i < 20'000; ++i) at.push_back(std::exp(170 * seeded.uniform() - 85));
    for (int i = 0; i < 20'000; ++i) at.push_back(0.6 + seeded.uniform());
    const Variable x = numbers(at, float32);
    for (const Variable& y : {log(x), Variable(xtape::elementwise([](auto u) { return log(u); })(x))})
        for (Index i = 0; i < y.size(); ++i) {
            const double expected = std::log(x.array().at(i)), got = y.array().at(i);
            const double unit = std::ldexp(1, std::ilogb(expected == 0 ? 1e-30 : expected) - 23);
            BOOST_REQUIRE_MESSAGE(std::abs(got - expected) <= 1.1 * unit,
                                  x.array().at(i) << ": off by " << std::abs(got - expected) / unit);
        }
}

BOOST_AUTO_TEST_SUITE_END()
