#include <boost/test/unit_test.hpp>

#include <xtape/autograd/random.hpp>
#include <xtape/nn/dropout.hpp>
#include <xtape/nn/linear.hpp>

#include "support/closed_form.hpp"

/// Layers as annex 4 of the source document programs them, one sample at a time: F13 to F17, and F22's worked numbers.
using namespace xtape;
using namespace xtape::closed_form;

namespace {

/// Plane j of an array (planes, rows, columns).
Numbers plane(const Numbers& x, Index j) {
    return Numbers(x.shape[1], x.shape[2], [&](Index r, Index c) { return x(j, r, c); });
}

/// scipy.signal.correlate2d(x, k, "valid").
Numbers correlate_valid(const Numbers& x, const Numbers& k) {
    return Numbers(x.rows() - k.rows() + 1, x.columns() - k.columns() + 1, [&](Index r, Index c) {
        double total = 0;
        for (Index u = 0; u < k.rows(); ++u)
            for (Index v = 0; v < k.columns(); ++v) total += x(r + u, c + v) * k(u, v);
        return total;
    });
}

/// scipy.signal.convolve2d(x, k, "full"): every element of x lays down a copy of k.
Numbers convolve_full(const Numbers& x, const Numbers& k) {
    Numbers result({x.rows() + k.rows() - 1, x.columns() + k.columns() - 1});
    for (Index r = 0; r < x.rows(); ++r)
        for (Index c = 0; c < x.columns(); ++c)
            for (Index u = 0; u < k.rows(); ++u)
                for (Index v = 0; v < k.columns(); ++v) result(r + u, c + v) += x(r, c) * k(u, v);
    return result;
}

/// Annex 4's layer of convolution: x (planes, rows, columns), filters K (outputs, planes, rows, columns), and one bias for
/// each pixel of the output. g flows into the output.
struct Convolution {
    Index planes = 2, outputs = 3;
    Numbers x = uniform({planes, 6, 5}, 1), K = uniform({outputs, planes, 3, 2}, 2), bias = uniform({outputs, 4, 4}, 3),
            g = uniform({outputs, 4, 4}, 4);

    Numbers filter(Index i, Index j) const {
        return Numbers(3, 2, [&](Index r, Index c) { return K(i, j, r, c); });
    }

    static Variable on_tape(const Variable& image, const Variable& filters) {
        return squeeze(correlate2d(expand_dims(image, 0), filters), 0);
    }
};

/// What F15 has for the input, printed and corrected, as operations: (outputs, rows, columns) to (planes, ...).
Variable input_gradient(const Variable& g, const Variable& filters, bool turned) {
    const Variable swapped = permute(filters, {1, 0, 2, 3}), batch = expand_dims(g, 0);
    const Pair full(filters.shape(2) - 1, filters.shape(3) - 1);
    return squeeze(turned ? convolve2d(batch, swapped, 1, full) : correlate2d(batch, swapped, 1, full), 0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(formulas_layers)

BOOST_AUTO_TEST_CASE(f13_dense) {
    const Numbers W = uniform({4, 3}, 1), x = uniform({3, 1}, 2), b = uniform({4, 1}, 3), g = uniform({4, 1}, 4);
    const Numbers dW(4, 3, [&](Index i, Index j) { return g(i, 0) * x(j, 0); });
    const Numbers dx(3, 1, [&](Index j, Index) {
        double total = 0;
        for (Index i = 0; i < 4; ++i) total += W(i, j) * g(i, 0);
        return total;
    });
    const Parameter weight = W.parameter(), input = x.parameter(), bias = b.parameter();
    const auto of_column = pulled(matmul(weight, input) + bias, g, {weight, bias, input});
    check_same(of_column[0], dW);
    check_same(of_column[1], g);
    check_same(of_column[2], dx);

    // xtape's layer has its samples in rows, so everything is transposed
    nn::Linear linear(3, 4);
    linear.weight = transposed(W).parameter();
    linear.bias = Numbers({4}, b.flat).parameter();
    const Parameter row = transposed(x).parameter();
    const auto of_row = pulled(linear(row), transposed(g), {linear.weight, linear.bias, row});
    check_same(of_row[0], transposed(dW));
    check_same(of_row[1], Numbers({4}, g.flat));
    check_same(of_row[2], transposed(dx));
}

BOOST_AUTO_TEST_CASE(f14_convolution_in_its_filters_and_its_bias) {
    const Convolution layer;
    const Parameter K = layer.K.parameter(), bias = layer.bias.parameter();
    const Variable y = Convolution::on_tape(layer.x, K) + bias;
    for (Index i = 0; i < layer.outputs; ++i) {
        Numbers expected = plane(layer.bias, i);
        for (Index j = 0; j < layer.planes; ++j) {
            const Numbers part = correlate_valid(plane(layer.x, j), layer.filter(i, j));
            for (std::size_t at = 0; at < part.flat.size(); ++at) expected.flat[at] += part.flat[at];
        }
        check_same(slice(y, {i}), expected);
    }

    const auto gradients = pulled(y, layer.g, {K, bias});
    for (Index i = 0; i < layer.outputs; ++i)
        for (Index j = 0; j < layer.planes; ++j)
            check_same(slice(gradients[0], {i, j}), correlate_valid(plane(layer.x, j), plane(layer.g, i)));
    check_same(gradients[1], layer.g);
}

BOOST_AUTO_TEST_CASE(f15_convolution_in_its_input) {
    const Convolution layer;
    const Parameter x = layer.x.parameter();
    const Variable gradient = pulled(Convolution::on_tape(x, layer.K), layer.g, {x})[0];
    for (Index j = 0; j < layer.planes; ++j) {
        Numbers expected({6, 5});
        for (Index i = 0; i < layer.outputs; ++i) {
            const Numbers part = convolve_full(plane(layer.g, i), layer.filter(i, j));
            for (std::size_t at = 0; at < part.flat.size(); ++at) expected.flat[at] += part.flat[at];
        }
        check_same(slice(gradient, {j}), expected);
    }

    const auto with = [](const Variable& filters, bool turned) {
        return by_hand(
            turned ? "corrected_F15" : "printed_F15",
            [filters](const Variable& image) { return Convolution::on_tape(image, filters); },
            [filters, turned](const Variable& g, const Variable&) { return input_gradient(g, filters, turned); });
    };
    check_verdicts("printed_F15", with(layer.K, false), with(layer.K, true), layer.x);

    // A filter that half a turn leaves as it is hides the mistake: F22's is one.
    const Numbers image = uniform({1, 5, 5}, 5), F22({1, 1, 3, 3}, {-1, 2, 2, 2, 6, 2, 2, 2, -1});
    const GradCheck hidden = gradient_check(with(F22, false), {image});
    BOOST_TEST(hidden.ok, hidden.message);
}

BOOST_AUTO_TEST_CASE(f16_max_pooling_chooses_the_first_maximum) {
    // many equal numbers, negative ones too; windows that leave a row over, and windows that overlap
    Numbers x({2, 7, 6});
    for (std::size_t i = 0; i < x.flat.size(); ++i) x.flat[i] = static_cast<double>(i * 7 % 5) - 3;
    struct Windows {
        Index rows, columns, stride;
    };
    for (const auto [rows, columns, stride] : {Windows{2, 2, 2}, Windows{3, 2, 1}, Windows{2, 3, 2}}) {
        const Index height = (7 - rows) / stride + 1, width = (6 - columns) / stride + 1;
        const Numbers g = uniform({2, height, width}, 1);
        Numbers expected_y({2, height, width}), expected_dx({2, 7, 6});
        for (Index c = 0; c < 2; ++c)
            for (Index i = 0; i < height; ++i)
                for (Index j = 0; j < width; ++j) {
                    Index best_row = i * stride, best_column = j * stride;
                    for (Index u = i * stride; u < i * stride + rows; ++u)
                        for (Index v = j * stride; v < j * stride + columns; ++v)
                            if (x(c, u, v) > x(c, best_row, best_column)) best_row = u, best_column = v;
                    expected_y(c, i, j) = x(c, best_row, best_column);
                    expected_dx(c, best_row, best_column) += g(c, i, j);
                }
        const Parameter image = x.parameter();
        const Variable y = squeeze(max_pool2d(expand_dims(image, 0), {rows, columns}, Pair(stride)), 0);
        check_same(y, expected_y);
        check_same(pulled(y, g, {image})[0], expected_dx);
    }
}

BOOST_AUTO_TEST_CASE(f17_dropout) {
    const Numbers x = uniform({20, 30}, 1, 0.5, 1.5), g = uniform({20, 30}, 2);
    const double q = 0.3;
    const Parameter input = x.parameter();

    // annex 4's: a mask, 1 with probability 1 - q, never rescaled
    Generator generator(7);
    const Variable mask = random::bernoulli({20, 30}, 1 - q, generator, float64);
    Numbers masked = g;
    for (std::size_t i = 0; i < g.flat.size(); ++i) masked.flat[i] = g.flat[i] * mask.array().at(static_cast<Index>(i));
    check_same(pulled(input * mask, g, {input})[0], masked);

    // xtape's: what is kept is divided by 1 - q, in value and gradient alike
    nn::Dropout dropout(q);
    const Variable y = dropout(input);
    Numbers value = x, gradient = g;
    int kept = 0;
    for (std::size_t i = 0; i < g.flat.size(); ++i) {
        const bool keep = y.array().at(static_cast<Index>(i)) != 0;
        kept += keep;
        value.flat[i] = keep ? x.flat[i] / (1 - q) : 0;
        gradient.flat[i] = keep ? g.flat[i] / (1 - q) : 0;
    }
    BOOST_TEST(std::abs(kept - 420) < 60);  // five standard deviations of 600 draws
    check_same(y, value);
    check_same(pulled(y, g, {input})[0], gradient);

    // and it is switched off at prediction
    dropout.training = false;
    check_same(dropout(input), x);
    check_same(pulled(dropout(input), g, {input})[0], g);
}

BOOST_AUTO_TEST_CASE(f22_the_worked_example) {
    const Numbers window({1, 1, 3, 3}, {0, 0, 0, 0, 2, 50, 0, 20, 18}),
        filter({1, 1, 3, 3}, {-1, 2, 2, 2, 6, 2, 2, 2, -1});
    const Parameter w = window.parameter(), k = filter.parameter();
    const Variable y = correlate2d(w, k);
    check_same(y, Numbers({1, 1, 1, 1}, 134));  // 2 * 6 + 50 * 2 + 20 * 2 - 18
    const auto [dw, dk] = grad(sum(y), w, k);
    check_same(dw, filter);
    check_same(dk, window);

    const Parameter image = Numbers({1, 1, 4, 4}, {0, 0, 0, 0, 0, 2, 50, 20, 0, 20, 18, 20, 0, 20, 20, 20}).parameter();
    const Variable pooled = max_pool2d(image, 2);
    check_same(pooled, Numbers({1, 1, 2, 2}, {2, 50, 20, 20}));
    // of the equal 20s, the first in each window
    const Variable gradient = pulled(pooled, Numbers({1, 1, 2, 2}, {1, 2, 3, 4}), {image})[0];
    check_same(gradient, Numbers({1, 1, 4, 4}, {0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 0, 4, 0, 0, 0, 0}));
}

BOOST_AUTO_TEST_SUITE_END()
