#include <xtape/autograd/check_grads.hpp>

#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// The test of the test: wrong rules are caught and named, right ones pass.
using namespace xtape;

namespace {

Variable numbers(const Shape& shape, double low = -1, double high = 2) {
    Generator generator(5);
    return Variable(random::uniform(shape, low, high, generator, float64));
}

/// An operation of one argument with any forward pass and any rule.
template <class Forward, class Rule>
Variable planted(const char* name, const Variable& x, Forward forward, Rule rule) {
    auto dx = on(x, std::move(rule));
    return record(name, Where{"planted.cpp", 7}, forward(x.detach()).array(), std::move(dx));
}

Variable plain_exp(const Variable& x) { return exp(x); }
Variable itself(const Variable& x) { return x; }

Variable exp_off_by_a_thousandth(const Variable& x) {
    return planted("wrong_exp", x, plain_exp, [](const Variable& g, const Variable& y) { return 1.001 * g * y; });
}

/// x, whose rule is 0.1 % too large: inside a rule it spoils the next order.
Variable identity_off_by_a_thousandth(const Variable& x) {
    return planted("wrong_identity", x, itself, [](const Variable& g) { return 1.001 * g; });
}

Variable exp_wrong_at_second_order(const Variable& x) {
    return planted("exp", x, plain_exp,
                   [](const Variable& g, const Variable& y) { return g * identity_off_by_a_thousandth(y); });
}

Variable exp_without_second_order(const Variable& x) {
    return planted("exp", x, plain_exp, [](const Variable& g, const Variable& y) { return g * y.detach(); });
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(check_grads)

BOOST_AUTO_TEST_CASE(a_tenth_of_a_percent_at_first_order_is_caught) {
    const Variable x(xt::xarray<double>{{0.5, -1, 1}, {0, 2, 0.25}});
    const GradCheck verdict = gradient_check(exp_off_by_a_thousandth, {x});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.order == 1);
    BOOST_TEST(verdict.operation == "wrong_exp");
    BOOST_TEST(verdict.argument == 1U);
    BOOST_TEST(verdict.element == 4);  // where the gradient, and so its error, can be largest: e^2 against e^1
    BOOST_TEST(verdict.tape / verdict.differences == 1.001, boost::test_tools::tolerance(1e-8));
    BOOST_TEST(std::abs(verdict.differences) >= 0.5 * std::exp(2), boost::test_tools::tolerance(1e-8));
    BOOST_TEST(std::abs(verdict.differences) <= 1.5 * std::exp(2), boost::test_tools::tolerance(1e-8));
    BOOST_TEST_MESSAGE(verdict.message);
    for (const char* part : {"first-order", "wrong_exp", "argument 1", "element (1, 1)", "tape", "differences",
                             "recorded at planted.cpp:7"})
        BOOST_TEST(contains(verdict.message, part), part << " in: " << verdict.message);
}

BOOST_AUTO_TEST_CASE(a_tenth_of_a_percent_at_second_order_is_caught) {
    const GradCheckOptions first{/*order*/ 1};
    for (const auto wrong : {exp_wrong_at_second_order, exp_without_second_order})
        BOOST_TEST(gradient_check(wrong, {numbers({2, 3})}, first).ok);
    const GradCheck verdict = gradient_check(exp_wrong_at_second_order, {numbers({2, 3})});
    BOOST_TEST_MESSAGE(verdict.message);
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.order == 2);
    BOOST_TEST(verdict.operation == "wrong_identity");
    BOOST_TEST(verdict.argument == 1U);
    BOOST_TEST(std::abs(verdict.tape / verdict.differences - 1) > 1e-4);
    BOOST_TEST(contains(verdict.message, "second-order"));

    const GradCheck missing = gradient_check(exp_without_second_order, {numbers({2, 3})});
    BOOST_TEST(!missing.ok);
    BOOST_TEST(missing.order == 2);
    BOOST_TEST(missing.operation == "multiply", missing.message);  // it met a value that the tape does not know to move
    BOOST_TEST(missing.tape == 0);
}

BOOST_AUTO_TEST_CASE(a_rule_that_forgets_the_gradient_flowing_in_is_caught) {
    const auto f = [](const Variable& x) {
        return planted(
            "sin", x, [](const Variable& v) { return sin(v); }, [x](const Variable& g) { return g.detach() * cos(x); });
    };
    const GradCheck verdict = gradient_check(f, {numbers({4})});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.order == 2);
    BOOST_TEST(verdict.argument == 0U);
    BOOST_TEST(contains(verdict.message, "flows in"), verdict.message);
}

BOOST_AUTO_TEST_CASE(a_rule_that_records_another_gradient_than_it_computes_is_caught) {
    const auto f = [](const Variable& x) {
        return planted(
            "sin", x, [](const Variable& v) { return sin(v); },
            [x](const Variable& g) { return recording() ? 1.001 * g * cos(x) : g * cos(x); });
    };
    const GradCheck verdict = gradient_check(f, {numbers({2, 2})});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.order == 2);
    BOOST_TEST(verdict.operation == "sin");
    BOOST_TEST(verdict.argument == 1U);
    BOOST_TEST(verdict.tape / verdict.differences == 1.001, boost::test_tools::tolerance(1e-9));
    BOOST_TEST(contains(verdict.message, "under create_graph"), verdict.message);
    BOOST_TEST(contains(verdict.message, "recorded at planted.cpp:7"), verdict.message);
}

BOOST_AUTO_TEST_CASE(a_transposed_gradient_is_caught) {
    const auto wrong = [](const Variable& x) {
        return planted(
            "wrong_transpose", x, [](const Variable& v) { return transpose(v); }, itself);
    };
    // the plain sum cannot see it: every weight is the same
    const Parameter p(numbers({3, 3}).array());
    const Variable g = grad(sum(wrong(p)), p);
    for (Index i = 0; i < 9; ++i) BOOST_TEST(g.array().at(i) == 1);
    const GradCheck verdict = gradient_check(wrong, {numbers({3, 3})});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.operation == "wrong_transpose");
    BOOST_TEST(verdict.element % 4 != 0);  // the diagonal is right
}

BOOST_AUTO_TEST_CASE(a_missing_term_is_caught) {
    const auto wrong = [](const Variable& x) {
        return planted(
            "wrong_square", x, [](const Variable& v) { return v * v; }, [x](const Variable& g) { return g * x; });
    };
    const GradCheck verdict = gradient_check(wrong, {numbers({5})});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.operation == "wrong_square");
    BOOST_TEST(verdict.tape / verdict.differences == 0.5, boost::test_tools::tolerance(1e-8));
}

BOOST_AUTO_TEST_CASE(a_missing_argument_is_caught) {
    const auto wrong = [](const Variable& a, const Variable& b) { return a * b.detach(); };
    const GradCheck verdict = gradient_check(wrong, {numbers({2, 3}), numbers({3})});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.argument == 2U);
    BOOST_TEST(verdict.operation == "multiply");
    BOOST_TEST(verdict.tape == 0);
}

BOOST_AUTO_TEST_CASE(a_wrong_broadcast_is_caught) {
    const auto add_bias = [](const Variable& x, const Variable& b, auto rule) {
        auto dx = on(x, [](const Variable& g) { return g; });
        auto db = on(b, rule);
        return record("add_bias", Where{"planted.cpp", 9}, (x.detach() + b.detach()).array(), std::move(dx),
                      std::move(db));
    };
    const auto along_columns = [](const Variable& g) { return sum(g, 1); };  // 3 numbers as well, of a 3 x 3 gradient
    const auto not_summed = [](const Variable& g) { return g; };

    const std::vector<Variable> inputs{numbers({3, 3}), numbers({3})};
    const GradCheck sums =
        gradient_check([&](const Variable& x, const Variable& b) { return add_bias(x, b, along_columns); }, inputs);
    BOOST_TEST(!sums.ok);
    BOOST_TEST(sums.operation == "add_bias");
    BOOST_TEST(sums.argument == 2U);

    const GradCheck shape =
        gradient_check([&](const Variable& x, const Variable& b) { return add_bias(x, b, not_summed); }, inputs);
    BOOST_TEST(!shape.ok);
    for (const char* part : {"add_bias", "(3, 3)", "(3,)", "planted.cpp:9"})
        BOOST_TEST(contains(shape.message, part), shape.message);
}

BOOST_AUTO_TEST_CASE(the_wrong_rule_is_named_in_the_middle_of_a_function) {
    const auto f = [](const Variable& x, const Variable& w) {
        return mean(square(tanh(exp_off_by_a_thousandth(matmul(sin(x), w))) - 0.5));
    };
    const GradCheck verdict = gradient_check(f, {numbers({4, 3}), numbers({3, 2})});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.operation == "wrong_exp", verdict.message);
    BOOST_TEST(contains(verdict.message, "planted.cpp:7"), verdict.message);
}

BOOST_AUTO_TEST_CASE(one_wrong_element_of_many_is_found) {
    Array factor = Array::filled({40, 50}, float64, 1);
    factor.mutable_data<double>()[1637] = 1.001;
    const auto f = [&](const Variable& x) {
        return planted(
            "wrong_there", x, [](const Variable& v) { return 2 * v; },
            [factor](const Variable& g) { return 2 * g * Variable(factor); });
    };
    const GradCheck verdict = gradient_check(f, {numbers({40, 50})});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.element == 1637);
    BOOST_TEST(contains(verdict.message, "element (32, 37)"), verdict.message);
}

BOOST_AUTO_TEST_CASE(right_rules_pass) {
    const Variable x = numbers({3, 4}), w = numbers({4, 2}), b = numbers({2}), z = numbers({}), big = numbers({60, 70});
    const auto layer = [](const Variable& p, const Variable& q, const Variable& r) { return tanh(matmul(p, q) + r); };
    BOOST_TEST(gradient_check(layer, {x, w, b}).ok);
    BOOST_TEST(gradient_check([](const Variable& v) { return sum(exp(v) * v, 0); }, {big}).ok);
    BOOST_TEST(gradient_check([](const Variable& v) { return sigmoid(v); }, {z}).ok);
    BOOST_TEST(gradient_check([](const std::vector<Variable>& v) { return v[0] / (2 + square(v[1])); }, {x, x}).ok);
    BOOST_TEST(gradient_check([](const Variable& v) { return 1e6 * sin(v); }, {x}).ok);
    BOOST_TEST(gradient_check([](const Variable& v) { return log(v); }, {numbers({3}, 1e-3, 2e-3)}).ok);
    BOOST_TEST(gradient_check([](const Variable& v) { return sqrt(v); }, {numbers({3}, 1e7, 2e7)}).ok);
    BOOST_TEST(gradient_check([](const Variable&) { return Variable(2.0, float64); }, {x}).ok);
    BOOST_TEST(gradient_check([](const Variable& v) { return v; }, {numbers({0, 3})}).ok);
    // the gradient of a gradient's size: third order
    BOOST_TEST(
        gradient_check([](const Variable& v) { return square(grad(sum(sin(v) * v), v, create_graph)); }, {x}).ok);
}

BOOST_AUTO_TEST_CASE(it_throws_the_verdict_when_used_alone) {
    const Parameter z = xt::xarray<float>{0.5F, -1.25F, 2};
    const Variable t = xt::xarray<float>{1, 0, 1};
    const auto focal = [](const Variable& p, const Variable& y) {
        const Variable q = y * p + (1 - y) * (1 - p);
        return -(1 - q) * (1 - q) * log(q);
    };
    xtape::check_grads([&](const Variable& v) { return mean(focal(sigmoid(v), t)); }, z);
    GradCheckOptions options;
    options.order = 1;
    xtape::check_grads([&](const Variable& a, const Variable& y) { return focal(sigmoid(a), y); }, z, t, options);
    BOOST_CHECK_EXCEPTION(xtape::check_grads(exp_off_by_a_thousandth, z), Error,
                          [](const Error& error) { return contains(error.what(), "wrong_exp"); });
    // outside of it, float32 still does not meet float64
    BOOST_CHECK_THROW(t + numbers({3}), DtypeError);
}

BOOST_AUTO_TEST_CASE(captured_parameters_stay_constants_of_the_check) {
    const Parameter w = xt::xarray<float>{{1, 2}, {3, 4}};
    BOOST_TEST(gradient_check([&](const Variable& x) { return matmul(x, w); }, {numbers({3, 2})}).ok);
    BOOST_TEST(!w.grad());
}

BOOST_AUTO_TEST_CASE(values_that_are_not_finite_are_named) {
    const Variable x(xt::xarray<double>{1, 0, -1});
    const GradCheck value = gradient_check([](const Variable& v) { return log(v); }, {x});
    BOOST_TEST(!value.ok);
    BOOST_TEST(contains(value.message, "the function is not finite: -inf at element (1,)"), value.message);
    const GradCheck gradient = gradient_check([](const Variable& v) { return sqrt(v); }, {abs(x)});
    BOOST_TEST(!gradient.ok);
    BOOST_TEST(contains(gradient.message, "argument 1 is not finite: inf at element (1,)"), gradient.message);
}

BOOST_AUTO_TEST_CASE(a_kink_is_called_one) {
    const GradCheck verdict =
        gradient_check([](const Variable& v) { return relu(v); }, {Variable(xt::xarray<double>{1, 0, -1})});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.element == 1);
    BOOST_TEST(contains(verdict.message, "a kink?"), verdict.message);
}

BOOST_AUTO_TEST_CASE(a_function_of_chance_is_refused) {
    Generator generator(1);
    const auto drop = [&](const Variable& v) {
        return v * Variable(random::bernoulli(v.shape(), 0.5, generator, float64));
    };
    const GradCheck verdict = gradient_check(drop, {numbers({40})});
    BOOST_TEST(!verdict.ok);
    BOOST_TEST(contains(verdict.message, "random"), verdict.message);
}

BOOST_AUTO_TEST_CASE(senseless_calls_are_refused) {
    const auto f = [](const Variable& a, const Variable& b) { return a + b; };
    BOOST_CHECK_THROW(gradient_check(f, {numbers({2})}), ValueError);
    BOOST_CHECK_THROW(gradient_check(itself, {}), ValueError);
    GradCheckOptions options;
    options.order = 3;
    BOOST_CHECK_THROW(gradient_check(itself, {numbers({2})}, options), ValueError);
    const NoGrad scope;
    BOOST_CHECK_THROW(gradient_check(itself, {numbers({2})}), TapeError);
    BOOST_CHECK_THROW(gradient_check(f, {numbers({2}), numbers({3})}), Error);
}

BOOST_AUTO_TEST_SUITE_END()
