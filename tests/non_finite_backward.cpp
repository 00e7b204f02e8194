#include <xtape/xtape.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/anomalies.hpp"

/// Which rule first gave a gradient that is not finite.
using namespace xtape;
using xtape::testing::caught;
using xtape::testing::check_names;

namespace {

using Kind = Anomaly::Kind;

constexpr float inf = std::numeric_limits<float>::infinity();

}  // namespace

BOOST_AUTO_TEST_SUITE(non_finite_backward)

BOOST_AUTO_TEST_CASE(zero_by_zero_in_a_rule) {
    const Parameter x = xt::xarray<float>{{1, 4}, {0, 9}};
    const DetectAnomaly guard({{"x", x}});
    const Variable mask = xt::xarray<float>{{1, 1}, {0, 1}};
    const int line = __LINE__ + 1;
    const Variable root = sqrt(x);  // its rule: 0.5 g / y, and g and y are 0 at (1, 0)
    const Variable loss = sum(root * mask);
    BOOST_TEST(loss.item() == 6);

    std::string text;
    const Anomaly found = caught([&] { loss.backward(); }, &text);
    BOOST_TEST((found.kind == Kind::gradient));
    BOOST_TEST(found.operation == "sqrt");
    BOOST_TEST(std::string(found.where.file) == __FILE__);
    BOOST_TEST(found.where.line == line);
    BOOST_TEST(found.argument == 1U);
    BOOST_TEST((found.element == Shape{1, 0}));
    BOOST_TEST(std::isnan(found.value));
    BOOST_TEST_REQUIRE(found.numbers.size() == 3U);
    BOOST_TEST(found.numbers[0].role == "gradient of the output");
    BOOST_TEST(found.numbers[0].value == 0);
    BOOST_TEST(found.numbers[1].origin == "parameter x");
    BOOST_TEST(found.numbers[1].value == 0);
    BOOST_TEST(found.numbers[2].role == "output");
    BOOST_TEST(found.numbers[2].value == 0);
    check_names(found.path, {"sqrt", "multiply", "sum"});
    BOOST_TEST(found.loss == 6);
    BOOST_TEST(!x.grad());
    const auto at = [&](int offset) { return "non_finite_backward.cpp:" + std::to_string(line + offset); };
    BOOST_TEST(text ==
               "sqrt: in backward its rule for argument 1 gives nan at (1, 0), and the gradient it got is finite\n"
               "  recorded at " +
                   at(0) +
                   "\n"
                   "  gradient of the output (2, 2): 0 at (1, 0)\n"
                   "  argument 1, parameter x (2, 2): 0 at (1, 0)\n"
                   "  output (2, 2): 0 at (1, 0)\n"
                   "  path to the loss, 6: sqrt (" +
                   at(0) + ") > multiply (" + at(1) + ") > sum (" + at(1) + ")");
}

BOOST_AUTO_TEST_CASE(a_masked_logarithm) {
    const Parameter p = xt::xarray<double>{0.5, 0, 0.25};
    const DetectAnomaly guard;
    const int line = __LINE__ + 1;
    const Variable loss = mean(where(p.variable() > 0, log(p), 0.0));  // finite: -inf is masked
    BOOST_TEST(std::isfinite(loss.item()));
    const Anomaly found = caught([&] { grad(loss, p); });
    BOOST_TEST(found.operation == "log");
    BOOST_TEST(found.where.line == line);
    BOOST_TEST(std::isnan(found.value));  // 0 / 0
    BOOST_TEST((found.element == Shape{1}));
    BOOST_TEST(found.numbers[0].value == 0);
    BOOST_TEST(found.numbers[2].value == -double{inf});
    check_names(found.path, {"log", "where", "mean"});
}

BOOST_AUTO_TEST_CASE(the_rule_of_the_second_argument) {
    const Parameter a = xt::xarray<float>{1, 1}, b = xt::xarray<float>{4, 1e-20F};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { sum(a / b).backward(); });  // -1 / b^2 is -1e40
    BOOST_TEST(found.operation == "divide");
    BOOST_TEST(found.argument == 2U);
    BOOST_TEST((found.element == Shape{1}));
    BOOST_TEST(found.value == -double{inf});
    BOOST_TEST(found.numbers[2].value == double{1e-20F});
}

BOOST_AUTO_TEST_CASE(broadcast_arguments_are_shown_as_ranges) {
    const Parameter a = xt::xarray<float>{{1, 2}, {3, 4}}, b = xt::xarray<float>{1e-20F, 1};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { sum(a / b).backward(); });
    BOOST_TEST(found.argument == 2U);
    BOOST_TEST((found.element == Shape{0}));
    BOOST_TEST(found.numbers[0].count == 4);
    BOOST_TEST(found.numbers[1].lowest == 1);
    BOOST_TEST(found.numbers[1].highest == 4);
}

BOOST_AUTO_TEST_CASE(gradients_that_add_up) {
    const Parameter x = xt::xarray<float>{0, 0}, other = xt::xarray<float>{1, 2};
    const DetectAnomaly guard({{"x", x}});
    const Anomaly leaf = caught([&] { (sum(x * 3e38F) + sum(x * 3e38F) + sum(other)).backward(); });
    BOOST_TEST((leaf.kind == Kind::sum));
    BOOST_TEST(leaf.operation == "parameter x");
    BOOST_TEST((leaf.element == Shape{0}));
    BOOST_TEST(leaf.value == double{inf});
    BOOST_TEST(!x.grad());

    const Anomaly inner = caught([&] {
        const Variable y = x * 0.0;
        (sum(y * 3e38F) + sum(y * 3e38F)).backward();
    });
    BOOST_TEST((inner.kind == Kind::sum));
    BOOST_TEST(inner.operation == "multiply");
    BOOST_TEST(to_string(inner).find("multiply: in backward the gradients that meet there add up to inf at (0,)") == 0U,
               to_string(inner));
}

BOOST_AUTO_TEST_CASE(around_what_was_recognised) {
    const Parameter z = xt::xarray<float>{-1000, 2};
    const DetectAnomaly guard;
    const Variable a = sigmoid(z);
    const int line = __LINE__ + 1;
    const Variable loss = -sum(log(a));  // recorded as log_sigmoid(z)
    BOOST_TEST(grad(loss, z).array().at(0) == -1);
    const Anomaly found = caught([&] { grad(loss, a); });  // as written: 1 / 0
    BOOST_TEST(found.operation == "log_sigmoid");
    BOOST_TEST(found.where.line == line);
    BOOST_TEST((found.element == Shape{0}));
    BOOST_TEST(found.value == -double{inf});
    BOOST_TEST(found.numbers[0].value == 0);
    check_names(found.path, {"log_sigmoid", "sum", "negative"});
}

BOOST_AUTO_TEST_CASE(second_order) {
    const Parameter x = xt::xarray<double>{{4, 0}};
    const DetectAnomaly guard;
    const int line = __LINE__ + 1;
    const Variable y = sum(pow(x, 1.5));
    const Variable slope = grad(y, x, create_graph);  // 1.5 sqrt(x)
    BOOST_TEST(slope.array().at(0) == 3);
    const Anomaly found = caught([&] { sum(slope).backward(keep_tape); });  // 0.75 / sqrt(x)
    BOOST_TEST((found.kind == Kind::gradient));
    BOOST_TEST(found.operation == "pow in the rule of pow");
    BOOST_TEST(std::string(found.where.file) == __FILE__);
    BOOST_TEST(found.where.line == line);
    BOOST_TEST((found.element == Shape{0, 1}));
    BOOST_TEST(found.value == double{inf});

    // A recorded rule's own number is not finite further on: in forward of the second order.
    const Anomaly later = caught([&] { sum(1.0 / slope).backward(); });
    BOOST_TEST((later.kind == Kind::output));
    BOOST_TEST(later.operation == "divide");
    BOOST_TEST(later.numbers[1].origin ==
               "scaled_product in the rule of pow at non_finite_backward.cpp:" + std::to_string(line));
}

BOOST_AUTO_TEST_CASE(what_a_rule_recorded_is_forgotten_after_the_walk) {
    const Parameter x = xt::xarray<double>{0, 4};
    Variable inner;
    const auto f = custom(
        "outer", [](const Variable& v) { return 1.0 * v; },
        [&](const Variable& g, const Variable&, const Variable& v) {
            const EnableGrad on;
            inner = 2.0 * v;
            return g;
        });
    const DetectAnomaly guard;
    const auto origin = [&] { return caught([&] { sum(log(inner)).backward(keep_tape); }).numbers[0].origin; };
    const auto begins = [](const std::string& text, const std::string& with) { return text.find(with) == 0; };
    sum(f(x)).backward();
    BOOST_TEST(begins(origin(), "multiply at "), origin());
    grad(sum(f(x)), x, create_graph);  // whose tape lives on
    BOOST_TEST(begins(origin(), "multiply in the rule of outer at "), origin());
    grad(sum(f(x)), x);
    BOOST_TEST(begins(origin(), "multiply at "), origin());
}

BOOST_AUTO_TEST_CASE(everything_is_sound_after_a_throw) {
    const Parameter x = xt::xarray<float>{0, 4}, w = xt::xarray<float>{1, 1};
    sum(w * x).backward();
    const Array before = w.grad().copy();
    const DetectAnomaly guard;
    const Variable loss = sum(sqrt(w * x) * 1.0 + w);
    caught([&] { loss.backward(keep_tape); });
    caught([&] { loss.backward(keep_tape); });  // the same again
    for (Index i = 0; i < 2; ++i) BOOST_TEST(w.grad().at(i) == before.at(i));
    caught([&] { loss.backward(); });  // this one frees what it has passed
    BOOST_CHECK_THROW(loss.backward(), TapeError);
    for (Index i = 0; i < 2; ++i) BOOST_TEST(w.grad().at(i) == before.at(i));
    sum(w * 2.0).backward();
    BOOST_TEST(w.grad().at(1) == before.at(1) + 2);
}

BOOST_AUTO_TEST_CASE(seeds) {
    const Parameter x = xt::xarray<float>{1, 4};
    const DetectAnomaly guard;
    const Variable y = exp(x), seed = xt::xarray<float>{1, inf};
    const Anomaly found = caught([&] { pullback(y, seed, {x}, false, Where::here()); });
    BOOST_TEST((found.kind == Kind::input));
    BOOST_TEST(found.operation == "the seed of the walk back from exp");
    BOOST_TEST((found.element == Shape{1}));
}

BOOST_AUTO_TEST_CASE(same_gradients_under_a_guard) {
    const auto gradients = [] {
        random::seed(3);
        nn::Sequential net{nn::Conv2d(1, 4, 3, nn::same),
                           relu,
                           nn::MaxPool2d(2),
                           nn::Flatten(),
                           nn::Linear(64, 8),
                           relu,
                           nn::Linear(8, 3)};
        const Variable x(random::uniform({5, 1, 8, 8}, -1, 1, random::generator()));
        const IntArray labels = {0, 1, 2, 0, 1};
        nn::cross_entropy(net(x), labels).backward();
        std::vector<double> all;
        for (const ParameterRef& parameter : net.parameters())
            for (Index i = 0; i < parameter.grad().size(); ++i) all.push_back(parameter.grad().at(i));
        return all;
    };
    const std::vector<double> plain = gradients();
    const DetectAnomaly guard;
    const std::vector<double> guarded = gradients();
    BOOST_TEST_REQUIRE(plain.size() == guarded.size());
    for (std::size_t i = 0; i < plain.size(); ++i) BOOST_TEST(std::abs(plain[i] - guarded[i]) < 1e-6);
}

BOOST_AUTO_TEST_SUITE_END()
