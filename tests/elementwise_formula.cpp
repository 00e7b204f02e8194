#include <xtape/autograd/formula.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <xtape/autograd/elementwise.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/formula_node.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// The formula of a lambda: what it consists of, how it is printed, and what it says of numbers that are not finite.
using namespace xtape;

namespace {

/// The formula that a lambda of `arguments` numbers is.
template <class F>
Formula formula_of(const F& f, std::size_t arguments) {
    const auto fused = elementwise(f);
    std::vector<Parameter> x(4);
    for (Parameter& each : x) each = Parameter(Array::filled({2}, float64, 0.5));
    const Variable y = [&]() -> Variable {
        if constexpr (std::is_invocable_v<F, Symbol>) return fused(x[0]);
        if constexpr (std::is_invocable_v<F, Symbol, Symbol>) return fused(x[0], x[1]);
        if constexpr (std::is_invocable_v<F, Symbol, Symbol, Symbol>) return fused(x[0], x[1], x[2]);
    }();
    const Formula formula = dynamic_cast<const FormulaNode&>(*y.node()).formula();
    BOOST_TEST(formula.arguments() == arguments);
    return formula;
}

long count_of(const Formula& f, FormulaOp op) {
    return std::count_if(f.instructions().begin(), f.instructions().end(), [&](const auto& i) { return i.op == op; });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(elementwise_formula)

BOOST_AUTO_TEST_CASE(nothing_is_computed_twice) {
    const Formula f = formula_of([](auto x, auto y) { return exp(x * y) + exp(y * x) / (exp(x * y) + 1 * x + 0); }, 2);
    BOOST_TEST(count_of(f, FormulaOp::exp) == 1);
    BOOST_TEST(count_of(f, FormulaOp::multiply) == 1);
    BOOST_TEST(to_string(f, {"x", "y"}) == "exp(x * y) + exp(x * y) / (exp(x * y) + x)");
    const double two = 2;
    const Formula g = formula_of([two](auto x) { return (two + 3) * x + two * 2 - 4; }, 1);
    BOOST_TEST(to_string(g, {"x"}) == "5 * x + 4 - 4");
    const Formula h = formula_of([](auto x) { return -(-x) * (-x); }, 1);
    BOOST_TEST(to_string(h, {"x"}) == "-x^2");
}

BOOST_AUTO_TEST_CASE(numbers_among_themselves_are_no_steps) {
    const auto f = elementwise([](auto x, auto y) {
        auto s = y;
        for (int i = 1; i <= 200; ++i) s = s + i;
        return x * s;
    });
    const Parameter x(xt::xarray<double>{2, 3});
    const Variable y = f(x, 0.5);  // the numbers from 1 to 200 make 20100
    BOOST_TEST(y.array().at(0) == 2 * 20100.5);
    BOOST_TEST(y.array().at(1) == 3 * 20100.5);
    BOOST_TEST(to_string(dynamic_cast<const FormulaNode&>(*y.node()).formula(), {"x"}) == "x * 20100.5");
}

BOOST_AUTO_TEST_CASE(constant_arguments_cost_no_derivative) {
    const Formula f = formula_of([](auto x, auto y) { return sin(x) * exp(y); }, 2);
    const Formula in_x = gradient_of(f, {true, false}, false), in_y = gradient_of(f, {false, true}, false);
    BOOST_TEST(in_x.outputs().size() == 1U);
    BOOST_TEST(count_of(in_x, FormulaOp::cos) == 1);
    BOOST_TEST(count_of(in_x, FormulaOp::sin) == 0);
    BOOST_TEST(count_of(in_y, FormulaOp::cos) == 0);
    BOOST_TEST(to_string(in_x, {"x", "y", "g"}) == "exp(y) * cos(x) * g");
    BOOST_TEST(to_string(in_y, {"x", "y", "g"}) == "sin(x) * exp(y) * g");
    BOOST_TEST(gradient_of(f, {false, false}, false).outputs().empty());
    BOOST_TEST(gradient_of(f, {true, true}, true).outputs().size() == 3U);
}

BOOST_AUTO_TEST_CASE(it_is_printed_as_one_writes_it) {
    const Formula f = formula_of(
        [](auto p, auto t) {
            auto q = t * p + (1 - t) * (1 - p);
            return -square(1 - q) * log(q);
        },
        2);
    const std::string text = to_string(f, {"p", "t"});
    BOOST_TEST(text == "u1 = t * p + (1 - t) * (1 - p)\n-(1 - u1)^2 * log(u1)");
    BOOST_TEST(to_latex(f, {"p", "t"}) == "u_{1} = t p + \\left(1 - t\\right) \\left(1 - p\\right) \\\\\n"
                                          "-\\left(1 - u_{1}\\right)^{2} \\log\\left(u_{1}\\right)");
    const Formula g = formula_of([](auto x, auto y) { return x - (y - x) - x / (y / x) + pow(x, 1.5) * pow(x, 3); }, 2);
    BOOST_TEST(to_string(g, {"x", "y"}) == "x - (y - x) - x / (y / x) + x^1.5 * x^3");
    BOOST_TEST(to_latex(g, {"x", "y"}) == "x - \\left(y - x\\right) - \\frac{x}{\\frac{y}{x}} + x^{1.5} x^{3}");
    const Formula h = formula_of([](auto x) { return select(x > 0 && x < 1e-9, sqrt(x), abs(x)); }, 1);
    BOOST_TEST(to_string(h, {"x"}) == "select(0 < x and x < 1e-09, sqrt(x), abs(x))");
    BOOST_TEST(to_latex(h, {"x"}) == "\\begin{cases} \\sqrt{x} & \\text{if } 0 < x \\land x < 1 \\cdot 10^{-9} \\\\ "
                                     "\\left|x\\right| & \\text{else} \\end{cases}");
    BOOST_TEST(to_string(h) == "select(0 < x1 and x1 < 1e-09, sqrt(x1), abs(x1))");
}

BOOST_AUTO_TEST_CASE(it_is_evaluated_step_by_step) {
    // clang-format off
    const int line = __LINE__ + 2;
    const Formula f = formula_of([](auto x, auto y) {
        auto s = x * y;
        return log(s) +
               x;
    }, 2);
    // clang-format on
    const std::vector<double> values = f.trace_at({3, -2});
    const auto& steps = f.instructions();
    BOOST_TEST(values.size() == steps.size());
    BOOST_TEST(values[0] == 3);
    BOOST_TEST(values[2] == -6);
    BOOST_TEST(steps[2].where.line == line);
    BOOST_TEST(std::string(name_of(steps[3].op)) == "log");
    BOOST_TEST(steps[3].where.line == line + 1);
    BOOST_TEST(std::isnan(values[3]));
    BOOST_TEST(f.trace_at({1e30, 1e30}, float64)[2] == 1e30 * 1e30);
    BOOST_TEST(std::isinf(f.trace_at({1e30, 1e30}, float32)[2]));
    BOOST_CHECK_THROW((void)f.trace_at({1}), ValueError);
}

BOOST_AUTO_TEST_CASE(a_recorded_formula_tells_where_it_stops_being_finite) {
    const auto f = elementwise("f", [](auto x, auto y) { return sqrt(x) * log(y); });
    const Parameter x(xt::xarray<double>{{1, 2, 3}, {4, -5, 6}}), y(xt::xarray<double>{1, 0, 2});
    for (const Variable& z : {Variable(f(x, y)), mean(f(x, y))}) {
        const auto& node = dynamic_cast<const FormulaNode&>(*z.node());
        const auto bad = node.non_finite_value();
        BOOST_TEST_REQUIRE(bad.has_value());
        BOOST_TEST(bad->element == 1);  // log(0)
        BOOST_TEST(bad->values[0] == 2);
        BOOST_TEST(bad->values[1] == 0);
        BOOST_TEST(std::string(name_of(bad->family->formula().instructions()[bad->instruction].op)) == "log");
    }
    const Parameter u(xt::xarray<double>{1, 4, 0}), v(xt::xarray<double>{2, 3, 4});
    const Variable z = f(u, v);
    const auto& node = dynamic_cast<const FormulaNode&>(*z.node());
    BOOST_TEST(!node.non_finite_value().has_value());
    const auto bad = node.non_finite_gradient(0, Array::filled({3}, float64, 1));  // 0.5 / sqrt(0)
    BOOST_TEST_REQUIRE(bad.has_value());
    BOOST_TEST(bad->element == 2);
    BOOST_TEST(std::string(name_of(bad->family->formula().instructions()[bad->instruction].op)) == "divide");
    const Variable loss = mean(f(u, v));
    const auto of_mean =
        dynamic_cast<const FormulaNode&>(*loss.node()).non_finite_gradient(0, Array::scalar(6, float64));
    BOOST_TEST_REQUIRE(of_mean.has_value());
    BOOST_TEST(of_mean->element == 2);
    BOOST_TEST(of_mean->values[2] == 2);  // each element's share
    BOOST_TEST(!node.non_finite_gradient(1, Array::filled({3}, float64, 1)).has_value());
}

BOOST_AUTO_TEST_CASE(long_formulas_are_formulas) {
    const auto f = elementwise([](auto x) {
        auto y = x;
        for (int i = 0; i < 3000; ++i) y = y + 1 / (i + x * y * y);
        return y;
    });
    const Parameter x(Array::filled({70}, float64, 1.5));
    double y = 1.5, slope = 1;
    for (int i = 0; i < 3000; ++i) {
        const double d = i + 1.5 * y * y;
        slope -= (y * y + 2 * 1.5 * y * slope) / (d * d);
        y += 1 / d;
    }
    const Variable loss = mean(f(x));
    BOOST_TEST(loss.item() == y, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(grad(loss, x).array().at(69) * 70 == slope, boost::test_tools::tolerance(1e-10));
}

BOOST_AUTO_TEST_SUITE_END()
