#include <xtape/autograd/ops/slopes.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

/// The operations that only rules use: their values, and their own gradients to the second order, which are the third
/// order of the operations whose rules they are.
using namespace xtape;

namespace {

/// Not a multiple of any batch, with values in (low, high), float64.
constexpr Index size = 37;
Variable numbers(double low, double high, double phase) {
    Array array = Array::uninitialized({size}, float64);
    for (Index i = 0; i < size; ++i)
        array.mutable_data<double>()[i] =
            low + (high - low) * (0.5 + 0.5 * std::sin(phase + 1.3 * static_cast<double>(i)));
    return Variable(array);
}

struct Case {
    const char* name;
    std::function<Variable(const std::vector<Variable>&)> f;
    std::function<double(const std::vector<double>&)> expected;
    std::vector<Variable> arguments;
};

const Variable signs = numbers(-1, 1, 5);
Variable signs_for(const Variable& x) { return astype(signs, x.dtype()); }

const std::vector<Case> cases{
    {"scaled_product",
     [](auto& x) { return scaled_product(x[0], x[1], -1.5); },
     [](auto& x) { return -1.5 * x[0] * x[1]; },
     {numbers(-2, 2, 0), numbers(-1, 3, 1)}},
    {"negative_quotient",
     [](auto& x) { return negative_quotient(x[0], x[1], x[2]); },
     [](auto& x) { return -x[0] * x[1] / x[2]; },
     {numbers(-2, 2, 0), numbers(-1, 3, 1), numbers(0.5, 2, 2)}},
    {"gate",
     [](auto& x) { return gate(x[0], signs_for(x[0]), 0); },
     [](auto& x) { return x.back() > 0 ? x[0] : 0; },
     {numbers(-2, 2, 0)}},
    {"gate with a slope",
     [](auto& x) { return gate(x[0], signs_for(x[0]), 0.25); },
     [](auto& x) { return x.back() > 0 ? x[0] : 0.25 * x[0]; },
     {numbers(-2, 2, 0)}},
    {"sigmoid_slope",
     [](auto& x) { return sigmoid_slope(x[0], x[1], -1); },
     [](auto& x) { return -x[0] * x[1] * (1 - x[1]); },
     {numbers(-2, 2, 0), numbers(0, 1, 1)}},
    {"sigmoid_cross_entropy_slope",
     [](auto& x) { return sigmoid_cross_entropy_slope(x[0], x[1], x[2]); },
     [](auto& x) { return x[0] * (1 / (1 + std::exp(-x[1])) - x[2]); },
     {numbers(-2, 2, 0), numbers(-4, 4, 1), numbers(0, 1, 2)}},
    {"huber_slope",
     [](auto& x) { return huber_slope(x[0], x[1], x[2], 0.75); },
     [](auto& x) { return x[0] * std::max(-0.75, std::min(x[1] - x[2], 0.75)); },
     {numbers(-2, 2, 0), numbers(-1, 1, 1), numbers(-0.9, 1, 2)}},
    {"tanh_slope",
     [](auto& x) { return tanh_slope(x[0], x[1]); },
     [](auto& x) { return x[0] * (1 - x[1] * x[1]); },
     {numbers(-2, 2, 0), numbers(-1, 1, 1)}},
    {"elu_slope",
     [](auto& x) { return elu_slope(x[0], signs_for(x[0]), x[1], 0.7); },
     [](auto& x) { return x.back() > 0 ? x[0] : x[0] * (x[1] + 0.7); },
     {numbers(-2, 2, 0), numbers(-1, 1, 1)}},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_slopes)

BOOST_AUTO_TEST_CASE(values) {
    for (const Case& c : cases) {
        for (const DType dtype : {float64, float32}) {
            std::vector<Variable> arguments;
            for (const Variable& x : c.arguments) arguments.push_back(astype(x, dtype));
            const Variable y = c.f(arguments);
            for (Index i = 0; i < size; ++i) {
                std::vector<double> x;
                for (const Variable& argument : arguments) x.push_back(argument.array().at(i));
                x.push_back(signs.array().at(i));
                const double expected = c.expected(x);
                BOOST_TEST(std::abs(y.array().at(i) - expected) <=
                               (dtype == float64 ? 1e-15 : 1e-6) * (1 + std::abs(expected)),
                           c.name << " " << name_of(dtype) << " " << i << ": " << y.array().at(i) << " " << expected);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(gradients) {
    for (const Case& c : cases) {
        const GradCheck verdict = gradient_check(c.f, c.arguments);
        BOOST_TEST(verdict.ok, c.name << ": " << verdict.message);
    }
    const Variable g = numbers(-2, 2, 0);
    const auto broadcasting = [](const Variable& a, const Variable& b, const Variable& d) {
        return negative_quotient(reshape(a, {1, size}), reshape(b, {1, size}), d);
    };
    check_grads(broadcasting, g, numbers(-1, 3, 1), Variable(1.5, float64));
}

BOOST_AUTO_TEST_CASE(third_derivatives) {
    const auto third = [](auto f, double at) {
        const Parameter x(Array::scalar(at, float64));
        const Variable first = grad(f(x.variable()), x, create_graph);
        return grad(grad(first, x, create_graph), x).item();
    };
    const double s = 1 / (1 + std::exp(-0.3)), t = std::tanh(0.3);
    BOOST_TEST(third([](const Variable& x) { return sigmoid(x); }, 0.3) == s * (1 - s) * (1 - 6 * s + 6 * s * s),
               boost::test_tools::tolerance(1e-13));
    BOOST_TEST(third([](const Variable& x) { return tanh(x); }, 0.3) == (1 - t * t) * (6 * t * t - 2),
               boost::test_tools::tolerance(1e-13));
    BOOST_TEST(third([](const Variable& x) { return 1 / x; }, 0.3) == -6 / std::pow(0.3, 4),
               boost::test_tools::tolerance(1e-13));
    BOOST_TEST(third([](const Variable& x) { return elu(x, 0.7); }, -0.3) == 0.7 * std::exp(-0.3),
               boost::test_tools::tolerance(1e-13));
    BOOST_TEST(third([](const Variable& x) { return square(x) * x; }, 0.3) == 6, boost::test_tools::tolerance(1e-13));
}

BOOST_AUTO_TEST_CASE(a_closed_gate_lets_nothing_through) {
    const double infinity = std::numeric_limits<double>::infinity();
    Array g = Array::filled({3}, float64, infinity), y = Array::filled({3}, float64, -1);
    y.mutable_data<double>()[1] = 2;
    y.mutable_data<double>()[2] = std::nan("");
    const Variable out = gate(g, y);
    BOOST_TEST(out.array().at(0) == 0);
    BOOST_TEST(out.array().at(1) == infinity);
    BOOST_TEST(out.array().at(2) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
