#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/nn/loss.hpp>

#include "support/closed_form.hpp"

/// Activations and losses of annex 4 of the source document: F18 to F21.
using namespace xtape;
using namespace xtape::closed_form;

namespace {

/// e^z / sum(e^z) over all of z, as annex 4's Softmax has it for one sample.
Numbers softmax_of(const Numbers& z) {
    double total = 0;
    for (double v : z.flat) total += std::exp(v);
    return z.map([total](double v) { return std::exp(v) / total; });
}

Numbers row(const Numbers& x, Index i) {
    return Numbers(1, x.columns(), [&](Index, Index j) { return x(i, j); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(formulas_losses)

BOOST_AUTO_TEST_CASE(f18_derivatives_of_tanh_and_sigmoid) {
    const Numbers z = uniform({3, 5}, 1, -3, 3), g = uniform({3, 5}, 2);
    const Parameter x = z.parameter();
    Numbers of_tanh = z, of_sigmoid = z;
    for (std::size_t i = 0; i < z.flat.size(); ++i) {
        const double t = std::tanh(z.flat[i]), s = closed_form::sigmoid(z.flat[i]);
        of_tanh.flat[i] = g.flat[i] * (1 - t * t);
        of_sigmoid.flat[i] = g.flat[i] * (s * (1 - s));
    }
    check_same(pulled(tanh(x), g, {x})[0], of_tanh);
    check_same(pulled(xtape::sigmoid(x), g, {x})[0], of_sigmoid);
}

BOOST_AUTO_TEST_CASE(f19_relu) {
    const Numbers z = uniform({4, 5}, 1), g = uniform({4, 5}, 2);
    const auto forward = [](const Variable& x) { return relu(x); };
    const auto printed =
        by_hand("printed_F19", forward, [](const Variable& gradient, const Variable&) { return relu(gradient); });
    const auto corrected = by_hand("corrected_F19", forward,
                                   [](const Variable& gradient, const Variable& x) { return gradient * (x > 0); });
    check_verdicts("printed_F19", printed, corrected, z);

    const Parameter x = z.parameter();
    Numbers expected = g;
    for (std::size_t i = 0; i < g.flat.size(); ++i)
        if (z.flat[i] <= 0) expected.flat[i] = 0;
    check_same(pulled(relu(x), g, {x})[0], expected);
    check_same(grad(sum(relu(x)), x), z.map([](double v) { return v > 0 ? 1.0 : 0.0; }));
}

BOOST_AUTO_TEST_CASE(f20_softmax_and_cross_entropy) {
    const Numbers z = uniform({4, 6}, 1, -2, 2);
    const IntArray classes{3, 0, 5, 3};
    Numbers y({4, 6}), expected({4, 6});
    double loss = 0;
    for (Index i = 0; i < 4; ++i) {
        y(i, classes(i)) = 1;
        const Numbers s = softmax_of(row(z, i));  // one sample, as the document has it
        loss -= std::log(s(0, classes(i)));
        for (Index j = 0; j < 6; ++j) expected(i, j) = s(0, j) - y(i, j);
    }
    const Parameter logits = z.parameter();
    const Variable target = y, written = -sum(target * log(softmax(logits)));
    check_same(written, loss);
    check_same(grad(written, logits), expected);
    const Variable layer = nn::cross_entropy(logits, classes, nn::Reduction::sum);
    check_same(layer, loss);
    check_same(grad(layer, logits), expected);

    // The two factors by themselves: the loss at the softmax, -y/s, and the softmax at the logits, s (g - sum(g s)).
    const Variable s = softmax(logits);
    Numbers at_softmax({4, 6}), through_softmax({4, 6});
    const Numbers g = uniform({4, 6}, 2);
    for (Index i = 0; i < 4; ++i) {
        const Numbers probability = softmax_of(row(z, i));
        double inner = 0;
        for (Index j = 0; j < 6; ++j) inner += g(i, j) * probability(0, j);
        for (Index j = 0; j < 6; ++j) {
            at_softmax(i, j) = -y(i, j) / probability(0, j);
            through_softmax(i, j) = probability(0, j) * (g(i, j) - inner);
        }
    }
    check_same(grad(-sum(target * log(s)), s), at_softmax);
    check_same(pulled(s, g, {logits})[0], through_softmax);
}

BOOST_AUTO_TEST_CASE(f21_mean_squared_error) {
    const Numbers s = uniform({5, 3}, 1), v = uniform({5, 3}, 2);
    const auto n = static_cast<double>(s.flat.size());
    double mean_square = 0;
    Numbers expected = s;
    for (std::size_t i = 0; i < s.flat.size(); ++i) {
        mean_square += std::pow(v.flat[i] - s.flat[i], 2) / n;
        expected.flat[i] = 2 * (s.flat[i] - v.flat[i]) / n;
    }
    const Parameter output = s.parameter();
    for (const Variable& loss : {mean(pow(Variable(v) - output, 2)), nn::mse(output, v)}) {
        check_same(loss, mean_square);
        check_same(grad(loss, output), expected);
    }
}

BOOST_AUTO_TEST_CASE(f21_clipped_binary_cross_entropy) {
    const double edge = 1e-7;
    // the last two lie outside the clip, on either side
    const Numbers s({6}, {0.2, 0.5, 0.75, 0.999, 1e-9, 1 - 1e-9}), v({6}, {0, 1, 1, 0, 1, 0});
    const auto clipped = [edge](double value) { return std::min(std::max(value, edge), 1 - edge); };
    double loss = 0;
    Numbers expected({6}), printed({6});
    for (std::size_t i = 0; i < 6; ++i) {
        const double vc = clipped(v.flat[i]), sc = clipped(s.flat[i]);
        loss -= (vc * std::log(sc) + (1 - vc) * std::log(1 - sc)) / 6;
        printed.flat[i] = ((1 - vc) / (1 - sc) - vc / sc) / 6;
        expected.flat[i] = s.flat[i] == sc ? printed.flat[i] : 0;  // outside, the clipped loss does not move
    }
    const auto bce = [&](const Variable& output) {
        const Variable vc = clip(v, edge, 1 - edge), sc = clip(output, edge, 1 - edge);
        return -mean(vc * log(sc) + (1 - vc) * log(1 - sc));
    };
    const Parameter output = s.parameter();
    check_same(bce(output), loss);
    check_same(grad(bce(output), output), expected);
    BOOST_TEST(std::abs(printed.flat[4]) > 1e6);  // what the document gives there, for a loss that is flat
}

BOOST_AUTO_TEST_CASE(f21_categorical_cross_entropy) {
    const Numbers s = softmax_of(uniform({5}, 1)), v({5}, {0, 0, 1, 0, 0});
    double loss = 0;
    for (std::size_t i = 0; i < 5; ++i) loss -= v.flat[i] * std::log(s.flat[i]);
    Numbers expected = v;
    for (std::size_t i = 0; i < 5; ++i) expected.flat[i] = -v.flat[i] / s.flat[i];
    const Parameter output = s.parameter();
    const Variable cce = -sum(Variable(v) * log(output));
    check_same(cce, loss);
    check_same(grad(cce, output), expected);
}

BOOST_AUTO_TEST_SUITE_END()
