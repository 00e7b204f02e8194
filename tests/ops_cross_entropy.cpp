#include "support/counting.hpp"

#include <cmath>
#include <limits>

/// softmax_cross_entropy against plain loops in float64.
using namespace xtape;
using namespace xtape::testing;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Variable logits(const Shape& shape, DType dtype, double offset) {
    Array array = Array::uninitialized(shape, dtype);
    for (Index i = 0; i < array.size(); ++i) {
        const double value = offset + std::round(2048 * std::sin(1 + 1.7 * static_cast<double>(i))) / 512;
        dispatch(dtype, [&](auto tag) { array.mutable_data<decltype(tag)>()[i] = static_cast<decltype(tag)>(value); });
    }
    return array;
}

IntArray labels(const Shape& shape) {
    IntArray result = IntArray::from_shape({static_cast<std::size_t>(shape[0])});
    for (Index i = 0; i < shape[0]; ++i) result(i) = i * 5 % shape[1];
    return result;
}

void check_values(const Shape& shape, double smoothing, DType dtype, double offset) {
    const Index classes = shape[1];
    const Parameter z(logits(shape, dtype, offset));
    const IntArray label = labels(shape);
    const Variable losses = softmax_cross_entropy(z, label, smoothing), g = logits({shape[0]}, dtype, 5);
    const Variable dz = pullback(losses, g, {z}, false, Where::here())[0];
    BOOST_REQUIRE_EQUAL(to_string(losses.shape()), to_string(Shape{shape[0]}));
    const double tolerance = dtype == float32 ? 3e-6 : 1e-13;
    double most = 0, most_of_slope = 0;
    for (Index n = 0; n < shape[0]; ++n) {
        const auto logit = [&](Index c) { return z.array().at(n * classes + c) - offset; };
        double sum = 0, loss = 0;
        for (Index c = 0; c < classes; ++c) sum += std::exp(logit(c));
        for (Index c = 0; c < classes; ++c) {
            const double target = (c == label(n) ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
            loss -= target * (logit(c) - std::log(sum));
            const double slope = g.array().at(n) * (std::exp(logit(c)) / sum - target);
            most_of_slope = std::max(most_of_slope, std::abs(dz.array().at(n * classes + c) - slope));
        }
        most = std::max(most, std::abs(losses.array().at(n) - loss));
    }
    const std::string what = to_string(shape) + " smoothed by " + std::to_string(smoothing) + " in " + name_of(dtype);
    BOOST_TEST(most <= 8 * tolerance, what << ": losses are off by " << most);
    BOOST_TEST(most_of_slope <= 8 * tolerance, what << ": gradient is off by " << most_of_slope);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_cross_entropy)

BOOST_AUTO_TEST_CASE(values_and_gradients_are_those_of_plain_loops) {
    for (const DType dtype : {float32, float64})
        for (const Shape& shape : {Shape{4, 3}, Shape{1, 10}, Shape{6, 1}, Shape{3, 16}, Shape{5, 67}, Shape{2000, 33},
                                   Shape{130, 1000}, Shape{2, 9001}})
            for (const double smoothing : {0.0, 0.1, 1.0})
                for (const double offset : {0.0, 1024.0}) check_values(shape, smoothing, dtype, offset);
}

BOOST_AUTO_TEST_CASE(infinite_logits) {
    const Parameter z(xt::xarray<float>{{0, static_cast<float>(-inf), 0}, {0, static_cast<float>(-inf), 5}});
    const Variable losses = softmax_cross_entropy(z, IntArray{0, 1});
    BOOST_TEST(std::abs(losses.array().at(0) - std::log(2)) < 1e-6);
    BOOST_TEST(losses.array().at(1) == inf);
    const Variable dz = pullback(losses, Variable(xt::xarray<float>{1, 1}), {z}, false, Where::here())[0];
    for (const auto& [place, slope] : {std::pair<Index, double>{0, -0.5}, {1, 0}, {2, 0.5}, {4, -1}})
        BOOST_TEST(std::abs(dz.array().at(place) - slope) < 1e-6);
    const Variable far = softmax_cross_entropy(Variable(xt::xarray<float>{{1e30F, -1e30F}}), IntArray{1});
    BOOST_TEST(far.array().at(0) == static_cast<double>(1e30F) * 2);
    const Variable none(Array::filled({1, 20}, float32, -inf));
    BOOST_TEST(std::isnan(softmax_cross_entropy(none, IntArray{0}).array().at(0)));  // no class is possible
}

BOOST_AUTO_TEST_CASE(a_row_with_nan_is_nan_and_others_are_not) {
    for (const Index place : {0, 1, 18}) {
        Array array = Array::filled({2, 19}, float32, 1);
        array.mutable_data<float>()[place] = static_cast<float>(not_a_number);
        const Parameter z(array);
        const Variable losses = softmax_cross_entropy(z, IntArray{1, 1});
        BOOST_TEST(std::isnan(losses.array().at(0)));
        BOOST_TEST(std::isfinite(losses.array().at(1)));
        const Values dz = values(grad(sum(losses), z));
        for (std::size_t i = 0; i < 19; ++i) {
            BOOST_TEST(std::isnan(dz[i]));
            BOOST_TEST(std::isfinite(dz[19 + i]));
        }
    }
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    check_threads([] {
        const Parameter z(logits({700, 130}, float32, 0));
        const Variable losses = softmax_cross_entropy(z, labels({700, 130}), 0.1);
        return std::vector<Variable>{losses, grad(sum(losses), z)};
    });
}

BOOST_AUTO_TEST_CASE(arguments_are_checked) {
    const Variable z = logits({2, 3}, float32, 0);
    CHECK_SHAPE_ERROR(softmax_cross_entropy(logits({6}, float32, 0), IntArray{0}),
                      "softmax_cross_entropy: logits must be (N, C) and labels (N,): (6,)");
    CHECK_SHAPE_ERROR(softmax_cross_entropy(z, IntArray{0, 1, 2}), "(2, 3) and 1 axes with 3 elements");
    CHECK_SHAPE_ERROR(softmax_cross_entropy(z, IntArray{{0, 1}}), "(2, 3) and 2 axes with 2 elements");
    for (const std::int64_t bad : {-1, 3})
        BOOST_CHECK_EXCEPTION(softmax_cross_entropy(z, IntArray{0, bad}), ValueError, [&](const ValueError& e) {
            return std::string(e.what()).find("the label at position 1 must be in [0, 3): " + std::to_string(bad)) !=
                   std::string::npos;
        });
    for (const double bad : {-0.1, 1.1, not_a_number})
        BOOST_CHECK_THROW(softmax_cross_entropy(z, IntArray{0, 1}, bad), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
