#include "support/counting.hpp"

#include <cmath>
#include <limits>

/// batch_norm and layer_norm against plain loops in float64.
using namespace xtape;
using namespace xtape::testing;

namespace {

/// Numbers without a pattern around `mean`, which have few digits: exact in float32 for means up to 2^12.
Variable numbers(const Shape& shape, double mean, DType dtype, double seed = 1) {
    Array array = Array::uninitialized(shape, dtype);
    for (Index i = 0; i < array.size(); ++i) {
        const double value = mean + std::round(256 * std::sin(seed + 1.7 * static_cast<double>(i))) / 256;
        dispatch(dtype, [&](auto tag) { array.mutable_data<decltype(tag)>()[i] = static_cast<decltype(tag)>(value); });
    }
    return array;
}

/// y and all gradients of a normalisation by its definition; group(i) and parameter(i) say which ones element i belongs to.
struct Expected {
    using Wide = std::vector<long double>;
    Wide y, dx, dweight, dbias, mean, variance;

    template <class Group, class Of>
    Expected(const Variable& x, const Variable& g, const Variable& weight, const Variable& bias, double eps,
             Index groups, Group group, Of parameter)
        : y(size(x)), dx(size(x)), dweight(size(weight)), dbias(size(bias)), mean(at(groups)), variance(at(groups)) {
        const auto n = static_cast<long double>(x.size() / groups);
        const auto element = [](const Variable& v, Index i) { return static_cast<long double>(v.array().at(i)); };
        const auto centred = [&](Index i) { return element(x, i) - mean[at(group(i))]; };
        const auto deviation = [&](Index i) { return std::sqrt(variance[at(group(i))] + eps); };
        const auto slope = [&](Index i) { return element(g, i) * element(weight, parameter(i)); };
        Wide of_slopes(at(groups)), of_products(at(groups));
        for (Index i = 0; i < x.size(); ++i) mean[at(group(i))] += element(x, i) / n;
        for (Index i = 0; i < x.size(); ++i) variance[at(group(i))] += centred(i) * centred(i) / n;
        for (Index i = 0; i < x.size(); ++i) {
            const long double normal = centred(i) / deviation(i);
            y[at(i)] = normal * element(weight, parameter(i)) + element(bias, parameter(i));
            dweight[at(parameter(i))] += element(g, i) * normal;
            dbias[at(parameter(i))] += element(g, i);
            of_slopes[at(group(i))] += slope(i) / n;
            of_products[at(group(i))] += slope(i) * normal / n;
        }
        for (Index i = 0; i < x.size(); ++i)
            dx[at(i)] = (slope(i) - of_slopes[at(group(i))] - centred(i) / deviation(i) * of_products[at(group(i))]) /
                        deviation(i);
    }

private:
    static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
    static std::size_t size(const Variable& x) { return at(x.size()); }
};

/// Within a few roundings of the largest, or of `scale` where sums of many may cancel.
void check_near(const Variable& got, DType precision, const Expected::Wide& expected, double scale,
                const std::string& what) {
    BOOST_REQUIRE_EQUAL(values(got).size(), expected.size());
    const double tolerance = (precision == float32 ? 4e-6 : 1e-13) * scale;
    double most = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const auto off = static_cast<double>(std::abs(got.array().at(static_cast<Index>(i)) - expected[i]));
        most = off <= most ? most : off;  // a NaN stays
    }
    BOOST_TEST(most <= tolerance, what << " is off by " << most << ", more than " << tolerance);
}

const std::vector<Shape> batches{{7, 3},          {2, 1},        {100, 33},    {1, 4, 2},       {67, 2, 3},
                                 {3, 5, 16},      {9, 20, 17},   {2, 3, 7, 7}, {5, 17, 28, 28}, {3, 2, 65, 67},
                                 {1, 1, 3, 5000}, {2, 40, 4, 4}, {4097, 1},    {1030, 2, 5}};
const std::vector<std::pair<Shape, Index>> rows{{{3, 5}, 1},    {{1, 2}, 1},       {{2, 3, 4}, 1}, {{2, 3, 4}, 2},
                                                {{40, 17}, 1},  {{513, 1000}, 1},  {{2, 9000}, 1}, {{6}, 0},
                                                {{300, 16}, 1}, {{5, 2, 3, 11}, 2}};

const double eps = 1e-3;

void check_batch(const Shape& shape, DType dtype, double mean) {
    const Shape channels{shape[1]};
    const Index length = Shape(shape.begin() + 2, shape.end()).count();
    const Parameter x(numbers(shape, mean, dtype)), weight(numbers(channels, 1.25, dtype)),
        bias(numbers(channels, 0, dtype));
    const Variable g = numbers(shape, 0.25, dtype, 3);
    const auto channel = [&](Index i) { return i / length % shape[1]; };
    const Expected expected(x, g, weight, bias, eps, shape[1], channel, channel);
    const auto [y, statistics] = batch_norm(x, weight, bias, eps);
    const auto gradients = pullback(y, g, {x.variable(), weight.variable(), bias.variable()}, false, Where::here());
    const std::string what = to_string(shape) + " in " + name_of(dtype) + " around " + std::to_string(mean);
    const double count = static_cast<double>(x.size() / shape[1]);
    // rounding to float32 of what is around 1000 has cost nothing: x itself is exact
    check_near(y, dtype, expected.y, 4, "batch_norm of " + what);
    check_near(statistics.mean, dtype, expected.mean, dtype == float32 ? 1 : 1e3, "mean of " + what);
    check_near(statistics.variance, dtype, expected.variance, 1, "variance of " + what);
    check_near(gradients[0], dtype, expected.dx, 8, "gradient in x of " + what);
    // where the mean is float64 its rounding counts once for each number
    const double cancelling = dtype == float32 ? 2 * std::sqrt(count) : std::max(8.0, count);
    check_near(gradients[1], dtype, expected.dweight, cancelling, "gradient in the weight of " + what);
    check_near(gradients[2], dtype, expected.dbias, 2 * std::sqrt(count), "gradient in the bias of " + what);
}

void check_layer(const Shape& shape, Index leading, DType dtype, double mean) {
    const Shape inner(shape.begin() + leading, shape.end());
    const Index length = inner.count(), groups = shape.count() / length;
    const Parameter x(numbers(shape, mean, dtype)), weight(numbers(inner, 1.25, dtype)), bias(numbers(inner, 0, dtype));
    const Variable g = numbers(shape, 0.25, dtype, 3);
    const Expected expected(
        x, g, weight, bias, eps, groups, [&](Index i) { return i / length; }, [&](Index i) { return i % length; });
    const Variable y = layer_norm(x, inner, weight, bias, eps);
    const auto gradients = pullback(y, g, {x.variable(), weight.variable(), bias.variable()}, false, Where::here());
    const std::string what = to_string(shape) + " in " + name_of(dtype) + " around " + std::to_string(mean);
    check_near(y, dtype, expected.y, 4, "layer_norm of " + what);
    check_near(gradients[0], dtype, expected.dx, 8, "gradient in x of " + what);
    check_near(gradients[1], dtype, expected.dweight, 2 * std::sqrt(groups) + 2, "gradient in the weight of " + what);
    check_near(gradients[2], dtype, expected.dbias, 2 * std::sqrt(groups), "gradient in the bias of " + what);
}

Index count_nan(const Variable& y) {
    Index count = 0;
    for (const double v : values(y)) count += std::isnan(v);
    return count;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_normalization)

BOOST_AUTO_TEST_CASE(batch_norm_and_its_gradients_are_those_of_plain_loops) {
    for (const DType dtype : {float32, float64})
        for (const Shape& shape : batches)
            for (const double mean : {0.0, 1000.0}) check_batch(shape, dtype, mean);
}

BOOST_AUTO_TEST_CASE(layer_norm_and_its_gradients_are_those_of_plain_loops) {
    for (const DType dtype : {float32, float64})
        for (const auto& [shape, leading] : rows)
            for (const double mean : {0.0, 1000.0}) check_layer(shape, leading, dtype, mean);
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    check_threads([] {
        std::vector<Variable> results;
        const auto add = [&](const Variable& y, const std::vector<Variable>& xs) {
            results.push_back(y);
            for (const Variable& g : pullback(y, numbers(y.shape(), 0, float32, 3), xs, false, Where::here()))
                results.push_back(g);
        };
        for (const Shape& shape : {Shape{600, 130}, Shape{9, 20, 70, 71}, Shape{40, 3, 60, 61}}) {
            const Parameter x(numbers(shape, 1, float32)), w(numbers({shape[1]}, 1, float32));
            add(batch_norm(x, w, w).y, {x, w});
        }
        const Parameter x(numbers({600, 130}, 1, float32)), w(numbers({130}, 1, float32));
        add(layer_norm(x, {130}, w, w), {x, w});
        return results;
    });
}

BOOST_AUTO_TEST_CASE(a_temporary_gradients_buffer_is_reused_and_a_kept_one_is_not) {
    const Parameter x(numbers({4, 3, 20}, 0, float32)), w(numbers({3}, 1, float32));
    const Variable g = numbers({4, 3, 20}, 0, float32, 3), before(g.array().copy());
    const Variable y = batch_norm(x, w, {}).y;
    const auto first = pullback(y, g, {x}, false, Where::here());
    BOOST_TEST(values(g) == values(before), boost::test_tools::per_element());
    const Variable doubled = pullback(y * 2.0, g, {x}, false, Where::here())[0];
    for (Index i = 0; i < doubled.size(); ++i)
        BOOST_TEST(std::abs(doubled.array().at(i) - 2 * first[0].array().at(i)) < 1e-6);
}

BOOST_AUTO_TEST_CASE(a_group_with_nan_is_nan_and_others_are_not) {
    const auto broken = [](const Shape& shape) {
        Array x = numbers(shape, 0, float32).array().copy();
        x.mutable_data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
        return Variable(x);
    };
    BOOST_TEST(count_nan(batch_norm(broken({4, 3, 20}), {}, {}).y) == 80);
    BOOST_TEST(count_nan(batch_norm(broken({4, 3}), {}, {}).y) == 4);
    BOOST_TEST(count_nan(layer_norm(broken({4, 30}), {30})) == 30);
}

BOOST_AUTO_TEST_CASE(a_group_of_equal_numbers_becomes_the_bias) {
    const Variable bias(Array::filled({2}, float32, 3));
    for (const double value : {0.0, 1e6, 0.1}) {
        for (const Shape& shape : {Shape{5, 2}, Shape{3, 2, 33}})
            for (const double v : values(batch_norm(Array::filled(shape, float32, value), {}, bias).y))
                BOOST_TEST(std::abs(v - 3) < 1e-4);
        for (const double v : values(layer_norm(Array::filled({3, 2}, float32, value), {2}, {}, bias)))
            BOOST_TEST(std::abs(v - 3) < 1e-4);
    }
    const Parameter single(numbers({4, 1}, 2, float32));  // one number a group: y is 0, whatever x is
    const Variable y = layer_norm(single, {1});
    for (const double v : values(y)) BOOST_TEST(v == 0);
    for (const double v : values(grad(sum(y * 3.0), single))) BOOST_TEST(std::abs(v) < 1e-3);
}

BOOST_AUTO_TEST_CASE(given_statistics_shift_and_scale_each_channel) {
    const Variable x = numbers({2, 3, 5}, 0, float32), mean = numbers({3}, 1, float64, 2),
                   variance = numbers({3}, 2, float32, 4), weight = numbers({3}, 1, float32, 5),
                   bias = numbers({3}, 0, float32, 6);
    const Variable y = batch_norm(x, {mean, variance}, weight, bias, eps),
                   plain = batch_norm(x, {mean, variance}, {}, {});
    for (Index i = 0; i < x.size(); ++i) {
        const Index c = i / 5 % 3;
        const double centred = x.array().at(i) - mean.array().at(c), v = variance.array().at(c);
        BOOST_TEST(std::abs(plain.array().at(i) - centred / std::sqrt(v + 1e-5)) < 1e-6);
        BOOST_TEST(std::abs(y.array().at(i) - centred / std::sqrt(v + eps) * weight.array().at(c) -
                            bias.array().at(c)) < 1e-6);
    }
}

BOOST_AUTO_TEST_CASE(nothing_gives_nothing) {
    BOOST_TEST(batch_norm(Array::filled({0, 3}, float32, 0), {}, {}).y.size() == 0);
    BOOST_TEST(batch_norm(Array::filled({2, 3, 0}, float32, 0), {}, {}).y.size() == 0);
    BOOST_TEST(layer_norm(Array::filled({2, 0}, float32, 0), {0}).size() == 0);
    const Parameter x(Array::filled({0, 3}, float32, 0)), w(Array::filled({3}, float32, 1));
    check(grad(sum(layer_norm(x, {3}, w)), w), {3}, {0, 0, 0});
    check(grad(sum(batch_norm(x, {}, w).y), w), {3}, {0, 0, 0});
}

BOOST_AUTO_TEST_CASE(shapes_and_dtypes_are_checked) {
    const Variable x = numbers({4, 3}, 0, float32), two = numbers({2}, 0, float32), one = numbers({1}, 0, float32);
    CHECK_SHAPE_ERROR(batch_norm(two, {}, {}), "batch_norm: x must be (N, C, ...): (2,)");
    CHECK_SHAPE_ERROR(batch_norm(x, two, {}), "batch_norm: the weight must have the shape (3,) for x (4, 3): (2,)");
    CHECK_SHAPE_ERROR(batch_norm(x, {}, one), "batch_norm: the bias must have the shape (3,) for x (4, 3): (1,)");
    CHECK_SHAPE_ERROR(batch_norm(x, {two, two}, {}, {}),
                      "batch_norm: mean and variance must have the shape (3,) for x (4, 3): (2,)");
    CHECK_SHAPE_ERROR(layer_norm(x, {4}), "layer_norm: the last axes of x must be (4,): (4, 3)");
    CHECK_SHAPE_ERROR(layer_norm(x, {}), "layer_norm: the last axes of x must be (): (4, 3)");
    CHECK_SHAPE_ERROR(layer_norm(two, {4, 2}), "layer_norm: the last axes of x must be (4, 2): (2,)");
    CHECK_SHAPE_ERROR(layer_norm(x, {3}, two), "layer_norm: the weight must have the shape (3,) for x (4, 3): (2,)");
    BOOST_CHECK_THROW(layer_norm(x, {3}, numbers({3}, 0, float64)), DtypeError);
    BOOST_CHECK_THROW(batch_norm(x, {}, numbers({3}, 0, float64)), DtypeError);
}

BOOST_AUTO_TEST_SUITE_END()
