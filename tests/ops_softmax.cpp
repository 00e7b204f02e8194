#include "support/counting.hpp"

#include <cmath>
#include <limits>

using namespace xtape;
using namespace xtape::testing;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

struct Case {
    Shape shape;
    Index axis;
};

const std::vector<Case> cases{
    {{1}, 0},       {{7}, 0},       {{8}, -1},           {{2, 3, 4}, 0},  {{2, 3, 4}, 1},     {{2, 3, 4}, -1},
    {{3, 5, 1}, 1}, {{0, 3}, 1},    {{3, 0}, 1},         {{3, 0, 2}, 0},  {{512, 47}, 1},     {{512, 47}, 0},
    {{40001}, 0},   {{3, 9001}, 1}, {{9, 3, 67, 71}, 1}, {{40001, 2}, 0}, {{2, 33000, 3}, 1}, {{300, 67}, 0},
};

/// Between -3 and 3.
Variable waves(const Shape& shape, DType dtype) { return sin(counting(shape, dtype) * 0.7) * 3.0; }

/// The elements of y against f(x, i, row), row being the places of x that share i's row.
template <class F>
void check_rows(const Variable& y, const Variable& x, Index axis, const F& f, const std::string& label) {
    axis = axis < 0 ? axis + x.rank() : axis;
    Index inner = 1;
    for (Index i = axis + 1; i < x.rank(); ++i) inner *= x.shape(i);
    const Index length = x.shape(axis);
    const double tolerance = x.dtype() == float32 ? 2e-6 : 1e-13;
    BOOST_TEST(to_string(y.shape()) == to_string(x.shape()), label);
    double worst = 0;
    Values row(static_cast<std::size_t>(length));
    for (Index start = 0; start < x.size(); ++start) {
        if (start / inner % length != 0) continue;
        for (Index i = 0; i < length; ++i) row[static_cast<std::size_t>(i)] = x.array().at(start + i * inner);
        f(row);
        for (Index i = 0; i < length; ++i) {
            const double expected = row[static_cast<std::size_t>(i)], got = y.array().at(start + i * inner);
            worst = std::max(worst, std::abs(got - expected) / std::max(1.0, std::abs(expected)));
        }
    }
    BOOST_TEST(worst <= tolerance, label);
}

void to_softmax(Values& row) {
    double total = 0;
    for (double& e : row) total += e = std::exp(e);
    for (double& e : row) e /= total;
}

void to_log_softmax(Values& row) {
    to_softmax(row);
    for (double& e : row) e = std::log(e);
}

void to_sums(Values& row) { std::partial_sum(row.begin(), row.end(), row.begin()); }

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_softmax)

BOOST_AUTO_TEST_CASE(values_are_those_of_plain_loops) {
    for (const DType dtype : {float32, float64}) {
        for (const auto& [shape, axis] : cases) {
            const Variable x = waves(shape, dtype);
            const std::string label = to_string(shape) + " along " + std::to_string(axis) + " in " + name_of(dtype);
            check_rows(softmax(x, axis), x, axis, to_softmax, "softmax of " + label);
            check_rows(log_softmax(x, axis), x, axis, to_log_softmax, "log_softmax of " + label);
            check_rows(cumsum(x, axis), x, axis, to_sums, "cumsum of " + label);
            // a temporary's buffer may be reused
            check_rows(softmax(waves(shape, dtype), axis), x, axis, to_softmax, "softmax in place of " + label);
            check_rows(log_softmax(waves(shape, dtype), axis), x, axis, to_log_softmax,
                       "log_softmax in place of " + label);
        }
    }
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    check_threads([] {
        std::vector<Variable> results;
        for (const auto& [shape, axis] : cases) {
            const Variable x = waves(shape, float32);
            results.insert(results.end(), {softmax(x, axis), log_softmax(x, axis), cumsum(x, axis)});
        }
        return results;
    });
}

BOOST_AUTO_TEST_CASE(nothing_overflows) {
    for (const DType dtype : {float32, float64}) {
        for (const Index axis : {0, 1}) {
            Array array = Array::filled({2, 2}, dtype, -1e4);
            dispatch(dtype, [&](auto tag) { array.mutable_data<decltype(tag)>()[0] = decltype(tag)(1e4); });
            const Variable y = log_softmax(Variable(array), axis);
            BOOST_TEST(y.array().at(0) == 0);
            BOOST_TEST(y.array().at(axis == 0 ? 2 : 1) == -2e4);
            BOOST_TEST(std::abs(y.array().at(3) + std::log(2)) < 1e-6);
            check(softmax(Variable(array), axis), {2, 2}, axis == 0 ? Values{1, 0.5, 0, 0.5} : Values{1, 0, 0.5, 0.5});
        }
    }
    Array masked = Array::filled({3}, float64, 0);
    masked.mutable_data<double>()[1] = -inf;
    check(softmax(Variable(masked)), {3}, {0.5, 0, 0.5});
    BOOST_TEST(log_softmax(Variable(masked)).array().at(1) == -inf);
}

BOOST_AUTO_TEST_CASE(a_row_with_nan_is_nan_and_others_are_not) {
    Array array = Array::filled({2, 19}, float32, 1);
    array.mutable_data<float>()[18] = std::numeric_limits<float>::quiet_NaN();
    for (const Variable& y : {softmax(Variable(array)), log_softmax(Variable(array))}) {
        for (Index i = 0; i < 19; ++i) {
            BOOST_TEST(std::isnan(y.array().at(i)));
            BOOST_TEST(std::isfinite(y.array().at(19 + i)));
        }
    }
}

BOOST_AUTO_TEST_CASE(log_of_softmax_is_taken_from_the_argument) {
    Array array = Array::filled({2, 3}, float32, 0);
    array.mutable_data<float>()[0] = 1000;
    const Parameter x(array);
    for (const Index axis : {0, 1}) {
        const Variable y = log(softmax(x, axis));
        BOOST_TEST(values(y) == values(log_softmax(x, axis)), boost::test_tools::per_element());
        BOOST_TEST(y.array().at(axis == 0 ? 3 : 1) == -1000);
        for (const double g : values(grad(sum(y), x))) BOOST_TEST(std::isfinite(g));
    }
    // F20: with -sum(v log s) for a one-hot v, s - v
    const Parameter z(sin(counting({5})));
    const Values s = values(softmax(z));
    const Values g = values(grad(-sum(one_hot(IntArray{3}, 5, float64) * log(softmax(z))), z));
    for (std::size_t i = 0; i < 5; ++i) BOOST_TEST(std::abs(g[i] - (s[i] - (i == 3 ? 1 : 0))) < 1e-15);
}

BOOST_AUTO_TEST_CASE(gradients_at_both_orders) {
    for (const Index axis : {0, 1, 2}) {
        const Variable x = waves({2, 3, 4}, float64);
        check_both_orders([axis](const Variable& v) { return softmax(v, axis); }, {x});
        check_both_orders([axis](const Variable& v) { return log_softmax(v, axis); }, {x});
        check_both_orders([axis](const Variable& v) { return log(softmax(v, axis)); }, {x});
        check_adjoint([axis](const Variable& v) { return cumsum(v, axis); }, {2, 3, 4});
    }
}

BOOST_AUTO_TEST_CASE(a_freed_softmax_says_so_and_is_not_recognised) {
    const Parameter x(sin(counting({4})));
    const Variable y = softmax(x);
    sum(y * y).backward();
    bool wanted = true;
    Variable dx;
    BOOST_CHECK_THROW(y.node()->pull(y.detach(), &wanted, &dx), TapeError);
    const Variable z = log(y);
    for (Index i = 0; i < 4; ++i) BOOST_TEST(std::abs(z.array().at(i) - std::log(y.array().at(i))) < 1e-15);
}

BOOST_AUTO_TEST_CASE(axes_are_checked) {
    CHECK_SHAPE_ERROR(softmax(counting({2, 3}), 2), "softmax: axis 2");
    CHECK_SHAPE_ERROR(log_softmax(counting({}), -1), "log_softmax: axis -1");
    CHECK_SHAPE_ERROR(cumsum(counting({3}), 1), "cumsum: axis 1");
}

BOOST_AUTO_TEST_SUITE_END()
