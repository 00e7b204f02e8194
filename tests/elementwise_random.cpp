#include <xtape/autograd/elementwise.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <xtape/autograd/random.hpp>

#include "support/formulas.hpp"

/// Random expressions: the fused operation agrees with the same expression in plain operations.
using namespace xtape;
using namespace xtape::testing;

namespace {

/// A formula of three numbers as a list of steps, each of two earlier results.
struct Expression {
    struct Step {
        int kind;
        std::size_t a, b;
        double number;
    };
    std::vector<Step> steps;

    static constexpr int kinds = 21;

    Expression(std::uint64_t seed, std::size_t count) {
        Generator random(seed);
        const auto below = [&](std::size_t n) {
            return static_cast<std::size_t>(random.uniform() * static_cast<double>(n));
        };
        for (std::size_t i = 0; i < count; ++i) {
            // the latest results often, so that the expression is deep
            const std::size_t there = i + 3, back = std::min<std::size_t>(there, 4);
            steps.push_back(
                {static_cast<int>(below(kinds)), there - 1 - below(back), below(there), random.uniform() + 0.5});
        }
    }

    /// Values stay around 1, and derivatives exist.
    template <class N>
    static N step(int kind, const N& a, const N& b, double c) {
        switch (kind) {
        case 0:
            return a + b;
        case 1:
            return a - c * b;
        case 2:
            return a * tanh(b);
        case 3:
            return a / (1 + square(b));
        case 4:
            return sin(a) + b;
        case 5:
            return cos(c * a) * b;
        case 6:
            return tanh(a - b);
        case 7:
            return sigmoid(a) - 0.5 * b;
        case 8:
            return log(1 + square(a)) + c;
        case 9:
            return sqrt(1 + square(a)) - b;
        case 10:
            return exp(-square(a)) * b;
        case 11:
            return softplus(a) - c;
        case 12:
            return erf(c * a) + 0.1 * b;
        case 13:
            return maximum(a, b) - minimum(a, c);
        case 14:
            return where(a < b, a, c * b);
        case 15:
            return abs(a - c) * 0.5;
        case 16:
            return log1p(square(b)) - expm1(-square(a));
        case 17:
            return pow(1 + square(a), 0.3 + c) * 0.1;
        case 18:
            return -relu(a) + relu(-b);
        case 19:
            return log(sigmoid(a)) - log(1 - sigmoid(b));
        default:
            return c - a;
        }
    }

    template <class N>
    N operator()(const N& x, const N& y, const N& z) const {
        std::vector<N> values{x, y, z};
        for (const Step& s : steps) values.push_back(step(s.kind, values[s.a], values[s.b], s.number));
        return values.back() + 0.1 * values[values.size() - 2] + 0.01 * (x + y + z);
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(elementwise_random)

BOOST_AUTO_TEST_CASE(random_expressions) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        const Expression expression(seed, 3 + seed % 9);
        const auto fused = elementwise("expression", expression);
        const Many plain = [&](const std::vector<Variable>& x) { return expression(x[0], x[1], x[2]); };
        const Many many = [&](const std::vector<Variable>& x) -> Variable { return fused(x[0], x[1], x[2]); };
        const Many many_mean = [&](const std::vector<Variable>& x) { return mean(fused(x[0], x[1], x[2])); };
        const std::string name = "expression " + std::to_string(seed);
        for (const DType dtype : {float64, float32}) {
            const double units = dtype == float64 ? 20'000 : 2000;
            compare(name, many, plain, many_mean, {{5, 7}, {7}, {5, 1}}, -2, 2, dtype, units, true);
            compare(name, many, plain, many_mean, {{29}, {29}, {}}, -2, 2, dtype, units, true);
        }
    }
}

BOOST_AUTO_TEST_CASE(every_size_up_to_a_hundred_and_more_than_a_piece_of_work) {
    const Expression expression(11, 8);
    const auto fused = elementwise("expression", expression);
    const Many plain = [&](const std::vector<Variable>& x) { return expression(x[0], x[1], x[2]); };
    const Many many = [&](const std::vector<Variable>& x) -> Variable { return fused(x[0], x[1], x[2]); };
    const Many many_mean = [&](const std::vector<Variable>& x) { return mean(fused(x[0], x[1], x[2])); };
    std::vector<Index> sizes{0, 511, 512, 1023, 1025, 100'001};
    for (Index n = 1; n <= 100; ++n) sizes.push_back(n);
    for (const Index n : sizes)
        for (const DType dtype : {float64, float32})
            compare("size " + std::to_string(n), many, plain, many_mean, {{n}, {n}, {n}}, -2, 2, dtype,
                    dtype == float64 ? 20'000 : 2000, false);
}

BOOST_AUTO_TEST_SUITE_END()
