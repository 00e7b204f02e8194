#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/transforms.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/nn/linear.hpp>
#include <xtape/nn/loss.hpp>
#include <xtape/nn/sequential.hpp>

#include "support/closed_form.hpp"

/// Hessians and their products with vectors.
using namespace xtape;
using closed_form::check_same;
using closed_form::Numbers;
using closed_form::uniform;

namespace {

bool near(const Variable& a, const Variable& b, double tolerance = 1e-12) {
    bool same = a.shape() == b.shape();
    for (Index i = 0; same && i < a.size(); ++i)
        same = std::abs(a.array().at(i) - b.array().at(i)) <= tolerance * std::max(1.0, std::abs(b.array().at(i)));
    return same;
}

/// X^T diag(a (1 - a)) X / m with a = sigmoid(X w).
Numbers logistic_hessian(const Numbers& X, const Numbers& w) {
    const Numbers slopes = closed_form::times(X, w).map([](double z) {
        const double a = closed_form::sigmoid(z);
        return a * (1 - a);
    });
    const Index m = X.rows(), n = X.columns();
    return Numbers(n, n, [&](Index i, Index j) {
        double total = 0;
        for (Index k = 0; k < m; ++k) total += X(k, i) * slopes(k, 0) * X(k, j);
        return total / static_cast<double>(m);
    });
}

void check_within(const Variable& x, const Numbers& expected, double tolerance) {
    BOOST_REQUIRE_EQUAL(x.size(), static_cast<Index>(expected.flat.size()));
    double worst = 0;
    for (Index i = 0; i < x.size(); ++i)
        worst = std::max(worst, std::abs(x.array().at(i) - expected.flat[static_cast<std::size_t>(i)]));
    BOOST_TEST(worst <= tolerance);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(transforms_second_order)

BOOST_AUTO_TEST_CASE(logistic_regression_of_twenty_parameters) {
    const Index m = 50, n = 20;
    const Numbers X = uniform({m, n}, 1), w = uniform({n, 1}, 2);
    const Variable y = closed_form::labels({m, 1});
    const auto loss = [&](const Variable& W) {
        const Variable a = sigmoid(matmul(X, W));
        return -mean(y * log(a) + (1 - y) * log(1 - a));
    };
    const Numbers expected = logistic_hessian(X, w);
    const Variable H = hessian(loss, w);
    BOOST_TEST(H.shape() == (Shape{n, 1, n, 1}));
    check_within(H, expected, 1e-12);

    const Parameter W = w.parameter();
    const Variable of_parameters = hessian([&] { return loss(W); }, {W});
    BOOST_TEST(of_parameters.shape() == (Shape{n, n}));
    check_within(of_parameters, expected, 1e-12);
    check_within(hessian(loss(W), {W}), expected, 1e-12);

    const Numbers v = uniform({n, 1}, 3), product = closed_form::times(expected, v);
    check_within(hvp(loss, w, v), product, 1e-12);
    check_within(hvp(loss(W), {W}, {v})[0], product, 1e-12);
    check_within(hvp([&] { return loss(W); }, {W}, {v})[0], product, 1e-12);

    const HessianProduct times(loss(W), {W});
    for (unsigned seed = 4; seed < 7; ++seed) {
        const Numbers u = uniform({n, 1}, seed);
        check_within(times({u})[0], closed_form::times(expected, u), 1e-12);
    }
    // the product is the gradient's derivative along v, forward too
    const auto gradient = [&](const Variable& V) { return grad(loss, V, create_graph); };
    check_within(jvp(gradient, w, v).second, product, 1e-12);
}

BOOST_AUTO_TEST_CASE(blocks_of_several_arguments) {
    // f = sum(u^2) c + c^3
    const auto f = [](const Variable& u, const Variable& c) { return sum(square(u)) * c + c * c * c; };
    const Variable u(xt::xarray<double>{1, 2}), c(3.0, float64);
    const auto H = hessian(f, u, c);
    check_same(H[0][0], Numbers(2, 2, [](Index i, Index j) { return i == j ? 6 : 0; }));
    check_same(H[0][1], Numbers({2}, {2, 4}));
    check_same(H[1][0], Numbers({2}, {2, 4}));
    check_same(H[1][1], 18.0);

    const Parameter U(u), C(c);
    check_same(hessian([&] { return f(U, C); }, {U, C}), Numbers({3, 3}, {6, 0, 2, 0, 6, 4, 2, 4, 18}));
    const auto product = hvp(f, {u, c}, {Variable(xt::xarray<double>{1, 0}), Variable(2.0, float64)});
    check_same(product[0], Numbers({2}, {6 + 4, 8}));
    check_same(product[1], 2.0 + 36);
}

BOOST_AUTO_TEST_CASE(shapes_of_every_rank) {
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{2, 3}, Shape{2, 1, 2}}) {
        const Variable x = uniform(shape, 1, 0.5, 1.5);
        const auto f = [](const Variable& v) { return sum(v * v * v) / 3; };
        Shape twice = shape;
        for (const Index size : shape) twice.push_back(size);
        const Variable H = hessian(f, x);
        BOOST_REQUIRE(H.shape() == twice);
        const Index n = x.size();
        for (Index e = 0; e < n * n; ++e) {
            const double expected = e / n == e % n ? 2 * x.array().at(e / n) : 0;
            BOOST_TEST(H.array().at(e) == expected, boost::test_tools::tolerance(1e-14));
        }
        BOOST_TEST(near(hvp(f, x, 0.5 * x), square(x)));
    }
}

BOOST_AUTO_TEST_CASE(of_a_linear_function_they_are_zero) {
    const Variable x(xt::xarray<double>{1, 2});
    check_same(hessian([](const Variable& v) { return sum(3 * v); }, x), Numbers({2, 2}, 0));
    check_same(hvp([](const Variable& v) { return sum(3 * v); }, x, x), Numbers({2}, 0));
}

BOOST_AUTO_TEST_CASE(a_modules_hessian) {
    nn::Sequential net{nn::Linear(2, 3), tanh, nn::Linear(3, 1)};
    net.to(float64);
    const Variable X = uniform({7, 2}, 1), y = uniform({7, 1}, 2);
    const auto loss = [&] { return mean(square(net(X) - y)); };
    const auto parameters = net.parameters();
    const Variable H = hessian(loss, parameters);
    BOOST_TEST(H.shape() == (Shape{13, 13}));
    BOOST_TEST(near(H, transpose(H)));

    std::vector<Variable> vectors, flat;
    for (const ParameterRef& parameter : parameters) {
        vectors.push_back(uniform(parameter.shape(), 3));
        flat.push_back(reshape(vectors.back(), {-1}));
    }
    std::vector<Variable> product;
    for (const Variable& part : hvp(loss, parameters, vectors)) product.push_back(reshape(part, {-1}));
    BOOST_TEST(near(concatenate(product), matmul(H, concatenate(flat))));

    // by differences of the gradient
    const auto gradient_at = [&](double step) {
        std::vector<Variable> result;
        std::vector<Array> before;
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            before.push_back(parameters[i].array());
            parameters[i].assign((Variable(before[i]) + step * vectors[i]).array());
        }
        for (const Variable& part : value_and_grad(loss, parameters).second) result.push_back(reshape(part, {-1}));
        for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].assign(before[i]);
        return concatenate(result);
    };
    BOOST_TEST(near((gradient_at(1e-5) - gradient_at(-1e-5)) / 2e-5, concatenate(product), 1e-8));
}

BOOST_AUTO_TEST_CASE(third_order) {
    const Parameter x = xt::xarray<double>{2, 3};
    const auto f = [](const Variable& v) { return sum(square(square(v))); };
    check_same(grad(sum(hvp(f, x, Variable(xt::xarray<double>{1, 10}), create_graph)), x), Numbers({2}, {48, 720}));
    check_same(grad(sum(hessian(f, x, create_graph)), x), Numbers({2}, {48, 72}));
}

BOOST_AUTO_TEST_SUITE_END()
