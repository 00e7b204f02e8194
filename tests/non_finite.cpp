#include <xtape/xtape.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/anomalies.hpp"

/// Which operation first gave a NaN or an infinity, in forward, and the way from there to the loss.
using namespace xtape;
using xtape::testing::caught;
using xtape::testing::check_names;
using xtape::testing::check_place;

namespace {

using Kind = Anomaly::Kind;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

const xt::xarray<float> unit = {{1, 0}, {0, 1}};

}  // namespace

BOOST_AUTO_TEST_SUITE(non_finite)

BOOST_AUTO_TEST_CASE(square_root_of_a_negative_three_layers_deep) {
    const Variable x = xt::xarray<float>{{3, 4}, {1, 2}};
    const Parameter w1 = unit, w2 = unit, w3 = unit, w4 = unit;
    const Parameter b1 = xt::xarray<float>{0, 0}, b2 = xt::xarray<float>{1, 1}, b3 = xt::xarray<float>{-2.5F, 0};
    DetectAnomaly guard({{"w3", w3}});

    const Variable h1 = relu(linear(x, w1, b1));   // 3 4   1 2
    const Variable h2 = relu(linear(h1, w2, b2));  // 4 5   2 3
    const Variable z3 = linear(h2, w3, b3);        // 1.5 5   -0.5 3
    const Variable h3 = sqrt(z3);                  // nan at (1, 0)
    const Variable loss = mean(square(matmul(h3, w4)));
    constexpr int line = __LINE__ - 2;
    BOOST_TEST(std::isnan(loss.item()));

    const Anomaly found = caught([&] { loss.backward(); });
    BOOST_TEST((found.kind == Kind::output));
    check_place(found, "sqrt", __FILE__, line, {1, 0});
    BOOST_TEST(std::isnan(found.value));
    BOOST_TEST(found.argument == 0U);
    BOOST_TEST_REQUIRE(found.numbers.size() == 1U);
    BOOST_TEST(found.numbers[0].role == "argument 1");
    BOOST_TEST(found.numbers[0].origin == "linear at non_finite.cpp:" + std::to_string(line - 1));
    BOOST_TEST((found.numbers[0].element == Shape{1, 0}));
    BOOST_TEST(found.numbers[0].value == -0.5);
    check_names(found.path, {"sqrt", "matmul", "square", "mean"});
    BOOST_TEST(found.path[1].where.line == line + 1);
    BOOST_TEST(std::isnan(found.loss));
    BOOST_TEST(!w1.grad());
}

BOOST_AUTO_TEST_CASE(what_it_says) {
    const Parameter w = xt::xarray<float>{{2, 4, 8}, {1, 3, -1}};
    const Variable shift = xt::xarray<float>{1, 2, 0.5};
    const DetectAnomaly guard({{"w", w}});
    const int line = __LINE__ + 1;
    const Variable y = log(w - shift);
    const Variable loss = sum(y) / 6;
    std::string text;
    try {
        grad(loss, w);
    } catch (const NonFiniteError& error) {
        text = error.what();
    }
    const auto at = [&](int offset) { return "non_finite.cpp:" + std::to_string(line + offset); };
    BOOST_TEST(text == "log: its output is -inf at (1, 0), and what went into that is finite\n"
                       "  recorded at " +
                           at(0) +
                           "\n"
                           "  argument 1, subtract at " +
                           at(0) +
                           " (2, 3): 0 at (1, 0)\n"
                           "  path to the loss, nan: log (" +
                           at(0) + ") > sum (" + at(1) + ") > divide (" + at(1) + ")");
}

BOOST_AUTO_TEST_CASE(broadcast_arguments_are_shown_where_they_went_in) {
    const Parameter x = xt::xarray<float>{{1, 2, 3}, {4, 5, 6}};
    const Parameter row = xt::xarray<float>{1, 0, 2};
    const Parameter column(reshape(Variable(xt::xarray<float>{0, 7}), {2, 1}));
    DetectAnomaly guard({{"row", row}});
    const int line = __LINE__ + 1;
    const Anomaly found = caught([&] { sum((column + x) / row).backward(); });
    check_place(found, "divide", __FILE__, line, {0, 1});
    BOOST_TEST(found.value == double{inf});
    BOOST_TEST_REQUIRE(found.numbers.size() == 2U);
    BOOST_TEST(found.numbers[0].value == 2);  // 0 + 2
    BOOST_TEST(found.numbers[1].origin == "parameter row");
    BOOST_TEST((found.numbers[1].element == Shape{1}));
    BOOST_TEST(found.numbers[1].value == 0);

    const Parameter base = xt::xarray<float>{{1, 2, 3}, {4, 5, -1}};
    const Parameter exponent(reshape(Variable(xt::xarray<float>{2, 0.5}), {2, 1}));
    const Anomaly across = caught([&] { sum(pow(base, exponent)).backward(); });
    BOOST_TEST((across.element == Shape{1, 2}));
    BOOST_TEST(across.numbers[0].value == -1);
    BOOST_TEST((across.numbers[1].element == Shape{1, 0}));
    BOOST_TEST(across.numbers[1].value == 0.5);
}

BOOST_AUTO_TEST_CASE(plain_numbers_are_shown_too) {
    const Parameter x = xt::xarray<double>{3, 5};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { sum(x / 0.0).backward(); });
    BOOST_TEST(found.operation == "divide");
    BOOST_TEST_REQUIRE(found.numbers.size() == 2U);
    BOOST_TEST(found.numbers[0].value == 3);
    BOOST_TEST(found.numbers[1].origin == "a constant");
    BOOST_TEST(found.numbers[1].value == 0);
    const Anomaly power = caught([&] { sum(pow(0.0 * x, -0.5)).backward(); });
    BOOST_TEST(power.operation == "pow");
    BOOST_TEST(power.numbers[1].value == -0.5);
    const Anomaly flipped = caught([&] { sum(2.0 / (x - 5.0)).backward(); });
    BOOST_TEST(flipped.numbers[0].value == 2);
    BOOST_TEST(flipped.numbers[1].value == 0);
    BOOST_TEST((flipped.element == Shape{1}));
}

BOOST_AUTO_TEST_CASE(products_of_matrices_show_row_and_column) {
    const Parameter a = xt::xarray<float>{{1, 2}, {-3e38F, 1e38F}};
    const Parameter b = xt::xarray<float>{{0, 1, 5}, {0, 0, 2}};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { sum(matmul(a, b)).backward(); });
    BOOST_TEST(found.operation == "matmul");
    BOOST_TEST((found.element == Shape{1, 2}));  // -15e38 + 2e38, the first of which overflows
    BOOST_TEST(found.value == -double{inf});
    BOOST_TEST(found.numbers[0].part == "row 1");
    BOOST_TEST(found.numbers[0].lowest == double{-3e38F});
    BOOST_TEST(found.numbers[0].highest == double{1e38F});
    BOOST_TEST(found.numbers[1].part == "column 2");
    BOOST_TEST(found.numbers[1].lowest == 2);
    BOOST_TEST(found.numbers[1].highest == 5);
    BOOST_TEST(to_string(found).find("argument 2, a parameter (2, 3), column 2: from 2 to 5") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(reductions_show_ranges) {
    const Parameter x = xt::xarray<float>{{1e38F, 2e38F, 3e38F, -7}};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { (sum(x) * 1e-38).backward(); });
    BOOST_TEST(found.operation == "sum");
    BOOST_TEST((found.element == Shape{}));
    BOOST_TEST(!found.numbers[0].element);
    BOOST_TEST(found.numbers[0].lowest == -7);
    BOOST_TEST(found.numbers[0].highest == double{3e38F});
}

// ------------------------------------------------------------------------------------------------------ data

BOOST_AUTO_TEST_CASE(data_are_blamed_rather_than_operations) {
    const Parameter w = unit;
    const Variable x = xt::xarray<float>{{1, 2}, {3, not_a_number}, {not_a_number, 4}},
                   shift = xt::xarray<float>{0, inf};
    DetectAnomaly guard({{"w", w}});
    const int line = __LINE__ + 1;
    const Anomaly found = caught([&] { sum(exp(matmul(x, w))).backward(); });
    BOOST_TEST((found.kind == Kind::input));
    check_place(found, "matmul", __FILE__, line, {1, 1});
    BOOST_TEST(found.argument == 1U);
    BOOST_TEST_REQUIRE(found.numbers.size() == 1U);
    BOOST_TEST(found.numbers[0].origin == "a constant");
    BOOST_TEST(found.numbers[0].non_finite == 2);
    BOOST_TEST(found.numbers[0].count == 6);
    check_names(found.path, {"matmul", "exp", "sum"});
    BOOST_TEST(to_string(found).find("matmul: its argument 1, a constant, is nan at (1, 1) to begin with\n") == 0U);

    guard.name("shift", shift);
    const Anomaly added = caught([&] { sum(w + shift).backward(); });  // whose rule needs neither
    BOOST_TEST((added.kind == Kind::input));
    BOOST_TEST(added.argument == 2U);
    BOOST_TEST(added.numbers[0].origin == "constant shift");
    BOOST_TEST((added.element == Shape{1}));
    BOOST_TEST(added.value == double{inf});
    const Anomaly moved = caught([&] {
        sum(w + Variable(xt::xarray<float>{not_a_number, 1})).backward();
    });  // a temporary
    BOOST_TEST(moved.argument == 2U);
    BOOST_TEST((moved.element == Shape{0}));
}

BOOST_AUTO_TEST_CASE(parameters_that_are_not_finite_are_named) {
    nn::Sequential net{nn::Linear(2, 3), relu, nn::Linear(3, 1)};
    const nn::NamedParameters parameters = net.named_parameters();
    BOOST_TEST_REQUIRE(parameters[2].first == "2.weight");
    Array bad = parameters[2].second.array().copy();
    bad.mutable_data<float>()[1] = not_a_number;
    parameters[2].second.assign(bad);
    const Variable x = xt::xarray<float>{{1, 2}};
    const DetectAnomaly guard(parameters);
    const Anomaly found = caught([&] { mean(net(x)).backward(); });
    BOOST_TEST((found.kind == Kind::input));
    BOOST_TEST(found.operation == "parameter 2.weight");
    BOOST_TEST((found.element == Shape{1, 0}));
    check_names(found.path, {"parameter 2.weight", "linear", "mean"});
    BOOST_TEST(to_string(found).find("parameter 2.weight is nan at (1, 0) to begin with\n") == 0U);
}

BOOST_AUTO_TEST_CASE(lists_and_joint_operations) {
    const Parameter x = xt::xarray<float>{{1, 2, 3}}, w = xt::xarray<float>{1, 1, 1};
    const Variable bias = xt::xarray<float>{0, not_a_number, 0}, more = xt::xarray<float>{{0, 0, inf}};
    const DetectAnomaly guard;
    const Anomaly normalised = caught([&] { sum(layer_norm(x, {3}, w, bias)).backward(); });
    BOOST_TEST(normalised.operation == "layer_norm");
    BOOST_TEST(normalised.argument == 3U);
    BOOST_TEST((normalised.element == Shape{1}));
    const Anomaly joined = caught([&] { sum(concatenate({x, more})).backward(); });
    BOOST_TEST(joined.operation == "concatenate");
    BOOST_TEST(joined.argument == 2U);
    BOOST_TEST((joined.element == Shape{0, 2}));
}

BOOST_AUTO_TEST_SUITE_END()
