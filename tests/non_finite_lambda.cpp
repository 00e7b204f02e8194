#include <xtape/xtape.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include <boost/test/unit_test.hpp>

#include "support/anomalies.hpp"

/// Which step of an elementwise(lambda) gave a number that is not finite.
using namespace xtape;
using xtape::testing::caught;

namespace {

using Kind = Anomaly::Kind;

constexpr int log_line = __LINE__ + 3;
const auto entropy = elementwise("entropy", [](auto p, auto q) {
    auto weight = p * q;
    auto information = log(q);
    return -weight * information;
});

constexpr int root_line = __LINE__ + 1;
const auto root = elementwise("root", [](auto x, auto c) { return c * sqrt(x); });

}  // namespace

BOOST_AUTO_TEST_SUITE(non_finite_lambda)

BOOST_AUTO_TEST_CASE(logarithm_of_zero) {
    const Parameter q = xt::xarray<float>{{0.5F, 0.25F}, {0, 1}};
    const Variable p = xt::xarray<float>{2, 4};
    const DetectAnomaly guard({{"q", q}});
    const int line = __LINE__ + 1;
    const Variable each = entropy(p, q);
    std::string text;
    const Anomaly found = caught([&] { mean(each).backward(); }, &text);
    BOOST_TEST((found.kind == Kind::output));
    BOOST_TEST(found.operation == "entropy");
    BOOST_TEST(found.where.line == line);
    BOOST_TEST((found.element == Shape{1, 0}));
    BOOST_TEST(std::isnan(found.value));  // 0 times infinity
    BOOST_TEST_REQUIRE(found.inside.has_value());
    BOOST_TEST(found.inside->operation == "log");
    BOOST_TEST(std::string(found.inside->where.file) == __FILE__);
    BOOST_TEST(found.inside->where.line == log_line);
    BOOST_TEST_REQUIRE(found.inside->operands.size() == 1U);
    BOOST_TEST(found.inside->operands[0] == 0);
    BOOST_TEST(found.inside->value == -std::numeric_limits<double>::infinity());
    BOOST_TEST_REQUIRE(found.numbers.size() == 2U);
    BOOST_TEST((found.numbers[0].element == Shape{0}));
    BOOST_TEST(found.numbers[0].value == 2);
    BOOST_TEST(found.numbers[1].origin == "parameter q");
    BOOST_TEST(found.numbers[1].value == 0);
    BOOST_TEST(found.path.size() == 2U);
    xtape::testing::check_contains(text, "\n  in it log at non_finite_lambda.cpp:" + std::to_string(log_line) +
                                             " gives -inf for 0\n");
}

BOOST_AUTO_TEST_CASE(the_same_where_a_mean_would_be_fused) {
    const Parameter q = xt::xarray<double>{{0.5, 0.25}, {1, 0}};
    const DetectAnomaly guard;
    const int line = __LINE__ + 1;
    const Variable loss = mean(entropy(2.0, q));
    const Anomaly found = caught([&] { loss.backward(); });
    BOOST_TEST(found.where.line == line);
    BOOST_TEST((found.element == Shape{1, 1}));
    BOOST_TEST_REQUIRE(found.inside.has_value());
    BOOST_TEST(found.inside->where.line == log_line);
    BOOST_TEST_REQUIRE(found.numbers.size() == 1U);  // the number is part of the formula
    BOOST_TEST(found.numbers[0].value == 0);
    xtape::testing::check_names(found.path, {"entropy", "mean"});  // looked at, they are two
}

BOOST_AUTO_TEST_CASE(in_backward) {
    const Parameter x = xt::xarray<double>{4, 0};
    const DetectAnomaly guard;
    const int line = __LINE__ + 1;
    const Variable each = root(x, 3.0);
    const Anomaly found = caught([&] { sum(each).backward(); });
    BOOST_TEST((found.kind == Kind::gradient));
    BOOST_TEST(found.operation == "root");
    BOOST_TEST(found.where.line == line);
    BOOST_TEST(found.argument == 1U);
    BOOST_TEST((found.element == Shape{1}));
    BOOST_TEST(found.value == std::numeric_limits<double>::infinity());
    BOOST_TEST_REQUIRE(found.inside.has_value());
    BOOST_TEST(found.inside->operation == "divide");
    BOOST_TEST(found.inside->where.line == root_line);
    BOOST_TEST_REQUIRE(found.numbers.size() == 2U);
    BOOST_TEST(found.numbers[0].role == "gradient of the output");
    BOOST_TEST(found.numbers[0].value == 1);
    BOOST_TEST(found.numbers[1].value == 0);
    const Anomaly fused = caught([&] { sum(root(x, 3.0)).backward(); });
    BOOST_TEST((fused.kind == Kind::gradient));
    BOOST_TEST(fused.inside->where.line == root_line);
}

BOOST_AUTO_TEST_CASE(its_arguments_are_followed) {
    const Parameter x = xt::xarray<double>{4, -1};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { sum(root(log(x), 3.0) * 2.0).backward(); });
    BOOST_TEST(found.operation == "log");
    BOOST_TEST(found.path.size() == 4U);
    BOOST_TEST(found.path[1].operation == "root");
    const Variable data = xt::xarray<double>{1, std::numeric_limits<double>::infinity()};
    const Anomaly constant = caught([&] { sum(root(x * 0.0, data)).backward(); });
    BOOST_TEST((constant.kind == Kind::input));
    BOOST_TEST(constant.argument == 2U);
}

BOOST_AUTO_TEST_SUITE_END()
