#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/closed_form.hpp"
#include "support/counted.hpp"

/// Formulas of the multilayer perceptron: F7 to F9 of the source document, for any number of layers, and the memo that
/// makes them cheap.
using namespace xtape;
using namespace xtape::closed_form;
using xtape::testing::counted;

namespace {

/// A network of sigmoid layers, columns are samples. Layer k is number k - 1 of each list; A has the input in front.
struct Network {
    Index m = 6;
    std::vector<Numbers> W, B, Z, A;
    Numbers y;

    /// `sizes` from the input to the output.
    explicit Network(const std::vector<Index>& sizes) : A{uniform({sizes[0], m}, 100)}, y(labels({sizes.back(), m})) {
        for (std::size_t k = 1; k < sizes.size(); ++k) {
            const auto seed = static_cast<unsigned>(k);
            W.push_back(uniform({sizes[k], sizes[k - 1]}, seed));
            B.push_back(uniform({sizes[k], 1}, 50 + seed));
            const Numbers product = times(W.back(), A.back());
            Z.emplace_back(sizes[k], m, [&](Index i, Index j) { return product(i, j) + B.back()(i, 0); });
            A.push_back(Z.back().map(closed_form::sigmoid));
        }
    }

    std::size_t layers() const { return W.size(); }

    /// dL/dA of the last layer, without the 1/m that the document takes later.
    Numbers last_slope() const {
        const Numbers& a = A.back();
        return Numbers(a.rows(), m,
                       [&](Index i, Index j) { return -y(i, j) / a(i, j) + (1 - y(i, j)) / (1 - a(i, j)); });
    }

    /// F9's base of every layer, from the last to the first.
    std::vector<Numbers> bases() const {
        std::vector<Numbers> base(layers(), Numbers({}));
        const Numbers slope = last_slope();
        const auto through_sigmoid = [this](const Numbers& g, std::size_t layer) {
            const Numbers& a = A[layer + 1];
            return Numbers(g.rows(), m, [&](Index i, Index j) { return g(i, j) * a(i, j) * (1 - a(i, j)); });
        };
        base.back() = through_sigmoid(slope, layers() - 1);
        for (std::size_t c = layers() - 1; c > 0; --c)
            base[c - 1] = through_sigmoid(times(transposed(W[c]), base[c]), c - 1);
        return base;
    }

    Numbers over_m(const Numbers& x) const {
        return x.map([this](double v) { return v / static_cast<double>(m); });
    }

    /// 1/m base[C] A[C-1]^T.
    Numbers dW(const Numbers& base, std::size_t layer) const { return over_m(times(base, transposed(A[layer]))); }

    /// 1/m base[C], summed over the samples.
    Numbers dB(const Numbers& base) const {
        return over_m(Numbers(base.rows(), 1, [&](Index i, Index) {
            double total = 0;
            for (Index j = 0; j < m; ++j) total += base(i, j);
            return total;
        }));
    }
};

/// The same network on the tape, its loss F1 as written and its variables on the way.
struct RecordedNetwork {
    std::vector<Parameter> W, B;
    std::vector<Variable> Z, A;
    Variable loss;

    explicit RecordedNetwork(const Network& network, int* calls = nullptr) {
        Variable a = network.A[0];
        for (std::size_t k = 0; k < network.layers(); ++k) {
            W.push_back(network.W[k].parameter());
            B.push_back(network.B[k].parameter());
            Z.push_back(matmul(W[k], a) + B[k]);
            A.push_back(xtape::sigmoid(calls ? counted(Z[k], *calls) : Z[k]));
            a = A[k];
        }
        const Variable y = network.y;
        loss = -sum(y * log(a) + (1 - y) * log(1 - a)) / static_cast<double>(network.m);
    }

    /// Weights, biases and the layers' Z: everything F9 has a formula for.
    std::vector<Variable> asked_for() const {
        std::vector<Variable> xs(Z);
        xs.insert(xs.end(), W.begin(), W.end());
        xs.insert(xs.end(), B.begin(), B.end());
        return xs;
    }
};

/// From an input of 3 through hidden layers of different sizes to 2 outputs.
Network network_of(std::size_t layers) {
    const std::vector<Index> hidden{5, 4, 7, 3};
    std::vector<Index> sizes{3};
    for (std::size_t k = 0; k + 1 < layers; ++k) sizes.push_back(hidden[k % hidden.size()]);
    sizes.push_back(2);
    return Network(sizes);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(formulas_network)

BOOST_AUTO_TEST_CASE(f07_forward) {
    const Network network = network_of(4);
    const RecordedNetwork recorded(network);
    for (std::size_t k = 0; k < network.layers(); ++k) {
        check_same(recorded.Z[k], network.Z[k]);
        check_same(recorded.A[k], network.A[k + 1]);
    }
}

BOOST_AUTO_TEST_CASE(f08_the_four_products_of_two_layers) {
    const Network network = network_of(2);
    const RecordedNetwork recorded(network);
    const Numbers &A1 = network.A[1], &A2 = network.A[2], &X = network.A[0], &W2 = network.W[1];
    const Numbers slope = network.last_slope();
    const auto count = static_cast<double>(network.m);

    // Each chain is multiplied out from the loss, for one weight at a time; nothing is kept from one to the next.
    const auto chain2 = [&](Index k, Index s) { return slope(k, s) * A2(k, s) * (1 - A2(k, s)); };
    const auto chain1 = [&](Index q, Index s) {
        double total = 0;
        for (Index k = 0; k < A2.rows(); ++k) total += chain2(k, s) * W2(k, q) * A1(q, s) * (1 - A1(q, s));
        return total;
    };
    const auto over_samples = [&](auto of) {
        double total = 0;
        for (Index s = 0; s < network.m; ++s) total += of(s);
        return total / count;
    };
    const Numbers dW2(A2.rows(), A1.rows(),
                      [&](Index k, Index q) { return over_samples([&](Index s) { return chain2(k, s) * A1(q, s); }); });
    const Numbers dB2(A2.rows(), 1,
                      [&](Index k, Index) { return over_samples([&](Index s) { return chain2(k, s); }); });
    const Numbers dW1(A1.rows(), X.rows(),
                      [&](Index q, Index j) { return over_samples([&](Index s) { return chain1(q, s) * X(j, s); }); });
    const Numbers dB1(A1.rows(), 1,
                      [&](Index q, Index) { return over_samples([&](Index s) { return chain1(q, s); }); });

    const auto [w2, b2, w1, b1] = grad(recorded.loss, recorded.W[1], recorded.B[1], recorded.W[0], recorded.B[0]);
    check_same(w2, dW2);
    check_same(b2, dB2);
    check_same(w1, dW1);
    check_same(b1, dB1);
}

BOOST_AUTO_TEST_CASE(f09_the_base_of_every_layer_of_two_to_five) {
    for (std::size_t layers = 2; layers <= 5; ++layers) {
        BOOST_TEST_CONTEXT(layers << " layers") {
            const Network network = network_of(layers);
            const RecordedNetwork recorded(network);
            const std::vector<Numbers> base = network.bases();
            // the gradients at the Z themselves are what the tape's memo holds: the bases, with the 1/m in them
            const std::vector<Variable> gradients = grad(recorded.loss, recorded.asked_for());
            for (std::size_t k = 0; k < layers; ++k) {
                check_same(gradients[k], network.over_m(base[k]));
                check_same(gradients[layers + k], network.dW(base[k], k));
                check_same(gradients[2 * layers + k], network.dB(base[k]));
            }
            // dL/dA of the last layer, although the loss is evaluated around it
            check_same(grad(recorded.loss, recorded.A.back()), network.over_m(network.last_slope()));
        }
    }
}

BOOST_AUTO_TEST_CASE(f09_the_bias_is_summed_over_the_samples) {
    // Without the sum, as printed, the step for B would have a column for each sample.
    const Network network = network_of(3);
    const RecordedNetwork recorded(network);
    const Numbers base = network.bases()[1];
    BOOST_TEST((base.shape != network.B[1].shape));
    BOOST_TEST((grad(recorded.loss, recorded.B[1]).shape() == network.B[1].shape));
}

BOOST_AUTO_TEST_CASE(the_memo_does_each_layer_once) {
    std::size_t size_before = 0;
    for (std::size_t layers = 2; layers <= 40; ++layers) {
        const Network network = network_of(layers);
        int calls = 0;
        const RecordedNetwork recorded(network, &calls);
        grad(recorded.loss, recorded.asked_for());
        BOOST_TEST(calls == static_cast<int>(layers));  // and not layers (layers + 1) / 2, one chain for each weight
        calls = 0;
        recorded.loss.backward(keep_tape);
        BOOST_TEST(calls == static_cast<int>(layers));

        const std::size_t size = Tape(recorded.loss).size();
        if (layers > 3) BOOST_TEST(size - size_before == 6U);  // matmul, +, counted, sigmoid and two parameters
        if (layers > 2) size_before = size;
    }
}

BOOST_AUTO_TEST_CASE(the_memo_does_a_shared_layer_once) {
    // Every layer's activation goes into two products of the next one: the number of paths doubles with each layer.
    const Numbers start = uniform({3, 4}, 1), weights = uniform({3, 3}, 2);
    constexpr int depth = 24;
    const Parameter W = weights.parameter(), V = uniform({3, 3}, 3).parameter();
    int calls = 0;
    Variable a = start;
    for (int k = 0; k < depth; ++k) a = counted(xtape::sigmoid(matmul(W, a) + matmul(V, a)), calls);
    grad(sum(a), W, V);
    BOOST_TEST(calls == depth);

    // The same gradient, from a network whose two products are one.
    const Parameter both =
        Numbers(3, 3, [&](Index i, Index j) { return W.array().at(3 * i + j) + V.array().at(3 * i + j); }).parameter();
    Variable merged = start;
    for (int k = 0; k < depth; ++k) merged = xtape::sigmoid(matmul(both, merged));
    Numbers expected({3, 3});
    const Variable gradient = grad(sum(merged), both);
    for (std::size_t i = 0; i < 9; ++i) expected.flat[i] = gradient.array().at(static_cast<Index>(i));
    const auto [dW, dV] = grad(sum(a), W, V);
    check_same(dW, expected);
    check_same(dV, expected);
}

BOOST_AUTO_TEST_SUITE_END()
