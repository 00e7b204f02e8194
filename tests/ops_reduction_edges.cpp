#include "support/counting.hpp"

#include <cmath>
#include <limits>

#include <xtape/autograd/xtensor.hpp>

using namespace xtape;
using namespace xtape::testing;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Variable vector(const Values& list, DType dtype = float64) {
    Array array = Array::uninitialized({static_cast<Index>(list.size())}, float64);
    std::copy(list.begin(), list.end(), array.mutable_data<double>());
    return array.astype(dtype);
}

/// The second derivative of sum(f(x)^2), against which no first one can hide.
Values second_order(Variable (*f)(const Variable&), const Variable& x) {
    const Parameter p(x);
    const Variable first = grad(sum(square(f(p))), p, create_graph);
    return values(grad(sum(first * (counting(x.shape()) + 1.0)), p));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_reduction_edges)

BOOST_AUTO_TEST_CASE(what_a_reduction_of_nothing_is) {
    const Variable x = counting({2, 0});
    check(sum(x, 1), {2}, {0, 0});
    check(prod(x, 1), {2}, {1, 1});
    check(norm(x, 1), {2}, {0, 0});
    check(logsumexp(x, 1), {2}, {-inf, -inf});
    BOOST_TEST(std::isnan(mean(x).item()));
    BOOST_TEST(std::isnan(var(x).item()));
    BOOST_TEST(values(max(x, 0)).empty());
    CHECK_SHAPE_ERROR(max(x, 1), "max: nothing to choose from: axis 1 of (2, 0) has size 0");
    CHECK_SHAPE_ERROR(min(x), "min: nothing to choose from: axis 1 of (2, 0) has size 0");
    CHECK_SHAPE_ERROR(sum(x, 2), "sum: axis 2");
    CHECK_SHAPE_ERROR(sum(x, {0, -2}), "sum: ");
    const Parameter p(x);
    for (auto f : {+[](const Variable& v) { return sum(v); }, +[](const Variable& v) { return prod(v); },
                   +[](const Variable& v) { return mean(v); }, +[](const Variable& v) { return norm(v); }})
        check(grad(f(p), p), {2, 0}, {});
}

BOOST_AUTO_TEST_CASE(variance_divides_by_n_less_ddof) {
    const Variable x = vector({1, 2, 4, 9});
    BOOST_TEST(var(x).item() == 9.5);
    BOOST_TEST(std::abs(var(x, {}, false, 1).item() - 38.0 / 3) < 1e-14);
    BOOST_TEST(std::abs(xtape::std(x, {}, false, 2).item() - std::sqrt(19.0)) < 1e-14);
    BOOST_TEST(std::isnan(var(vector({5}), {}, false, 1).item()));
    BOOST_TEST(var(vector({5, 6}), {}, false, 3).item() == inf);
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_go_through) {
    for (const Index at : {0, 1, 7, 8, 30, 31, 32}) {
        for (const DType dtype : {float32, float64}) {
            Values list(33, 2.0);
            list[static_cast<std::size_t>(at)] = not_a_number;
            for (const Variable& x :
                 {vector(list, dtype), reshape(vector(list, dtype), {33, 1}) + vector({0, 1}, dtype)}) {
                for (const Variable& y : {max(x, 0), min(x, 0), sum(x, 0), logsumexp(x, 0)})
                    for (const double e : values(y)) BOOST_TEST(std::isnan(e));
                for (const auto place : argmax(x, 0)) BOOST_TEST(place == at);
                for (const auto place : argmin(x, 0)) BOOST_TEST(place == at);
            }
        }
    }
    BOOST_TEST(max(vector({-inf, -inf})).item() == -inf);
    BOOST_TEST(sum(vector({inf, 1})).item() == inf);
    BOOST_TEST(std::isnan(sum(vector({inf, -inf})).item()));
}

BOOST_AUTO_TEST_CASE(ties_share_the_gradient) {
    const Parameter x(reshape(vector({3, 1, 3, 1, 5, 5, 5, 2}), {2, 4}));
    check(grad(sum(max(x, 1)), x), {2, 4}, {0.5, 0, 0.5, 0, 1. / 3, 1. / 3, 1. / 3, 0});
    check(grad(max(x), x), {2, 4}, {0, 0, 0, 0, 1. / 3, 1. / 3, 1. / 3, 0});
    check(grad(sum(min(x, 1, true)), x), {2, 4}, {0, 0.5, 0, 0.5, 0, 0, 0, 1});
    check(grad(sum(min(x, 0)), x), {2, 4}, {1, 1, 1, 1, 0, 0, 0, 0});
}

BOOST_AUTO_TEST_CASE(a_product_with_zeros_has_its_gradient) {
    const Parameter none(vector({2, 3, 4})), one(vector({2, 0, 4})), two(vector({0, 3, 0})),
        five(vector({1, 2, 0, 3, 5}));
    check(grad(prod(none), none), {3}, {12, 8, 6});
    check(grad(prod(one), one), {3}, {0, 8, 0});
    check(grad(prod(two), two), {3}, {0, 0, 0});
    check(grad(prod(five), five), {5}, {0, 0, 30, 0, 0});
    // d2/dx_i dx_j = product of the others; rows of the Hessian times (1, 2, 3)
    const auto times_123 = [](const Parameter& x) {
        return grad(sum(grad(prod(x), x, create_graph) * vector({1, 2, 3})), x);
    };
    check(times_123(none), {3}, {2 * 4 + 3 * 3, 4 + 3 * 2, 3 + 2 * 2});
    check(times_123(one), {3}, {2 * 4, 4 + 3 * 2, 2 * 2});
    check(times_123(two), {3}, {3 * 3, 0, 3});
    // The third derivative of a product of three is 1.
    const Variable second = grad(sum(grad(prod(two), two, create_graph) * vector({1, 0, 0})), two, create_graph);
    check(grad(sum(second * vector({0, 1, 0})), two), {3}, {0, 0, 1});
    for (const Shape& axes : {Shape{1}, Shape{0, 2}, Shape{0, 1, 2}})
        check_both_orders([axes](const Variable& x) { return prod(x - 5.0, axes) * 1e-3; }, {counting({2, 3, 2})});
}

BOOST_AUTO_TEST_CASE(norm_and_std_of_nothing_but_equal_elements_have_gradient_0) {
    const auto of_norm = [](const Variable& x) { return norm(x, 1); };
    const auto of_std = [](const Variable& x) { return xtape::std(x, 1); };
    const Parameter zeros(Array::filled({2, 3}, float64, 0)), equals(Array::filled({2, 3}, float64, 4));
    check(grad(sum(norm(zeros, 1)), zeros), {2, 3}, Values(6, 0));
    check(grad(sum(xtape::std(equals, 1)), equals), {2, 3}, Values(6, 0));
    for (const double e : second_order(of_norm, zeros)) BOOST_TEST(std::isfinite(e));
    for (const double e : second_order(of_std, equals)) BOOST_TEST(std::isfinite(e));
    // One row of zeros does not disturb the other.
    const Parameter mixed(reshape(vector({0, 0, 7, 24}), {2, 2}));
    const Values g = values(grad(sum(norm(mixed, 1)), mixed)), expected{0, 0, 0.28, 0.96};
    for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(std::abs(g[i] - expected[i]) < 1e-15);
}

BOOST_AUTO_TEST_CASE(logsumexp_of_extremes) {
    for (const DType dtype : {float32, float64}) {
        const auto of = [dtype](const Values& v) { return logsumexp(vector(v, dtype)).item(); };
        BOOST_TEST(std::abs(of({1e4, 1e4}) - (1e4 + std::log(2))) < 1e-3);
        BOOST_TEST(std::abs(of({-1e4, -1e4}) - (-1e4 + std::log(2))) < 1e-3);
        BOOST_TEST(of({-inf, 3}) == 3);
        BOOST_TEST(of({-inf, -inf}) == -inf);
        BOOST_TEST(of({inf, 3}) == inf);
        BOOST_TEST(of({inf, -inf}) == inf);
        BOOST_TEST(std::isnan(of({not_a_number, 3})));
    }
    const Parameter x(reshape(vector({-inf, -inf, 0, -inf}), {2, 2}));
    const Variable first = grad(sum(logsumexp(x, 1)), x, create_graph);
    check(first, {2, 2}, {0, 0, 1, 0});
    check(grad(sum(first * counting({2, 2})), x), {2, 2}, {0, 0, 0, 0});
}

BOOST_AUTO_TEST_CASE(argmax_and_argmin_find_the_first) {
    const Variable x = reshape(vector({3, 7, 7, 1, 1, 9, 0, 9}), {2, 4});
    const auto list = [](const IntArray& a) { return std::vector<Index>(a.begin(), a.end()); };
    BOOST_TEST((list(argmax(x, 1)) == std::vector<Index>{1, 1}));
    BOOST_TEST((list(argmin(x, -1)) == std::vector<Index>{3, 2}));
    BOOST_TEST((list(argmax(x, 0)) == std::vector<Index>{0, 1, 0, 1}));
    BOOST_TEST(argmax(counting({3, 0, 2}), 0).size() == 0u);
    CHECK_SHAPE_ERROR(argmax(counting({3, 0}), 1), "argmax: nothing to choose from: axis 1 of (3, 0) has size 0");
    CHECK_SHAPE_ERROR(argmin(counting({3}), 1), "argmin: axis 1");
}

BOOST_AUTO_TEST_SUITE_END()
