#include <xtape/autograd/custom.hpp>

#include <memory>
#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/transforms.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/nn/sequential.hpp>

#include "support/closed_form.hpp"

/// Operations of the user's own.
using namespace xtape;
using closed_form::check_same;
using closed_form::Numbers;
using closed_form::uniform;

namespace {

/// The cube by a bare loop, as a user who has a kernel would write it.
Array cubes(const Variable& x) {
    Array y = Array::uninitialized(x.shape(), x.dtype());
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* from = x.array().data<T>();
        for (Index i = 0; i < x.size(); ++i) y.mutable_data<T>()[i] = from[i] * from[i] * from[i];
    });
    return y;
}

const auto cube =
    custom("cube", cubes, [](const Variable& g, const Variable&, const Variable& x) { return 3 * g * square(x); });

/// a b, with a rule that is wrong by 0.1 % when asked for.
auto product(double wrong) {
    return custom(
        "my_product", [](const Variable& a, const Variable& b) { return a * b; },
        [](const Variable& g, const Variable&, const Variable&, const Variable& b) { return g * b; },
        [wrong](const Variable& g, const Variable&, const Variable& a, const Variable&) { return wrong * g * a; });
}

/// e^x, whose rule uses the result.
const auto exponential = custom(
    "my_exp", [](const Variable& x) { return exp(x); },
    [](const Variable& g, const Variable& y, const Variable&) { return g * y; });

}  // namespace

BOOST_AUTO_TEST_SUITE(custom_operation)

BOOST_AUTO_TEST_CASE(values_and_gradients) {
    const Parameter x = xt::xarray<double>{1, -2, 3};
    const Variable y = cube(x);
    check_same(y, Numbers({3}, {1, -8, 27}));
    BOOST_TEST(std::string(y.node()->name) == "cube");
    BOOST_TEST(y.node()->where.line == __LINE__ - 3);
    check_same(grad(sum(y), x), Numbers({3}, {3, 12, 27}));
    check_same(cube(Variable(2.0, float32)), 8.0);
}

BOOST_AUTO_TEST_CASE(it_passes_the_gradient_check_at_both_orders) {
    const Variable x = uniform({2, 3}, 1), y = uniform({2, 3}, 2);
    check_grads(cube, x);
    check_grads(exponential, x);
    check_grads(product(1), x, y);
    check_grads([](const Variable& a, const Variable& b) { return cube(product(1)(a, exponential(b))); }, x, y);
}

BOOST_AUTO_TEST_CASE(a_wrong_rule_is_named) {
    const Variable x = uniform({2, 3}, 1), y = uniform({2, 3}, 2);
    const auto wrong = product(1.001);
    const GradCheck verdict =
        gradient_check([&](const Variable& a, const Variable& b) { return tanh(wrong(sin(a), b)); }, {x, y});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.operation == "my_product");
    BOOST_TEST(verdict.argument == 2U);
    BOOST_TEST(verdict.order == 1);
    BOOST_TEST(verdict.message.find("custom_operation.cpp:") != std::string::npos);

    // right at first order, no expression: wrong at second
    const auto constant_rule = custom("stiff", cubes, [](const Variable& g, const Variable&, const Variable& v) {
        return g * (3 * square(v.detach()));
    });
    const GradCheck second = gradient_check(constant_rule, {x});
    BOOST_TEST(!second.ok);
    BOOST_TEST(second.order == 2);
}

BOOST_AUTO_TEST_CASE(derivatives_of_any_order) {
    const Parameter x = xt::xarray<double>{2};
    const Variable first = grad(sum(cube(x)), x, create_graph);
    const Variable second = grad(sum(first), x, create_graph);
    check_same(first, Numbers({1}, {12}));
    check_same(second, Numbers({1}, {12}));
    check_same(grad(sum(second), x), Numbers({1}, {6}));
    // through the result that a rule uses
    const Variable e = grad(sum(exponential(x)), x, create_graph);
    check_same(grad(sum(e), x), Numbers({1}, {std::exp(2)}), 1e-14);
    check_same(jvp(cube, x, Variable(xt::xarray<double>{5})).second, Numbers({1}, {60}));
    check_same(hessian([](const Variable& v) { return sum(cube(v)); }, x), Numbers({1, 1}, {12}));
}

BOOST_AUTO_TEST_CASE(arguments_that_are_constants) {
    const Parameter x = xt::xarray<double>{2}, labels = xt::xarray<double>{10};
    const auto weighted = custom(
        "weighted", [](const Variable& a, const Variable& by) { return a * by; },
        [](const Variable& g, const Variable&, const Variable&, const Variable& by) { return g * by; }, no_gradient);
    const auto [dx, dlabels] = grad(sum(weighted(x, labels)), x, labels);
    check_same(dx, Numbers({1}, {10}));
    check_same(dlabels, Numbers({1}, {0}));
    BOOST_TEST(!weighted(x.variable().detach(), labels).requires_grad());

    // a rule that is not wanted is not called
    int calls = 0;
    const auto counting = custom(
        "counting", [](const Variable& a, const Variable& b) { return a + b; },
        [](const Variable& g, const Variable&, const Variable&, const Variable&) { return g; },
        [&](const Variable& g, const Variable&, const Variable&, const Variable&) { return ++calls, g; });
    grad(sum(counting(x, Variable(xt::xarray<double>{1}))), x);
    BOOST_TEST(calls == 0);
    grad(sum(counting(x, x)), x);
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(forward_is_not_recorded) {
    struct Names : Observer {
        void recorded(Node& node, const Array&) override { text += std::string(node.name) + " "; }
        std::string text;
    };
    const Parameter x = xt::xarray<double>{2};
    const Names names;
    const auto f = custom(
        "mine",
        [](const Variable& v) {
            BOOST_TEST(!recording());
            BOOST_TEST(!v.requires_grad());
            return exp(sin(v));
        },
        [](const Variable& g, const Variable&, const Variable&) { return g; });
    f(x);
    BOOST_TEST(names.text == "mine ");
    const NoGrad constant;
    BOOST_TEST(!f(x).requires_grad());
}

BOOST_AUTO_TEST_CASE(the_tape_outlives_the_operation) {
    const Parameter x = xt::xarray<double>{2};
    Variable y;
    {
        std::string name = "short";
        const auto local = custom(
            name + "_lived", [](const Variable& v) { return 3 * v; },  // a rule may own what cannot be copied
            [factor = std::make_unique<double>(3)](const Variable& g, const Variable&, const Variable&) {
                return *factor * g;
            });
        y = sum(local(x));
        name.assign(100, '?');
    }
    BOOST_TEST(std::string(y.node()->arguments()[0].node()->name) == "short_lived");
    check_same(grad(y, x), Numbers({1}, {3}));
}

BOOST_AUTO_TEST_CASE(a_step_of_a_sequential) {
    nn::Sequential net{cube, tanh};
    const Parameter x = xt::xarray<double>{0.5};
    check_same(net(x), Numbers({1}, {std::tanh(0.125)}), 1e-14);
    check_same(grad(sum(net(x)), x), Numbers({1}, {(1 - std::pow(std::tanh(0.125), 2)) * 0.75}), 1e-14);
}

BOOST_AUTO_TEST_SUITE_END()
