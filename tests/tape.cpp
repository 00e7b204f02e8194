#include <xtape/autograd/tape.hpp>

#include <cmath>
#include <optional>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/xtensor.hpp>

#include "support/counted.hpp"

/// The engine: recording, walking back, freeing.
using namespace xtape;
using xtape::testing::counted;

namespace {

Parameter scalar(double value) { return Parameter(Array::scalar(value, float64)); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(tape)

BOOST_AUTO_TEST_CASE(a_chain_of_a_million_operations_runs_backward_and_is_destroyed) {
    constexpr int length = 1000000;
    const std::size_t before = storage::stats().live_bytes;
    {
        const Parameter x = scalar(0.5);
        Variable y = x;
        for (int i = 0; i < length; ++i) y = y + 1e-6;
        BOOST_TEST(y.item() == 1.5, boost::test_tools::tolerance(1e-9));
        BOOST_TEST(Tape(y).size() == length + 1U);
        BOOST_TEST(grad(y, x).item() == 1);
        y.backward();
        BOOST_TEST(x.grad().at(0) == 1);
    }
    {
        const Parameter x = scalar(1);
        Variable y = x;
        for (int i = 0; i < length; ++i) y = -y;  // destroyed whole, without a backward pass
        BOOST_TEST(y.item() == 1);
    }
    BOOST_TEST(storage::stats().live_bytes == before);
}

BOOST_AUTO_TEST_CASE(a_long_chain_is_differentiated_twice) {
    const Parameter x = scalar(1);
    Variable y = x;
    for (int i = 0; i < 20000; ++i) y = y * 1.0001;
    const double c = std::pow(1.0001, 20000);
    const Variable g = grad(y * y, x, create_graph);
    BOOST_TEST(g.item() == 2 * c * c, boost::test_tools::tolerance(1e-9));
    BOOST_TEST(grad(g, x).item() == 2 * c * c, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(each_rule_is_called_once_however_often_its_result_is_used) {
    const Parameter x = scalar(1);
    int calls = 0;
    Variable y = x;
    constexpr int depth = 60;  // 2^60 paths
    for (int i = 0; i < depth; ++i) {
        y = counted(y, calls);
        y = 0.5 * y + 0.5 * y;
    }
    BOOST_TEST(grad(y, x).item() == 1);
    BOOST_TEST(calls == depth);
    y.backward();
    BOOST_TEST(calls == 2 * depth);
}

BOOST_AUTO_TEST_CASE(rules_off_the_way_are_not_called) {
    const Parameter a = scalar(2), b = scalar(3);
    int calls_a = 0, calls_b = 0;
    const Variable y = counted(a, calls_a) * counted(b, calls_b);
    BOOST_TEST(grad(y, a).item() == 3);
    BOOST_TEST(calls_a == 1);
    BOOST_TEST(calls_b == 0);
}

BOOST_AUTO_TEST_CASE(a_diamond_adds_what_comes_along_both_sides) {
    const Parameter x = scalar(0.7);
    const Variable s = sin(x), left = exp(s), right = square(s);
    const Variable y = left * right;  // e^s s^2 with s = sin x
    const double v = std::sin(0.7);
    BOOST_TEST(grad(y, x).item() == std::exp(v) * (v * v + 2 * v) * std::cos(0.7), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(gradients_at_nodes_on_the_way) {
    const Parameter x = scalar(0.5);
    const Variable s = x * x, y = s * s * s;
    const auto [ds, dx, dy] = grad(y, s, x, y);
    BOOST_TEST(ds.item() == 3 * 0.0625, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(dx.item() == 6 * std::pow(0.5, 5), boost::test_tools::tolerance(1e-12));
    BOOST_TEST(dy.item() == 1);
}

BOOST_AUTO_TEST_CASE(the_same_argument_twice_and_one_that_is_not_used) {
    const Parameter x = scalar(3), other = Parameter(Array::filled({2, 2}, float64, 1));
    const auto [a, b, none] = grad(x * x, x, x, other);
    BOOST_TEST(a.item() == 6);
    BOOST_TEST(b.item() == 6);
    BOOST_TEST(none.shape() == (Shape{2, 2}));
    for (Index i = 0; i < 4; ++i) BOOST_TEST(none.array().at(i) == 0);
}

BOOST_AUTO_TEST_CASE(orders_up_to_the_fourth) {
    const Parameter x = scalar(1.5);
    const Variable y = pow(x, 4);
    const Variable first = grad(y, x, create_graph);
    const Variable second = grad(first, x, create_graph);
    const Variable third = grad(second, x, create_graph);
    const Variable fourth = grad(third, x);
    BOOST_TEST(first.item() == 4 * std::pow(1.5, 3), boost::test_tools::tolerance(1e-12));
    BOOST_TEST(second.item() == 12 * std::pow(1.5, 2), boost::test_tools::tolerance(1e-12));
    BOOST_TEST(third.item() == 24 * 1.5, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(fourth.item() == 24, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(!fourth.requires_grad());
}

BOOST_AUTO_TEST_CASE(closed_forms) {
    const xt::xarray<double> w0{{0.5, -1}, {2, 0.25}, {-0.75, 1}};
    const Parameter x = w0;
    const Variable sum_of_squares = sum(square(x));
    BOOST_TEST((grad(sum_of_squares, x).value<double>() == 2 * w0));
    const xt::xarray<double> expected = xt::exp(-w0) / xt::square(1 + xt::exp(-w0)) / 6;
    BOOST_TEST(xt::allclose(grad(mean(sigmoid(x)), x).value<double>(), expected));
}

BOOST_AUTO_TEST_CASE(backward_adds_to_the_parameters) {
    Parameter x = scalar(2), y = scalar(5);
    (x * y).backward();
    (3 * x).backward();
    BOOST_TEST(x.grad().at(0) == 8);
    BOOST_TEST(y.grad().at(0) == 2);
    x.zero_grad();
    BOOST_TEST(!x.grad());
    (x * x).backward();
    BOOST_TEST(x.grad().at(0) == 4);
    BOOST_TEST(y.grad().at(0) == 2);
}

BOOST_AUTO_TEST_CASE(grad_touches_no_parameter_and_keeps_the_tape) {
    const Parameter x = scalar(2);
    const Variable y = x * x;
    BOOST_TEST(grad(y, x).item() == 4);
    BOOST_TEST(grad(y, x).item() == 4);
    BOOST_TEST(!x.grad());
}

BOOST_AUTO_TEST_CASE(backward_frees_the_tape_unless_told_to_keep_it) {
    const Parameter x = scalar(2);
    const Variable kept = exp(x) * x;
    kept.backward(keep_tape);
    kept.backward(keep_tape);
    BOOST_TEST(x.grad().at(0) == 6 * std::exp(2), boost::test_tools::tolerance(1e-12));

    const Variable once = sin(x) * x;
    once.backward();
    const auto tells = [](const TapeError& error) {
        return contains(error.what(), "freed") && contains(error.what(), "keep_tape") &&
               contains(error.what(), "tape.cpp:");
    };
    BOOST_CHECK_EXCEPTION(once.backward(), TapeError, tells);
    BOOST_CHECK_EXCEPTION(grad(once, x), TapeError, tells);
}

BOOST_AUTO_TEST_CASE(a_new_operation_on_a_freed_tape_is_an_error_too) {
    const Parameter x = scalar(2);
    const Variable shared = exp(x);
    (2 * shared).backward();
    const Variable later = 3 * shared;
    BOOST_CHECK_THROW(later.backward(), TapeError);
}

BOOST_AUTO_TEST_CASE(freeing_lets_go_of_what_the_rules_kept) {
    const Parameter x = Array::filled({1000}, float64, 0.5);
    const Variable s = sin(x), y = sum(exp(exp(s) * s));
    const std::size_t recorded = storage::stats().live_bytes;
    y.backward();
    // both exponentials lived for the rules alone: two arrays of 8000 bytes against the new gradient
    BOOST_TEST(storage::stats().live_bytes + 6000 < recorded);
}

BOOST_AUTO_TEST_CASE(only_numbers_have_a_gradient) {
    const Parameter x = Array::filled({3}, float64, 1);
    const auto tells = [](const TapeError& error) { return contains(error.what(), "(3,)"); };
    BOOST_CHECK_EXCEPTION((x * x).backward(), TapeError, tells);
    BOOST_CHECK_EXCEPTION(grad(x * x, x), TapeError, tells);
    BOOST_CHECK_THROW(Variable(2.0).backward(), TapeError);
    BOOST_CHECK_THROW(grad(sum(x), Variable(2.0)), TapeError);
    BOOST_CHECK_THROW(Variable().backward(), TapeError);
}

BOOST_AUTO_TEST_CASE(a_pullback_takes_any_seed) {
    const Parameter x = xt::xarray<double>{1, 2, 3};
    const Variable seed(xt::xarray<double>{1, 0, -2});
    const Variable g = pullback(x * x, seed, {x}, false, Where::here())[0];
    BOOST_TEST((g.value<double>() == xt::xarray<double>{2, 0, -12}));
    BOOST_CHECK_THROW(pullback(x * x, Variable(1.0, float64), {x}, false, Where::here()), ShapeError);
}

BOOST_AUTO_TEST_CASE(a_gradient_of_another_shape_than_its_argument_is_an_error) {
    const Parameter x = xt::xarray<double>{1, 2, 3};
    auto dx = on(x, [](const Variable& g) { return sum(g); });
    const Variable y = record("bad_rule", Where{"user.cpp", 12}, x.array(), std::move(dx));
    BOOST_CHECK_EXCEPTION(sum(y).backward(), TapeError, [](const TapeError& error) {
        return contains(error.what(), "bad_rule") && contains(error.what(), "(3,)") &&
               contains(error.what(), "user.cpp:12");
    });
}

BOOST_AUTO_TEST_CASE(gradients_of_gradients_reach_what_the_first_ones_used) {
    // |grad f|^2 of f = x^2 y: a penalty, as it is trained with
    Parameter x = scalar(2), y = scalar(3);
    const auto [dx, dy] = grad(square(x) * y, x, y, create_graph);
    (square(dx) + square(dy)).backward();
    BOOST_TEST(x.grad().at(0) == 8 * 2 * 9 + 4 * 8);  // 4 x^2 y^2 + x^4
    BOOST_TEST(y.grad().at(0) == 8 * 4 * 3);
}

BOOST_AUTO_TEST_SUITE_END()
