#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/nn/loss.hpp>
#include <xtape/nn/metrics.hpp>
#include <xtape/optim/sgd.hpp>

#include "support/closed_form.hpp"

/// Formulas of the perceptron: F1 to F6, F10 to F12 and F23 of the source document.
using namespace xtape;
using namespace xtape::closed_form;

namespace {

/// m samples in rows, labels, weights and bias of a perceptron, and what the formulas say that it computes.
struct Perceptron {
    Index m = 7, n = 4;
    Numbers X = uniform({m, n}, 1), y = labels({m, 1}), W = uniform({n, 1}, 2), b = uniform({1}, 3);
    Numbers z = Numbers(m, 1, [this](Index i, Index) { return times(X, W)(i, 0) + b(0); });
    Numbers a = z.map(closed_form::sigmoid);

    /// -1/m sum(y log a + (1 - y) log(1 - a)).
    double loss() const {
        double total = 0;
        for (Index i = 0; i < m; ++i) total += y(i, 0) * std::log(a(i, 0)) + (1 - y(i, 0)) * std::log(1 - a(i, 0));
        return -total / static_cast<double>(m);
    }

    /// -1/m sum_i (y_i - a_i) x_j^(i).
    Numbers dW() const {
        return Numbers(n, 1, [this](Index j, Index) {
            double total = 0;
            for (Index i = 0; i < m; ++i) total += (y(i, 0) - a(i, 0)) * X(i, j);
            return -total / static_cast<double>(m);
        });
    }

    /// -1/m sum_i (y_i - a_i).
    Numbers db() const {
        double total = 0;
        for (Index i = 0; i < m; ++i) total += y(i, 0) - a(i, 0);
        return Numbers({1}, -total / static_cast<double>(m));
    }

    /// The loss as the user writes it.
    Variable written(const Variable& w, const Variable& bias) const {
        const Variable activation = xtape::sigmoid(matmul(X, w) + bias), target = y;
        return -mean(target * log(activation) + (1 - target) * log(1 - activation));
    }
};

/// The corrected F10 for one element: dL/da of a summed loss.
double slope(double y, double a) { return -y / a + (1 - y) / (1 - a); }

}  // namespace

BOOST_AUTO_TEST_SUITE(formulas_perceptron)

BOOST_AUTO_TEST_CASE(f01_log_loss) {
    const Perceptron p;
    const Parameter a = p.a.parameter(), z = p.z.parameter();
    const Variable y = p.y;
    const Numbers da(p.m, 1, [&](Index i, Index) { return slope(p.y(i, 0), p.a(i, 0)) / static_cast<double>(p.m); });
    const auto of = [&](const Variable& probability) {
        return -mean(y * log(probability) + (1 - y) * log(1 - probability));
    };
    check_same(of(a), p.loss());
    check_same(grad(of(a), a), da);

    // of a recorded sigmoid it is evaluated another way, with the same value and the same gradient at a
    const Variable activation = xtape::sigmoid(z);
    check_same(of(activation), p.loss());
    check_same(grad(of(activation), activation), da);

    check_same(nn::log_loss(a, y), p.loss());
    check_same(grad(nn::log_loss(a, y), a), da);
}

BOOST_AUTO_TEST_CASE(f02_activations) {
    const Numbers z({7}, {-2.5, -1, -0.0625, 0, 0.5, 1, 3});
    const Parameter x = z.parameter();
    check_same(xtape::sigmoid(x), z.map(closed_form::sigmoid));
    check_same(grad(sum(xtape::sigmoid(x)), x),
               z.map([](double v) { return std::exp(-v) / ((1 + std::exp(-v)) * (1 + std::exp(-v))); }));
    check_same(relu(x), z.map([](double v) { return v > 0 ? v : 0; }));
    check_same(grad(sum(relu(x)), x), z.map([](double v) { return v > 0 ? 1.0 : 0.0; }));
    check_same(tanh(x), z.map([](double v) { return (std::exp(2 * v) - 1) / (std::exp(2 * v) + 1); }));
    check_same(grad(sum(tanh(x)), x),
               z.map([](double v) { return 4 / ((std::exp(v) + std::exp(-v)) * (std::exp(v) + std::exp(-v))); }));

    // a step has the derivative 0, so that H(x) x has the derivative H(x)
    const Numbers step = z.map([](double v) { return v > 0 ? 1 : v < 0 ? 0 : 0.5; });
    check_same(heaviside(x), step);
    check_same(grad(sum(heaviside(x) * x), x), step);
    // the formal neuron's output is 1 at the threshold
    check_same(x.variable() >= 0, z.map([](double v) { return v < 0 ? 0.0 : 1.0; }));
}

BOOST_AUTO_TEST_CASE(f03_gradient_in_the_weights) {
    const Perceptron p;
    const Parameter W = p.W.parameter(), b = p.b.parameter();
    check_same(grad(p.written(W, b), W), p.dW());
    // the vector form, -1/m X^T (y - A)
    const Numbers rest(p.m, 1, [&](Index i, Index) { return -(p.y(i, 0) - p.a(i, 0)) / static_cast<double>(p.m); });
    check_same(grad(p.written(W, b), W), times(transposed(p.X), rest));
}

BOOST_AUTO_TEST_CASE(f04_gradient_in_the_bias) {
    const Perceptron p;
    const Parameter W = p.W.parameter(), b = p.b.parameter();
    check_same(grad(p.written(W, b), b), p.db());
}

BOOST_AUTO_TEST_CASE(f05_likelihood) {
    const Perceptron p;
    const Parameter a = p.a.parameter();
    const Variable y = p.y, likelihood = log(prod(pow(a, y) * pow(1 - a, 1 - y)));
    const auto m = static_cast<double>(p.m);
    check_same(likelihood, -m * p.loss());
    check_same(likelihood, -m * nn::log_loss(a, y).item());
    check_same(grad(likelihood, a), Numbers(p.m, 1, [&](Index i, Index) { return -slope(p.y(i, 0), p.a(i, 0)); }));
}

BOOST_AUTO_TEST_CASE(f06_stable_form_on_the_way) {
    const Perceptron p;
    const Parameter z = p.z.parameter();
    const Variable y = p.y, loss = -mean(-log(exp(z) + 1) + y * z);
    const Numbers dz(p.m, 1, [&](Index i, Index) { return -(p.y(i, 0) - p.a(i, 0)) / static_cast<double>(p.m); });
    check_same(loss, p.loss());
    check_same(grad(loss, z), dz);
    check_same(nn::bce_with_logits(z, y), p.loss());
    check_same(grad(nn::bce_with_logits(z, y), z), dz);
}

BOOST_AUTO_TEST_CASE(f10_gradient_of_the_loss_in_the_activation) {
    const Perceptron p;
    const Variable y = p.y;
    const auto loss = [y](const Variable& a) { return -sum(y * log(a) + (1 - y) * log(1 - a)); };
    const auto printed =
        by_hand("printed_F10", loss, [y](const Variable& g, const Variable& a) { return g * (-y / a + (1 - y) / a); });
    const auto corrected = by_hand(
        "corrected_F10", loss, [y](const Variable& g, const Variable& a) { return g * (-y / a + (1 - y) / (1 - a)); });
    check_verdicts("printed_F10", printed, corrected, p.a);

    const Parameter a = p.a.parameter();
    check_same(grad(loss(a), a), Numbers(p.m, 1, [&](Index i, Index) { return slope(p.y(i, 0), p.a(i, 0)); }));
}

BOOST_AUTO_TEST_CASE(f11_derivatives_within_a_neuron) {
    const Perceptron p;
    const Parameter z = p.z.parameter(), W = p.W.parameter();
    check_same(grad(sum(xtape::sigmoid(z)), z), p.a.map([](double a) { return a * (1 - a); }));

    // dZ/dW of one sample is what the layer before it gave
    for (Index i = 0; i < p.m; ++i) {
        const Numbers previous(1, p.n, [&](Index, Index j) { return p.X(i, j); });
        check_same(grad(sum(matmul(previous, W) + Variable(p.b)), W), transposed(previous));
    }
}

BOOST_AUTO_TEST_CASE(f12_gradient_step) {
    const Perceptron p;
    const double rate = 0.3;
    const Numbers dW = p.dW();
    const Numbers stepped(p.n, 1, [&](Index j, Index) { return p.W(j, 0) - rate * dW(j, 0); });
    const Parameter b = p.b.parameter();

    Parameter W = p.W.parameter();
    W -= rate * grad(p.written(W, b), W);
    check_same(W, stepped);

    Parameter trained = p.W.parameter();
    optim::SGD sgd({trained}, rate);
    p.written(trained, b).backward();
    sgd.step();
    check_same(trained, stepped);
}

BOOST_AUTO_TEST_CASE(f23_accuracy) {
    const Numbers a({8, 1}, {0.1, 0.5, 0.49, 0.9, 0.5, 0.7, 0.2, 1}), y({8, 1}, {0, 1, 1, 1, 1, 0, 0, 1});
    int right = 0;
    for (Index i = 0; i < 8; ++i) right += (a(i, 0) >= 0.5) == (y(i, 0) == 1);
    BOOST_TEST(right == 6);  // 0.5 counts as 1
    BOOST_TEST(nn::accuracy(a, y) == 6.0 / 8);
    check_same(mean(equal(Variable(a) >= 0.5, Variable(y))), 6.0 / 8);

    const Numbers scores({4, 3}, {0.2, 0.5, 0.3, 1, 1, 0, -3, -2, -1, 0, 0, 0});
    const IntArray classes{1, 0, 1, 2};
    int hits = 0;
    for (Index i = 0; i < 4; ++i) {
        Index best = 0;
        for (Index c = 1; c < 3; ++c)
            if (scores(i, c) > scores(i, best)) best = c;
        hits += best == classes(i);
    }
    BOOST_TEST(hits == 2);  // among equal scores the first counts
    BOOST_TEST(nn::accuracy(scores, classes) == 2.0 / 4);
}

BOOST_AUTO_TEST_SUITE_END()
