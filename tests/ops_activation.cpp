#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>

/// The exponential that the activations are built on, seen through sigmoid.
using namespace xtape;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// e^x / (1 + e^x) by the C library.
double exact(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }

float sigmoid_at(float x) {
    const Variable y = sigmoid(Variable(Array::filled({5}, float32, double{x})));
    return y.array().data<float>()[4];
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_activation)

BOOST_AUTO_TEST_CASE(sigmoid_in_float32_is_off_by_less_than_three_last_bits) {
    constexpr Index count = 400'003;
    Array x = Array::uninitialized({count}, float32);
    for (Index i = 0; i < count; ++i)
        x.mutable_data<float>()[i] = static_cast<float>(-87.33 + 130 * static_cast<double>(i) / count);
    const Variable y = sigmoid(Variable(x));
    double worst = 0;
    for (Index i = 0; i < count; ++i) {
        const double expected = exact(x.at(i)), last_bit = std::ldexp(1, std::ilogb(expected) - 23);
        worst = std::max(worst, std::abs(y.array().at(i) - expected) / last_bit);
    }
    BOOST_TEST(worst < 3);
}

BOOST_AUTO_TEST_CASE(sigmoid_in_float32_ends_at_the_smallest_normal_number) {
    constexpr float smallest = std::numeric_limits<float>::min();  // e^-87.33655
    BOOST_TEST(sigmoid_at(-87.3365F) >= smallest);
    BOOST_TEST(sigmoid_at(-87.3365F) < 1.001F * smallest);
    for (const float x : {-87.34F, -88.F, -103.F, -104.F, -1e30F, -infinity}) BOOST_TEST(sigmoid_at(x) == 0);
    for (const float x : {17.5F, 88.F, 1e30F, infinity}) BOOST_TEST(sigmoid_at(x) == 1);
    BOOST_TEST(std::isnan(sigmoid_at(std::numeric_limits<float>::quiet_NaN())));
    BOOST_TEST(sigmoid_at(-0.F) == 0.5F);
}

BOOST_AUTO_TEST_SUITE_END()
