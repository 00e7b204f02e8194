#include <xtape/autograd/elementwise.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/formulas.hpp"

/// Lambdas as users write them: the fused operation agrees with the same lambda called with Variables, that is, with plain
/// operations: values, first and second derivatives.
using namespace xtape;
using namespace xtape::testing;

BOOST_AUTO_TEST_SUITE(elementwise_lambdas)

BOOST_AUTO_TEST_CASE(losses_of_probabilities) {
    check_lambda("focal", 0.05, 0.95, [](auto p, auto t) {
        auto q = t * p + (1 - t) * (1 - p);
        return -(1 - q) * (1 - q) * log(q);
    });
    const double gamma = 2.5;
    check_lambda("focal with an exponent", 0.05, 0.95, [gamma](auto p, auto t) {
        auto q = t * p + (1 - t) * (1 - p);
        return -pow(1 - q, gamma) * log(q);
    });
    check_lambda("log loss", 0.05, 0.95, [](auto p, auto t) { return -(t * log(p) + (1 - t) * log(1 - p)); });
    const double smoothing = 0.1;
    check_lambda("label-smoothed log loss", 0.05, 0.95, [smoothing](auto p, auto t) {
        auto s = t * (1 - smoothing) + smoothing / 2;
        return -(s * log(p) + (1 - s) * log(1 - p));
    });
    check_lambda("a term of dice", 0.05, 0.95,
                 [](auto p, auto t) { return 1 - (2 * p * t + 1) / (square(p) + square(t) + 1); });
    check_lambda("a term of Tversky", 0.05, 0.95, [](auto p, auto t, auto weight) {
        return p * t / (p * t + weight * p * (1 - t) + (1 - weight) * (1 - p) * t + 0.1);
    });
    check_lambda("entropy", 0.05, 0.95, [](auto p) { return -(p * log(p) + (1 - p) * log1p(-p)); });
}

BOOST_AUTO_TEST_CASE(losses_of_residuals) {
    check_lambda("huber", -3, 3, [](auto a, auto b) {
        auto r = abs(a - b);
        return where(r <= 1, 0.5 * r * r, r - 0.5);
    });
    const double level = 0.9;
    check_lambda("quantile", -3, 3, [level](auto a, auto b) {
        auto r = b - a;
        return maximum(level * r, (level - 1) * r);
    });
    check_lambda("log-cosh", -3, 3, [](auto a, auto b) {
        auto r = a - b;
        return r + softplus(-2 * r) - std::log(2.0);
    });
    check_lambda("Cauchy", 0.5, 3, [](auto a, auto b, auto scale) { return log1p(square((a - b) / scale)); });
    check_lambda("Charbonnier", -3, 3, [](auto a, auto b) { return sqrt(square(a - b) + 1e-2) - 0.1; });
    check_lambda("Welsch", -2, 2, [](auto a, auto b) { return 1 - exp(-0.5 * square(a - b)); });
    check_lambda("Geman-McClure", -3, 3, [](auto a, auto b) {
        auto r2 = (a - b) * (a - b);
        return r2 / (r2 + 1);
    });
    check_lambda("Poisson", 0.1, 2, [](auto rate, auto count) { return rate - count * log(rate); });
    check_lambda("normal likelihood", 0.5, 2, [](auto x, auto mean_of_x, auto deviation) {
        return 0.5 * square((x - mean_of_x) / deviation) + log(deviation);
    });
}

BOOST_AUTO_TEST_CASE(functions_of_logits) {
    check_lambda("log loss of logits", -4, 4,
                 [](auto z, auto t) { return -(t * log(sigmoid(z)) + (1 - t) * log(1 - sigmoid(z))); });
    check_lambda("the same by exponentials", -4, 4, [](auto z, auto t) { return log(1 + exp(z)) - t * z; });
    check_lambda("softplus with a temperature", 0.5, 3,
                 [](auto z, auto temperature) { return temperature * softplus(z / temperature); });
    check_lambda("swish", -4, 4, [](auto z) { return z * sigmoid(z); });
    check_lambda("mish", -4, 4, [](auto z) { return z * tanh(softplus(z)); });
    check_lambda("gelu by erf", -3, 3, [](auto z) { return 0.5 * z * (1 + erf(z * M_SQRT1_2)); });
    check_lambda("elu", -3, 3, [](auto z) { return elu(z, 0.7) + leaky_relu(z, 0.1); });
    check_lambda("1 / (1 + exp)", -4, 4, [](auto z) { return 1 / (1 + exp(-z)); });
    check_lambda("log_sigmoid", -4, 4, [](auto z) { return log_sigmoid(z) - 0.5 * log1p(exp(z)); });
}

BOOST_AUTO_TEST_CASE(functions_and_branches) {
    check_lambda("oscillation", -3, 3, [](auto x, auto y) { return sin(3 * x) * cos(y) + cos(2 * x); });
    check_lambda("branches", -3, 3, [](auto x, auto y) { return where(x < y, x * y, exp(0.1 * x) - y); });
    check_lambda("extremes", -3, 3, [](auto x, auto y, auto z) { return maximum(x, y) * z + minimum(y, z * x); });
    check_lambda("powers", 0.3, 2, [](auto x, auto y) { return pow(x, y) + pow(x, 3) - pow(2.0, y) + pow(y, -1.5); });
    check_lambda("cubes", -2, 2, [](auto x) { return pow(x, 3) - 2 * pow(x, 2) + pow(x, 1) - pow(x + 5, -1); });
    check_lambda("expm1", -1, 1, [](auto x) { return expm1(x) / (x + 3) - reciprocal(x - 4); });
    check_lambda("steps", -3, 3, [](auto x) { return sign(x) * x + heaviside(x) * square(x) + clip(x, -1.0, 1.5); });
    check_lambda("rectified", -3, 3, [](auto x, auto y) { return relu(x) * y - abs(x) * relu(-y); });
    check_lambda("compound assignments", 0.5, 2, [](auto x, auto y) {
        auto s = x + 0;
        s = s + y * 2;
        s = s * x;
        s = s - 1;
        return s / y;
    });
    check_lambda("a long one", 0.5, 2, [](auto a, auto b, auto c, auto d) {
        auto s = a * b + c * d;
        return log(s) * sqrt(a + b) / (c + square(d)) - tanh(s - a) * exp(-b) + s * s * s;
    });
}

BOOST_AUTO_TEST_SUITE_END()
