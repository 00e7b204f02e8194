#include <xtape/autograd/transforms.hpp>

#include <functional>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/nn/linear.hpp>
#include <xtape/nn/loss.hpp>
#include <xtape/nn/sequential.hpp>

#include "support/closed_form.hpp"

/// Values and gradients of functions, in all the ways to name function and arguments.
using namespace xtape;
using closed_form::check_same;
using closed_form::Numbers;
using closed_form::uniform;

namespace {

bool same_bits(const Variable& a, const Variable& b) {
    bool same = a.shape() == b.shape() && a.dtype() == b.dtype();
    for (Index i = 0; same && i < a.size(); ++i) same = a.array().at(i) == b.array().at(i);
    return same;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(transforms_gradients)

BOOST_AUTO_TEST_CASE(values_and_gradients_of_functions) {
    const Variable x(xt::xarray<double>{1, 2, 3});
    const auto [value, dx] = value_and_grad([](const Variable& v) { return sum(v * v * v); }, x);
    BOOST_TEST(value.item() == 36);
    check_same(dx, Numbers({3}, {3, 12, 27}));
    BOOST_TEST(!value.requires_grad());
    BOOST_TEST(!dx.requires_grad());

    const Parameter W = xt::xarray<double>{2, 5}, b = xt::xarray<double>{7};
    const auto f = [](const Variable& w, const Variable& c) { return sum(square(w)) * sum(c); };
    const auto [loss, gradients] = value_and_grad(f, W, b);
    BOOST_TEST(loss.item() == 203);
    check_same(gradients[0], Numbers({2}, {28, 70}));
    check_same(gradients[1], Numbers({1}, {29}));
    BOOST_TEST(!W.grad());
    const auto [dW, db] = grad(f, W, b);
    check_same(dW, Numbers({2}, {28, 70}));
    check_same(db, Numbers({1}, {29}));
}

BOOST_AUTO_TEST_CASE(what_is_captured_is_not_the_argument) {
    const Parameter x = xt::xarray<double>{3};
    check_same(grad([&](const Variable& v) { return sum(v * x); }, x), Numbers({1}, {3}));
    check_same(grad([&] { return sum(x * x); }(), x), Numbers({1}, {6}));
}

BOOST_AUTO_TEST_CASE(any_callable) {
    const Variable x(0.5, float64);
    const double s = closed_form::sigmoid(0.5);
    check_same(grad(sigmoid, x), s * (1 - s));
    const std::function<Variable(Variable)> doubled = [](const Variable& v) { return 2 * v; };
    check_same(grad(doubled, x), 2.0);
    check_same(grad([](const std::vector<Variable>& list) { return list[0] * list[1]; }, x, x)[1], 0.5);
    check_same(grad([](const auto& v) { return v * v; }, x), 1.0);
}

BOOST_AUTO_TEST_CASE(a_variadic_lambda_takes_as_many_as_are_given) {
    const Variable a(3.0, float64), b(5.0, float64);
    const auto product = [](const auto&... all) { return (all * ...); };
    check_same(grad(product, a), 1.0);
    check_same(grad(product, a, b)[0], 5.0);
    check_same(grad(product, a, b, a)[1], 9.0);
    check_same(grad(product, a, b, create_graph)[1], 3.0);
    const auto [value, gradients] = value_and_grad(product, a, b);
    check_same(value, 15.0);
    check_same(gradients[1], 3.0);
    check_same(vjp(product, a, b).second(Variable(2.0, float64))[0], 10.0);
    for (const auto& rows : {jacobian(product, a, b), jacfwd(product, a, b), jacrev(product, a, b)})
        check_same(rows[1], 3.0);
    check_same(hessian(product, a, b)[0][1], 1.0);

    check_same(jvp([](const auto&... all) { return (all * ...); }, a, b).second, 5.0);

    // These compile with as many as they take and are asked for nothing else.
    const auto of_two = [](const auto&... both) { return std::minus<>()(both...); };
    check_same(grad(of_two, a, b)[1], -1.0);
    check_same(value_and_grad(of_two, a, b).second[1], -1.0);
    check_same(jacobian(of_two, a, b)[1], -1.0);
    const auto differ = [](auto u, auto v) { return u - v; };
    check_same(jvp(differ, {a, b}, {b, a}).second, 2.0);
    check_same(hvp([](auto u, auto v) { return u * v; }, {a, b}, {b, a})[0], 3.0);
    // A function that was taken as one stays what it is, with its line.
    const Function taken = [](const Variable& u, const Variable& v) { return u * v; };
    check_same(grad(taken, a, b)[0], 5.0);
}

BOOST_AUTO_TEST_CASE(of_what_is_recorded_by_a_modules_parameters) {
    nn::Sequential net{nn::Linear(3, 4), tanh, nn::Linear(4, 2)};
    const Variable X(random::uniform({5, 3}, -1, 1, random::generator()));
    const auto loss = [&] { return mean(square(net(X))); };
    const auto [value, gradients] = value_and_grad(loss, net.parameters());
    BOOST_REQUIRE_EQUAL(gradients.size(), 4U);
    const Variable y = loss();
    y.backward();
    BOOST_TEST(same_bits(value, y));
    const auto parameters = net.parameters();
    for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(same_bits(gradients[i], parameters[i].grad()));

    const Variable again = loss();
    const auto by_list = grad(again, parameters);
    const auto by_braces = grad(again, {net.get<nn::Linear>(0).weight, net.get<nn::Linear>(2).bias});
    BOOST_TEST(same_bits(by_list[0], by_braces[0]));
    BOOST_TEST(same_bits(by_list[3], by_braces[1]));
}

BOOST_AUTO_TEST_CASE(inside_a_no_grad) {
    const NoGrad constant;
    const Parameter x = xt::xarray<double>{3};
    const auto f = [](const Variable& v) { return sum(v * v * v); };
    check_same(grad(f, x), Numbers({1}, {27}));
    check_same(value_and_grad([&] { return f(x); }, {x}).second[0], Numbers({1}, {27}));
    BOOST_TEST(!grad(f, x, create_graph).requires_grad());
    BOOST_TEST(!recording());
}

BOOST_AUTO_TEST_CASE(gradients_of_gradients_reach_arguments_and_captured) {
    const Parameter x = xt::xarray<double>{2}, a = xt::xarray<double>{5};
    const auto f = [&](const Variable& v) { return sum(a * v * v * v); };
    const Variable first = grad(f, 2 * x, create_graph);  // 3 a (2x)^2
    const auto [dx, da] = grad(sum(first), x, a);
    check_same(dx, Numbers({1}, {5 * 24 * 2}));
    check_same(da, Numbers({1}, {48}));

    const Variable third = grad([&](const Variable& u) { return sum(grad(f, u, create_graph)); }, x);
    check_same(third, Numbers({1}, {6 * 5 * 2}));
}

BOOST_AUTO_TEST_SUITE_END()
