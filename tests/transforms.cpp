#include <xtape/autograd/transforms.hpp>

#include <cmath>
#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/nn/linear.hpp>
#include <xtape/nn/loss.hpp>
#include <xtape/nn/sequential.hpp>

#include "support/closed_form.hpp"

/// Products with Jacobians, and Jacobians.
using namespace xtape;
using closed_form::check_same;
using closed_form::Numbers;
using closed_form::uniform;

namespace {

Variable array(const Shape& shape, unsigned seed) { return uniform(shape, seed, 0.5, 1.5); }

double inner(const Variable& a, const Variable& b) {
    BOOST_REQUIRE_EQUAL(to_string(a.shape()), to_string(b.shape()));
    double total = 0;
    for (Index i = 0; i < a.size(); ++i) total += a.array().at(i) * b.array().at(i);
    return total;
}

bool near(const Variable& a, const Variable& b, double tolerance = 1e-12) {
    bool same = a.shape() == b.shape();
    for (Index i = 0; same && i < a.size(); ++i)
        same = std::abs(a.array().at(i) - b.array().at(i)) <= tolerance * std::max(1.0, std::abs(b.array().at(i)));
    return same;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(transforms)

BOOST_AUTO_TEST_CASE(vjp_pulls_any_number_of_seeds) {
    const Variable x(xt::xarray<double>{1, 2, 3}), a(2.0, float64);
    const auto [y, pull] = vjp([](const Variable& u, const Variable& v) { return u * u * v; }, x, a);
    check_same(y, Numbers({3}, {2, 8, 18}));
    const auto [dx, da] = pull(Variable(xt::xarray<double>{1, 0, -1}));
    check_same(dx, Numbers({3}, {4, 0, -12}));
    check_same(da, -8.0);
    const auto [ex, ea] = pull(Variable(xt::xarray<double>{0, 1, 0}));
    check_same(ex, Numbers({3}, {0, 8, 0}));
    check_same(ea, 4.0);
    BOOST_TEST(!ex.requires_grad());

    const Parameter W = xt::xarray<double>{3, 4};
    const auto [z, back] = vjp(W * W, {W});
    check_same(back(Variable(xt::xarray<double>{1, 10}))[0], Numbers({2}, {6, 80}));
}

BOOST_AUTO_TEST_CASE(vjp_is_differentiable_in_seed_and_argument) {
    const Parameter x = xt::xarray<double>{3}, seed = xt::xarray<double>{7};
    const auto [y, pull] = vjp([](const Variable& v) { return v * v * v; }, x, create_graph);
    const auto [dx, dseed] = grad(sum(pull(seed)), x, seed);  // seed 3 x^2
    check_same(dx, Numbers({1}, {7 * 18}));
    check_same(dseed, Numbers({1}, {27}));
    check_same(grad(sum(y), x), Numbers({1}, {27}));
}

BOOST_AUTO_TEST_CASE(jvp_of_closed_forms) {
    const Variable x(xt::xarray<double>{1, 2, 3}), t(xt::xarray<double>{1, -1, 0.5});
    const auto [y, dy] = jvp([](const Variable& v) { return v * v; }, x, t);
    check_same(y, Numbers({3}, {1, 4, 9}));
    check_same(dy, Numbers({3}, {2, -4, 3}));
    BOOST_TEST(!dy.requires_grad());

    const auto product = [](const Variable& u, const Variable& v) { return sum(u * v); };
    const Variable u(xt::xarray<double>{4, 5, 6}), du(xt::xarray<double>{0, 1, 0});
    check_same(jvp(product, {x, u}, {t, du}).second, 4 - 5 + 3 + 2.0);

    const Parameter W = xt::xarray<double>{2};
    check_same(jvp([&] { return W * W * W; }, {W}, {Variable(xt::xarray<double>{10})}).second, Numbers({1}, {120}));
    check_same(jvp([](const Variable& v) { return v; }, x, t).second, Numbers({3}, {1, -1, 0.5}));
    // what does not depend on the argument does not move
    check_same(jvp([&](const Variable&) { return W * W; }, x, t).second, Numbers({1}, {0}));
}

BOOST_AUTO_TEST_CASE(jvp_is_differentiable_in_tangent_and_argument) {
    const Parameter x = xt::xarray<double>{3}, t = xt::xarray<double>{7};
    const auto [y, dy] = jvp([](const Variable& v) { return v * v * v; }, x, t, create_graph);
    const auto [dx, dt] = grad(sum(dy), x, t);  // 3 x^2 t
    check_same(dx, Numbers({1}, {18 * 7}));
    check_same(dt, Numbers({1}, {27}));
}

BOOST_AUTO_TEST_CASE(jacobians_of_closed_forms) {
    // softmax: s_i (delta_ij - s_j)
    const Variable z(xt::xarray<double>{0.1, -0.4, 0.7});
    const Variable s = softmax(z);
    const Numbers expected(3, 3,
                           [&](Index i, Index j) { return s.array().at(i) * ((i == j ? 1 : 0) - s.array().at(j)); });
    check_same(jacobian([](const Variable& v) { return softmax(v); }, z), expected, 1e-13);
    check_same(jacfwd([](const Variable& v) { return softmax(v); }, z), expected, 1e-13);

    // X W by W: element (i, k) moves with W (j, k) by X (i, j)
    const Numbers X = uniform({4, 3}, 1), W = uniform({3, 2}, 2);
    const auto product = [](const Variable& a, const Variable& b) { return matmul(a, b); };
    const auto [by_X, by_W] = jacobian(product, X, W);
    BOOST_TEST(by_X.shape() == (Shape{4, 2, 4, 3}));
    BOOST_TEST(by_W.shape() == (Shape{4, 2, 3, 2}));
    bool right = true;
    for (Index e = 0; e < by_W.size(); ++e) {
        const Index i = e / 12, k = e / 6 % 2, j = e / 2 % 3, l = e % 2;
        right &= by_W.array().at(e) == (k == l ? X(i, j) : 0);
    }
    for (Index e = 0; e < by_X.size(); ++e) {
        const Index i = e / 24, k = e / 12 % 2, m = e / 3 % 4, j = e % 3;
        right &= by_X.array().at(e) == (i == m ? W(j, k) : 0);
    }
    BOOST_TEST(right);
}

BOOST_AUTO_TEST_CASE(jacobians_both_ways_for_every_pair_of_ranks) {
    // y = A vec(x), reshaped: the Jacobian is A
    const std::vector<Shape> shapes{{}, {1}, {3}, {2, 3}, {3, 1}, {2, 1, 2}};
    for (const Shape& from : shapes) {
        for (const Shape& to : shapes) {
            const Variable A = uniform({to.count(), from.count()}, 3), x = array(from, 4);
            const auto f = [&](const Variable& v) { return reshape(matmul(A, reshape(v, {-1})), to); };
            Shape joint = to;
            for (const Index size : from) joint.push_back(size);
            const Variable expected = reshape(A, joint);
            BOOST_TEST(near(jacobian(f, x), expected), to_string(from) << " to " << to_string(to));
            BOOST_TEST(near(jacfwd(f, x), expected), to_string(from) << " to " << to_string(to));
            BOOST_TEST(near(jacrev(f, x), expected), to_string(from) << " to " << to_string(to));
        }
    }
}

BOOST_AUTO_TEST_CASE(jacobians_take_the_shorter_way) {
    struct Counter : Observer {
        void pulling(const Node& node, const Variable&) override { walks += node.name == std::string("tanh"); }
        int walks = 0;
    };
    const auto count = [](Index inputs, Index outputs) {
        const Variable A = uniform({outputs, inputs}, 5), x = array({inputs}, 6);
        const Counter counter;
        jacobian([&](const Variable& v) { return matmul(A, tanh(v)); }, x);
        return counter.walks;
    };
    BOOST_TEST(count(20, 3) == 3);  // a row each
    BOOST_TEST(count(3, 20) == 1);  // one walk back; the columns are walks over what that recorded
    BOOST_TEST(count(20, 20) == 20);
}

BOOST_AUTO_TEST_CASE(jvp_vjp_jacobian_and_differences_agree) {
    const Variable X = uniform({6, 3}, 7);
    const auto f = [&](const Variable& W, const Variable& b) { return log_softmax(tanh(matmul(X, W) + b)); };
    const Variable W = uniform({3, 4}, 8), b = uniform({4}, 9), dW = uniform({3, 4}, 10), db = uniform({4}, 11);
    const Variable seed = uniform({6, 4}, 12);
    const Variable dy = jvp(f, {W, b}, {dW, db}).second;
    const auto [gW, gb] = vjp(f, W, b).second(seed);
    BOOST_TEST(inner(seed, dy) == inner(gW, dW) + inner(gb, db), boost::test_tools::tolerance(1e-12));

    const auto [JW, Jb] = jacobian(f, W, b);
    const Variable by_jacobian = matmul(reshape(JW, {24, 12}), reshape(dW, {12})) + matmul(reshape(Jb, {24, 4}), db);
    BOOST_TEST(near(reshape(dy, {24}), by_jacobian));

    const auto central = [&](double h) { return (f(W + h * dW, b + h * db) - f(W - h * dW, b - h * db)) / (2 * h); };
    BOOST_TEST(near(dy, (4 * central(5e-4) - central(1e-3)) / 3, 1e-9));
}

BOOST_AUTO_TEST_CASE(jacobians_are_differentiable) {
    const Parameter x = xt::xarray<double>{1, 2};
    for (const bool forward : {false, true}) {
        const auto f = [](const Variable& v) { return v * v * v; };
        const Variable J = forward ? jacfwd(f, x, create_graph) : jacrev(f, x, create_graph);
        check_same(grad(sum(J), x), Numbers({2}, {6, 12}));
    }
}

BOOST_AUTO_TEST_CASE(jacobians_of_nothing) {
    const Variable none(Array::filled({0}, float64, 0)), x = array({2}, 1);
    const auto empty = [](const Variable& v) { return slice(v, {range(0, 0)}); };
    BOOST_TEST(jacobian([](const Variable& v) { return v * 2; }, none).shape() == (Shape{0, 0}));
    BOOST_TEST(jacobian(empty, x).shape() == (Shape{0, 2}));
    BOOST_TEST(jacfwd(empty, x).shape() == (Shape{0, 2}));
}

BOOST_AUTO_TEST_CASE(a_modules_jacobian) {
    nn::Sequential net{nn::Linear(3, 2), tanh};
    net.to(float64);
    const Variable x = array({3}, 1);
    const auto by_parameter = jacobian([&] { return net(x); }, net.parameters());
    BOOST_TEST(by_parameter[0].shape() == (Shape{2, 3, 2}));
    BOOST_TEST(by_parameter[1].shape() == (Shape{2, 2}));
    const auto forward = jacfwd(net(x), net.parameters()), reverse = jacrev(net(x), net.parameters());
    for (std::size_t i = 0; i < 2; ++i) {
        BOOST_TEST(near(forward[i], reverse[i]));
        BOOST_TEST(near(by_parameter[i], reverse[i]));
    }
    const Variable y = net(x);
    const Numbers slope(2, 2, [&](Index i, Index j) { return i == j ? 1 - std::pow(y.array().at(i), 2) : 0; });
    BOOST_TEST(near(by_parameter[1], slope));
}

BOOST_AUTO_TEST_CASE(nothing_flows_through_stop_gradient) {
    const Parameter x = xt::xarray<double>{3};
    const Variable y = x * stop_gradient(x);
    check_same(grad(sum(y), x), Numbers({1}, {3}));
    BOOST_TEST(!stop_gradient(x).requires_grad());
}

BOOST_AUTO_TEST_SUITE_END()
